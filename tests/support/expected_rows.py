"""Expected rows: those that the tap must write for a company's activity, derived without the tap's code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gong_sandbox import Company
from gong_sandbox.periods import ONE_DAY, PERIOD_OF_DAY, periods_between

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

STREAMS = {
    "activity_by_day": "DAY",
    "activity_by_week": "WEEK",
    "activity_by_month": "MONTH",
    "activity_by_quarter": "QUARTER",
    "activity_by_year": "YEAR",
}

COLUMNS = (
    "user_id",
    "user_email_address",
    "aggregation_period",
    "period_start_date",
    "period_end_date",
    "period_start_at",
    "period_end_at",
    "is_complete",
    "calls_as_host",
    "calls_gave_feedback",
    "calls_requested_feedback",
    "calls_received_feedback",
    "own_calls_listened_to",
    "others_calls_listened_to",
    "calls_shared_internally",
    "calls_shared_externally",
    "calls_scorecards_filled",
    "calls_scorecards_received",
    "calls_attended",
    "calls_comments_given",
    "calls_comments_received",
    "calls_marked_as_feedback_given",
    "calls_marked_as_feedback_received",
)
"""Columns of the activity streams, in order; written out, so that a change of the tap's is noticed."""

COUNTER_COLUMNS = COLUMNS[8:]

Row = dict[str, Any]
RowsByKey = dict[tuple[str, str, str], Row]


@lru_cache(32)
def company(size: int = 20, zone: str = "America/Los_Angeles", seed: str = "gong") -> Company:
    """Return a company, shared by all tests, so that each day is generated once."""
    return Company(size, zone, seed)


@dataclass(frozen=True)
class ExpectedWindow:
    """A window that the tap must request."""

    grain: str
    start: date
    end: date
    is_complete: bool = True


def expected_windows(
    grain: str, start: date, end: date, *, periods_per_window: int = 90, include_open_period: bool = False
) -> list[ExpectedWindow]:
    """Split a range into windows of complete periods, and one with the open period."""
    first = start
    while PERIOD_OF_DAY[grain](first - ONE_DAY) == PERIOD_OF_DAY[grain](start):
        first -= ONE_DAY
    periods = periods_between(grain, first, end)
    is_open = bool(periods) and PERIOD_OF_DAY[grain](end - ONE_DAY) == PERIOD_OF_DAY[grain](end)
    complete = periods[:-1] if is_open else periods
    windows = [
        ExpectedWindow(grain, complete[number].from_date, complete[: number + periods_per_window][-1].to_date)
        for number in range(0, len(complete), periods_per_window)
    ]
    if is_open and include_open_period:
        windows.append(ExpectedWindow(grain, *periods[-1], is_complete=False))
    return windows


def expected_rows(
    company: Company,
    windows: Iterable[ExpectedWindow],
    **filters: Any,  # noqa: ANN401 - those of Company.rows
) -> list[Row]:
    """Return the rows of the windows, in the order of windows and pages."""
    rows: list[Row] = []
    for window in windows:
        for row in company.rows(window.grain, window.start, window.end, **filters):
            values = (
                row.user_id,
                row.user_email_address,
                window.grain,
                row.from_date.isoformat(),
                row.to_date.isoformat(),
                *(f"{company.midnight(day).astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}" for day in row[2:4]),
                window.is_complete,
                *row.counters,
            )
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def rows_by_key(rows: Iterable[Row]) -> RowsByKey:
    """Index rows by grain and primary key, as a target upserts them: the last one wins."""
    return {(row["aggregation_period"], row["user_id"], row["period_start_date"]): row for row in rows}
