"""Generated pages of Gong's activity, joined from bytes that are built once.

A server that encodes each page from objects would be slower than the programs it measures.
"""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise

from bench.load import USERS_PER_PAGE

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

USER_PATTERNS = 8
"""Number of users with different counters; the others repeat them."""

_random = random.Random(0)  # noqa: S311 - not a secret

_DAY_PATTERNS = [
    json.dumps({name: _random.choice((0, 0, 0, 1, 2, 3, 5, 8, 20)) for name in COUNTERS}, separators=(",", ":"))[:-1]
    for _ in range(97)
]
"""JSON objects of counters without their closing brace; a prime number, so that users' days differ."""


def page(users: int, start: str, end: str, number: int) -> bytes:
    """Return a page of a window.

    Args:
        users: Number of users.
        start: First day of the window, as YYYY-MM-DD.
        end: End date of the window (exclusive).
        number: Number of the page, from 0; also its cursor.
    """
    first, last = number * USERS_PER_PAGE, min((number + 1) * USERS_PER_PAGE, users)
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
            activity[user % USER_PATTERNS],
            b"}",
        )
    parts.append(b"]}")
    return b"".join(parts)


@lru_cache(maxsize=16)
def _activity(start: str, end: str) -> list[bytes]:
    """Return the array of days for each pattern of user."""
    first = date.fromisoformat(start)
    days = [str(first + timedelta(days=number)) for number in range((date.fromisoformat(end) - first).days + 1)]
    dates = [
        f',"fromDate":"{day}T00:00:00-08:00","toDate":"{next_day}T00:00:00-08:00"}}' for day, next_day in pairwise(days)
    ]
    return [_items(user, dates) for user in range(USER_PATTERNS)]


def _items(user: int, dates: list[str]) -> bytes:
    counters = (_DAY_PATTERNS[(user + number * USER_PATTERNS) % len(_DAY_PATTERNS)] for number in range(len(dates)))
    return f"[{','.join(map(''.join, zip(counters, dates, strict=True)))}]".encode()
