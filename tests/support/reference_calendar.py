"""A reference calendar: periods of days, derived in other ways than the tap's."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from tap_gong_activity.extract.periods import Grain

if TYPE_CHECKING:
    from collections.abc import Hashable

ONE_DAY = timedelta(days=1)
QUARTERS = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 3, 8: 3, 9: 3, 10: 4, 11: 4, 12: 4}


def period_of(grain: Grain, day: date) -> Hashable:
    """Return a value that two days share if they're in the same period."""
    periods: dict[Grain, Hashable] = {
        Grain.DAY: day,
        Grain.WEEK: day.isocalendar()[:2],
        Grain.MONTH: (day.year, day.month),
        Grain.QUARTER: (day.year, QUARTERS[day.month]),
        Grain.YEAR: day.year,
    }
    return periods[grain]


def is_boundary(grain: Grain, day: date) -> bool:
    """Return whether a period starts on that day."""
    return day == date.min or period_of(grain, day - ONE_DAY) != period_of(grain, day)
