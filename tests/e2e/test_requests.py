"""Requests: a run sends one per page of its windows, and no others."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from gong_sandbox import HandClock
from support.expected_rows import STREAMS, ExpectedWindow, company, expected_rows, expected_windows
from support.fake_clock import NOON, TODAY
from support.fake_time_runs import run, serve_sandbox
from support.run_results import assert_succeeded

FIRST_DAY = date(2023, 1, 1)

FIRST_LOADS = {
    "activity_by_day": 9,
    "activity_by_week": 2,
    "activity_by_month": 1,
    "activity_by_quarter": 1,
    "activity_by_year": 1,
}
"""Requests of a first load of 801 days for up to 100 users, as in the README."""


def pages_in(windows: list[ExpectedWindow], page_size: int) -> int:
    """Count the pages of the windows."""
    active = [len(company().activity(window.grain, window.start, window.end)) for window in windows]
    return sum(max(1, -(-users // page_size)) for users in active)


@pytest.mark.parametrize(("page_size", "parallel"), [(100, 4), (6, 1)])
@pytest.mark.parametrize("stream", STREAMS)
def test_runs_send_one_request_per_page(stream: str, page_size: int, parallel: int) -> None:
    """A first load and a nightly run send one request per page, and a run with nothing to read sends none."""
    grain, clock = STREAMS[stream], HandClock(NOON)
    settings: dict[str, Any] = {"start_date": str(FIRST_DAY), "lookback_days": 7, "max_parallel_windows": parallel}
    with serve_sandbox(clock=clock, page_size=page_size) as sandbox:
        first = run(sandbox, streams=[stream], **settings)
        clock.sleep(86_400)
        nightly = run(sandbox, streams=[stream], **settings, state=first.state)
        idle = run(sandbox, streams=[stream], **{**settings, "lookback_days": 0}, state=nightly.state)
    for result in (first, nightly, idle):
        assert_succeeded(result)
    windows = expected_windows(grain, FIRST_DAY, TODAY)
    assert len(first.requests) == pages_in(windows, page_size)
    if page_size == 100:
        assert len(first.requests) == FIRST_LOADS[stream]
    lookback_windows = expected_windows(grain, windows[-1].end - timedelta(days=7), TODAY + timedelta(days=1))
    assert len(nightly.requests) == pages_in(lookback_windows, page_size)
    assert nightly.rows == expected_rows(company(), lookback_windows)
    if page_size == 100:
        assert len(nightly.requests) == 1
    assert idle.requests == []
    assert idle.state == nightly.state


def test_grains_share_no_requests() -> None:
    """The requests of all grains add up, because a week isn't the sum of its days."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, streams=[*STREAMS], start_date=str(FIRST_DAY))
    assert_succeeded(result)
    assert len(result.requests) == sum(FIRST_LOADS.values())


def test_invalid_settings_send_no_request() -> None:
    """Settings are validated before any request."""
    with serve_sandbox() as sandbox:
        for wrong in ({"start_date": "yesterday"}, {"company_timezone": "Mars"}, {"user_ids": [7]}, {"access_key": ""}):
            result = run(sandbox, **wrong)
            assert result.status == 1
            assert result.requests == []
