"""The workload of a day, which depends on weekends, holidays and the season."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

FRIDAY, SATURDAY = 4, 5
AUGUST, DECEMBER = 8, 12
PUBLIC_HOLIDAYS = {(1, 1), (5, 1), (12, 24), (12, 25), (12, 26), (12, 31)}
LAST_DAY_BEFORE_BREAK = 21


def workload(day: date) -> float:
    """Return the activity to expect on `day`, as a fraction of an ordinary working day's."""
    if day.weekday() >= SATURDAY:
        return 0.02
    if (day.month, day.day) in PUBLIC_HOLIDAYS:
        return 0.02
    if day.month == DECEMBER and day.day > LAST_DAY_BEFORE_BREAK:
        return 0.2
    summer = 0.55 if day.month == AUGUST else 1.0
    return summer * (0.7 if day.weekday() == FRIDAY else 1.0)
