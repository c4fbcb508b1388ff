"""Who is on leave: each month a seller begins a leave of some weeks, so that somebody has always gone quiet."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from gong_sandbox.chance import Chance
from gong_sandbox.periods import ONE_DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gong_sandbox.people import User

SINCE = date(2026, 1, 1)
"""First day of the first leave; the days before are older than leaves."""

LEAVE = timedelta(days=45)
"""A whole month and the first weeks of the next."""


def on_leave(day: date, users: Sequence[User], seed: str) -> set[int]:
    """Return the numbers of the users who are on leave on `day`."""
    this_month = day.replace(day=1)
    last_month = (this_month - ONE_DAY).replace(day=1)
    begun = [first for first in (last_month, this_month) if first >= SINCE and day < first + LEAVE]
    return {number for first in begun for number in _leaving(first, users, seed)}


def _leaving(first: date, users: Sequence[User], seed: str) -> list[int]:
    """Return who begins a leave on `first`: never the same user in two months in a row, nor one of two sellers."""
    sellers = [
        user.number
        for user in users
        if user.role == "seller"
        and user.number % 2 == first.month % 2
        and user.works_on(first - LEAVE)
        and user.works_on(first + LEAVE)
    ]
    return [Chance(seed, "leave", first).pick(sellers)] if len(sellers) > 1 else []
