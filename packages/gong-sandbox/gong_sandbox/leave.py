"""Users on leave: each month a seller starts a leave of several weeks, so that a user has always gone quiet."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from gong_sandbox.periods import ONE_DAY
from gong_sandbox.seeded_random import SeededRandom

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gong_sandbox.people import User

FIRST_LEAVE = date(2026, 1, 1)
"""First day of the first leave."""

LEAVE_LENGTH = timedelta(days=45)
"""A whole month and the first weeks of the next."""


def on_leave(day: date, users: Sequence[User], seed: str) -> set[int]:
    """Return the numbers of the users who are on leave on `day`."""
    this_month = day.replace(day=1)
    last_month = (this_month - ONE_DAY).replace(day=1)
    starts = [first for first in (last_month, this_month) if first >= FIRST_LEAVE and day < first + LEAVE_LENGTH]
    return {number for first in starts for number in _starting_leave(first, users, seed)}


def _starting_leave(first: date, users: Sequence[User], seed: str) -> list[int]:
    """Return who starts a leave on `first`: never the same user two months in a row, nor an only candidate."""
    sellers = [
        user.number
        for user in users
        if user.role == "seller"
        and user.number % 2 == first.month % 2
        and user.works_on(first - LEAVE_LENGTH)
        and user.works_on(first + LEAVE_LENGTH)
    ]
    return [SeededRandom(seed, "leave", first).choice(sellers)] if len(sellers) > 1 else []
