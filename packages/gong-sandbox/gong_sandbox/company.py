"""A company that uses Gong: its people, its time zone, and what Gong holds about them."""

from __future__ import annotations

from datetime import date, datetime, timezone
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple
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
#: For how many different ranges the answer is kept: a client reads a few windows at once, each page by page.
KEPT_RANGES = 16


class UserActivity(NamedTuple):
    """One user's counters, in Gong's order, for each of some periods."""

    user: User
    periods: Sequence[Period]
    counters: Sequence[tuple[int, ...]]


class Row(NamedTuple):
    """One user's counters, in Gong's order (`COUNTERS`), for the days from `from_date` up to, without, `to_date`."""

    user_id: str
    user_email_address: str | None
    from_date: date
    to_date: date
    counters: tuple[int, ...]


class Company:
    """A company of invented people; the same arguments give the same one, in every process.

    Attributes:
        zone: The company's time zone.
        users: Its accounts, idle ones and those of people who have left included.
    """

    def __init__(self, size: int = DEFAULT_SIZE, zone: str = DEFAULT_ZONE, seed: object = DEFAULT_SEED) -> None:
        """Found a company of `size` users in `zone` (an IANA name).

        Raises:
            ZoneInfoNotFoundError: There is no such zone.
        """
        self.zone = ZoneInfo(zone)
        self.users = hire(size, self.zone, str(seed))
        self._seed = str(seed)
        self._activity = Activity(self.users, self._seed)
        self._all_activity = lru_cache(KEPT_RANGES)(self._find_activity)
        self._finding = Lock()

    def today(self, now: datetime) -> date:
        """Give the company's date at the instant `now`."""
        return now.astimezone(self.zone).date()

    def midnight(self, day: date) -> datetime:
        """Give the instant at which `day` begins, with the company's offset at that instant."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        # Where the clocks are put forward at midnight, the day begins at one o'clock.
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
    ) -> list[UserActivity]:
        """Give what Gong holds: every period of the range, for each user with activity anywhere in it.

        Args:
            aggregation_period: One of Gong's five, upper case.
            from_date: The first day, in the company's time zone.
            to_date: The day after the last, likewise.
            user_ids: Only these users.
            created_from: Only users created at this instant or later.
            created_to: Only users created before this instant.

        Raises:
            KeyError: `aggregation_period` is none of Gong's five.
        """
        with self._finding:
            everybody = self._all_activity(aggregation_period, from_date, to_date)
        return [
            found
            for found in everybody
            if (user_ids is None or found.user.user_id in user_ids)
            and (created_from is None or found.user.created >= created_from)
            and (created_to is None or found.user.created < created_to)
        ]

    def rows(
        self,
        aggregation_period: str,
        from_date: date,
        to_date: date,
        *,
        user_ids: Collection[str] | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
    ) -> list[Row]:
        """Give the same as `activity`, a row for each user and period, in the order in which the pages hold them."""
        found = self.activity(
            aggregation_period,
            from_date,
            to_date,
            user_ids=user_ids,
            created_from=created_from,
            created_to=created_to,
        )
        return [
            Row(user.user_id, user.email_address, period.from_date, period.to_date, counters)
            for user, periods, all_counters in found
            for period, counters in zip(periods, all_counters, strict=True)
        ]

    def profiles(self, day: date, *, include_avatars: bool = False) -> list[Profile]:
        """Return the users as `GET /v2/users` lists them on `day`, in the company's time zone."""
        profiles = profiles_on(day, self.users, self._seed)
        return [profile for profile in profiles if include_avatars or not profile.is_avatar]

    def _find_activity(self, aggregation_period: str, from_date: date, to_date: date) -> list[UserActivity]:
        periods = periods_between(aggregation_period, from_date, to_date)
        counts = [self._activity.counts(*period) for period in periods]
        active = set().union(*counts)
        return [
            UserActivity(user, periods, [count.get(user.number, NOTHING) for count in counts])
            for user in self.users
            if user.number in active
        ]
