"""Calendar periods, clipped to the requested range as Gong does."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

ONE_DAY = timedelta(days=1)

PERIOD_OF_DAY: dict[str, Callable[[date], Hashable]] = {
    "DAY": lambda day: day,
    "WEEK": lambda day: day.isocalendar()[:2],
    "MONTH": lambda day: (day.year, day.month),
    "QUARTER": lambda day: (day.year, (day.month - 1) // 3),
    "YEAR": lambda day: day.year,
}
"""Functions that map a day to an identifier of its period; weeks start on Monday."""


class Period(NamedTuple):
    """The days from `from_date` to `to_date` (exclusive), in the company's time zone."""

    from_date: date
    to_date: date


def days_between(from_date: date, to_date: date) -> list[date]:
    """Return the days from `from_date` to `to_date` (exclusive)."""
    return [from_date + timedelta(days=number) for number in range((to_date - from_date).days)]


def periods_between(aggregation_period: str, from_date: date, to_date: date) -> list[Period]:
    """Return the periods of a range, the first and the last clipped to it.

    Raises:
        KeyError: `aggregation_period` isn't one of Gong's five.
    """
    groups = groupby(days_between(from_date, to_date), key=PERIOD_OF_DAY[aggregation_period])
    periods = [list(days) for _, days in groups]
    return [Period(days[0], days[-1] + ONE_DAY) for days in periods]
