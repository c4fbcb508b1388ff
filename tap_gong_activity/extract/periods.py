"""Calendar periods: days, weeks that start on Monday, months, quarters and years.

Plain dates throughout. Whose time zone they are in is the caller's business; here it makes no difference.
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import Enum


class Grain(Enum):
    """How long a period is; the values are what Gong calls `aggregationPeriod`."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"

    def period_start(self, day: date) -> date:
        """First day of the period that holds `day`."""
        if self is Grain.WEEK:
            return day - timedelta(days=day.weekday())
        months = _MONTHS.get(self)
        if months is None:
            return day
        return day.replace(month=(day.month - 1) // months * months + 1, day=1)

    def next_start(self, start: date) -> date:
        """First day of the period after the one that begins on `start`, which is also that one's exclusive end."""
        months = _MONTHS.get(self)
        if months is None:
            return start + timedelta(days=7 if self is Grain.WEEK else 1)
        years, month = divmod(start.month - 1 + months, 12)
        return start.replace(year=start.year + years, month=month + 1)


_MONTHS = {Grain.MONTH: 1, Grain.QUARTER: 3, Grain.YEAR: 12}
