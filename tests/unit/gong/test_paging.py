"""Paging: from cursor to cursor, restarts, second readings, and an end in any case."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.default_config import settings_with
from support.raw_server import answering
from support.sandbox_clients import COMPANY, WINDOW, asking

from tap_gong_activity.base.cancellation import Cancellation, CancelledError
from tap_gong_activity.base.errors import GongError
from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.extract.windows import Window
from tap_gong_activity.gong.endpoints import users_request
from tap_gong_activity.gong.rate_limit import FIRST, priority
from tap_gong_activity.streams.activity import window_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.sandbox_clients import Asking

USERS = [found.user.user_id for found in COMPANY.activity("DAY", WINDOW.start, WINDOW.end)]
PAGE_SIZE = 4
PAGES = [USERS[first : first + PAGE_SIZE] for first in range(0, len(USERS), PAGE_SIZE)]


def users_of(pages: Iterable[bytes | bytearray]) -> list[list[str]]:
    """Return the users of each page."""
    return [[user["userId"] for user in json.loads(page)["usersAggregateActivity"]] for page in pages]


def bodies_of(found: Asking) -> list[dict[str, Any]]:
    """Return the bodies of the requests."""
    return [record.body for record in found.requests]


def test_a_window_is_requested_in_gongs_terms() -> None:
    """The period is at top level and in upper case, dates are plain, and no filter is sent unless it's set."""
    assert window_request(settings_with(), WINDOW).parameters == {
        "aggregationPeriod": "DAY",
        "filter": {"fromDate": "2025-03-03", "toDate": "2025-03-05"},
    }
    given: dict[str, Any] = {
        "user_ids": ["00000000000000000007", "8"],
        "users_created_from": "2024-01-31T00:00:00Z",
        "users_created_to": "2024-02-28T12:30:00+05:30",
    }
    assert window_request(
        settings_with(**given), Window(Grain.WEEK, date(2025, 3, 3), date(2025, 3, 17))
    ).parameters == {
        "aggregationPeriod": "WEEK",
        "filter": {
            "fromDate": "2025-03-03",
            "toDate": "2025-03-17",
            "userIds": ["00000000000000000007", "8"],
            "createdFromDateTime": "2024-01-31T00:00:00Z",
            "createdToDateTime": "2024-02-28T12:30:00+05:30",
        },
    }


@pytest.mark.parametrize(("days", "max_bytes"), [(1, 33_554_432), (90, 92_160_000)])
def test_the_maximum_size_of_a_page_grows_with_its_window(days: int, max_bytes: int) -> None:
    """It has room for a thousand users with a kilobyte for each period."""
    window = Window(Grain.DAY, date(2025, 1, 1), date(2025, 1, 1) + timedelta(days=days))
    assert window_request(settings_with(), window).max_bytes == max_bytes


def test_users_are_requested_by_get_with_avatars() -> None:
    """The cursor is in the query string, too."""
    with asking(page_size=PAGE_SIZE) as found:
        pages = list(found.page_reader.read(users_request()))
        assert len(pages) > 2
        assert {(record.method, record.path) for record in found.requests} == {("GET", "/v2/users")}
        assert {record.query.pop("includeAvatars") for record in found.requests} == {"true"}
        assert [list(record.query) for record in found.requests] == [[], *[["cursor"]] * (len(pages) - 1)]


def test_every_page_is_read_with_the_same_body_and_its_cursor() -> None:
    """Users keep Gong's order, and the first request has no cursor."""
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


def test_a_page_is_yielded_before_the_next_is_requested() -> None:
    """Stopping early saves requests."""
    with asking(page_size=PAGE_SIZE) as found:
        pages = found.pages()
        next(pages)
        assert len(found.requests) == 1
        next(pages)
        assert len(found.requests) == 2


@pytest.mark.parametrize("fault", ["drop=records.cursor", "null=records"])
def test_a_page_without_a_cursor_is_the_last(fault: str) -> None:
    """The total of the last page that has one shows that users are missing."""
    with asking(f"{fault},page=1", page_size=PAGE_SIZE) as found:
        assert users_of(found.pages())[:2] == PAGES[:2]
        assert len(found.requests) == 4


def test_a_page_without_a_total_and_users_fails_if_users_are_missing() -> None:
    """The first page's total holds until another page has one."""
    with asking('set=:{"records":{}},page=1,at=1', page_size=PAGE_SIZE) as found:
        assert users_of(found.pages()) == PAGES
        assert len(found.log) == 1
        assert "has no usersAggregateActivity" in found.log[0]


@pytest.mark.parametrize("page", [0, 1])
def test_an_empty_page_with_a_cursor_is_not_the_last(page: int) -> None:
    """Users follow."""
    with asking(f"empty_page,page={page},at=1", page_size=PAGE_SIZE) as found:
        assert users_of(found.pages()) == [*PAGES[:page], [], *PAGES[page:]]


@pytest.mark.parametrize(
    ("fault", "pages_before"),
    [
        ("cursor_unchanged,page=1", 2),
        ("cursor_seen,page=3", 4),
    ],
)
def test_a_repeated_cursor_ends_the_run(fault: str, pages_before: int) -> None:
    """The pages before it are yielded."""
    with asking(fault, page_size=PAGE_SIZE) as found:
        pages = found.pages()
        assert users_of(next(pages) for _ in range(pages_before)) == PAGES[:pages_before]
        with pytest.raises(GongError, match="same cursor twice for this request"):
            next(pages)
        assert len(found.requests) == pages_before


@pytest.mark.parametrize(("status", "page"), [(400, 1), (404, 2)])
def test_a_refused_cursor_restarts_the_window(status: int, page: int) -> None:
    """Reading begins with the first page again, and one warning says so."""
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
def test_a_window_is_restarted_only_once(status: int) -> None:
    """A second refusal ends the run with Gong's words."""
    with asking(f"status={status},error=The cursor has expired,page=2", page_size=PAGE_SIZE) as found:
        # No page waits, however long the run has taken.
        found.clock.pass_by(100)
        with pytest.raises(GongError, match=r"The cursor has expired.*also after starting over") as caught:
            list(found.pages())
        assert caught.value.status == status
        assert len(found.requests) == 6


def test_a_refused_first_page_ends_the_run() -> None:
    """It has no cursor that could have expired."""
    with asking("status=400,error=filter.toDate must not exceed the current day") as found:
        with pytest.raises(GongError, match=r"filter\.toDate must not exceed the current day"):
            list(found.pages())
        assert len(found.requests) == 1


def test_another_refusal_of_a_later_page_ends_the_run() -> None:
    """Only 400 and 404 can mean that a cursor expired."""
    with asking("status=422,page=1", page_size=PAGE_SIZE) as found:
        with pytest.raises(GongError, match="422"):
            list(found.pages())
        assert len(found.requests) == 2


def test_a_window_without_users_is_empty_and_causes_a_warning() -> None:
    """Gong responds with a 404, which isn't a failure."""
    with asking("status=404,error=No user activity found") as found:
        assert list(found.pages()) == []
        assert len(found.requests) == 1
        assert list(found.warnings) == ["nothing found"]
        assert "No user activity found" in found.warnings["nothing found"]
        assert found.warnings["nothing found"].endswith("; treating 2025-03-03 to 2025-03-05 as empty.")


def test_the_warning_names_user_ids_if_they_are_set() -> None:
    """They're the most likely cause."""
    with asking(given={"user_ids": ["1"]}) as found:
        assert list(found.pages()) == []
        assert found.statuses == [404]
        assert "user_ids" in found.warnings["nothing found"]


def test_a_wrong_host_is_no_empty_window() -> None:
    """It responds with a 404, too, but without Gong's envelope."""
    with asking("status=404,envelope=no") as found, pytest.raises(GongError, match="api_url"):
        list(found.pages())


def test_a_cancelled_window_requests_no_further_page() -> None:
    """Nor its first."""
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


# Complete responses


def total(users: int, **conditions: str) -> str:
    """Return a fault that sets Gong's total."""
    return ",".join([f"set=records.totalRecords:{users}", *(f"{name}={value}" for name, value in conditions.items())])


def test_a_repeated_user_is_counted_once() -> None:
    """The window is still complete."""
    with asking("repeated_user,page=1", page_size=PAGE_SIZE) as found:
        assert [users[-PAGE_SIZE:] for users in users_of(found.pages())] == PAGES
        assert len(found.requests) == len(PAGES)


@pytest.mark.parametrize("fault", ["drop=records.cursor,page=1,at=1", "set=usersAggregateActivity:[],page=2,at=1"])
def test_a_window_with_missing_users_is_read_again(fault: str) -> None:
    """The second reading is complete, so there's no warning."""
    with asking(fault, page_size=PAGE_SIZE) as found:
        pages = users_of(found.pages())
        assert pages[-len(PAGES) :] == PAGES
        assert len(found.requests) == len(pages) > len(PAGES)
        assert not found.warnings


def test_users_are_counted_over_both_readings() -> None:
    """Each of them lacks other users."""
    faults = "set=usersAggregateActivity:[],page=0,at=1", "set=usersAggregateActivity:[],page=1,at=2"
    with asking(*faults, page_size=PAGE_SIZE) as found:
        pages = users_of(found.pages())
        assert {user for page in pages for user in page} == set(USERS)
        assert len(pages) == 2 * len(PAGES)
        assert not found.warnings


@pytest.mark.parametrize("users", [len(USERS) + 1, 10**30])
def test_users_who_stay_missing_cause_a_warning_with_both_numbers(users: int) -> None:
    """The window counts as complete."""
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


def test_a_second_reading_without_a_total_keeps_the_first_ones() -> None:
    """The users stay missing."""
    with asking(f"{total(1_000)},at=1", "drop=records.totalRecords,at=2", page_size=1_000) as found:
        assert users_of(found.pages()) == [USERS, USERS]
        assert "1,000 users" in found.warnings["missing users"]


def test_the_total_of_the_last_page_counts() -> None:
    """Earlier ones can be out of date."""
    with asking(total(10_000, page="0"), total(10_000, page="1"), page_size=PAGE_SIZE) as found:
        assert users_of(found.pages()) == PAGES
        assert not found.warnings


def test_a_window_without_any_of_the_users_counted_is_read_again() -> None:
    """An empty array is as wrong as a short one."""
    with asking("set=usersAggregateActivity:[]", page_size=1_000) as found:
        assert users_of(found.pages()) == [[], []]
        assert "returned 0," in found.warnings["missing users"]


@pytest.mark.parametrize("users", [len(USERS) - 1, len(USERS), '"many"'])
def test_a_total_that_is_reached_or_not_a_number_changes_nothing(users: object) -> None:
    """No user is missing."""
    with asking(f"set=records.totalRecords:{users}", page_size=PAGE_SIZE) as found:
        assert users_of(found.pages()) == PAGES
        assert not found.warnings


def test_totals_are_ignored_after_two_fruitless_readings() -> None:
    """A mismatch that repeats must not double the requests of a run."""
    with asking(total(1_000), page_size=1_000) as found:
        for _ in range(2):
            list(found.pages())
        assert found.warnings.pop("missing users").endswith(", also when requested again; continuing with those.")
        for _ in range(3):
            list(found.pages())
        assert found.warnings["missing users"].endswith(f" returned {len(USERS)}; continuing with those.")
        assert len(found.requests) == 2 + 2 + 1 + 1 + 1


def test_a_second_reading_with_a_new_user_is_not_fruitless() -> None:
    """Even if others are still missing."""
    first_readings = [f"set=usersAggregateActivity:[],at={number}" for number in (1, 3, 5, 7)]
    with asking(total(1_000), *first_readings, page_size=1_000) as found:
        for _ in range(4):
            list(found.pages())
        assert len(found.requests) == 8


def test_errors_in_a_200_are_retried_then_end_the_run_in_gongs_words() -> None:
    """The message contains no secret, and the request ID."""
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
def test_an_incomplete_page_is_retried_then_ends_the_run(fault: str, named: str, request_id: str) -> None:
    """The message names the field, and an ID for Gong's support."""
    with asking(f"{fault},page=1,at=1-2", page_size=PAGE_SIZE, given={"max_retries": 2}) as found:
        assert users_of(found.pages()) == PAGES
        assert len(found.requests) == len(PAGES) + 2
    with asking(f"{fault},page=1", page_size=PAGE_SIZE, given={"max_retries": 2}) as found:
        with pytest.raises(GongError, match=f"Gong returned 200 OK, but the response .*{named}.*{request_id}"):
            list(found.pages())
        assert len(found.requests) == 4


@pytest.mark.parametrize("fault", ["drop=usersAggregateActivity", "null=usersAggregateActivity"])
def test_a_page_without_the_array_is_empty_if_no_user_is_missing(fault: str) -> None:
    """Gong's total says so, or isn't there."""
    last = len(PAGES) - 1
    with asking(f"{fault},page={last}", total(PAGE_SIZE * last, page=str(last)), page_size=PAGE_SIZE) as found:
        assert [json.loads(page).get("usersAggregateActivity") for page in found.pages()][last:] == [None]
        assert len(found.requests) == len(PAGES)
    with asking(fault, "drop=records.totalRecords", page_size=1_000) as found:
        assert len(list(found.pages())) == 1


# An end to paging


@pytest.mark.parametrize("first", [0, 2])
def test_ten_pages_without_a_new_user_end_the_run(first: int) -> None:
    """Nothing else would, because each has a new cursor."""
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
    """That holds as long as each reading gets further; other refusals still count."""
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
    """It would read the first pages forever."""
    with asking(page_size=PAGE_SIZE, cursor_lifetime=60.0) as found:

        def read_slowly() -> None:
            for _ in found.pages():
                found.clock.pass_by(61)

        with pytest.raises(GongError, match="also after starting over from the first page"):
            read_slowly()
        assert len(found.requests) == 6


# Text


def test_lone_surrogates_cause_a_warning() -> None:
    """Each becomes U+FFFD, and other text is unchanged."""
    users = [{"userId": "1", "userEmailAddress": "\ud800"}, {"userId": "2", "userEmailAddress": "two"}]
    body = json.dumps({"records": {"totalRecords": 2}, "usersAggregateActivity": users}).encode()
    with answering("200 OK", body) as url, asking(given={"api_url": url, "max_retries": 0}) as found:
        (page,) = found.pages()
        assert [user["userEmailAddress"] for user in json.loads(page)["usersAggregateActivity"]] == ["\ufffd", "two"]
        assert list(found.warnings) == ["lone surrogates"]
        assert "2025-03-03 to 2025-03-05: Gong returned lone surrogates" in found.warnings["lone surrogates"]
