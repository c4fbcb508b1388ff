"""User profiles, as `GET /v2/users` returns them: names, titles, managers, and who has left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gong_sandbox.people import FOUNDED, TEAM_SIZE
from gong_sandbox.periods import ONE_DAY
from gong_sandbox.seeded_random import SeededRandom

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

AVATAR_NUMBER = TEAM_SIZE - 1
"""Number of the synthetic user that stands for Gong's own staff, in companies that are large enough."""

# Positions within a team; its manager's is 0.
MOVING_POSITION = 3
"""Reports to a different manager every quarter."""

LEAD_POSITION = 5
"""The team lead; every third team's lead leaves at some point, and keeps their reports."""

LEAD_REPORT_POSITION = 6
"""Reports to the lead rather than to the manager."""

TEAMS_PER_MANAGER = 4

SELLER_TITLES = (
    "Account Executive",
    "Account Executive",
    "Customer Success Manager",
    "Sales Development Representative",
)


@dataclass(frozen=True)
class Profile:
    """A user's profile, as `GET /v2/users` returns it.

    Attributes:
        user_id: Up to 20 digits.
        email_address: None for some users.
        created: Time at which the account was created, in UTC.
        is_active: False once the user has left.
        email_aliases: Other addresses, often none.
        first_name: Given name.
        last_name: Family name.
        title: Job title; None for some.
        manager_id: ID of the user's manager, who can have left; None for some.
        settings: The seven settings, by Gong's name.
        is_avatar: Whether the user is synthetic, and listed only with `includeAvatars=true`.
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
    """Return the profiles, on `day` in the company's time zone, of all users whose accounts exist by then."""
    existing = {user.number: user for user in users if user.first_day - ONE_DAY <= day}
    return [_profile(user, existing, day, seed) for user in existing.values()]


def _profile(user: User, existing: dict[int, User], day: date, seed: str) -> Profile:
    random = SeededRandom(seed, "profile", user.number)
    is_avatar = user.number == AVATAR_NUMBER
    manager = None if is_avatar else _manager(user, existing, day)
    return Profile(
        user_id=user.user_id,
        email_address=user.email_address,
        created=user.created,
        is_active=user.day_after_last is None or day < user.day_after_last,
        email_aliases=_aliases(user),
        first_name="Gong" if is_avatar else user.first_name,
        last_name="Avatar" if is_avatar else user.last_name,
        title=None if is_avatar or random.random() < 0.1 else _title(user, random),  # noqa: PLR2004 - one in ten
        manager_id=None if manager is None else manager.user_id,
        settings={name: random.random() < 0.5 for name in SETTINGS},  # noqa: PLR2004 - one in two
        is_avatar=is_avatar,
    )


def _aliases(user: User) -> tuple[str, ...]:
    if user.email_address is None or user.number % 3:
        return ()
    name = f"{user.first_name}{user.last_name}".lower()
    return tuple(f"{name}@{domain}" for domain in ("crm.example.com", "mail.example.org")[: 1 + user.number % 2])


def _title(user: User, random: SeededRandom) -> str | None:
    position = user.number % TEAM_SIZE
    if user.number == 0:
        return "Chief Revenue Officer"
    if position == 0:
        return "Sales Manager"
    if user.role == "idle":
        return None
    if user.role == "listener":
        return "Sales Enablement Manager"
    return "Team Lead" if position == LEAD_POSITION else random.choice(SELLER_TITLES)


def _manager(user: User, existing: dict[int, User], day: date) -> User | None:
    """Return the user's manager, or the closest one above whose account exists."""
    number = _manager_number(user, max(existing) // TEAM_SIZE + 1, day)
    while number is not None and number not in existing:
        number = _manager_of_manager(number)
    return None if number is None else existing[number]


def _manager_number(user: User, teams: int, day: date) -> int | None:
    position = user.number % TEAM_SIZE
    if position == 0:
        return _manager_of_manager(user.number)
    if user.role == "idle":
        return None
    if position == LEAD_REPORT_POSITION:
        return user.number - LEAD_REPORT_POSITION + LEAD_POSITION
    quarters = (day.year - FOUNDED.year) * 4 + (day.month - 1) // 3
    team = (user.team + quarters) % teams if position == MOVING_POSITION else user.team
    return team * TEAM_SIZE


def _manager_of_manager(number: int) -> int | None:
    """Return the number of the manager of a manager, or of a lead whose account doesn't exist yet."""
    team, position = divmod(number, TEAM_SIZE)
    if position:
        return team * TEAM_SIZE
    return None if team == 0 else (team - 1) // TEAMS_PER_MANAGER * TEAM_SIZE
