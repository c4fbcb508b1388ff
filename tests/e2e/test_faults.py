"""Whatever Gong answers, or fails to, the rows are those of a clean run, or one sentence says what happened.

Every line of the contract's table of errors is played alone, in series and mixed at random; one of each kind at the
first and the last page of a window, the others at the one between.
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

BEFORE = "2025-02-11"
AT_WINDOW = "from=2025-02-11"

MENDED = (
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
"""What another try mends, after a backoff."""

TOLD_TO_WAIT = {
    "status=429,retry_after=0": 0,
    "status=429,retry_after=7": 7,
    "status=429,retry_after=date:7": 7,
    "status=429,retry_after=600": 600,
}
"""What another try mends, after as many seconds."""

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
"""What ends the run, and what its sentence names."""

#: On a later page, a status of 400 is taken for a cursor that has gone stale.
FATAL_ON_PAGES = [
    *((fault, 0 if fault.startswith("status=400") else 1) for fault in FATAL),
    *(("status=403,error=Gong says why", page) for page in (0, 2)),
]


def play(sandbox: Sandbox, **settings: Any) -> RunResult:  # noqa: ANN401 - those of the tap
    """Read four windows of ten days and of three pages each."""
    defaults = {
        "start_date": "2025-02-01",
        "periods_per_window": 10,
        "max_parallel_windows": 1,
        "requests_per_second": 1_000_000,
    }
    return run(sandbox, **{**defaults, **settings})


def stage(*faults: Any, **options: Any) -> Any:  # noqa: ANN401 - those of Sandbox
    """Serve a small company in pages of four users."""
    return serve_sandbox(
        **{"company": company(12), "page_size": 4, "faults": faults, "grace": 0.0, "cursor_lifetime": 1e6, **options}
    )


@lru_cache(1)
def spans() -> list[ExpectedWindow]:
    """Give the windows that `play` reads."""
    return expected_windows("DAY", date(2025, 2, 1), TODAY, periods_per_window=10)


@lru_cache(1)
def clean() -> list[Row]:
    """Give the rows that `play` reads."""
    return expected_rows(company(12), spans())


REQUESTS = 12


def test_a_clean_run_of_the_play_is_as_expected() -> None:
    """Four windows of three pages, without a wait."""
    with stage() as sandbox:
        ran = play(sandbox)
    assert_succeeded(ran)
    assert ran.rows == clean()
    assert len(ran.requests) == REQUESTS
    assert ran.waits == []
    assert ran.warnings == []
    assert str(spans()[1].start) == BEFORE


# Alone


@pytest.mark.parametrize(("fault", "page"), [*((fault, 1) for fault in MENDED), ("status=500", 0), ("status=500", 2)])
def test_what_may_pass_is_tried_again_after_a_backoff(fault: str, page: int) -> None:
    """With one more request and a wait of a second at most."""
    with stage(f"{fault},{AT_WINDOW},page={page},at=1") as sandbox:
        ran = play(sandbox)
    assert_succeeded(ran)
    assert ran.rows == clean()
    assert len(ran.requests) == REQUESTS + 1
    assert len(ran.waits) == 1
    assert 0 <= ran.waited <= 1
    assert len(ran.warnings) == 1


@pytest.mark.parametrize("fault", TOLD_TO_WAIT)
def test_a_retry_after_is_waited_for_and_no_longer(fault: str) -> None:
    """In seconds or as a date, up to max_retry_wait; the sandbox records whoever comes too early."""
    with stage(f"{fault},{AT_WINDOW},page=1,at=1") as sandbox:
        ran = play(sandbox)
    assert_succeeded(ran)
    assert ran.rows == clean()
    assert len(ran.requests) == REQUESTS + 1
    # A date has whole seconds, and is rounded up.
    assert 0 <= ran.waited - TOLD_TO_WAIT[fault] < 1.1


@pytest.mark.parametrize(("fault", "page"), FATAL_ON_PAGES)
def test_what_no_other_try_mends_ends_the_run_at_once(fault: str, page: int) -> None:
    """In one sentence that names the stream and the window; what was read stays delivered, and the STATE stands."""
    with stage(f"{fault},{AT_WINDOW},page={page},at=1") as sandbox:
        ran = play(sandbox)
    sentence = assert_failed(ran)
    assert FATAL[fault] in sentence
    assert "activity_by_day" in sentence
    assert WINDOW in sentence
    assert BEFORE in sentence.rpartition("state")[2]
    if fault.startswith("status=4") and "envelope=no" not in fault:
        assert re.search(r"requestId [0-9a-f]{20}", sentence)
    assert len(ran.requests) == 3 + page + 1
    assert ran.waits == []
    assert ran.bookmarks == {"activity_by_day": BEFORE}
    assert ran.rows == clean()[: len(ran.rows)]
    assert len(ran.rows) >= len(expected_rows(company(12), spans()[:1]))


@pytest.mark.parametrize("fault", ["status=400", "status=403", "set=records.cursor:7"])
def test_a_run_goes_on_from_where_it_failed(fault: str) -> None:
    """Once Gong is itself again; windows that were read ahead of the failure make no difference."""
    with stage(f"{fault},{AT_WINDOW},page=0", grace=3600) as sandbox:
        failed = play(sandbox, max_parallel_windows=4)
    with stage() as sandbox:
        resumed = play(sandbox, max_parallel_windows=4, state=failed.state)
    assert_failed(failed)
    assert_succeeded(resumed)
    assert failed.bookmarks in ({"activity_by_day": BEFORE}, {})
    assert rows_by_key([*failed.rows, *resumed.rows]) == rows_by_key(clean())


def test_a_failure_of_a_window_comes_after_everything_before_it() -> None:
    """Although windows are read ahead: the rows, the STATE, and the sentence of the first window that failed."""
    faults = ("status=400,error=the last,from=2025-03-03", "status=400,error=the third,from=2025-02-21")
    with stage(*faults) as sandbox:
        ran = play(sandbox, max_parallel_windows=4)
    assert "the third" in assert_failed(ran)
    assert ran.rows == expected_rows(company(12), spans()[:2])
    assert ran.bookmarks == {"activity_by_day": "2025-02-21"}


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_404_with_the_envelope_is_an_empty_window(parallel: int) -> None:
    """One warning tells of it, with Gong's words."""
    with stage("status=404,error=Nobody was found,from=2025-02-11", "status=404,from=2025-03-03") as sandbox:
        ran = play(sandbox, max_parallel_windows=parallel)
    assert_succeeded(ran)
    assert ran.rows == expected_rows(company(12), [spans()[0], spans()[2]])
    assert ran.bookmarks == {"activity_by_day": "2025-03-12"}
    assert len(ran.warnings) == 1
    assert len(ran.requests) == 8


# In series


@pytest.mark.parametrize(("fault", "page"), [("status=503", 0), ("close", 1), ("cut", 2)])
def test_a_request_is_tried_max_retries_times_more(fault: str, page: int) -> None:
    """Eight failures in series pass, with waits that may grow to a minute; the ninth ends the run."""
    longest = [1, 2, 4, 8, 16, 32, 60, 60]
    with stage(f"{fault},{AT_WINDOW},page={page},at=1-8") as sandbox:
        ran = play(sandbox)
    assert_succeeded(ran)
    assert ran.rows == clean()
    assert len(ran.requests) == REQUESTS + 8
    assert all(0 <= wait <= most for wait, most in zip(ran.waits, longest, strict=True))
    with stage(f"{fault},{AT_WINDOW},page={page},at=1-9") as sandbox:
        failed = play(sandbox)
    assert "giving up after 9 attempts" in assert_failed(failed)
    assert len(failed.requests) == 3 + page + 9
    assert len(failed.waits) == 8
    assert failed.bookmarks == {"activity_by_day": BEFORE}


def test_429_is_waited_for_without_a_retry() -> None:
    """However often it comes, until one request has been refused for max_retry_wait in a row."""
    with stage(f"status=429,retry_after=60,{AT_WINDOW},at=1-9") as sandbox:
        ran = play(sandbox, max_retries=0)
    assert_succeeded(ran)
    assert ran.rows == clean()
    assert len(ran.requests) == REQUESTS + 9
    with stage(f"status=429,retry_after=60,{AT_WINDOW}") as sandbox:
        failed = play(sandbox)
    sentence = assert_failed(failed)
    assert "max_retry_wait (600 s)" in sentence
    assert BEFORE in sentence.rpartition("state")[2]
    assert failed.bookmarks == {"activity_by_day": BEFORE}
    assert len(failed.requests) == 3 + 11


@pytest.mark.parametrize("retries", [0, 3])
def test_max_retries_says_how_often(retries: int) -> None:
    """Not at all, if it is 0."""
    with stage("status=500") as sandbox:
        ran = play(sandbox, max_retries=retries)
    assert_failed(ran)
    assert len(ran.requests) == retries + 1
    assert ran.rows == []
    assert ran.bookmarks == {}


def test_a_wait_is_never_longer_than_max_retry_wait() -> None:
    """Neither a backoff nor what Gong asks for."""
    with stage("status=500,at=1-8", "status=429,retry_after=3,at=9") as sandbox:
        ran = play(sandbox, max_retry_wait=2)
    sentence = assert_failed(ran)
    assert "max_retry_wait" in sentence
    assert max(ran.waits) <= 2


# Mixed at random


@pytest.mark.parametrize("number", range(12))
def test_faults_mixed_at_random_change_no_row(number: int) -> None:
    """Nor do they cost a request more than each was worth."""
    draw = seeded_random("faults", number)
    parallel, often = draw.choice([1, 4]), draw.choice([0.1, 0.3, 0.6])
    kinds = [*MENDED, *TOLD_TO_WAIT]
    if parallel > 1:
        # The sandbox holds its callers to a wait of which another fault, at the same moment, keeps one from hearing.
        kinds = draw.choice([[*MENDED], ["status=429,retry_after=7"]])
    faults = [f"{draw.choice(kinds)},at={number}" for number in range(1, 40) if draw.random() < often]
    print(faults)  # noqa: T201 - pytest shows it with a failure
    streams = draw.sample(sorted(STREAMS), 2)
    settings: dict[str, Any] = {"streams": streams, "max_parallel_windows": parallel, "start_date": "2024-12-10"}
    # So that neither many failures nor a long row of 429 ends a run.
    settings.update(max_retries=60, max_retry_wait=3_600)
    with stage() as sandbox:
        unharmed = play(sandbox, **settings)
    with stage(*faults, grace=3600 if parallel > 1 else 0.0) as sandbox:
        ran = play(sandbox, **settings)
    assert_succeeded(ran)
    assert ran.rows == unharmed.rows
    assert ran.states == unharmed.states
    spoilt = [record for record in ran.requests if record.faults or record.status == 429]
    assert len(ran.requests) == len(unharmed.requests) + len(spoilt)


# Of a kind of their own


@pytest.mark.parametrize(("page", "parallel"), [(0, 1), (1, 4)])
def test_a_server_that_never_answers_is_given_up_after_request_timeout(page: int, parallel: int) -> None:
    """And asked again."""
    with stage(f"hang,{AT_WINDOW},page={page},at=1") as sandbox:
        ran = play(sandbox, request_timeout=0.5, max_parallel_windows=parallel)
    assert_succeeded(ran)
    assert ran.rows == clean()
    assert "within 0.5 s" in ran.warnings[0]


def test_a_server_that_sends_a_byte_now_and_then_is_given_up_after_request_timeout() -> None:
    """The timeout is one for the whole answer, not for each of its bytes."""
    with stage(f"drip=0.01,{AT_WINDOW},page=1,at=1") as sandbox:
        ran = play(sandbox, request_timeout=0.5, max_retry_wait=0, end_date=str(TODAY), clock=ClockOfToday())
    assert_succeeded(ran)
    assert ran.rows == clean()
    assert "within 0.5 s" in ran.warnings[0]


class ClockOfToday(Clock):
    """The machine's clock, set to the sandbox's day."""

    def now(self) -> Any:  # noqa: ANN401 - an instant
        return NOON


def test_users_that_a_page_repeats_change_no_row() -> None:
    """They go out again under the same key."""
    with stage("repeated_user") as sandbox:
        ran = play(sandbox)
    assert_succeeded(ran)
    assert ran.rows_by_key == rows_by_key(clean())
    assert len(ran.requests) == REQUESTS


@pytest.mark.parametrize("parallel", [1, 4])
def test_totals_that_never_match_end_no_run(parallel: int) -> None:
    """Two windows are read twice and in vain, one warning gives both numbers, and nothing is lost."""
    with stage("changing_totals") as sandbox:
        ran = play(sandbox, max_parallel_windows=parallel)
    assert_succeeded(ran)
    assert ran.rows_by_key == rows_by_key(clean())
    assert len(ran.warnings) == 1
    assert "13 users in totalRecords but returned 10" in ran.warnings[0]
    assert ran.bookmarks == {"activity_by_day": str(TODAY)}
    assert len(ran.requests) == REQUESTS + 6


INCOMPLETE = {
    'set=errors:["Gong says why"]': "Gong says why",
    "drop=*": "neither records nor usersAggregateActivity",
    "null=usersAggregateActivity": "usersAggregateActivity",
    "set=usersAggregateActivity:7": "usersAggregateActivity",
    "set=records:7": "records",
}
"""A 200 that isn't a whole answer, and what the sentence about it names."""


@pytest.mark.parametrize(("fault", "page"), list(zip(INCOMPLETE, (0, 1, 2, 0, 1), strict=True)))
def test_an_incomplete_answer_is_retried_and_moves_no_bookmark(fault: str, page: int) -> None:
    """What passes loses nothing; what stays ends the run before the window's STATE."""
    with stage(f"{fault},{AT_WINDOW},page={page},at=1-2") as sandbox:
        ran = play(sandbox)
    assert_succeeded(ran)
    assert ran.rows == clean()
    assert len(ran.requests) == REQUESTS + 2
    with stage(f"{fault},{AT_WINDOW},page={page}") as sandbox:
        failed = play(sandbox, max_retries=1)
    assert INCOMPLETE[fault] in assert_failed(failed)
    assert failed.bookmarks == {"activity_by_day": BEFORE}
    assert len(failed.requests) == 3 + page + 2


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_cursor_that_is_missing_once_loses_nobody(parallel: int) -> None:
    """The total says that there are more, so the window is read again."""
    with stage(f"drop=records.cursor,{AT_WINDOW},page=0,at=1") as sandbox:
        ran = play(sandbox, max_parallel_windows=parallel)
    assert_succeeded(ran)
    assert ran.rows_by_key == rows_by_key(clean())
    assert ran.warnings == []
    assert len(ran.requests) == REQUESTS + 1


@pytest.mark.parametrize("page", [0, 1, 2])
def test_an_empty_page_with_a_cursor_is_not_the_end(page: int) -> None:
    """Nor is a page whose users hold nothing."""
    with stage(f"empty_page,{AT_WINDOW},page={page},at=1") as sandbox:
        ran = play(sandbox)
    assert_succeeded(ran)
    assert ran.rows == clean()
    assert len(ran.requests) == REQUESTS + 1


@pytest.mark.parametrize("page", [1, 2])
def test_an_expired_cursor_starts_the_window_over_once(page: int) -> None:
    """With a warning, and with rows that may come twice; a second one ends the run."""
    with stage(f"cursor_expired,{AT_WINDOW},page={page},at=1") as sandbox:
        ran = play(sandbox)
    assert_succeeded(ran)
    assert ran.rows_by_key == rows_by_key(clean())
    assert len(ran.requests) == REQUESTS + page + 1
    assert len(ran.warnings) == 1
    with stage(f"cursor_expired,{AT_WINDOW},page={page}") as sandbox:
        failed = play(sandbox)
    assert "also after starting over" in assert_failed(failed)
    assert failed.bookmarks == {"activity_by_day": BEFORE}
    assert len(failed.requests) == 3 + 2 * (page + 1)


def test_a_cursor_that_goes_stale_during_a_wait_is_no_loss() -> None:
    """The sandbox's cursors are good for a minute, and it asks for a wait of two."""
    with stage(f"status=429,retry_after=120,{AT_WINDOW},page=1,at=1", cursor_lifetime=60) as sandbox:
        ran = play(sandbox)
    assert_succeeded(ran)
    assert ran.rows_by_key == rows_by_key(clean())
    assert len(ran.requests) == REQUESTS + 3


@pytest.mark.parametrize("page", [1, 2])
def test_a_404_on_a_later_page_does_not_make_the_window_empty(page: int) -> None:
    """It is taken for a cursor that has gone stale, so that no row is lost."""
    with stage(f"status=404,{AT_WINDOW},page={page},at=1") as sandbox:
        ran = play(sandbox)
    assert_succeeded(ran)
    assert ran.rows_by_key == rows_by_key(clean())
    assert len(ran.warnings) == 1


@pytest.mark.parametrize("fault", ["cursor_unchanged", "cursor_seen"])
def test_a_cursor_that_comes_again_ends_the_run(fault: str) -> None:
    """As paging would never end."""
    with stage(fault) as sandbox:
        ran = play(sandbox)
    assert "cursor" in assert_failed(ran)
    assert len(ran.requests) <= 3


def test_gongs_malformed_example_leaves_the_instant_null() -> None:
    """With one warning; the date is the first ten characters."""
    with stage("malformed_to_date") as sandbox:
        ran = play(sandbox)
    assert_succeeded(ran)
    assert ran.rows == [{**row, "period_end_at": None} for row in clean()]
    assert len(ran.warnings) == 1


def test_a_body_of_200_mb_ends_the_run_before_it_is_read() -> None:
    """No page of the window can be that large."""
    with stage(f"huge=209715200,{AT_WINDOW},page=1") as sandbox:
        ran = play(sandbox)
    assert "larger than" in assert_failed(ran)
    assert ran.bookmarks == {"activity_by_day": BEFORE}


# Quotas


def spend_quota(quota: int, state: dict[str, Any], parallel: int) -> RunResult:
    """Run on a day on which so many calls are left."""
    with stage(daily_quota=quota, clock=HandClock(NOON), grace=3600) as sandbox:
        ran = play(sandbox, state=state, max_parallel_windows=parallel)
    if ran.status == 0:
        assert_succeeded(ran)
    else:
        sentence = assert_failed(ran)
        assert "2025-03-13 20:00 UTC" in sentence
        assert ran.waits == []
        assert sum(record.status == 200 for record in ran.requests) == quota
        assert len(ran.requests) <= quota + parallel
        reached = bookmarks(ran.state).get("activity_by_day") or bookmarks(state).get("activity_by_day")
        assert (reached or "no state") in sentence
        has_moved = reached != bookmarks(state).get("activity_by_day")
        assert ("set max_parallel_windows to 1" in sentence) == (parallel > 1 and not has_moved)
    return ran


@pytest.mark.parametrize(("quota", "parallel"), [(2, 1), (7, 1), (7, 4), (11, 4)])
def test_a_quota_that_is_gone_ends_the_run_at_once(quota: int, parallel: int) -> None:
    """The sentence says until when, and how far it got."""
    assert spend_quota(quota, {}, parallel).status


@pytest.mark.parametrize("quota", [3, 7])
def test_day_after_day_a_backfill_gets_done_that_no_quota_is_enough_for(quota: int) -> None:
    """As long as a window fits into it; what several threads complete is tested where the pace is played."""
    state: dict[str, Any] = {}
    rows: list[Row] = []
    status = 1
    for _ in range(4):
        ran = spend_quota(quota, state, 1)
        rows += ran.rows
        status, state = ran.status, ran.state or state
        if not status:
            break
    assert status == 0
    assert rows_by_key(rows) == rows_by_key(clean())


def test_one_limiter_paces_all_streams_of_a_run() -> None:
    """Three requests in any second, whichever stream makes them, and not a second more than that takes."""
    with serve_rate_limited_sandbox(page_size=3) as sandbox:
        ran = run(sandbox, streams=[*STREAMS], max_parallel_windows=1, periods_per_window=40)
    assert_succeeded(ran)
    assert {record.status for record in ran.requests} == {200}
    assert len(ran.requests) > 20
    assert 1 <= ran.waited / ((len(ran.requests) - 1) / 3) < 1.1


@pytest.mark.parametrize(("pace", "seconds"), [(0.5, 2), (0.1, 10)])
def test_a_pace_below_one_a_second_is_kept(pace: float, seconds: float) -> None:
    """As many seconds between two requests."""
    with serve_rate_limited_sandbox() as sandbox:
        ran = run(sandbox, max_parallel_windows=1, periods_per_window=10, requests_per_second=pace)
    assert_succeeded(ran)
    assert 1 <= ran.waited / ((len(ran.requests) - 1) * seconds) < 1.1
