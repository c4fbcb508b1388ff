"""A company that uses Gong: its people, its time zone, and what Gong knows about them."""

from __future__ import annotations

from datetime import date, datetime, timezone
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from gong_sandbox.activity import COUNTERS, Activity
from gong_sandbox.people import User, hire
from gong_sandbox.periods import Period, periods_between
from gong_sandbox.profiles import Profile, profiles_on

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

DEFAULT_SIZE = 20
DEFAULT_ZONE = "America/Los_Angeles"
DEFAULT_SEED = "gong"
NOTHING = (0,) * len(COUNTERS)
CACHED_RANGES = 16
"""Clients read a few windows at once, each of them page by page."""


class UserActivity(NamedTuple):
    """A user's counters, in Gong's order, for each of some periods."""

    user: User
    periods: Sequence[Period]
    counters: Sequence[tuple[int, ...]]


class Row(NamedTuple):
    """A user's counters, in Gong's order (`COUNTERS`), for the days from `from_date` up to, without, `to_date`."""

    user_id: str
    user_email_address: str | None
    from_date: date
    to_date: date
    counters: tuple[int, ...]


class Company:
    """An invented company; the same arguments return the same one, in every process.

    Attributes:
        zone: The company's time zone.
        users: Its accounts, including idle ones and those of people who have left.
    """

    def __init__(
        self, size: int = DEFAULT_SIZE, zone: str = DEFAULT_ZONE, seed: object = DEFAULT_SEED, late_days: int = 0
    ) -> None:
        """Found a company of `size` users in `zone` (an IANA name).

        Some of a day's activity becomes known late: the last of it `late_days` days after the day is over.

        Raises:
            ZoneInfoNotFoundError: There is no such zone.
        """
        self.zone = ZoneInfo(zone)
        self.users = hire(size, self.zone, str(seed))
        self._seed = str(seed)
        self._activity = Activity(self.users, self._seed, late_days)
        self._all_activity = lru_cache(CACHED_RANGES)(self._find_activity)
        self._finding = Lock()

    def today(self, now: datetime) -> date:
        """Return the company's date at the instant `now`."""
        return now.astimezone(self.zone).date()

    def midnight(self, day: date) -> datetime:
        """Return the instant at which `day` begins, with the company's offset at that instant."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        # Where clocks go forward at midnight, the day begins at one o'clock.
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
        """Return what Gong knows: every period of the range, for each user with activity anywhere in it.

        Args:
            aggregation_period: One of Gong's five, in upper case.
            from_date: The first day, in the company's time zone.
            to_date: The day after the last, likewise.
            user_ids: Only these users.
            created_from: Only users created at this instant or later.
            created_to: Only users created before this instant.
            as_of: Without what becomes known only after this day begins; by default with everything.
            zero_rows: Also those of `user_ids` without activity, if any of them has some.

        Raises:
            KeyError: `aggregation_period` isn't one of Gong's five.
        """
        with self._finding:
            as_of = self._activity.unless_complete(to_date, as_of)
            everybody = self._all_activity(aggregation_period, from_date, to_date, as_of)
        matching = [
            user
            for user in self.users
            if (user_ids is None or user.user_id in user_ids)
            and (created_from is None or user.created >= created_from)
            and (created_to is None or user.created < created_to)
        ]
        found = [everybody[user.number] for user in matching if user.number in everybody]
        if zero_rows and user_ids is not None and found:
            periods = found[0].periods
            zeros = [NOTHING] * len(periods)
            found = [everybody.get(user.number, UserActivity(user, periods, zeros)) for user in matching]
        return found

    def rows(
        self,
        aggregation_period: str,
        from_date: date,
        to_date: date,
        **filters: Any,  # noqa: ANN401 - those of `activity`
    ) -> list[Row]:
        """Return the same as `activity`, one row per user and period, in the order of the pages."""
        return [
            Row(user.user_id, user.email_address, period.from_date, period.to_date, counters)
            for user, periods, all_counters in self.activity(aggregation_period, from_date, to_date, **filters)
            for period, counters in zip(periods, all_counters, strict=True)
        ]

    def profiles(self, day: date, *, include_avatars: bool = False) -> list[Profile]:
        """Return the users as `GET /v2/users` lists them on `day`, in the company's time zone."""
        profiles = profiles_on(day, self.users, self._seed)
        return [profile for profile in profiles if include_avatars or not profile.is_avatar]

    def _find_activity(
        self, aggregation_period: str, from_date: date, to_date: date, as_of: date | None
    ) -> dict[int, UserActivity]:
        periods = periods_between(aggregation_period, from_date, to_date)
        counts = [self._activity.counts(*period, as_of) for period in periods]
        active = set().union(*counts)
        return {
            user.number: UserActivity(user, periods, [count.get(user.number, NOTHING) for count in counts])
            for user in self.users
            if user.number in active
        }
