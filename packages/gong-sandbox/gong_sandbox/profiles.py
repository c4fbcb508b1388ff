"""Who the users are: names, titles, who reports to whom, and who has left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gong_sandbox.chance import Chance
from gong_sandbox.people import FOUNDED, TEAM_SIZE
from gong_sandbox.periods import ONE_DAY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from gong_sandbox.people import User

SETTINGS = (
    "webConferencesRecorded",
    "preventWebConferenceRecording",
    "telephonyCallsImported",
    "emailsImported",
    "preventEmailImport",
    "nonRecordedMeetingsImported",
    "gongConnectEnabled",
)

AVATAR = TEAM_SIZE - 1
"""Number of the one user who is Gong's own staff, in companies that are large enough."""

LEAD = 5
"""Number, within a team, of the lead; every third team's lead leaves some day, and keeps their reports."""

LED = 6
"""Number, within a team, of the user who reports to the lead rather than to the manager."""

MOVING = 3
"""Number, within a team, of the user who reports to another manager every quarter."""

TEAMS_PER_MANAGER = 4

SELLER_TITLES = (
    "Account Executive",
    "Account Executive",
    "Customer Success Manager",
    "Sales Development Representative",
)


@dataclass(frozen=True)
class Profile:
    """A user as `GET /v2/users` describes them.

    Attributes:
        user_id: Up to 20 digits.
        email_address: None for some accounts.
        created: Instant at which the account was created, in UTC.
        is_active: False once they have left.
        email_aliases: Further addresses, often none.
        first_name: Given name.
        last_name: Family name.
        title: Job title; None for some.
        manager_id: The ID of their manager, who may have left; None for some.
        settings: The seven settings, by Gong's names.
        is_avatar: Whether it's a synthetic user, listed only with `includeAvatars=true`.
    """

    user_id: str
    email_address: str | None
    created: datetime
    is_active: bool
    email_aliases: tuple[str, ...]
    first_name: str
    last_name: str
    title: str | None
    manager_id: str | None
    settings: dict[str, bool]
    is_avatar: bool


def profiles_on(day: date, users: Sequence[User], seed: str) -> list[Profile]:
    """Return the profiles, as of `day` in the company's time zone, of the users whose accounts exist by then."""
    existing = {user.number: user for user in users if user.first_day - ONE_DAY <= day}
    return [_profile(user, existing, day, seed) for user in existing.values()]


def _profile(user: User, existing: dict[int, User], day: date, seed: str) -> Profile:
    chance = Chance(seed, "profile", user.number)
    is_avatar = user.number == AVATAR
    manager = None if is_avatar else _manager(user, existing, day)
    return Profile(
        user_id=user.user_id,
        email_address=user.email_address,
        created=user.created,
        is_active=user.day_after_last is None or day < user.day_after_last,
        email_aliases=_aliases(user),
        first_name="Gong" if is_avatar else user.first_name,
        last_name="Avatar" if is_avatar else user.last_name,
        title=None if is_avatar or chance.draw() < 0.1 else _title(user, chance),  # noqa: PLR2004 - one in ten
        manager_id=None if manager is None else manager.user_id,
        settings={name: chance.draw() < 0.5 for name in SETTINGS},  # noqa: PLR2004 - a coin
        is_avatar=is_avatar,
    )


def _aliases(user: User) -> tuple[str, ...]:
    if user.email_address is None or user.number % 3:
        return ()
    name = f"{user.first_name}{user.last_name}".lower()
    return tuple(f"{name}@{domain}" for domain in ("crm.example.com", "mail.example.org")[: 1 + user.number % 2])


def _title(user: User, chance: Chance) -> str | None:
    place = user.number % TEAM_SIZE
    if user.number == 0:
        return "Chief Revenue Officer"
    if place == 0:
        return "Sales Manager"
    if user.role == "idle":
        return None
    if user.role == "listener":
        return "Sales Enablement Manager"
    return "Team Lead" if place == LEAD else chance.pick(SELLER_TITLES)


def _manager(user: User, existing: dict[int, User], day: date) -> User | None:
    """Return the nearest of the user's superiors whose account exists."""
    number = _superior(user, max(existing) // TEAM_SIZE + 1, day)
    while number is not None and number not in existing:
        number = _superior_of_manager(number)
    return None if number is None else existing[number]


def _superior(user: User, teams: int, day: date) -> int | None:
    place = user.number % TEAM_SIZE
    if place == 0:
        return _superior_of_manager(user.number)
    if user.role == "idle":
        return None
    if place == LED:
        return user.number - LED + LEAD
    quarters = (day.year - FOUNDED.year) * 4 + (day.month - 1) // 3
    team = (user.team + quarters) % teams if place == MOVING else user.team
    return team * TEAM_SIZE


def _superior_of_manager(number: int) -> int | None:
    """Return the superior of a manager, or of a lead whose account doesn't exist yet."""
    team, place = divmod(number, TEAM_SIZE)
    if place:
        return team * TEAM_SIZE
    return None if team == 0 else (team - 1) // TEAMS_PER_MANAGER * TEAM_SIZE
