"""What the users do: calls, and actions on calls afterwards.

Gong's counters count calls, not actions: a call that somebody comments on twice in a week is one call in that week, and
one on each of two days. So this module invents touches, each a user, a counter and a call; a counter is the number of
distinct calls among the touches of a period.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

from gong_sandbox.chance import Chance
from gong_sandbox.leaves import on_leave
from gong_sandbox.people import FOUNDED, TEAM_SIZE
from gong_sandbox.periods import ONE_DAY, days_between
from gong_sandbox.workdays import workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from gong_sandbox.people import User

COUNTERS = (
    "callsAsHost",
    "callsGaveFeedback",
    "callsRequestedFeedback",
    "callsReceivedFeedback",
    "ownCallsListenedTo",
    "othersCallsListenedTo",
    "callsSharedInternally",
    "callsSharedExternally",
    "callsScorecardsFilled",
    "callsScorecardsReceived",
    "callsAttended",
    "callsCommentsGiven",
    "callsCommentsReceived",
    "callsMarkedAsFeedbackGiven",
    "callsMarkedAsFeedbackReceived",
)
"""Gong's counters, in the order of its documentation."""

RECEIVED = {
    "callsGaveFeedback": "callsReceivedFeedback",
    "callsScorecardsFilled": "callsScorecardsReceived",
    "callsCommentsGiven": "callsCommentsReceived",
    "callsMarkedAsFeedbackGiven": "callsMarkedAsFeedbackReceived",
}
"""The counter of the call's host for what somebody else does."""

ABOUT_OWN_CALLS = {"callsRequestedFeedback", "ownCallsListenedTo", "callsSharedInternally", "callsSharedExternally"}

COACHING = (
    "callsGaveFeedback",
    "othersCallsListenedTo",
    "othersCallsListenedTo",
    "callsCommentsGiven",
    "callsCommentsGiven",
    "callsScorecardsFilled",
    "callsMarkedAsFeedbackGiven",
)
SELLING = (
    "callsRequestedFeedback",
    "ownCallsListenedTo",
    "ownCallsListenedTo",
    "othersCallsListenedTo",
    "callsSharedInternally",
    "callsSharedExternally",
    "callsCommentsGiven",
)
LISTENING = ("othersCallsListenedTo", "othersCallsListenedTo", "callsCommentsGiven")

ATTENDED = 0.4
"""Share of the calls to which the host invites somebody else of the team."""

DAYS_BACK = 5
"""Age in days of the calls that people act on."""

QUIET = 0.1
"""Workload below which nobody returns to a call."""

MAX_RETURN_DAYS = 4
"""Days after which somebody acts on the same call again, at most."""

CACHED_USER_DAYS = 100_000
CACHED_PERIODS = 4096


class Role(NamedTuple):
    """What somebody does on an ordinary working day, on average."""

    calls: float
    actions: float
    habits: tuple[str, ...]


ROLES = {
    "manager": Role(calls=0.8, actions=3.5, habits=COACHING),
    "seller": Role(calls=2.6, actions=1.6, habits=SELLING),
    "listener": Role(calls=0.0, actions=2.0, habits=LISTENING),
}


class Call(NamedTuple):
    """A recorded call: the day and its number on that day, its host and who else of the company attended."""

    day: date
    number: int
    host: User
    attendee: User | None


class Action(NamedTuple):
    """Something that a user does with a call, and after how many days once more (0: never)."""

    user: User
    counter: str
    call: Call
    again_after: int


class Touch(NamedTuple):
    """A call, by its unique number, that counts for a user in a counter."""

    user: int
    counter: int
    call: int


class Activity:
    """The activity of users on any day, invented on demand: the same users and seed always do the same.

    The last touches of a day become known `late_days` days after it's over.
    """

    def __init__(self, users: tuple[User, ...], seed: str, late_days: int) -> None:
        self._users = users
        self._seed = seed
        self._late_days = late_days
        self._teams = {user.team: [mate for mate in users if mate.team == user.team] for user in users[::TEAM_SIZE]}
        days_cached = max(32, CACHED_USER_DAYS // max(1, len(users)))
        self._calls = lru_cache(days_cached)(self._invent_calls)
        self._actions = lru_cache(days_cached)(self._invent_actions)
        self._on_leave = lru_cache(days_cached)(partial(on_leave, users=users, seed=seed))
        self._touches = lru_cache(days_cached)(self._find_touches)
        self._counts = lru_cache(CACHED_PERIODS)(self._count)

    def counts(self, from_date: date, to_date: date, as_of: date | None) -> Mapping[int, tuple[int, ...]]:
        """Return a period's counters, by the number of each user with activity in it, as known on the day `as_of`."""
        return self._counts(from_date, to_date, self.unless_complete(to_date, as_of))

    def unless_complete(self, to_date: date, as_of: date | None) -> date | None:
        """Return `as_of`, or None if everything before `to_date` is known by then."""
        return None if as_of is None or to_date + self._late_days * ONE_DAY <= as_of else as_of

    def _count(self, from_date: date, to_date: date, as_of: date | None) -> Mapping[int, tuple[int, ...]]:
        days = days_between(max(from_date, FOUNDED), to_date)
        touches: set[Touch] = set().union(*(self._known_touches(day, as_of) for day in days))
        counts: defaultdict[int, list[int]] = defaultdict(lambda: [0] * len(COUNTERS))
        for user, counter, _ in touches:
            counts[user][counter] += 1
        return {user: tuple(counters) for user, counters in counts.items()}

    def _known_touches(self, day: date, as_of: date | None) -> Iterable[Touch]:
        touches = self._touches(day)
        if as_of is None:
            return touches
        days_since = (as_of - day).days
        return (touch for touch in touches if sum(touch) % (self._late_days + 1) < days_since)

    def _find_touches(self, day: date) -> frozenset[Touch]:
        """Return everything that counts on `day`."""
        touches = [_touch(call.host, "callsAsHost", call) for team in self._calls(day).values() for call in team]
        touches += [
            _touch(call.attendee, "callsAttended", call)
            for team in self._calls(day).values()
            for call in team
            if call.attendee
        ]
        for action in self._actions_on(day):
            touches.append(_touch(action.user, action.counter, action.call))
            if action.counter in RECEIVED and self._works(action.call.host, day):
                touches.append(_touch(action.call.host, RECEIVED[action.counter], action.call))
        return frozenset(touches)

    def _actions_on(self, day: date) -> Iterable[Action]:
        yield from self._actions(day)
        if workload(day) < QUIET:
            return
        for days_ago in range(1, MAX_RETURN_DAYS + 1):
            for action in self._actions(day - days_ago * ONE_DAY):
                if action.again_after == days_ago and self._works(action.user, day):
                    yield action

    def _invent_calls(self, day: date) -> dict[int, list[Call]]:
        """Invent the calls of `day` by team."""
        chance = Chance(self._seed, "calls", day)
        load = workload(day)
        calls: defaultdict[int, list[Call]] = defaultdict(list)
        number = 0
        for user in self._working(day):
            for _ in range(chance.about(ROLES[user.role].calls * load)):
                number += 1
                colleague = chance.pick(self._teams[user.team])
                attends = chance.draw() < ATTENDED and colleague is not user and self._works(colleague, day)
                calls[user.team].append(Call(day, number, user, colleague if attends else None))
        return dict(calls)

    def _invent_actions(self, day: date) -> list[Action]:
        """Invent the first actions of `day` on the calls of that day and the days before it."""
        chance = Chance(self._seed, "deeds", day)
        load = workload(day)
        actions = []
        for user in self._working(day):
            role = ROLES[user.role]
            for _ in range(chance.about(role.actions * load)):
                counter = chance.pick(role.habits)
                calls = self._calls(day - chance.below(DAYS_BACK) * ONE_DAY).get(user.team, ())
                own = counter in ABOUT_OWN_CALLS
                calls = [call for call in calls if (call.host is user) == own]
                # One action in three is repeated, after any of these numbers of days.
                again_after = max(0, chance.below(3 * MAX_RETURN_DAYS) - 2 * MAX_RETURN_DAYS + 1)
                if calls:
                    actions.append(Action(user, counter, chance.pick(calls), again_after))
        return actions

    def _working(self, day: date) -> list[User]:
        return [user for user in self._users if self._works(user, day)]

    def _works(self, user: User, day: date) -> bool:
        return user.works_on(day) and user.number not in self._on_leave(day)


_COUNTER_NUMBERS = {name: number for number, name in enumerate(COUNTERS)}


def _touch(user: User, counter: str, call: Call) -> Touch:
    return Touch(user.number, _COUNTER_NUMBERS[counter], call.day.toordinal() * 1_000_000 + call.number)
