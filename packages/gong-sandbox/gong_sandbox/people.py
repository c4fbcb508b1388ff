"""The users of the company: their accounts, teams and roles, and when they come and go."""

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

FOUNDED = date(2015, 1, 5)
"""First day with any activity."""

HIRING_YEARS = 10
TEAM_SIZE = 8

# One account in so many is of a kind that clients must cope with, so that small companies have them too.
IDLE_EVERY = 9
WITHOUT_EMAIL_EVERY = 10
HUGE_ID_EVERY = 4
LEAVING_EVERY = 6

# Names are made of syllables; the domains are reserved for examples (RFC 2606).
SYLLABLES = ("ba", "du", "fe", "gro", "ki", "lom", "mu", "nev", "or", "pil", "qua", "ris", "sto", "tev", "ul", "zam")
DOMAINS = ("example.com", "example.com", "example.org", "sales.example.net")


@dataclass(frozen=True)
class User:
    """A Gong account.

    Attributes:
        number: Position among the company's users, from 0.
        user_id: 17 to 20 digits; more than 2**63 for some.
        first_name: Given name.
        last_name: Family name.
        email_address: None for some accounts.
        created: Instant at which the account was created, in UTC.
        first_day: First day with possible activity, in the company's time zone.
        day_after_last: First day after the user left, or None.
        team: Number of the user's team.
        role: `manager`, `seller`, `listener`, or `idle` for an account that never has activity.
    """

    number: int
    user_id: str
    first_name: str
    last_name: str
    email_address: str | None
    created: datetime
    first_day: date
    day_after_last: date | None
    team: int
    role: str

    def works_on(self, day: date) -> bool:
        """Return whether the user can have activity on `day`."""
        return (
            self.role != "idle" and self.first_day <= day and (self.day_after_last is None or day < self.day_after_last)
        )


def hire(size: int, zone: ZoneInfo, seed: str) -> tuple[User, ...]:
    """Invent `size` users of a company in `zone`; the same `seed` returns the same people."""
    users: list[User] = []
    taken: set[str] = set()
    for number in range(size):
        chance = Chance(seed, "user", number)
        user_id = _unused(taken, partial(_user_id, chance, number))
        email_address = _unused(taken, partial(_email_address, chance))
        first_name, last_name = email_address.partition("@")[0].split(".")
        created = _created(chance, number)
        first_day = created.astimezone(zone).date() + ONE_DAY
        leaves = number % LEAVING_EVERY == LEAVING_EVERY - 1
        users.append(
            User(
                number=number,
                user_id=user_id,
                first_name=first_name.capitalize(),
                last_name=last_name.capitalize(),
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
    # Half of every ten join in the first week, the others over the years.
    days = chance.below(5) if number % 10 < 5 else chance.below(365 * HIRING_YEARS)  # noqa: PLR2004 - half of ten
    return founded + timedelta(days=days, seconds=chance.below(86_400))


def _role(number: int) -> str:
    if number % IDLE_EVERY == IDLE_EVERY - 1:
        return "idle"
    return {0: "manager", TEAM_SIZE - 1: "listener"}.get(number % TEAM_SIZE, "seller")
