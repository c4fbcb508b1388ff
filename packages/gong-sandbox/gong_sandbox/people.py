"""The users of the company: who they are, in which team, from when to when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING

from gong_sandbox.chance import Chance
from gong_sandbox.periods import ONE_DAY

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

#: Nobody has done anything before.
FOUNDED = date(2015, 1, 5)
HIRING_YEARS = 10
TEAM_SIZE = 8

# Every so many accounts there is one of a kind that a client has to cope with, so that small companies have them too.
IDLE_EVERY = 9
WITHOUT_EMAIL_EVERY = 10
HUGE_ID_EVERY = 4
LEAVING_EVERY = 6

# Names are put together from syllables, and stand at domains that are reserved for examples (RFC 2606).
SYLLABLES = ("ba", "du", "fe", "gro", "ki", "lom", "mu", "nev", "or", "pil", "qua", "ris", "sto", "tev", "ul", "zam")
DOMAINS = ("example.com", "example.com", "example.org", "sales.example.net")


@dataclass(frozen=True)
class User:
    """An account at Gong.

    Attributes:
        number: The place among the company's users, from 0.
        user_id: 17 to 20 digits; more than 2**63 for some.
        email_address: None for some accounts.
        created: The instant at which the account was made, in UTC.
        first_day: The first day, in the company's time zone, on which the user may have done something.
        day_after_last: The first day on which the user is gone, or None.
        team: The number of the user's team.
        role: `manager`, `seller`, `listener`, or `idle` for an account that never does anything.
    """

    number: int
    user_id: str
    email_address: str | None
    created: datetime
    first_day: date
    day_after_last: date | None
    team: int
    role: str

    def works_on(self, day: date) -> bool:
        """Tell whether the user is one of the company's active people on `day`."""
        return (
            self.role != "idle" and self.first_day <= day and (self.day_after_last is None or day < self.day_after_last)
        )


def hire(size: int, zone: ZoneInfo, seed: str) -> tuple[User, ...]:
    """Invent `size` users of a company in `zone`; the same `seed` gives the same people."""
    users: list[User] = []
    taken: set[str] = set()
    for number in range(size):
        chance = Chance(seed, "user", number)
        user_id = _unused(taken, partial(_user_id, chance, number))
        email_address = _unused(taken, partial(_email_address, chance))
        created = _created(chance, number)
        first_day = created.astimezone(zone).date() + ONE_DAY
        leaves = number % LEAVING_EVERY == LEAVING_EVERY - 1
        users.append(
            User(
                number=number,
                user_id=user_id,
                email_address=None if number % WITHOUT_EMAIL_EVERY == WITHOUT_EMAIL_EVERY - 1 else email_address,
                created=created,
                first_day=first_day,
                day_after_last=first_day + timedelta(days=200 + chance.below(2500)) if leaves else None,
                team=number // TEAM_SIZE,
                role=_role(number),
            )
        )
    return tuple(users)


def _unused(taken: set[str], invent: Callable[[], str]) -> str:
    while (invented := invent()) in taken:
        pass
    taken.add(invented)
    return invented


def _user_id(chance: Chance, number: int) -> str:
    # Gong documents up to 20 digits: more than a signed 64-bit integer holds.
    if number % HUGE_ID_EVERY == HUGE_ID_EVERY - 1:
        return str(10**19 + chance.below(8 * 10**18))
    digits = 17 + chance.below(3)
    return str(10 ** (digits - 1) + chance.below(8 * 10 ** (digits - 1)))


def _email_address(chance: Chance) -> str:
    first, last = ("".join(chance.pick(SYLLABLES) for _ in range(syllables)) for syllables in (2, 3))
    return f"{first}.{last}@{chance.pick(DOMAINS)}"


def _created(chance: Chance, number: int) -> datetime:
    founded = datetime(FOUNDED.year, FOUNDED.month, FOUNDED.day, tzinfo=timezone.utc)
    # Half of every ten are there from the first week; the others are hired over the years.
    days = chance.below(5) if number % 10 < 5 else chance.below(365 * HIRING_YEARS)  # noqa: PLR2004 (half of ten)
    return founded + timedelta(days=days, seconds=chance.below(86_400))


def _role(number: int) -> str:
    if number % IDLE_EVERY == IDLE_EVERY - 1:
        return "idle"
    return {0: "manager", TEAM_SIZE - 1: "listener"}.get(number % TEAM_SIZE, "seller")
