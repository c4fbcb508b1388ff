"""No request is made that the windows and their pages do not make necessary."""

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
"""Requests of a first load of 801 days, for up to a hundred users; the README promises them."""


def pages_of(spans: list[ExpectedWindow], page_size: int) -> int:
    """Count the pages that the windows have."""
    active = [len(company().activity(span.grain, span.start, span.end)) for span in spans]
    return sum(max(1, -(-users // page_size)) for users in active)


@pytest.mark.parametrize(("page_size", "parallel"), [(100, 4), (6, 1)])
@pytest.mark.parametrize("stream", STREAMS)
def test_a_first_load_a_nightly_run_and_a_run_with_nothing_to_read(stream: str, page_size: int, parallel: int) -> None:
    """Each makes as many requests as its windows have pages, for each grain."""
    grain, clock = STREAMS[stream], HandClock(NOON)
    settings: dict[str, Any] = {"start_date": str(FIRST_DAY), "lookback_days": 7, "max_parallel_windows": parallel}
    with serve_sandbox(clock=clock, page_size=page_size) as sandbox:
        first = run(sandbox, streams=[stream], **settings)
        clock.sleep(86_400)
        nightly = run(sandbox, streams=[stream], **settings, state=first.state)
        nothing = run(sandbox, streams=[stream], **{**settings, "lookback_days": 0}, state=nightly.state)
    for ran in (first, nightly, nothing):
        assert_succeeded(ran)
    spans = expected_windows(grain, FIRST_DAY, TODAY)
    assert len(first.requests) == pages_of(spans, page_size)
    if page_size == 100:
        assert len(first.requests) == FIRST_LOADS[stream]
    again = expected_windows(grain, spans[-1].end - timedelta(days=7), TODAY + timedelta(days=1))
    assert len(nightly.requests) == pages_of(again, page_size)
    assert nightly.rows == expected_rows(company(), again)
    if page_size == 100:
        assert len(nightly.requests) == 1
    assert nothing.requests == []
    assert nothing.state == nightly.state


def test_all_grains_together_cost_what_each_costs() -> None:
    """No request serves two, as a week is not the sum of its days."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, streams=[*STREAMS], start_date=str(FIRST_DAY))
    assert_succeeded(ran)
    assert len(ran.requests) == sum(FIRST_LOADS.values())


def test_wrong_settings_cost_no_request() -> None:
    """They are checked before any."""
    with serve_sandbox() as sandbox:
        for wrong in ({"start_date": "yesterday"}, {"company_timezone": "Mars"}, {"user_ids": [7]}, {"access_key": ""}):
            ran = run(sandbox, **wrong)
            assert ran.status == 1
            assert ran.requests == []
