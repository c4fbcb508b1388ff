"""Paging: from cursor to cursor, and out again."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from support.given_settings import settings_of
from support.sandbox_asking import COMPANY, WINDOW, asking

from tap_gong_activity.base.cancellation import Cancellation, CancelledError
from tap_gong_activity.base.errors import GongError
from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.extract.windows import Window
from tap_gong_activity.streams.activity import window_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.sandbox_asking import Asking

USERS = [found.user.user_id for found in COMPANY.activity("DAY", WINDOW.start, WINDOW.end)]
PAGE_SIZE = 4
PAGES = [USERS[first : first + PAGE_SIZE] for first in range(0, len(USERS), PAGE_SIZE)]


def users_of(pages: Iterable[bytes | bytearray]) -> list[list[str]]:
    """The users of each page."""
    return [[user["userId"] for user in json.loads(page)["usersAggregateActivity"]] for page in pages]


def bodies_of(found: Asking) -> list[dict[str, Any]]:
    """What was sent."""
    return [record.body for record in found.requests]


def test_a_window_is_asked_for_in_gongs_words() -> None:
    """The period at top level and upper case, plain dates, and no filter that was not set."""
    assert window_request(settings_of(), WINDOW).body == {
        "aggregationPeriod": "DAY",
        "filter": {"fromDate": "2025-03-03", "toDate": "2025-03-05"},
    }
    given: dict[str, Any] = {
        "user_ids": ["00000000000000000007", "8"],
        "users_created_from": "2024-01-31T00:00:00Z",
        "users_created_to": "2024-02-28T12:30:00+05:30",
    }
    assert window_request(settings_of(**given), Window(Grain.WEEK, date(2025, 3, 3), date(2025, 3, 17))).body == {
        "aggregationPeriod": "WEEK",
        "filter": {
            "fromDate": "2025-03-03",
            "toDate": "2025-03-17",
            "userIds": ["00000000000000000007", "8"],
            "createdFromDateTime": "2024-01-31T00:00:00Z",
            "createdToDateTime": "2024-02-28T12:30:00+05:30",
        },
    }


def test_every_page_is_read_with_the_same_body_and_its_cursor() -> None:
    """Each user once and in Gong's order; the cursor stands at top level and in no first request."""
    assert len(PAGES) > 3
    with asking(page_size=PAGE_SIZE) as found:
        assert users_of(found.pages()) == PAGES
        first, *others = bodies_of(found)
        assert first == window_request(found.settings, WINDOW).body
        cursors = [body.pop("cursor") for body in others]
        assert others == [first] * (len(PAGES) - 1)
        assert len(set(cursors)) == len(cursors)
        assert set(found.statuses) == {200}
        assert not found.warnings


def test_a_page_is_given_out_before_the_next_is_asked_for() -> None:
    """So that whoever stops early costs no call."""
    with asking(page_size=PAGE_SIZE) as found:
        pages = found.pages()
        next(pages)
        assert len(found.requests) == 1
        next(pages)
        assert len(found.requests) == 2


@pytest.mark.parametrize(
    "fault", ["set=records.cursor:null", 'set=records.cursor:""', "drop=records.cursor", "null=records"]
)
def test_a_null_or_empty_cursor_ends_the_window(fault: str) -> None:
    """As an absent one does."""
    with asking(f"{fault},page=1", page_size=PAGE_SIZE) as found:
        assert users_of(found.pages()) == PAGES[:2]


@pytest.mark.parametrize("page", [0, 1, 2])
def test_an_empty_page_with_a_cursor_goes_on(page: int) -> None:
    """Users come behind it."""
    with asking(f"empty_page,page={page},at=1", page_size=PAGE_SIZE) as found:
        assert users_of(found.pages()) == [*PAGES[:page], [], *PAGES[page:]]


@pytest.mark.parametrize(
    ("fault", "pages_before"),
    [
        ("cursor_unchanged,page=1", 2),
        ("cursor_unchanged,page=2", 3),
        ("cursor_seen,page=2", 3),
        ("cursor_seen,page=3", 4),
    ],
)
def test_a_cursor_that_comes_again_stops_the_run(fault: str, pages_before: int) -> None:
    """What was read is given out, and nothing is asked for in a circle."""
    with asking(fault, page_size=PAGE_SIZE) as found:
        pages = found.pages()
        assert users_of(next(pages) for _ in range(pages_before)) == PAGES[:pages_before]
        with pytest.raises(GongError, match="cursor that it had given for this window before"):
            next(pages)
        assert len(found.requests) == pages_before


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("page", [1, 2])
def test_a_cursor_that_is_refused_starts_the_window_over(status: int, page: int) -> None:
    """From the first page, without a cursor, and with one warning."""
    with asking(f"status={status},error=The cursor has expired,page={page},at=1", page_size=PAGE_SIZE) as found:
        assert users_of(found.pages()) == [*PAGES[:page], *PAGES]
        assert ["cursor" in body for body in bodies_of(found)] == [
            *([False] + [True] * page),
            *([False] + [True] * (len(PAGES) - 1)),
        ]
        assert list(found.warnings) == ["cursor"]
        assert "The cursor has expired" in found.warnings["cursor"]
        assert "2025-03-03 to 2025-03-05" in found.warnings["cursor"]


@pytest.mark.parametrize("status", [400, 404])
def test_a_window_is_started_over_once_only(status: int) -> None:
    """A second refusal ends the run with Gong's words, whichever page it comes on."""
    with asking(f"status={status},error=The cursor has expired,page=2", page_size=PAGE_SIZE) as found:
        with pytest.raises(GongError, match=r"The cursor has expired.*also after the window was read again") as caught:
            list(found.pages())
        assert caught.value.status == status
        assert len(found.requests) == 6


def test_an_expired_cursor_starts_the_window_over() -> None:
    """As the sandbox lets it expire, by its own clock."""
    with asking(page_size=PAGE_SIZE, cursor_lifetime=60.0) as found:
        pages = found.pages()
        assert users_of([next(pages)]) == PAGES[:1]
        found.clock.pass_by(61)
        assert users_of(pages) == PAGES
        assert "expired" in found.warnings["cursor"]


@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_first_page_ends_the_run(status: int) -> None:
    """There was no cursor that could have expired."""
    with asking(f"status={status},error=filter.toDate must not exceed the current day") as found:
        with pytest.raises(GongError, match=r"filter\.toDate must not exceed the current day"):
            list(found.pages())
        assert len(found.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 422])
def test_another_refusal_of_a_later_page_ends_the_run(status: int) -> None:
    """Reading the window again would not help."""
    with asking(f"status={status},page=1", page_size=PAGE_SIZE) as found:
        with pytest.raises(GongError, match=str(status)):
            list(found.pages())
        assert len(found.requests) == 2


def test_a_window_without_anybody_is_empty_with_a_warning() -> None:
    """Gong tells it with a 404, which is no failure."""
    with asking("status=404,error=No user activity found") as found:
        assert list(found.pages()) == []
        assert len(found.requests) == 1
        assert list(found.warnings) == ["nothing found"]
        assert "No user activity found" in found.warnings["nothing found"]
        assert "user_ids" not in found.warnings["nothing found"]


def test_the_warning_names_user_ids_where_they_are_set() -> None:
    """They are the likeliest cause then."""
    with asking(given={"user_ids": ["1"]}) as found:
        assert list(found.pages()) == []
        assert found.statuses == [404]
        assert "user_ids" in found.warnings["nothing found"]


def test_a_wrong_host_is_no_empty_window() -> None:
    """It answers 404 as well, but not in Gong's envelope."""
    with asking("status=404,envelope=no") as found, pytest.raises(GongError, match="api_url"):
        list(found.pages())


def test_a_window_that_is_no_longer_wanted_asks_for_no_further_page() -> None:
    """Neither for its first."""
    window = Cancellation()
    with asking(page_size=PAGE_SIZE) as found, window.bound():
        pages = found.pages()
        next(pages)
        window.cancel()
        with pytest.raises(CancelledError):
            next(pages)
        with pytest.raises(CancelledError):
            next(found.pages())
        assert len(found.requests) == 1


@pytest.mark.parametrize("fault", ["repeated_user,page=1", "changing_totals"])
def test_neither_totals_nor_repeated_users_decide_when_a_window_ends(fault: str) -> None:
    """Only the cursor does."""
    with asking(fault, page_size=PAGE_SIZE) as found:
        pages = users_of(found.pages())
        assert [users[-len(expected) :] for users, expected in zip(pages, PAGES, strict=True)] == PAGES
