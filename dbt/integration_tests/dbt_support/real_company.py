"""The sandbox's company with what real ones have: odd hierarchies that change, gaps, and figures that change late."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gong_sandbox import COUNTERS, Company

if TYPE_CHECKING:
    from gong_sandbox import Profile, Sandbox
    from gong_sandbox.company import UserActivity

START = date(2024, 11, 1)
NIGHTS = (date(2025, 3, 5), date(2025, 7, 2))
"""Between the two, people join, leave and change teams."""

CHAIN = range(10, 21)
LOOP, BELOW_LOOP, OWN_MANAGER, LOST_MANAGER = (30, 31), 32, 33, 34
MAYBE_ACTIVE, NAMELESS, NAMELESS_WITHOUT_EMAIL, LEAVER = 28, 36, 39, 37
NEVER_LISTED, DELETED = (40, 42), 38
FEEDBACK_WITHDRAWN = 43
STOPPED, STOPPED_ON = (LEAVER, NEVER_LISTED[1]), date(2025, 3, 31)
LATE_DAYS = 20
"""More than the lookback, so that days and months disagree."""


class RealCompany(Company):
    """A company whose people are known by their numbers above."""

    def __init__(self) -> None:
        super().__init__(60, late_days=LATE_DAYS)
        self.latecomer = next(
            user.number for user in self.users if user.role == "idle" and user.number > FEEDBACK_WITHDRAWN
        )
        """Somebody without activity, whose account was created in February there and in March in UTC."""

    def user_id(self, number: int) -> str:
        return self.users[number].user_id

    def profiles(self, day: date, *, include_avatars: bool = False) -> list[Profile]:
        """Return the users as Gong lists them on `day`."""
        changes = {self.user_id(number): change for number, change in self._changes(day).items()}
        unlisted = {self.user_id(number) for number in (*NEVER_LISTED, *([DELETED] if day == NIGHTS[1] else []))}
        return [
            replace(profile, **changes.get(profile.user_id, {}))
            for profile in super().profiles(day, include_avatars=include_avatars)
            if profile.user_id not in unlisted
        ]

    def activity(self, *period: Any, as_of: date | None = None, **filters: Any) -> list[UserActivity]:  # noqa: ANN401 - Company's
        """Return what Gong knows; by the second night, feedback has been withdrawn and two people have stopped."""
        found = super().activity(*period, as_of=as_of, **filters)
        return [changed_by_the_second_night(activity) for activity in found] if as_of == NIGHTS[1] else found

    def _changes(self, day: date) -> dict[int, dict[str, Any]]:
        upward = CHAIN if day == NIGHTS[0] else CHAIN[::-1]
        chain = {number: {"manager_id": self.user_id(above)} for above, number in pairwise(upward)}
        always: dict[int, dict[str, Any]] = {
            **chain,
            upward[0]: {"manager_id": None},
            MAYBE_ACTIVE: {"is_active": None},
            NAMELESS: {"first_name": None, "last_name": None, "title": None},
            NAMELESS_WITHOUT_EMAIL: {"first_name": None, "last_name": None},
            self.latecomer: {"created": datetime(2025, 3, 1, 3, tzinfo=timezone.utc), "is_active": True},
        }
        if day == NIGHTS[0]:
            return always
        return {
            **always,
            LOOP[0]: {"manager_id": self.user_id(LOOP[1])},
            LOOP[1]: {"manager_id": self.user_id(LOOP[0])},
            BELOW_LOOP: {"manager_id": self.user_id(LOOP[0])},
            OWN_MANAGER: {"manager_id": self.user_id(OWN_MANAGER)},
            LOST_MANAGER: {"manager_id": "77"},
            LEAVER: {"is_active": False},
        }


def changed_by_the_second_night(activity: UserActivity) -> UserActivity:
    """Return somebody's activity without what was withdrawn, and zeros after they stopped."""
    gave = COUNTERS.index("callsGaveFeedback")
    changed = []
    for period, known in zip(activity.periods, activity.counters, strict=True):
        counters = known
        if activity.user.number == FEEDBACK_WITHDRAWN:
            counters = (*known[:gave], 0, *known[gave + 1 :])
        if activity.user.number in STOPPED and period.from_date >= STOPPED_ON:
            counters = (0,) * len(COUNTERS)
        changed.append(counters)
    return activity._replace(counters=changed)


@dataclass(frozen=True)
class Period:
    """What Gong has last returned for a user and a period."""

    email_address: str | None
    end: date
    counters: tuple[int, ...]


@dataclass
class Returned:
    """What Gong has returned so far, the newest of each key.

    Attributes:
        periods: By grain, then user and first day.
        people: By user.
    """

    periods: dict[str, dict[tuple[str, date], Period]] = field(
        default_factory=lambda: {"day": {}, "week": {}, "month": {}}
    )
    people: dict[str, Profile] = field(default_factory=dict)

    def add(self, company: Company, sandbox: Sandbox, night: date) -> None:
        """Add what a night's requests were answered with."""
        for request in sandbox.requests:
            if request.body is None:
                continue
            start, end = (date.fromisoformat(request.body["filter"][name]) for name in ("fromDate", "toDate"))
            grain = request.body["aggregationPeriod"]
            for row in company.rows(grain, start, end, as_of=night):
                known = Period(row.user_email_address, row.to_date, row.counters)
                self.periods[grain.lower()][row.user_id, row.from_date] = known
        self.people.update({profile.user_id: profile for profile in company.profiles(night, include_avatars=True)})
