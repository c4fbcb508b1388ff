"""The plan: which windows a stream reads and in what order, given what earlier runs have written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from tap_gong_activity.extract.windows import Window, cut_into_windows

if TYPE_CHECKING:
    from tap_gong_activity.extract.periods import Grain


@dataclass(frozen=True, slots=True)
class Written:
    """The days that have been written, without gaps, from the start of the history to the bookmark.

    Attributes:
        history_start: First day.
        bookmark: Exclusive end; before `history_start` if no days are known to be written.
    """

    history_start: date
    bookmark: date


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The windows that a run reads.

    Attributes:
        start: First day of the forward range, the start of a period.
        windows: All windows in order: the forward range, the open period, then the missing history, newest first.
        is_history_blocked: Whether `end_date` prevents extending the history back to `start_date`.
    """

    start: date
    windows: list[Window]
    is_history_blocked: bool

    @property
    def missing(self) -> list[Window]:
        """The windows that extend the history."""
        return [window for window in self.windows if window.start < self.start]

    def after(self, window: Window, written: Written | None) -> Written:
        """Return which days have been written after a window of this plan and all windows before it."""
        # The next run has to read an open period again from its start.
        reached = window.end if window.is_complete else window.start
        if written is None or written.bookmark < window.start:
            # start_date has moved past the bookmark, so the days between aren't known to be written.
            return Written(window.start, reached)
        if window.start < self.start:
            return replace(written, history_start=window.start)
        return replace(written, bookmark=max(reached, written.bookmark))


def plan_windows(
    grain: Grain,
    *,
    start_date: date,
    end_date: date | None,
    today: date,
    lookback_days: int,
    periods_per_window: int,
    include_open_period: bool,
    written: Written | None,
) -> Plan:
    """Plan a run of a stream.

    Args:
        grain: The stream's grain.
        start_date: Earliest date to sync.
        end_date: Exclusive end, if set.
        today: The company's current date, which is the latest possible end.
        lookback_days: How many days before the bookmark to read again.
        periods_per_window: Maximum number of periods per window.
        include_open_period: Whether to read the period that the end cuts off.
        written: The days that earlier runs have written, or None to read everything.
    """
    end = min(end_date or today, today)
    bookmark = written.bookmark if written else None
    start = first_day(grain, start_date, bookmark, lookback_days)
    windows = cut_into_windows(
        grain,
        start,
        end,
        periods_per_window=periods_per_window,
        # The part of a period before end_date must not replace a complete row that has been written.
        include_open_period=include_open_period and (bookmark is None or bookmark <= grain.period_start(end)),
    )
    if written is None:
        return Plan(start=start, windows=windows, is_history_blocked=False)
    earliest = grain.period_start(start_date)
    history_start = written.history_start
    period_start = grain.period_start(history_start)
    if period_start < min(history_start, end):
        # Edited by hand: a day within a period doesn't mean that the whole period has been written.
        history_start = grain.next_start(period_start)
    is_blocked = earliest < history_start and end_date is not None and end_date <= history_start
    if not is_blocked:
        missing_end = min(history_start, start, grain.period_start(end))
        missing = cut_into_windows(
            grain, earliest, missing_end, periods_per_window=periods_per_window, include_open_period=False
        )
        windows += reversed(missing)
    return Plan(start=start, windows=windows, is_history_blocked=is_blocked)


def first_day(grain: Grain, start_date: date, bookmark: date | None, lookback_days: int) -> date:
    """Return the first day to read: the bookmark minus the lookback, moved back to the start of its period.

    It's never before the start of `start_date`'s period.

    Args:
        grain: The stream's grain.
        start_date: Earliest date to sync.
        bookmark: Exclusive end of what earlier runs have written, if any.
        lookback_days: How many days before the bookmark to read again.
    """
    earliest = grain.period_start(start_date)
    # Compared in days, because a lookback of thousands of years is out of range for a date.
    if bookmark is None or (bookmark - earliest).days <= lookback_days:
        return earliest
    return grain.period_start(bookmark - timedelta(days=lookback_days))
