"""User activity: calls, and what users do with calls afterwards.

Gong's counters count calls, not actions: a call that a user comments on twice in a week counts once for that week, and
once for each of the two days. So a counter is the number of distinct `CountedCall`s of its period.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

from gong_sandbox.leave import on_leave
from gong_sandbox.people import FOUNDED, TEAM_SIZE
from gong_sandbox.periods import ONE_DAY, days_between
from gong_sandbox.seeded_random import SeededRandom
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
"""Gong's counters, in the order of Gong's documentation."""

RECEIVED_COUNTERS = {
    "callsGaveFeedback": "callsReceivedFeedback",
    "callsScorecardsFilled": "callsScorecardsReceived",
    "callsCommentsGiven": "callsCommentsReceived",
    "callsMarkedAsFeedbackGiven": "callsMarkedAsFeedbackReceived",
}
"""The host's counter for each action of another user."""

OWN_CALL_COUNTERS = {"callsRequestedFeedback", "ownCallsListenedTo", "callsSharedInternally", "callsSharedExternally"}

MANAGER_ACTIONS = (
    "callsGaveFeedback",
    "othersCallsListenedTo",
    "othersCallsListenedTo",
    "callsCommentsGiven",
    "callsCommentsGiven",
    "callsScorecardsFilled",
    "callsMarkedAsFeedbackGiven",
)
SELLER_ACTIONS = (
    "callsRequestedFeedback",
    "ownCallsListenedTo",
    "ownCallsListenedTo",
    "othersCallsListenedTo",
    "callsSharedInternally",
    "callsSharedExternally",
    "callsCommentsGiven",
)
LISTENER_ACTIONS = ("othersCallsListenedTo", "othersCallsListenedTo", "callsCommentsGiven")

ATTENDEE_SHARE = 0.4
"""Share of calls that the host invites a teammate to."""

RECENT_DAYS = 5
"""Number of days, including the current one, whose calls users act on."""

MIN_REPEAT_WORKLOAD = 0.1
"""Workload below which no action is repeated."""

MAX_REPEAT_DAYS = 4
"""Maximum number of days after which an action is repeated."""

CACHED_USER_DAYS = 100_000
CACHED_PERIODS = 4096


class Role(NamedTuple):
    """What a user does on an average working day.

    Attributes:
        calls: Number of calls hosted.
        actions: Number of actions on calls.
        counters: The counters of these actions; frequent ones are repeated.
    """

    calls: float
    actions: float
    counters: tuple[str, ...]


ROLES = {
    "manager": Role(calls=0.8, actions=3.5, counters=MANAGER_ACTIONS),
    "seller": Role(calls=2.6, actions=1.6, counters=SELLER_ACTIONS),
    "listener": Role(calls=0.0, actions=2.0, counters=LISTENER_ACTIONS),
}


class Call(NamedTuple):
    """A recorded call: its day, its number on that day, its host, and the teammate who attended, if any."""

    day: date
    number: int
    host: User
    attendee: User | None


class Action(NamedTuple):
    """An action of a user on a call, repeated after `repeat_after` days (0: never)."""

    user: User
    counter: str
    call: Call
    repeat_after: int


class CountedCall(NamedTuple):
    """A call, by its unique number, that counts toward a user's counter."""

    user: int
    counter: int
    call: int


class Activity:
    """The activity of users on any day, generated on demand: the same users and seed always have the same.

    The last activity of a day becomes known `late_days` days after the day is over.
    """

    def __init__(self, users: tuple[User, ...], seed: str, late_days: int) -> None:
        self._users = users
        self._seed = seed
        self._late_days = late_days
        self._teams = {user.team: [mate for mate in users if mate.team == user.team] for user in users[::TEAM_SIZE]}
        days_cached = max(32, CACHED_USER_DAYS // max(1, len(users)))
        self._calls = lru_cache(days_cached)(self._generate_calls)
        self._actions = lru_cache(days_cached)(self._generate_actions)
        self._on_leave = lru_cache(days_cached)(partial(on_leave, users=users, seed=seed))
        self._counted_calls = lru_cache(days_cached)(self._count_calls)
        self._counters = lru_cache(CACHED_PERIODS)(self._compute_counters)

    def counters(self, from_date: date, to_date: date, as_of: date | None) -> Mapping[int, tuple[int, ...]]:
        """Return a period's counters, as known on the day `as_of`, by the number of each user with activity."""
        return self._counters(from_date, to_date, self.normalize_as_of(to_date, as_of))

    def normalize_as_of(self, to_date: date, as_of: date | None) -> date | None:
        """Return `as_of`, or None if all activity before `to_date` is known by then."""
        return None if as_of is None or to_date + self._late_days * ONE_DAY <= as_of else as_of

    def _compute_counters(self, from_date: date, to_date: date, as_of: date | None) -> Mapping[int, tuple[int, ...]]:
        days = days_between(max(from_date, FOUNDED), to_date)
        counted: set[CountedCall] = set().union(*(self._known_calls(day, as_of) for day in days))
        counters: defaultdict[int, list[int]] = defaultdict(lambda: [0] * len(COUNTERS))
        for user, counter, _ in counted:
            counters[user][counter] += 1
        return {user: tuple(values) for user, values in counters.items()}

    def _known_calls(self, day: date, as_of: date | None) -> Iterable[CountedCall]:
        counted = self._counted_calls(day)
        if as_of is None:
            return counted
        days_since = (as_of - day).days
        return (call for call in counted if sum(call) % (self._late_days + 1) < days_since)

    def _count_calls(self, day: date) -> frozenset[CountedCall]:
        """Return every call that counts toward a counter on `day`."""
        calls = [call for team in self._calls(day).values() for call in team]
        counted = [_counted_call(call.host, "callsAsHost", call) for call in calls]
        counted += [_counted_call(call.attendee, "callsAttended", call) for call in calls if call.attendee]
        for action in self._actions_on(day):
            counted.append(_counted_call(action.user, action.counter, action.call))
            if action.counter in RECEIVED_COUNTERS and self._works(action.call.host, day):
                counted.append(_counted_call(action.call.host, RECEIVED_COUNTERS[action.counter], action.call))
        return frozenset(counted)

    def _actions_on(self, day: date) -> Iterable[Action]:
        yield from self._actions(day)
        if workload(day) < MIN_REPEAT_WORKLOAD:
            return
        for days_ago in range(1, MAX_REPEAT_DAYS + 1):
            for action in self._actions(day - days_ago * ONE_DAY):
                if action.repeat_after == days_ago and self._works(action.user, day):
                    yield action

    def _generate_calls(self, day: date) -> dict[int, list[Call]]:
        """Return the calls of `day` by team."""
        random = SeededRandom(self._seed, "calls", day)
        load = workload(day)
        calls: defaultdict[int, list[Call]] = defaultdict(list)
        number = 0
        for user in self._working(day):
            for _ in range(random.count(ROLES[user.role].calls * load)):
                number += 1
                colleague = random.choice(self._teams[user.team])
                attends = random.random() < ATTENDEE_SHARE and colleague is not user and self._works(colleague, day)
                calls[user.team].append(Call(day, number, user, colleague if attends else None))
        return dict(calls)

    def _generate_actions(self, day: date) -> list[Action]:
        """Return the actions of `day` on recent calls, without repeated ones."""
        random = SeededRandom(self._seed, "deeds", day)
        load = workload(day)
        actions = []
        for user in self._working(day):
            role = ROLES[user.role]
            for _ in range(random.count(role.actions * load)):
                counter = random.choice(role.counters)
                calls = self._calls(day - random.below(RECENT_DAYS) * ONE_DAY).get(user.team, ())
                own = counter in OWN_CALL_COUNTERS
                calls = [call for call in calls if (call.host is user) == own]
                # One action in three is repeated.
                repeat_after = max(0, random.below(3 * MAX_REPEAT_DAYS) - 2 * MAX_REPEAT_DAYS + 1)
                if calls:
                    actions.append(Action(user, counter, random.choice(calls), repeat_after))
        return actions

    def _working(self, day: date) -> list[User]:
        return [user for user in self._users if self._works(user, day)]

    def _works(self, user: User, day: date) -> bool:
        return user.works_on(day) and user.number not in self._on_leave(day)


_COUNTER_NUMBERS = {name: number for number, name in enumerate(COUNTERS)}


def _counted_call(user: User, counter: str, call: Call) -> CountedCall:
    return CountedCall(user.number, _COUNTER_NUMBERS[counter], call.day.toordinal() * 1_000_000 + call.number)
