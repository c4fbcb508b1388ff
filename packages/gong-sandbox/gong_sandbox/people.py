"""The company's users: their accounts, teams and roles, and when they join and leave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING

from gong_sandbox.periods import ONE_DAY
from gong_sandbox.seeded_random import SeededRandom

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

FOUNDED = date(2015, 1, 5)
"""First day with any activity."""

HIRING_YEARS = 10
TEAM_SIZE = 8

# One account in this many is of a kind that clients must handle, so even small companies have one.
IDLE_EVERY = 9
WITHOUT_EMAIL_EVERY = 10
LARGE_ID_EVERY = 4
LEAVING_EVERY = 6

# Names are built from syllables; the domains are reserved for examples (RFC 2606).
SYLLABLES = ("ba", "du", "fe", "gro", "ki", "lom", "mu", "nev", "or", "pil", "qua", "ris", "sto", "tev", "ul", "zam")
DOMAINS = ("example.com", "example.com", "example.org", "sales.example.net")


@dataclass(frozen=True)
class User:
    """A Gong account.

    Attributes:
        number: Position among the company's users, from 0.
        user_id: 17 to 20 digits; too large for a signed 64-bit integer for some.
        first_name: Given name.
        last_name: Family name.
        email_address: None for some users.
        created: Time at which the account was created, in UTC.
        first_day: First day on which the user can have activity, in the company's time zone.
        day_after_last: Day after the user's last day, or None.
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


def generate_users(size: int, zone: ZoneInfo, seed: str) -> tuple[User, ...]:
    """Return `size` users of a company in `zone`; the same `seed` returns the same users."""
    users: list[User] = []
    taken: set[str] = set()
    for number in range(size):
        random = SeededRandom(seed, "user", number)
        user_id = _unused(taken, partial(_user_id, random, number))
        email_address = _unused(taken, partial(_email_address, random))
        first_name, last_name = email_address.partition("@")[0].split(".")
        created = _created(random, number)
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
                day_after_last=first_day + timedelta(days=200 + random.below(2500)) if leaves else None,
                team=number // TEAM_SIZE,
                role=_role(number),
            )
        )
    return tuple(users)


def _unused(taken: set[str], generate: Callable[[], str]) -> str:
    while (text := generate()) in taken:
        pass
    taken.add(text)
    return text


def _user_id(random: SeededRandom, number: int) -> str:
    # Gong documents up to 20 digits, more than fit into a signed 64-bit integer.
    if number % LARGE_ID_EVERY == LARGE_ID_EVERY - 1:
        return str(10**19 + random.below(8 * 10**18))
    digits = 17 + random.below(3)
    return str(10 ** (digits - 1) + random.below(8 * 10 ** (digits - 1)))


def _email_address(random: SeededRandom) -> str:
    first, last = ("".join(random.choice(SYLLABLES) for _ in range(syllables)) for syllables in (2, 3))
    return f"{first}.{last}@{random.choice(DOMAINS)}"


def _created(random: SeededRandom, number: int) -> datetime:
    founded = datetime(FOUNDED.year, FOUNDED.month, FOUNDED.day, tzinfo=timezone.utc)
    # Five of every ten join in the first week, the others over the years.
    days = random.below(5) if number % 10 < 5 else random.below(365 * HIRING_YEARS)  # noqa: PLR2004 - half of ten
    return founded + timedelta(days=days, seconds=random.below(86_400))


def _role(number: int) -> str:
    if number % IDLE_EVERY == IDLE_EVERY - 1:
        return "idle"
    return {0: "manager", TEAM_SIZE - 1: "listener"}.get(number % TEAM_SIZE, "seller")
