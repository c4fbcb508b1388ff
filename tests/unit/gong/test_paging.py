"""Paging: from cursor to cursor, and out again."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from support.given_settings import settings_of
from support.raw_server import answering
from support.sandbox_asking import COMPANY, WINDOW, asking

from tap_gong_activity.base.cancellation import Cancellation, CancelledError
from tap_gong_activity.base.errors import GongError
from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.extract.windows import Window
from tap_gong_activity.gong.endpoints import users_request
from tap_gong_activity.gong.rate_limit import FIRST, priority
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
    assert window_request(settings_of(), WINDOW).parameters == {
        "aggregationPeriod": "DAY",
        "filter": {"fromDate": "2025-03-03", "toDate": "2025-03-05"},
    }
    given: dict[str, Any] = {
        "user_ids": ["00000000000000000007", "8"],
        "users_created_from": "2024-01-31T00:00:00Z",
        "users_created_to": "2024-02-28T12:30:00+05:30",
    }
    assert window_request(settings_of(**given), Window(Grain.WEEK, date(2025, 3, 3), date(2025, 3, 17))).parameters == {
        "aggregationPeriod": "WEEK",
        "filter": {
            "fromDate": "2025-03-03",
            "toDate": "2025-03-17",
            "userIds": ["00000000000000000007", "8"],
            "createdFromDateTime": "2024-01-31T00:00:00Z",
            "createdToDateTime": "2024-02-28T12:30:00+05:30",
        },
    }


def test_users_are_requested_by_get_with_avatars() -> None:
    """The cursor is in the query string, too."""
    with asking(page_size=PAGE_SIZE) as found:
        pages = list(found.page_reader.read(users_request()))
        assert len(pages) > 2
        assert {(record.method, record.path) for record in found.requests} == {("GET", "/v2/users")}
        assert {record.query.pop("includeAvatars") for record in found.requests} == {"true"}
        assert [list(record.query) for record in found.requests] == [[], *[["cursor"]] * (len(pages) - 1)]


def test_every_page_is_read_with_the_same_body_and_its_cursor() -> None:
    """Each user once and in Gong's order; the cursor stands at top level and in no first request."""
    assert len(PAGES) > 3
    with asking(page_size=PAGE_SIZE) as found:
        assert users_of(found.pages()) == PAGES
        first, *others = bodies_of(found)
        assert first == window_request(found.settings, WINDOW).parameters
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
def test_an_absent_null_or_empty_cursor_ends_a_reading(fault: str) -> None:
    """Whatever comes behind it; that users are missing is noticed by the total of the last page that has one."""
    with asking(f"{fault},page=1", page_size=PAGE_SIZE) as found:
        assert users_of(found.pages())[:2] == PAGES[:2]
        assert len(found.requests) == 4


def test_a_page_without_a_total_and_users_fails_if_users_are_missing() -> None:
    """What the first page counted is not taken back by a second one that says nothing."""
    with asking('set=:{"records":{}},page=1,at=1', page_size=PAGE_SIZE) as found:
        assert users_of(found.pages()) == PAGES
        assert len(found.log) == 1
        assert "has no usersAggregateActivity" in found.log[0]


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
        with pytest.raises(GongError, match="same cursor twice for this request"):
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
        # No page waits, however long the run has taken.
        found.clock.pass_by(100)
        with pytest.raises(GongError, match=r"The cursor has expired.*also after starting over") as caught:
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


# Whole answers


def total(users: int, **conditions: str) -> str:
    """Have Gong count that many users."""
    return ",".join([f"set=records.totalRecords:{users}", *(f"{name}={value}" for name, value in conditions.items())])


def test_a_repeated_user_is_counted_once() -> None:
    """It's still whole."""
    with asking("repeated_user,page=1", page_size=PAGE_SIZE) as found:
        assert [users[-PAGE_SIZE:] for users in users_of(found.pages())] == PAGES
        assert len(found.requests) == len(PAGES)


@pytest.mark.parametrize("fault", ["drop=records.cursor,page=1,at=1", "set=usersAggregateActivity:[],page=2,at=1"])
def test_missing_users_are_read_again_once(fault: str) -> None:
    """With the second reading nobody is missing, so nothing is warned of."""
    with asking(fault, page_size=PAGE_SIZE) as found:
        pages = users_of(found.pages())
        assert pages[-len(PAGES) :] == PAGES
        assert len(found.requests) == len(pages) > len(PAGES)
        assert not found.warnings


def test_users_are_counted_over_both_readings() -> None:
    """Each of them lacks others."""
    faults = "set=usersAggregateActivity:[],page=0,at=1", "set=usersAggregateActivity:[],page=1,at=2"
    with asking(*faults, page_size=PAGE_SIZE) as found:
        pages = users_of(found.pages())
        assert {user for page in pages for user in page} == set(USERS)
        assert len(pages) == 2 * len(PAGES)
        assert not found.warnings


@pytest.mark.parametrize("users", [len(USERS) + 1, 10**30])
def test_users_who_stay_missing_are_warned_of_with_both_numbers(users: int) -> None:
    """The window is complete then."""
    with asking(total(users), page_size=PAGE_SIZE) as found:
        assert users_of(found.pages()) == [*PAGES, *PAGES]
        assert list(found.warnings) == ["missing users"]
        assert f"{users:,} users" in found.warnings["missing users"]
        assert f"returned {len(USERS):,}," in found.warnings["missing users"]
        assert "2025-03-03 to 2025-03-05" in found.warnings["missing users"]


def test_the_total_of_a_second_reading_replaces_the_first_ones() -> None:
    """Somebody may have left in between."""
    with asking(f"{total(1_000)},at=1", page_size=1_000) as found:
        assert users_of(found.pages()) == [USERS, USERS]
        assert not found.warnings


def test_a_second_reading_waits_until_its_pages_are_being_written() -> None:
    """Which requests are read twice doesn't depend on threads."""
    with asking(total(1_000), page_size=1_000) as found:
        before = priority.set(lambda: FIRST if len(found.clock.waits) == 3 else 1)
        try:
            assert users_of(found.pages()) == [USERS, USERS]
        finally:
            priority.reset(before)
        assert found.clock.waits == [0.1] * 3


def test_a_second_reading_without_a_total_leaves_the_first_ones() -> None:
    """The users who are missing stay missing."""
    with asking(f"{total(1_000)},at=1", "drop=records.totalRecords,at=2", page_size=1_000) as found:
        assert users_of(found.pages()) == [USERS, USERS]
        assert "1,000 users" in found.warnings["missing users"]


def test_the_total_of_the_last_page_counts() -> None:
    """Earlier ones may be out of date."""
    with asking(total(10_000, page="0"), total(10_000, page="1"), page_size=PAGE_SIZE) as found:
        assert users_of(found.pages()) == PAGES
        assert not found.warnings


def test_nobody_where_gong_counts_some_is_read_again() -> None:
    """An empty list is as wrong as a short one."""
    with asking("set=usersAggregateActivity:[]", page_size=1_000) as found:
        assert users_of(found.pages()) == [[], []]
        assert "returned 0," in found.warnings["missing users"]


@pytest.mark.parametrize("users", [0, len(USERS) - 1, len(USERS), '"many"', "3.5", "null", "true"])
def test_a_total_that_nobody_is_missing_from_changes_nothing(users: object) -> None:
    """Too small or no whole number."""
    with asking(f"set=records.totalRecords:{users}", page_size=PAGE_SIZE) as found:
        assert users_of(found.pages()) == PAGES
        assert not found.warnings


def test_totals_are_no_longer_believed_after_two_vain_readings() -> None:
    """A mismatch that repeats must not double the requests of a whole run."""
    with asking(total(1_000), page_size=1_000) as found:
        for _ in range(2):
            list(found.pages())
        assert found.warnings.pop("missing users").endswith(", also when requested again; continuing with those.")
        for _ in range(3):
            list(found.pages())
        assert found.warnings["missing users"].endswith(f" returned {len(USERS)}; continuing with those.")
        assert len(found.requests) == 2 + 2 + 1 + 1 + 1


def test_a_second_reading_that_finds_somebody_is_not_in_vain() -> None:
    """Even if others are still missing."""
    first_readings = [f"set=usersAggregateActivity:[],at={number}" for number in (1, 3, 5, 7)]
    with asking(total(1_000), *first_readings, page_size=1_000) as found:
        for _ in range(4):
            list(found.pages())
        assert len(found.requests) == 8


def test_errors_in_a_200_are_retried_then_end_the_run_in_gongs_words() -> None:
    """On any page, without a secret, and with the request ID."""
    errors = '["The sandbox-access-key-secret of someone@example.com failed"]'
    with asking(f"set=errors:{errors},page=1,at=1-2", page_size=PAGE_SIZE, given={"max_retries": 2}) as found:
        assert users_of(found.pages()) == PAGES
        assert len(found.requests) == len(PAGES) + 2
    with asking(f"set=errors:{errors},page=1", page_size=PAGE_SIZE, given={"max_retries": 2}) as found:
        with pytest.raises(GongError, match=r"Gong returned 200 OK, saying .*failed.*requestId [0-9a-f]+") as caught:
            list(found.pages())
        assert len(found.requests) == 4
        assert "sandbox-access-key-secret" not in str(caught.value)
        assert "someone" not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "named", "request_id"),
    [
        ("drop=*", "neither records nor usersAggregateActivity", "x-traceid"),
        ("set=records:7", "records", "requestId"),
        ("drop=usersAggregateActivity", "no usersAggregateActivity", "requestId"),
    ],
)
@pytest.mark.parametrize("page", [0, 1])
def test_an_incomplete_page_is_retried_then_ends_the_run(fault: str, named: str, request_id: str, page: int) -> None:
    """The message names the field, and an ID for Gong's support."""
    with asking(f"{fault},page={page},at=1-2", page_size=PAGE_SIZE, given={"max_retries": 2}) as found:
        assert users_of(found.pages()) == PAGES
        assert len(found.requests) == len(PAGES) + 2
    with asking(f"{fault},page={page}", page_size=PAGE_SIZE, given={"max_retries": 2}) as found:
        with pytest.raises(GongError, match=f"Gong returned 200 OK, but the response .*{named}.*{request_id}"):
            list(found.pages())
        assert len(found.requests) == page + 3


@pytest.mark.parametrize("fault", ["drop=usersAggregateActivity", "null=usersAggregateActivity"])
def test_a_page_without_the_array_is_empty_if_nobody_is_missing(fault: str) -> None:
    """As Gong's counts say, which are evidence."""
    last = len(PAGES) - 1
    with asking(f"{fault},page={last}", total(PAGE_SIZE * last, page=str(last)), page_size=PAGE_SIZE) as found:
        assert [json.loads(page).get("usersAggregateActivity") for page in found.pages()][last:] == [None]
        assert len(found.requests) == len(PAGES)
    with asking(fault, "drop=records.totalRecords", page_size=1_000) as found:
        assert len(list(found.pages())) == 1


# An end to paging


@pytest.mark.parametrize("first", [0, 2])
def test_ten_pages_without_a_new_user_end_the_run(first: int) -> None:
    """Each has a cursor of its own, so nothing else would."""
    with asking(*(f"empty_page,page={page}" for page in range(first, 9)), page_size=PAGE_SIZE) as found:
        with pytest.raises(GongError, match="10 pages in a row without a new user"):
            list(found.pages())
        assert len(found.requests) == first + 10


def test_users_who_come_again_are_not_new() -> None:
    """They needn't be those of the page before."""
    users = [f'set=usersAggregateActivity:[{{"userId":"{"ab"[page % 2]}"}}],page={page}' for page in range(13)]
    with asking(*users, page_size=1) as found:
        with pytest.raises(GongError, match="10 pages in a row without a new user"):
            list(found.pages())
        assert len(found.requests) == 2 + 10


def test_nine_pages_without_a_new_user_are_no_reason_to_stop() -> None:
    """More users follow."""
    with asking("empty_page,page=1,at=1-9", page_size=PAGE_SIZE) as found:
        assert [page for page in users_of(found.pages()) if page] == PAGES


def test_a_cursor_longer_than_64_kb_ends_the_run() -> None:
    """It isn't retried."""
    with asking(f'set=records.cursor:"{"x" * 70_000}",page=1', page_size=PAGE_SIZE) as found:
        with pytest.raises(GongError, match="longer than 64 kB"):
            list(found.pages())
        assert len(found.requests) == 2


# Waiting for memory


def test_a_cursor_that_expired_while_its_page_waited_costs_no_restart() -> None:
    """As often as the reading comes further each time; what Gong refuses of itself still counts."""
    with asking(page_size=PAGE_SIZE, cursor_lifetime=60.0) as found:
        pages = found.pages()
        taken = [next(pages)]
        for length in (2, 3):
            found.clock.pass_by(61)
            taken += [next(pages) for _ in range(length)]
        assert users_of(taken) == [*PAGES[:1], *PAGES[:2], *PAGES[:3]]
        found.sandbox.inject("cursor_expired,page=3,at=1")
        assert users_of(pages) == PAGES


def test_a_target_too_slow_for_any_cursor_ends_the_run() -> None:
    """Instead of reading the first pages for ever."""
    with asking(page_size=PAGE_SIZE, cursor_lifetime=60.0) as found:

        def read_slowly() -> None:
            for _ in found.pages():
                found.clock.pass_by(61)

        with pytest.raises(GongError, match="also after starting over from the first page"):
            read_slowly()
        assert len(found.requests) == 6


# Text


def test_lone_surrogates_are_warned_of_once_and_other_users_come() -> None:
    """As U+FFFD in the user's own text."""
    users = [{"userId": "1", "userEmailAddress": "\ud800"}, {"userId": "2", "userEmailAddress": "two"}]
    body = json.dumps({"records": {"totalRecords": 2}, "usersAggregateActivity": users}).encode()
    with answering("200 OK", body) as url, asking(given={"api_url": url, "max_retries": 0}) as found:
        (page,) = found.pages()
        assert [user["userEmailAddress"] for user in json.loads(page)["usersAggregateActivity"]] == ["\ufffd", "two"]
        assert list(found.warnings) == ["lone surrogates"]
        assert "2025-03-03 to 2025-03-05: Gong returned lone surrogates" in found.warnings["lone surrogates"]
