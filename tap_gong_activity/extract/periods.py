"""Calendar periods: days, weeks that start on Monday, months, quarters and years; plain dates, without a time zone."""

from __future__ import annotations

from datetime import date, timedelta
from enum import Enum


class Grain(Enum):
    """The length of a period; the values are Gong's for `aggregationPeriod`."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"

    def period_start(self, day: date) -> date:
        """Return the first day of the period that contains `day`."""
        if self is Grain.WEEK:
            return day - timedelta(days=day.weekday())
        months = _MONTHS.get(self)
        if months is None:
            return day
        return day.replace(month=(day.month - 1) // months * months + 1, day=1)

    def next_start(self, start: date) -> date:
        """Return the exclusive end of the period that starts on `start`, which is the next period's first day."""
        months = _MONTHS.get(self)
        if months is None:
            return start + timedelta(days=7 if self is Grain.WEEK else 1)
        years, month = divmod(start.month - 1 + months, 12)
        return start.replace(year=start.year + years, month=month + 1)


_MONTHS = {Grain.MONTH: 1, Grain.QUARTER: 3, Grain.YEAR: 12}
