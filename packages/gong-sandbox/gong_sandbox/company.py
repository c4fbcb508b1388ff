"""A fictional company that uses Gong: its users, time zone and activity."""

from __future__ import annotations

from datetime import date, datetime, timezone
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from gong_sandbox.activity import COUNTERS, Activity
from gong_sandbox.people import User, generate_users
from gong_sandbox.periods import Period, periods_between
from gong_sandbox.profiles import Profile, profiles_on

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

DEFAULT_SIZE = 20
DEFAULT_ZONE = "America/Los_Angeles"
DEFAULT_SEED = "gong"
ZEROS = (0,) * len(COUNTERS)
CACHED_RANGES = 16
"""Clients fetch several windows at once, page by page."""


class UserActivity(NamedTuple):
    """A user's counters, in Gong's order (`COUNTERS`), for each period of a range."""

    user: User
    periods: Sequence[Period]
    counters: Sequence[tuple[int, ...]]


class Row(NamedTuple):
    """A user's counters, in Gong's order (`COUNTERS`), from `from_date` to `to_date` (exclusive)."""

    user_id: str
    user_email_address: str | None
    from_date: date
    to_date: date
    counters: tuple[int, ...]


class Company:
    """A fictional company, which is the same in every process for the same arguments.

    Attributes:
        zone: The company's time zone.
        users: All users, including idle ones and those who have left.
    """

    def __init__(
        self, size: int = DEFAULT_SIZE, zone: str = DEFAULT_ZONE, seed: object = DEFAULT_SEED, late_days: int = 0
    ) -> None:
        """Generate a company of `size` users in the time zone `zone` (an IANA name).

        The last activity of a day becomes known `late_days` days after the day is over.

        Raises:
            ZoneInfoNotFoundError: The time zone doesn't exist.
        """
        self.zone = ZoneInfo(zone)
        self.users = generate_users(size, self.zone, str(seed))
        self._seed = str(seed)
        self._activity = Activity(self.users, self._seed, late_days)
        self._activity_by_user = lru_cache(CACHED_RANGES)(self._find_activity)
        self._lock = Lock()

    def today(self, now: datetime) -> date:
        """Return the company's date at the time `now`."""
        return now.astimezone(self.zone).date()

    def midnight(self, day: date) -> datetime:
        """Return the time at which `day` starts, with the company's UTC offset at that time."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        # If clocks go forward at midnight, the day starts at one o'clock.
        return midnight.astimezone(timezone.utc).astimezone(self.zone)

    def activity(
        self,
        aggregation_period: str,
        from_date: date,
        to_date: date,
        *,
        user_ids: Collection[str] | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        as_of: date | None = None,
        zero_rows: bool = False,
    ) -> list[UserActivity]:
        """Return every period of the range for each user with any activity in it, as Gong does.

        Args:
            aggregation_period: One of Gong's five, in upper case.
            from_date: First day, in the company's time zone.
            to_date: Exclusive end, in the company's time zone.
            user_ids: Return only these users.
            created_from: Return only users created at or after this time.
            created_to: Return only users created before this time.
            as_of: Leave out activity that isn't known by the start of this day; by default, all is known.
            zero_rows: Also return zeros for `user_ids` without activity, if any of them has activity.

        Raises:
            KeyError: `aggregation_period` isn't one of Gong's five.
        """
        with self._lock:
            as_of = self._activity.normalize_as_of(to_date, as_of)
            by_user = self._activity_by_user(aggregation_period, from_date, to_date, as_of)
        matching = [
            user
            for user in self.users
            if (user_ids is None or user.user_id in user_ids)
            and (created_from is None or user.created >= created_from)
            and (created_to is None or user.created < created_to)
        ]
        found = [by_user[user.number] for user in matching if user.number in by_user]
        if zero_rows and user_ids is not None and found:
            periods = found[0].periods
            zeros = [ZEROS] * len(periods)
            found = [by_user.get(user.number, UserActivity(user, periods, zeros)) for user in matching]
        return found

    def rows(
        self,
        aggregation_period: str,
        from_date: date,
        to_date: date,
        **filters: Any,  # noqa: ANN401 - those of `activity`
    ) -> list[Row]:
        """Return the result of `activity` as one row per user and period, in the order of the pages."""
        return [
            Row(user.user_id, user.email_address, period.from_date, period.to_date, counters)
            for user, periods, all_counters in self.activity(aggregation_period, from_date, to_date, **filters)
            for period, counters in zip(periods, all_counters, strict=True)
        ]

    def profiles(self, day: date, *, include_avatars: bool = False) -> list[Profile]:
        """Return the users that `GET /v2/users` lists on `day`, in the company's time zone."""
        profiles = profiles_on(day, self.users, self._seed)
        return [profile for profile in profiles if include_avatars or not profile.is_avatar]

    def _find_activity(
        self, aggregation_period: str, from_date: date, to_date: date, as_of: date | None
    ) -> dict[int, UserActivity]:
        periods = periods_between(aggregation_period, from_date, to_date)
        counters = [self._activity.counters(*period, as_of) for period in periods]
        active = set().union(*counters)
        return {
            user.number: UserActivity(user, periods, [each.get(user.number, ZEROS) for each in counters])
            for user in self.users
            if user.number in active
        }
