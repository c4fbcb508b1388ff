"""Gong's answers, made up: their bytes are put together from parts that are built once.

A server that builds its answers out of objects would be slower than what it is to measure.
"""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise

from bench.load import USERS_A_PAGE

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

KINDS_OF_USER = 8
"""How many users differ in their counters; the others repeat them."""

_chance = random.Random(0)  # noqa: S311 - no secret

_KINDS_OF_DAY = [
    json.dumps({name: _chance.choice((0, 0, 0, 1, 2, 3, 5, 8, 20)) for name in COUNTERS}, separators=(",", ":"))[:-1]
    for _ in range(97)
]
"""Objects of counters, still without their end; a prime number of them, so that no two users' days are alike."""


def page(users: int, start: str, end: str, number: int) -> bytes:
    """One page of a window's answer.

    Args:
        users: How many users the company has.
        start: The window's first day, as YYYY-MM-DD.
        end: Its exclusive end.
        number: Which page, counted from 0; it is also the cursor that asks for it.
    """
    first, last = number * USERS_A_PAGE, min((number + 1) * USERS_A_PAGE, users)
    cursor = f',"cursor":"{number + 1}"' if last < users else ""
    parts = [
        f'{{"requestId":"4al018gzaztcr8nbukw","records":{{"totalRecords":{users},"currentPageSize":{last - first},'
        f'"currentPageNumber":{number}{cursor}}},"usersAggregateActivity":['.encode()
    ]
    activity = _activity(start, end)
    for user in range(first, last):
        parts += (
            f'{"," if user > first else ""}{{"userId":"{234599484848423 + user}",'
            f'"userEmailAddress":"user.{user}@example.com","userAggregateActivity":'.encode(),
            activity[user % KINDS_OF_USER],
            b"}",
        )
    parts.append(b"]}")
    return b"".join(parts)


@lru_cache(maxsize=16)
def _activity(start: str, end: str) -> list[bytes]:
    """One kind of user's items after another, each with an item for every day."""
    first = date.fromisoformat(start)
    days = [str(first + timedelta(days=number)) for number in range((date.fromisoformat(end) - first).days + 1)]
    dates = [
        f',"fromDate":"{day}T00:00:00-08:00","toDate":"{following}T00:00:00-08:00"}}'
        for day, following in pairwise(days)
    ]
    return [_items(user, dates) for user in range(KINDS_OF_USER)]


def _items(user: int, dates: list[str]) -> bytes:
    counters = (_KINDS_OF_DAY[(user + number * KINDS_OF_USER) % len(_KINDS_OF_DAY)] for number in range(len(dates)))
    return f"[{','.join(map(''.join, zip(counters, dates, strict=True)))}]".encode()
