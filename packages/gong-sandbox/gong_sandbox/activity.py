"""What the users do: calls, and what is done about them afterwards.

Each counter of Gong's counts calls, not deeds: a call that somebody comments on twice in a week is one call in that
week, and one on each of two days. So what is invented here are touches, a user and a counter and a call, and a counter
is the number of different calls among the touches of a period.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from gong_sandbox.chance import Chance
from gong_sandbox.people import FOUNDED, TEAM_SIZE
from gong_sandbox.periods import ONE_DAY, days_between
from gong_sandbox.workdays import workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from gong_sandbox.people import User

#: The counters, in the order of Gong's page.
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

#: The counter that the call's host has of what somebody else does about the call.
RECEIVED = {
    "callsGaveFeedback": "callsReceivedFeedback",
    "callsScorecardsFilled": "callsScorecardsReceived",
    "callsCommentsGiven": "callsCommentsReceived",
    "callsMarkedAsFeedbackGiven": "callsMarkedAsFeedbackReceived",
}
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

#: The share of the calls that the host invites somebody else of the team to.
ATTENDED = 0.4
#: For how many days before today calls are gone back to.
DAYS_BACK = 5
#: Below this workload nobody goes back to anything.
QUIET = 0.1
#: After how many days at most something is done about the same call again.
LONGEST_RETURN = 4

#: For about how many users times days the touches are kept in memory.
KEPT_USER_DAYS = 100_000
KEPT_PERIODS = 4096


class Role(NamedTuple):
    """What somebody does on an ordinary working day."""

    calls: float
    deeds: float
    habits: tuple[str, ...]


ROLES = {
    "manager": Role(calls=0.8, deeds=3.5, habits=COACHING),
    "seller": Role(calls=2.6, deeds=1.6, habits=SELLING),
    "listener": Role(calls=0.0, deeds=2.0, habits=LISTENING),
}


class Call(NamedTuple):
    """A recorded call: the day and its number on it, who hosted it and who else of the company took part."""

    day: date
    number: int
    host: User
    attendee: User | None


class Deed(NamedTuple):
    """Something that a user does about a call, and after how many days once more (0: never)."""

    user: User
    counter: str
    call: Call
    again_after: int


class Touch(NamedTuple):
    """A call that counts for a user in a counter; the call is a number that no other call has."""

    user: int
    counter: int
    call: int


class Activity:
    """The activity of some users on any day, invented when it is asked for and the same whenever it is."""

    def __init__(self, users: tuple[User, ...], seed: str) -> None:
        """Take the people; the same people and the same `seed` do the same things."""
        self._users = users
        self._seed = seed
        self._teams = {user.team: [mate for mate in users if mate.team == user.team] for user in users[::TEAM_SIZE]}
        days_kept = max(32, KEPT_USER_DAYS // max(1, len(users)))
        self._calls = lru_cache(days_kept)(self._invent_calls)
        self._deeds = lru_cache(days_kept)(self._invent_deeds)
        self.touches = lru_cache(days_kept)(self._find_touches)
        self.counts = lru_cache(KEPT_PERIODS)(self._count)

    def _count(self, from_date: date, to_date: date) -> Mapping[int, tuple[int, ...]]:
        """Give the counters of the period for the number of each user who did something in it."""
        touches: set[Touch] = set().union(*map(self.touches, days_between(max(from_date, FOUNDED), to_date)))
        counts: defaultdict[int, list[int]] = defaultdict(lambda: [0] * len(COUNTERS))
        for user, counter, _ in touches:
            counts[user][counter] += 1
        return {user: tuple(counters) for user, counters in counts.items()}

    def _find_touches(self, day: date) -> frozenset[Touch]:
        """Give everything that counts on `day`."""
        touches = [_touch(call.host, "callsAsHost", call) for team in self._calls(day).values() for call in team]
        touches += [
            _touch(call.attendee, "callsAttended", call)
            for team in self._calls(day).values()
            for call in team
            if call.attendee
        ]
        for deed in self._deeds_on(day):
            touches.append(_touch(deed.user, deed.counter, deed.call))
            if deed.counter in RECEIVED and deed.call.host.works_on(day):
                touches.append(_touch(deed.call.host, RECEIVED[deed.counter], deed.call))
        return frozenset(touches)

    def _deeds_on(self, day: date) -> Iterable[Deed]:
        yield from self._deeds(day)
        if workload(day) < QUIET:
            return
        for days_ago in range(1, LONGEST_RETURN + 1):
            for deed in self._deeds(day - days_ago * ONE_DAY):
                if deed.again_after == days_ago and deed.user.works_on(day):
                    yield deed

    def _invent_calls(self, day: date) -> dict[int, list[Call]]:
        """Invent the calls of `day`, for each team that has any."""
        chance = Chance(self._seed, "calls", day)
        load = workload(day)
        calls: defaultdict[int, list[Call]] = defaultdict(list)
        number = 0
        for user in self._working(day):
            for _ in range(chance.about(ROLES[user.role].calls * load)):
                number += 1
                colleague = chance.pick(self._teams[user.team])
                attends = chance.draw() < ATTENDED and colleague is not user and colleague.works_on(day)
                calls[user.team].append(Call(day, number, user, colleague if attends else None))
        return dict(calls)

    def _invent_deeds(self, day: date) -> list[Deed]:
        """Invent what is done on `day` for the first time about the calls of that day and the days before it."""
        chance = Chance(self._seed, "deeds", day)
        load = workload(day)
        deeds = []
        for user in self._working(day):
            role = ROLES[user.role]
            for _ in range(chance.about(role.deeds * load)):
                counter = chance.pick(role.habits)
                calls = self._calls(day - chance.below(DAYS_BACK) * ONE_DAY).get(user.team, ())
                own = counter in ABOUT_OWN_CALLS
                calls = [call for call in calls if (call.host is user) == own]
                # Of three deeds one is done again, after each number of days as often.
                again_after = max(0, chance.below(3 * LONGEST_RETURN) - 2 * LONGEST_RETURN + 1)
                if calls:
                    deeds.append(Deed(user, counter, chance.pick(calls), again_after))
        return deeds

    def _working(self, day: date) -> list[User]:
        return [user for user in self._users if user.works_on(day)]


_COUNTER_NUMBERS = {name: number for number, name in enumerate(COUNTERS)}


def _touch(user: User, counter: str, call: Call) -> Touch:
    return Touch(user.number, _COUNTER_NUMBERS[counter], call.day.toordinal() * 1_000_000 + call.number)
