"""Paging: cursors, restarts, second readings, and limits that end every window."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.default_config import settings_with
from support.raw_server import serve_response
from support.sandbox_clients import COMPANY, WINDOW, sandbox_client

from tap_gong_activity.base.cancellation import Cancellation, CancelledError
from tap_gong_activity.base.errors import GongError
from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.extract.windows import Window
from tap_gong_activity.gong.endpoints import users_request
from tap_gong_activity.gong.rate_limit import FIRST, priority
from tap_gong_activity.streams.activity import window_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.sandbox_clients import SandboxClient

USERS = [active.user.user_id for active in COMPANY.activity("DAY", WINDOW.start, WINDOW.end)]
PAGE_SIZE = 4
PAGES = [USERS[first : first + PAGE_SIZE] for first in range(0, len(USERS), PAGE_SIZE)]


def user_ids_of(pages: Iterable[bytes | bytearray]) -> list[list[str]]:
    """Return the users of each page."""
    return [[user["userId"] for user in json.loads(page)["usersAggregateActivity"]] for page in pages]


def request_bodies(client: SandboxClient) -> list[dict[str, Any]]:
    """Return the bodies of the requests."""
    return [record.body for record in client.requests]


def test_window_request_matches_gongs_documentation() -> None:
    """A window's request has the period in upper case, plain dates, and only filters that are set."""
    assert window_request(settings_with(), WINDOW).parameters == {
        "aggregationPeriod": "DAY",
        "filter": {"fromDate": "2025-03-03", "toDate": "2025-03-05"},
    }
    settings: dict[str, Any] = {
        "user_ids": ["00000000000000000007", "8"],
        "users_created_from": "2024-01-31T00:00:00Z",
        "users_created_to": "2024-02-28T12:30:00+05:30",
    }
    assert window_request(
        settings_with(**settings), Window(Grain.WEEK, date(2025, 3, 3), date(2025, 3, 17))
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
def test_maximum_size_of_a_page_grows_with_its_window(days: int, max_bytes: int) -> None:
    """The maximum size of a page allows a kilobyte per period for a thousand users."""
    window = Window(Grain.DAY, date(2025, 1, 1), date(2025, 1, 1) + timedelta(days=days))
    assert window_request(settings_with(), window).max_bytes == max_bytes


def test_users_are_requested_by_get_with_avatars() -> None:
    """Users are requested by GET, with avatars, and with the cursor in the query string."""
    with sandbox_client(page_size=PAGE_SIZE) as client:
        pages = list(client.page_reader.read(users_request()))
        assert len(pages) > 2
        assert {(record.method, record.path) for record in client.requests} == {("GET", "/v2/users")}
        assert {record.query.pop("includeAvatars") for record in client.requests} == {"true"}
        assert [list(record.query) for record in client.requests] == [[], *[["cursor"]] * (len(pages) - 1)]


def test_pages_are_requested_with_the_same_body_and_their_cursor() -> None:
    """Every page is requested with the same body and its cursor, and users stay in order."""
    assert len(PAGES) > 3
    with sandbox_client(page_size=PAGE_SIZE) as client:
        assert user_ids_of(client.pages()) == PAGES
        first, *others = request_bodies(client)
        assert first == window_request(client.settings, WINDOW).parameters
        cursors = [body.pop("cursor") for body in others]
        assert others == [first] * (len(PAGES) - 1)
        assert len(set(cursors)) == len(cursors)
        assert set(client.statuses) == {200}
        assert not client.warnings


def test_page_is_yielded_before_the_next_is_requested() -> None:
    """A page is yielded before the next one is requested."""
    with sandbox_client(page_size=PAGE_SIZE) as client:
        pages = client.pages()
        next(pages)
        assert len(client.requests) == 1
        next(pages)
        assert len(client.requests) == 2


@pytest.mark.parametrize("fault", ["drop=records.cursor", "null=records"])
def test_page_without_a_cursor_is_the_last(fault: str) -> None:
    """A page without a cursor is the last one; the latest total shows whether users are missing."""
    with sandbox_client(f"{fault},page=1", page_size=PAGE_SIZE) as client:
        assert user_ids_of(client.pages())[:2] == PAGES[:2]
        assert len(client.requests) == 4


def test_page_without_a_total_and_users_fails_if_users_are_missing() -> None:
    """A page without users and total is retried if users are missing according to an earlier page."""
    with sandbox_client('set=:{"records":{}},page=1,at=1', page_size=PAGE_SIZE) as client:
        assert user_ids_of(client.pages()) == PAGES
        assert len(client.log) == 1
        assert "has no usersAggregateActivity" in client.log[0]


@pytest.mark.parametrize("page", [0, 1])
def test_empty_page_with_a_cursor_is_not_the_last(page: int) -> None:
    """An empty page with a cursor isn't the last one."""
    with sandbox_client(f"empty_page,page={page},at=1", page_size=PAGE_SIZE) as client:
        assert user_ids_of(client.pages()) == [*PAGES[:page], [], *PAGES[page:]]


@pytest.mark.parametrize(
    ("fault", "pages_before"),
    [
        ("cursor_unchanged,page=1", 2),
        ("cursor_seen,page=3", 4),
    ],
)
def test_repeated_cursor_ends_the_run(fault: str, pages_before: int) -> None:
    """A repeated cursor ends the run, after the pages before it."""
    with sandbox_client(fault, page_size=PAGE_SIZE) as client:
        pages = client.pages()
        assert user_ids_of(next(pages) for _ in range(pages_before)) == PAGES[:pages_before]
        with pytest.raises(GongError, match="same cursor twice for this request"):
            next(pages)
        assert len(client.requests) == pages_before


@pytest.mark.parametrize(("status", "page"), [(400, 1), (404, 2)])
def test_rejected_cursor_restarts_the_window(status: int, page: int) -> None:
    """A rejected cursor restarts the window from its first page, with one warning."""
    with sandbox_client(
        f"status={status},error=The cursor has expired,page={page},at=1", page_size=PAGE_SIZE
    ) as client:
        assert user_ids_of(client.pages()) == [*PAGES[:page], *PAGES]
        assert ["cursor" in body for body in request_bodies(client)] == [
            *([False] + [True] * page),
            *([False] + [True] * (len(PAGES) - 1)),
        ]
        assert list(client.warnings) == ["cursor"]
        assert "The cursor has expired" in client.warnings["cursor"]
        assert "2025-03-03 to 2025-03-05" in client.warnings["cursor"]


@pytest.mark.parametrize("status", [400, 404])
def test_window_is_restarted_only_once(status: int) -> None:
    """A window is restarted only once; a second rejection is an error with Gong's message."""
    with sandbox_client(f"status={status},error=The cursor has expired,page=2", page_size=PAGE_SIZE) as client:
        # No page waits, although the run already took a while.
        client.clock.advance(100)
        with pytest.raises(GongError, match=r"The cursor has expired.*also after starting over") as error:
            list(client.pages())
        assert error.value.status == status
        assert len(client.requests) == 6


def test_rejected_first_page_ends_the_run() -> None:
    """A rejected first page ends the run, because it has no cursor."""
    with sandbox_client("status=400,error=filter.toDate must not exceed the current day") as client:
        with pytest.raises(GongError, match=r"filter\.toDate must not exceed the current day"):
            list(client.pages())
        assert len(client.requests) == 1


def test_other_rejections_of_a_later_page_end_the_run() -> None:
    """A later page restarts the window only after a 400 or a 404."""
    with sandbox_client("status=422,page=1", page_size=PAGE_SIZE) as client:
        with pytest.raises(GongError, match="422"):
            list(client.pages())
        assert len(client.requests) == 2


def test_window_without_users_is_empty_and_causes_a_warning() -> None:
    """A 404 with Gong's envelope is an empty window, with a warning."""
    with sandbox_client("status=404,error=No user activity found") as client:
        assert list(client.pages()) == []
        assert len(client.requests) == 1
        assert list(client.warnings) == ["nothing found"]
        assert "No user activity found" in client.warnings["nothing found"]
        assert client.warnings["nothing found"].startswith(
            "activity_by_day, 2025-03-03 to 2025-03-05: Gong returned 404"
        )
        assert client.warnings["nothing found"].endswith("; treating it as empty.")


def test_warning_names_user_ids_if_they_are_set() -> None:
    """The warning about an empty window names user_ids if they're set."""
    with sandbox_client(settings={"user_ids": ["1"]}) as client:
        assert list(client.pages()) == []
        assert client.statuses == [404]
        assert "user_ids" in client.warnings["nothing found"]


def test_404_without_an_envelope_is_an_error() -> None:
    """A 404 without Gong's envelope is an error about api_url."""
    with sandbox_client("status=404,envelope=no") as client, pytest.raises(GongError, match="api_url"):
        list(client.pages())


def test_cancelled_window_requests_no_further_page() -> None:
    """A cancelled window requests no further page."""
    window = Cancellation()
    with sandbox_client(page_size=PAGE_SIZE) as client, window.bound():
        pages = client.pages()
        next(pages)
        window.cancel()
        with pytest.raises(CancelledError):
            next(pages)
        with pytest.raises(CancelledError):
            next(client.pages())
        assert len(client.requests) == 1


# Complete responses


def total(users: int, **conditions: str) -> str:
    """Return a fault that sets Gong's total."""
    return ",".join([f"set=records.totalRecords:{users}", *(f"{name}={value}" for name, value in conditions.items())])


def test_repeated_user_is_counted_once() -> None:
    """A repeated user counts once towards the total."""
    with sandbox_client("repeated_user,page=1", page_size=PAGE_SIZE) as client:
        assert [users[-PAGE_SIZE:] for users in user_ids_of(client.pages())] == PAGES
        assert len(client.requests) == len(PAGES)


@pytest.mark.parametrize("fault", ["drop=records.cursor,page=1,at=1", "set=usersAggregateActivity:[],page=2,at=1"])
def test_window_with_missing_users_is_read_again(fault: str) -> None:
    """A window with missing users is read again, and causes no warning if it's complete then."""
    with sandbox_client(fault, page_size=PAGE_SIZE) as client:
        pages = user_ids_of(client.pages())
        assert pages[-len(PAGES) :] == PAGES
        assert len(client.requests) == len(pages) > len(PAGES)
        assert not client.warnings


def test_users_are_counted_over_both_readings() -> None:
    """Users count towards the total if either reading has them."""
    faults = "set=usersAggregateActivity:[],page=0,at=1", "set=usersAggregateActivity:[],page=1,at=2"
    with sandbox_client(*faults, page_size=PAGE_SIZE) as client:
        pages = user_ids_of(client.pages())
        assert {user for page in pages for user in page} == set(USERS)
        assert len(pages) == 2 * len(PAGES)
        assert not client.warnings


@pytest.mark.parametrize("users", [len(USERS) + 1, 10**30])
def test_users_who_stay_missing_cause_a_warning_with_both_numbers(users: int) -> None:
    """Users that stay missing cause a warning with both numbers."""
    with sandbox_client(total(users), page_size=PAGE_SIZE) as client:
        assert user_ids_of(client.pages()) == [*PAGES, *PAGES]
        assert list(client.warnings) == ["missing users"]
        assert f"{users:,} users" in client.warnings["missing users"]
        assert f"returned {len(USERS):,}," in client.warnings["missing users"]
        assert "2025-03-03 to 2025-03-05" in client.warnings["missing users"]


def test_total_of_a_second_reading_replaces_the_first_ones() -> None:
    """The total of the second reading replaces that of the first."""
    with sandbox_client(f"{total(1_000)},at=1", page_size=1_000) as client:
        assert user_ids_of(client.pages()) == [USERS, USERS]
        assert not client.warnings


def test_second_reading_waits_until_its_pages_are_being_written() -> None:
    """A second reading waits until its window is being written."""
    with sandbox_client(total(1_000), page_size=1_000) as client:
        before = priority.set(lambda: FIRST if len(client.clock.waits) == 3 else 1)
        try:
            assert user_ids_of(client.pages()) == [USERS, USERS]
        finally:
            priority.reset(before)
        assert client.clock.waits == [0.1] * 3


def test_second_reading_without_a_total_keeps_the_first_ones() -> None:
    """A second reading without a total keeps that of the first."""
    with sandbox_client(f"{total(1_000)},at=1", "drop=records.totalRecords,at=2", page_size=1_000) as client:
        assert user_ids_of(client.pages()) == [USERS, USERS]
        assert "1,000 users" in client.warnings["missing users"]


def test_total_of_the_last_page_counts() -> None:
    """The total of the last page counts, because earlier ones can be out of date."""
    with sandbox_client(total(10_000, page="0"), total(10_000, page="1"), page_size=PAGE_SIZE) as client:
        assert user_ids_of(client.pages()) == PAGES
        assert not client.warnings


def test_empty_window_with_a_total_is_read_again() -> None:
    """A window without any of its users is read again."""
    with sandbox_client("set=usersAggregateActivity:[]", page_size=1_000) as client:
        assert user_ids_of(client.pages()) == [[], []]
        assert "returned 0," in client.warnings["missing users"]


@pytest.mark.parametrize("users", [len(USERS) - 1, len(USERS), '"many"'])
def test_total_that_is_reached_or_not_a_number_changes_nothing(users: object) -> None:
    """A total that is reached, or isn't a number, causes no second reading."""
    with sandbox_client(f"set=records.totalRecords:{users}", page_size=PAGE_SIZE) as client:
        assert user_ids_of(client.pages()) == PAGES
        assert not client.warnings


def test_totals_are_ignored_after_two_fruitless_readings() -> None:
    """After two second readings without a new user, totals cause no further ones."""
    with sandbox_client(total(1_000), page_size=1_000) as client:
        for _ in range(2):
            list(client.pages())
        assert client.warnings.pop("missing users").endswith(", also when requested again; continuing with those.")
        for _ in range(3):
            list(client.pages())
        assert client.warnings["missing users"].endswith(f" returned {len(USERS)}; continuing with those.")
        assert len(client.requests) == 2 + 2 + 1 + 1 + 1


def test_second_reading_with_a_new_user_is_not_fruitless() -> None:
    """A second reading with a new user doesn't count as fruitless."""
    first_readings = [f"set=usersAggregateActivity:[],at={number}" for number in (1, 3, 5, 7)]
    with sandbox_client(total(1_000), *first_readings, page_size=1_000) as client:
        for _ in range(4):
            list(client.pages())
        assert len(client.requests) == 8


def test_errors_in_a_200_are_retried() -> None:
    """Errors in a 200 are retried, then are an error with Gong's message and the request ID."""
    errors = '["The sandbox-access-key-secret of someone@example.com failed"]'
    with sandbox_client(
        f"set=errors:{errors},page=1,at=1-2", page_size=PAGE_SIZE, settings={"max_retries": 2}
    ) as client:
        assert user_ids_of(client.pages()) == PAGES
        assert len(client.requests) == len(PAGES) + 2
    with sandbox_client(f"set=errors:{errors},page=1", page_size=PAGE_SIZE, settings={"max_retries": 2}) as client:
        with pytest.raises(GongError, match=r"Gong returned 200 OK, saying .*failed.*requestId [0-9a-f]+") as error:
            list(client.pages())
        assert len(client.requests) == 4
        assert "sandbox-access-key-secret" not in str(error.value)
        assert "someone" not in str(error.value)


@pytest.mark.parametrize(
    ("fault", "problem", "id_kind"),
    [
        ("drop=*", "neither records nor usersAggregateActivity", "x-traceid"),
        ("set=records:7", "records", "requestId"),
        ("drop=usersAggregateActivity", "no usersAggregateActivity", "requestId"),
    ],
)
def test_incomplete_page_is_retried(fault: str, problem: str, id_kind: str) -> None:
    """An incomplete page is retried, then is an error with the field and an ID for Gong's support."""
    with sandbox_client(f"{fault},page=1,at=1-2", page_size=PAGE_SIZE, settings={"max_retries": 2}) as client:
        assert user_ids_of(client.pages()) == PAGES
        assert len(client.requests) == len(PAGES) + 2
    with sandbox_client(f"{fault},page=1", page_size=PAGE_SIZE, settings={"max_retries": 2}) as client:
        with pytest.raises(GongError, match=f"Gong returned 200 OK, but the response .*{problem}.*{id_kind}"):
            list(client.pages())
        assert len(client.requests) == 4


@pytest.mark.parametrize("fault", ["drop=usersAggregateActivity", "null=usersAggregateActivity"])
def test_page_without_the_array_is_empty_if_no_user_is_missing(fault: str) -> None:
    """A page without the array is empty if no user is missing according to the total."""
    last = len(PAGES) - 1
    with sandbox_client(f"{fault},page={last}", total(PAGE_SIZE * last, page=str(last)), page_size=PAGE_SIZE) as client:
        assert [json.loads(page).get("usersAggregateActivity") for page in client.pages()][last:] == [None]
        assert len(client.requests) == len(PAGES)
    with sandbox_client(fault, "drop=records.totalRecords", page_size=1_000) as client:
        assert len(list(client.pages())) == 1


# An end to paging


@pytest.mark.parametrize("first", [0, 2])
def test_ten_pages_without_a_new_user_end_the_run(first: int) -> None:
    """Ten pages in a row without a new user end the run."""
    with sandbox_client(*(f"empty_page,page={page}" for page in range(first, 9)), page_size=PAGE_SIZE) as client:
        with pytest.raises(GongError, match="10 pages in a row without a new user"):
            list(client.pages())
        assert len(client.requests) == first + 10


def test_repeated_users_are_not_new() -> None:
    """Users that any earlier page had aren't new."""
    users = [f'set=usersAggregateActivity:[{{"userId":"{"ab"[page % 2]}"}}],page={page}' for page in range(13)]
    with sandbox_client(*users, page_size=1) as client:
        with pytest.raises(GongError, match="10 pages in a row without a new user"):
            list(client.pages())
        assert len(client.requests) == 2 + 10


def test_nine_pages_without_a_new_user_are_accepted() -> None:
    """Nine pages in a row without a new user don't end the run."""
    with sandbox_client("empty_page,page=1,at=1-9", page_size=PAGE_SIZE) as client:
        assert [page for page in user_ids_of(client.pages()) if page] == PAGES


def test_cursor_longer_than_64_kb_ends_the_run() -> None:
    """A cursor longer than 64 kB ends the run without a retry."""
    with sandbox_client(f'set=records.cursor:"{"x" * 70_000}",page=1', page_size=PAGE_SIZE) as client:
        with pytest.raises(GongError, match="longer than 64 kB"):
            list(client.pages())
        assert len(client.requests) == 2


# Waiting for memory


def test_cursor_that_expired_while_its_page_waited_costs_no_restart() -> None:
    """A cursor that expires while its page waits doesn't count as a restart, as long as readings get further."""
    with sandbox_client(page_size=PAGE_SIZE, cursor_lifetime=60.0) as client:
        pages = client.pages()
        taken = [next(pages)]
        for length in (2, 3):
            client.clock.advance(61)
            taken += [next(pages) for _ in range(length)]
        assert user_ids_of(taken) == [*PAGES[:1], *PAGES[:2], *PAGES[:3]]
        client.sandbox.inject("cursor_expired,page=3,at=1")
        assert user_ids_of(pages) == PAGES


def test_target_too_slow_for_any_cursor_ends_the_run() -> None:
    """A target that is too slow for every cursor ends the run instead of reading the first pages forever."""
    with sandbox_client(page_size=PAGE_SIZE, cursor_lifetime=60.0) as client:

        def read_slowly() -> None:
            for _ in client.pages():
                client.clock.advance(61)

        with pytest.raises(GongError, match="also after starting over from the first page"):
            read_slowly()
        assert len(client.requests) == 6


# Text


def test_lone_surrogates_cause_a_warning() -> None:
    """Lone surrogates are replaced by U+FFFD, with one warning."""
    users = [{"userId": "1", "userEmailAddress": "\ud800"}, {"userId": "2", "userEmailAddress": "two"}]
    body = json.dumps({"records": {"totalRecords": 2}, "usersAggregateActivity": users}).encode()
    with serve_response("200 OK", body) as url, sandbox_client(settings={"api_url": url, "max_retries": 0}) as client:
        (page,) = client.pages()
        assert [user["userEmailAddress"] for user in json.loads(page)["usersAggregateActivity"]] == ["\ufffd", "two"]
        assert list(client.warnings) == ["lone surrogates"]
        assert "2025-03-03 to 2025-03-05: Gong returned lone surrogates" in client.warnings["lone surrogates"]
