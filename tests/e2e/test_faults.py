"""Faults: whatever Gong returns, the rows are those of a run without faults, or one error explains the failure.

Every fault is tested alone, and those to be retried also in series and mixed at random. One of each kind is on the
first and the last page of a window, the others on the page in between.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest
from gong_sandbox import HandClock
from support.expected_rows import STREAMS, company, expected_rows, expected_windows, rows_by_key
from support.fake_clock import NOON, TODAY
from support.fake_time_runs import run, serve_rate_limited_sandbox, serve_sandbox
from support.run_results import assert_failed, assert_succeeded, bookmarks
from support.seeded_random import seeded_random

from tap_gong_activity.base.clock import Clock

if TYPE_CHECKING:
    from gong_sandbox import Sandbox
    from support.expected_rows import ExpectedWindow, Row
    from support.run_results import RunResult

WINDOW = "2025-02-11 to 2025-02-21"
"""The second of four windows, each of three pages."""

BOOKMARK = "2025-02-11"
"""The bookmark before that window."""

AT_WINDOW = "from=2025-02-11"

RETRIED = (
    "status=408",
    "status=429",
    "status=429,retry_after=soon",
    "status=500",
    "status=502",
    "status=503,envelope=no",
    "status=504",
    "status=599",
    "html",
    "cut",
    "cut_chunked",
    "close",
    "reset",
    "broken_gzip",
)
"""Faults that are retried after a backoff."""

RETRY_AFTER_SECONDS = {
    "status=429,retry_after=0": 0,
    "status=429,retry_after=7": 7,
    "status=429,retry_after=date:7": 7,
    "status=429,retry_after=600": 600,
}
"""Faults that are retried after that many seconds."""

FATAL = {
    "status=400,error=Gong says why": "Gong says why",
    "status=401,error=Gong says why": "access key",
    "status=401,error=You don't have permission to use 'api:stats:user-actions' in your app.": "scope",
    "status=403,error=Gong says why": "trusted IP",
    "status=404,envelope=no": "api_url",
    "status=405,error=Gong says why": "405",
    "status=422,error=Gong says why": "Gong says why",
    "status=301": "api_url",
    "status=302,envelope=no": "api_url",
    "status=307": "api_url",
    "status=308": "api_url",
    "status=429,retry_after=601": "601 s",
    "status=429,retry_after=date:7200": "2025-03-12 22:00 UTC",
    "drop=usersAggregateActivity.*.userId": "userId",
    "null=usersAggregateActivity.1.userId": "userId",
    "set=usersAggregateActivity.1.userId:234599484848423": "userId",
    "drop=usersAggregateActivity.0.userAggregateActivity.0.fromDate": "fromDate",
    "null=usersAggregateActivity.0.userAggregateActivity.0.toDate": "toDate",
    'set=usersAggregateActivity.0.userAggregateActivity.0.toDate:"tomorrow"': "toDate",
    'set=usersAggregateActivity.0.userAggregateActivity.0.callsAsHost:"many"': "callsAsHost",
    "set=usersAggregateActivity.0.userAggregateActivity.0.callsAttended:1.5": "callsAttended",
    "set=records.cursor:7": "cursor",
}
"""Faults that fail the run, and a part of the error."""

#: On a later page, a 400 means that the cursor expired.
FATAL_ON_PAGES = [
    *((fault, 0 if fault.startswith("status=400") else 1) for fault in FATAL),
    *(("status=403,error=Gong says why", page) for page in (0, 2)),
]


def run_four_windows(sandbox: Sandbox, **settings: Any) -> RunResult:  # noqa: ANN401 - those of the tap
    """Read four windows of ten days and three pages each."""
    defaults = {
        "start_date": "2025-02-01",
        "periods_per_window": 10,
        "max_parallel_windows": 1,
        "requests_per_second": 1_000_000,
    }
    return run(sandbox, **{**defaults, **settings})


def serve_small_company(*faults: Any, **options: Any) -> Any:  # noqa: ANN401 - those of Sandbox
    """Serve a small company in pages of four users."""
    return serve_sandbox(
        **{"company": company(12), "page_size": 4, "faults": faults, "grace": 0.0, "cursor_lifetime": 1e6, **options}
    )


@lru_cache(1)
def four_windows() -> list[ExpectedWindow]:
    """Return the windows of `run_four_windows`."""
    return expected_windows("DAY", date(2025, 2, 1), TODAY, periods_per_window=10)


@lru_cache(1)
def four_windows_rows() -> list[Row]:
    """Return the rows of `run_four_windows`."""
    return expected_rows(company(12), four_windows())


REQUESTS = 12
"""Requests of `run_four_windows` without faults."""


def test_run_without_faults() -> None:
    """Without faults, a run reads four windows of three pages without a wait or a warning."""
    with serve_small_company() as sandbox:
        result = run_four_windows(sandbox)
    assert_succeeded(result)
    assert result.rows == four_windows_rows()
    assert len(result.requests) == REQUESTS
    assert result.waits == []
    assert result.warnings == []
    assert str(four_windows()[1].start) == BOOKMARK


# Alone


@pytest.mark.parametrize(("fault", "page"), [*((fault, 1) for fault in RETRIED), ("status=500", 0), ("status=500", 2)])
def test_transient_fault_is_retried_after_a_backoff(fault: str, page: int) -> None:
    """A transient fault costs one more request, a wait of at most a second, and a warning."""
    with serve_small_company(f"{fault},{AT_WINDOW},page={page},at=1") as sandbox:
        result = run_four_windows(sandbox)
    assert_succeeded(result)
    assert result.rows == four_windows_rows()
    assert len(result.requests) == REQUESTS + 1
    assert len(result.waits) == 1
    assert 0 <= result.waited <= 1
    assert len(result.warnings) == 1


@pytest.mark.parametrize("fault", RETRY_AFTER_SECONDS)
def test_retry_after_is_honored(fault: str) -> None:
    """A Retry-After is waited for exactly, whether it's in seconds or a date, up to max_retry_wait."""
    with serve_small_company(f"{fault},{AT_WINDOW},page=1,at=1") as sandbox:
        result = run_four_windows(sandbox)
    assert_succeeded(result)
    assert result.rows == four_windows_rows()
    assert len(result.requests) == REQUESTS + 1
    # A date has no fractions of a second, and is rounded up.
    assert 0 <= result.waited - RETRY_AFTER_SECONDS[fault] < 1.1


@pytest.mark.parametrize(("fault", "page"), FATAL_ON_PAGES)
def test_permanent_fault_fails_the_run_at_once(fault: str, page: int) -> None:
    """A permanent fault fails the run without a retry, and the error names stream, window and bookmark."""
    with serve_small_company(f"{fault},{AT_WINDOW},page={page},at=1") as sandbox:
        result = run_four_windows(sandbox)
    error = assert_failed(result)
    assert FATAL[fault] in error
    assert "activity_by_day" in error
    assert WINDOW in error
    assert BOOKMARK in error.rpartition("state")[2]
    if fault.startswith("status=4") and "envelope=no" not in fault:
        assert re.search(r"requestId [0-9a-f]{20}", error)
    assert len(result.requests) == 3 + page + 1
    assert result.waits == []
    assert result.bookmarks == {"activity_by_day": BOOKMARK}
    assert result.rows == four_windows_rows()[: len(result.rows)]
    assert len(result.rows) >= len(expected_rows(company(12), four_windows()[:1]))


@pytest.mark.parametrize("fault", ["status=400", "status=403", "set=records.cursor:7"])
def test_run_resumes_after_a_failure(fault: str) -> None:
    """The run after a failed one resumes, and together they deliver every row."""
    with serve_small_company(f"{fault},{AT_WINDOW},page=0", grace=3600) as sandbox:
        failed = run_four_windows(sandbox, max_parallel_windows=4)
    with serve_small_company() as sandbox:
        resumed = run_four_windows(sandbox, max_parallel_windows=4, state=failed.state)
    assert_failed(failed)
    assert_succeeded(resumed)
    assert failed.bookmarks in ({"activity_by_day": BOOKMARK}, {})
    assert rows_by_key([*failed.rows, *resumed.rows]) == rows_by_key(four_windows_rows())


def test_failure_follows_the_rows_of_earlier_windows() -> None:
    """The first window that fails ends the run, after the rows and the STATE of those before it."""
    faults = ("status=400,error=the last,from=2025-03-03", "status=400,error=the third,from=2025-02-21")
    with serve_small_company(*faults) as sandbox:
        result = run_four_windows(sandbox, max_parallel_windows=4)
    assert "the third" in assert_failed(result)
    assert result.rows == expected_rows(company(12), four_windows()[:2])
    assert result.bookmarks == {"activity_by_day": "2025-02-21"}


@pytest.mark.parametrize("parallel", [1, 4])
def test_404_with_an_envelope_is_an_empty_window(parallel: int) -> None:
    """A 404 with Gong's envelope is a window without rows, with one warning per run."""
    with serve_small_company(
        "status=404,error=Nobody was found,from=2025-02-11", "status=404,from=2025-03-03"
    ) as sandbox:
        result = run_four_windows(sandbox, max_parallel_windows=parallel)
    assert_succeeded(result)
    assert result.rows == expected_rows(company(12), [four_windows()[0], four_windows()[2]])
    assert result.bookmarks == {"activity_by_day": "2025-03-12"}
    assert len(result.warnings) == 1
    assert len(result.requests) == 8


# In series


@pytest.mark.parametrize(("fault", "page"), [("status=503", 0), ("close", 1), ("cut", 2)])
def test_request_is_retried_max_retries_times(fault: str, page: int) -> None:
    """A request is retried up to max_retries times, with backoffs of at most a minute."""
    max_backoffs = [1, 2, 4, 8, 16, 32, 60, 60]
    with serve_small_company(f"{fault},{AT_WINDOW},page={page},at=1-8") as sandbox:
        result = run_four_windows(sandbox)
    assert_succeeded(result)
    assert result.rows == four_windows_rows()
    assert len(result.requests) == REQUESTS + 8
    assert all(0 <= wait <= max_wait for wait, max_wait in zip(result.waits, max_backoffs, strict=True))
    with serve_small_company(f"{fault},{AT_WINDOW},page={page},at=1-9") as sandbox:
        failed = run_four_windows(sandbox)
    assert "giving up after 9 attempts" in assert_failed(failed)
    assert len(failed.requests) == 3 + page + 9
    assert len(failed.waits) == 8
    assert failed.bookmarks == {"activity_by_day": BOOKMARK}


def test_429_does_not_count_as_a_retry() -> None:
    """A 429 doesn't count as a retry, until a request has been refused for max_retry_wait."""
    with serve_small_company(f"status=429,retry_after=60,{AT_WINDOW},at=1-9") as sandbox:
        result = run_four_windows(sandbox, max_retries=0)
    assert_succeeded(result)
    assert result.rows == four_windows_rows()
    assert len(result.requests) == REQUESTS + 9
    with serve_small_company(f"status=429,retry_after=60,{AT_WINDOW}") as sandbox:
        failed = run_four_windows(sandbox)
    error = assert_failed(failed)
    assert "max_retry_wait is 600 s" in error
    assert BOOKMARK in error.rpartition("state")[2]
    assert failed.bookmarks == {"activity_by_day": BOOKMARK}
    assert len(failed.requests) == 3 + 11


@pytest.mark.parametrize("retries", [0, 3])
def test_max_retries_limits_requests(retries: int) -> None:
    """A request is sent at most max_retries + 1 times."""
    with serve_small_company("status=500") as sandbox:
        result = run_four_windows(sandbox, max_retries=retries)
    assert_failed(result)
    assert len(result.requests) == retries + 1
    assert result.rows == []
    assert result.bookmarks == {}


def test_no_wait_exceeds_max_retry_wait() -> None:
    """Neither a backoff nor a Retry-After waits longer than max_retry_wait."""
    with serve_small_company("status=500,at=1-8", "status=429,retry_after=3,at=9") as sandbox:
        result = run_four_windows(sandbox, max_retry_wait=2)
    error = assert_failed(result)
    assert "max_retry_wait" in error
    assert max(result.waits) <= 2


# Mixed


@pytest.mark.parametrize("number", range(12))
def test_random_faults_change_no_row(number: int) -> None:
    """Random faults change neither rows nor states, and cost one request each."""
    draw = seeded_random("faults", number)
    parallel, rate = draw.choice([1, 4]), draw.choice([0.1, 0.3, 0.6])
    kinds = [*RETRIED, *RETRY_AFTER_SECONDS]
    if parallel > 1:
        # Another fault at the same time can hide a Retry-After from the tap, which the sandbox reports as a violation.
        kinds = draw.choice([[*RETRIED], ["status=429,retry_after=7"]])
    faults = [f"{draw.choice(kinds)},at={number}" for number in range(1, 40) if draw.random() < rate]
    print(faults)  # noqa: T201 - pytest shows it with a failure
    streams = draw.sample(sorted(STREAMS), 2)
    settings: dict[str, Any] = {"streams": streams, "max_parallel_windows": parallel, "start_date": "2024-12-10"}
    # So that neither many failures nor many 429s in a row fail a run.
    settings.update(max_retries=60, max_retry_wait=3_600)
    with serve_small_company() as sandbox:
        without_faults = run_four_windows(sandbox, **settings)
    with serve_small_company(*faults, grace=3600 if parallel > 1 else 0.0) as sandbox:
        result = run_four_windows(sandbox, **settings)
    assert_succeeded(result)
    assert result.rows == without_faults.rows
    assert result.states == without_faults.states
    failed = [record for record in result.requests if record.faults or record.status == 429]
    assert len(result.requests) == len(without_faults.requests) + len(failed)


# Special cases


@pytest.mark.parametrize(("page", "parallel"), [(0, 1), (1, 4)])
def test_hanging_response_is_retried_after_request_timeout(page: int, parallel: int) -> None:
    """A request without a response is retried after request_timeout."""
    with serve_small_company(f"hang,{AT_WINDOW},page={page},at=1") as sandbox:
        result = run_four_windows(sandbox, request_timeout=0.5, max_parallel_windows=parallel)
    assert_succeeded(result)
    assert result.rows == four_windows_rows()
    assert "within 0.5 s" in result.warnings[0]


def test_request_timeout_covers_the_whole_response() -> None:
    """request_timeout applies to the whole response, not to each of its bytes."""
    with serve_small_company(f"drip=0.01,{AT_WINDOW},page=1,at=1") as sandbox:
        result = run_four_windows(
            sandbox, request_timeout=0.5, max_retry_wait=0, end_date=str(TODAY), clock=RealTimeClock()
        )
    assert_succeeded(result)
    assert result.rows == four_windows_rows()
    assert "within 0.5 s" in result.warnings[0]


class RealTimeClock(Clock):
    """The machine's clock, with the sandbox's date."""

    def now(self) -> Any:  # noqa: ANN401 - an instant
        return NOON


def test_repeated_users_change_no_row() -> None:
    """Users that a page repeats are written again with the same key."""
    with serve_small_company("repeated_user") as sandbox:
        result = run_four_windows(sandbox)
    assert_succeeded(result)
    assert result.rows_by_key == rows_by_key(four_windows_rows())
    assert len(result.requests) == REQUESTS


@pytest.mark.parametrize("parallel", [1, 4])
def test_inconsistent_totals_do_not_fail_the_run(parallel: int) -> None:
    """Totals that never match cause one warning after two windows were read twice, and no row is lost."""
    with serve_small_company("changing_totals") as sandbox:
        result = run_four_windows(sandbox, max_parallel_windows=parallel)
    assert_succeeded(result)
    assert result.rows_by_key == rows_by_key(four_windows_rows())
    assert len(result.warnings) == 1
    assert "13 users in totalRecords but returned 10" in result.warnings[0]
    assert result.bookmarks == {"activity_by_day": str(TODAY)}
    assert len(result.requests) == REQUESTS + 6


INCOMPLETE = {
    'set=errors:["Gong says why"]': "Gong says why",
    "drop=*": "neither records nor usersAggregateActivity",
    "null=usersAggregateActivity": "usersAggregateActivity",
    "set=usersAggregateActivity:7": "usersAggregateActivity",
    "set=records:7": "records",
}
"""Faults that make a 200 incomplete, and a part of the error."""


@pytest.mark.parametrize(("fault", "page"), list(zip(INCOMPLETE, (0, 1, 2, 0, 1), strict=True)))
def test_incomplete_response_is_retried(fault: str, page: int) -> None:
    """An incomplete response is retried, and if it stays incomplete, the run fails before the window's STATE."""
    with serve_small_company(f"{fault},{AT_WINDOW},page={page},at=1-2") as sandbox:
        result = run_four_windows(sandbox)
    assert_succeeded(result)
    assert result.rows == four_windows_rows()
    assert len(result.requests) == REQUESTS + 2
    with serve_small_company(f"{fault},{AT_WINDOW},page={page}") as sandbox:
        failed = run_four_windows(sandbox, max_retries=1)
    assert INCOMPLETE[fault] in assert_failed(failed)
    assert failed.bookmarks == {"activity_by_day": BOOKMARK}
    assert len(failed.requests) == 3 + page + 2


@pytest.mark.parametrize("parallel", [1, 4])
def test_missing_cursor_loses_no_user(parallel: int) -> None:
    """If a cursor is missing although totalRecords is higher, the window is read again."""
    with serve_small_company(f"drop=records.cursor,{AT_WINDOW},page=0,at=1") as sandbox:
        result = run_four_windows(sandbox, max_parallel_windows=parallel)
    assert_succeeded(result)
    assert result.rows_by_key == rows_by_key(four_windows_rows())
    assert result.warnings == []
    assert len(result.requests) == REQUESTS + 1


@pytest.mark.parametrize("page", [0, 1, 2])
def test_empty_page_with_a_cursor_is_followed(page: int) -> None:
    """An empty page with a cursor doesn't end the window."""
    with serve_small_company(f"empty_page,{AT_WINDOW},page={page},at=1") as sandbox:
        result = run_four_windows(sandbox)
    assert_succeeded(result)
    assert result.rows == four_windows_rows()
    assert len(result.requests) == REQUESTS + 1


@pytest.mark.parametrize("page", [1, 2])
def test_expired_cursor_restarts_the_window_once(page: int) -> None:
    """An expired cursor restarts the window once with a warning; a second one fails the run."""
    with serve_small_company(f"cursor_expired,{AT_WINDOW},page={page},at=1") as sandbox:
        result = run_four_windows(sandbox)
    assert_succeeded(result)
    assert result.rows_by_key == rows_by_key(four_windows_rows())
    assert len(result.requests) == REQUESTS + page + 1
    assert len(result.warnings) == 1
    with serve_small_company(f"cursor_expired,{AT_WINDOW},page={page}") as sandbox:
        failed = run_four_windows(sandbox)
    assert "also after starting over" in assert_failed(failed)
    assert failed.bookmarks == {"activity_by_day": BOOKMARK}
    assert len(failed.requests) == 3 + 2 * (page + 1)


def test_cursor_that_expires_during_a_wait_restarts_the_window() -> None:
    """A cursor that expires during a Retry-After restarts the window, and no row is lost."""
    with serve_small_company(f"status=429,retry_after=120,{AT_WINDOW},page=1,at=1", cursor_lifetime=60) as sandbox:
        result = run_four_windows(sandbox)
    assert_succeeded(result)
    assert result.rows_by_key == rows_by_key(four_windows_rows())
    assert len(result.requests) == REQUESTS + 3


@pytest.mark.parametrize("page", [1, 2])
def test_404_on_a_later_page_restarts_the_window(page: int) -> None:
    """A 404 on a later page means an expired cursor, so no row is lost."""
    with serve_small_company(f"status=404,{AT_WINDOW},page={page},at=1") as sandbox:
        result = run_four_windows(sandbox)
    assert_succeeded(result)
    assert result.rows_by_key == rows_by_key(four_windows_rows())
    assert len(result.warnings) == 1


@pytest.mark.parametrize("fault", ["cursor_unchanged", "cursor_seen"])
def test_repeated_cursor_fails_the_run(fault: str) -> None:
    """A cursor that was returned before fails the run, because pagination would never end."""
    with serve_small_company(fault) as sandbox:
        result = run_four_windows(sandbox)
    assert "cursor" in assert_failed(result)
    assert len(result.requests) <= 3


def test_malformed_to_date_makes_the_instant_null() -> None:
    """A toDate that is malformed as in Gong's documentation keeps its date; one warning names stream and window."""
    with serve_small_company("malformed_to_date") as sandbox:
        result = run_four_windows(sandbox)
    assert_succeeded(result)
    assert result.rows == [{**row, "period_end_at": None} for row in four_windows_rows()]
    (warning,) = result.warnings
    assert f"activity_by_day, {four_windows()[0].start} to {four_windows()[0].end}: Gong's toDate" in warning


def test_body_of_200_mb_fails_the_run() -> None:
    """A body that is larger than any page of the window fails the run before it's read."""
    with serve_small_company(f"huge=209715200,{AT_WINDOW},page=1") as sandbox:
        result = run_four_windows(sandbox)
    assert "larger than" in assert_failed(result)
    assert result.bookmarks == {"activity_by_day": BOOKMARK}


# Quota and pace


def run_with_quota(quota: int, state: dict[str, Any], parallel: int) -> RunResult:
    """Run on a day with that many calls left."""
    with serve_small_company(daily_quota=quota, clock=HandClock(NOON), grace=3600) as sandbox:
        result = run_four_windows(sandbox, state=state, max_parallel_windows=parallel)
    if result.status == 0:
        assert_succeeded(result)
    else:
        error = assert_failed(result)
        assert "2025-03-13 20:00 UTC" in error
        assert result.waits == []
        assert sum(record.status == 200 for record in result.requests) == quota
        assert len(result.requests) <= quota + parallel
        bookmark = bookmarks(result.state).get("activity_by_day") or bookmarks(state).get("activity_by_day")
        assert (bookmark or "no state") in error
        has_moved = bookmark != bookmarks(state).get("activity_by_day")
        assert ("set max_parallel_windows to 1" in error) == (parallel > 1 and not has_moved)
    return result


@pytest.mark.parametrize(("quota", "parallel"), [(2, 1), (7, 1), (7, 4), (11, 4)])
def test_exhausted_quota_fails_the_run_at_once(quota: int, parallel: int) -> None:
    """If the daily quota is exhausted, the run fails with the time of its reset and the last bookmark."""
    assert run_with_quota(quota, {}, parallel).status


@pytest.mark.parametrize("quota", [3, 7])
def test_backfill_completes_over_several_quotas(quota: int) -> None:
    """A backfill that needs several daily quotas completes after several runs, if a window fits into each."""
    state: dict[str, Any] = {}
    rows: list[Row] = []
    status = 1
    for _ in range(4):
        result = run_with_quota(quota, state, 1)
        rows += result.rows
        status, state = result.status, result.state or state
        if not status:
            break
    assert status == 0
    assert rows_by_key(rows) == rows_by_key(four_windows_rows())


def test_rate_limit_is_shared_by_all_streams() -> None:
    """All streams of a run share three requests per second, and use nearly all of them."""
    with serve_rate_limited_sandbox(page_size=3) as sandbox:
        result = run(sandbox, streams=[*STREAMS], max_parallel_windows=1, periods_per_window=40)
    assert_succeeded(result)
    assert {record.status for record in result.requests} == {200}
    assert len(result.requests) > 20
    assert 1 <= result.waited / ((len(result.requests) - 1) / 3) < 1.1


@pytest.mark.parametrize(("pace", "seconds"), [(0.5, 2), (0.1, 10)])
def test_rate_limit_below_one_per_second(pace: float, seconds: float) -> None:
    """requests_per_second can be below 1."""
    with serve_rate_limited_sandbox() as sandbox:
        result = run(sandbox, max_parallel_windows=1, periods_per_window=10, requests_per_second=pace)
    assert_succeeded(result)
    assert 1 <= result.waited / ((len(result.requests) - 1) * seconds) < 1.1
