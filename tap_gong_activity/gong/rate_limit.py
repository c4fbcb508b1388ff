"""The rate limiter: spaces all requests of a run, across streams and threads.

Gong allows a company 3 requests per second, shared by all its integrations, and returns 429 with Retry-After above
that. Rate-limiting libraries support neither a Retry-After that pauses every thread nor priorities among threads.
"""

from __future__ import annotations

import math
import threading
from contextvars import ContextVar
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_gong_activity.base.clock import Clock

MARGIN = 1.05
"""Factor by which requests are spaced further apart than the limit allows.

Requests arrive less evenly than they're sent: with 3 % and pages of 4 MB, four arrived within a second.
"""

WIDENING = 1.15
"""Factor for the spacing after a 429."""

NARROWING = 0.998
"""Factor for the spacing after each successful response, down to its initial value."""

MAX_WIDENING = 10.0
"""Maximum spacing, as a multiple of its initial value."""

FIRST = -1
"""Priority of requests whose pages are written as soon as they arrive."""

priority: ContextVar[Callable[[], int]] = ContextVar("priority", default=lambda: FIRST)
"""Priority of the calling thread's requests, lowest first; it can change while a request waits."""


class RateLimiter:
    """Spaces requests evenly, at most `requests_per_second`; safe to share between threads.

    Even spacing leaves gaps for other clients of the same account. A 429 widens the spacing, and each successful
    response narrows it a little, so beside a busy neighbor, a run settles at what is left of the limit.
    """

    def __init__(self, requests_per_second: float, clock: Clock) -> None:
        self._narrowest = self._spacing = MARGIN / requests_per_second
        self._next_slot = self._paused_until = self._widened = -math.inf
        self._waiting: list[_Waiting] = []
        self._numbers = count()
        self._clock = clock
        self._lock = threading.Lock()
        self._thread = threading.local()

    def acquire(self) -> None:
        """Wait for a slot; the caller must then send its request immediately.

        The waiting request with the lowest `priority` goes first, or the earliest among equals.

        Raises:
            CancelledError: If the response is no longer needed.
        """
        call = _Waiting(priority.get(), next(self._numbers))
        with self._lock:
            self._waiting.append(call)
        try:
            while True:
                self._clock.cancellation.raise_if_cancelled()
                if not (delay := self._delay(call)):
                    return
                self._clock.wait(delay)
        finally:
            with self._lock:
                self._waiting.remove(call)

    def pause(self, seconds: float) -> None:
        """Send no requests for that many seconds: a Retry-After applies to every thread."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def refused(self, seconds: float) -> None:
        """Pause after a 429, and widen the spacing.

        If several requests in flight are refused, only the first widens it.
        """
        with self._lock:
            now = self._clock.monotonic()
            if self._thread.sent >= self._widened:
                self._widened = now
                self._spacing = min(self._spacing * WIDENING, self._narrowest * MAX_WIDENING)
        self.pause(seconds)

    def succeeded(self) -> None:
        """Narrow the spacing after a successful response."""
        with self._lock:
            self._spacing = max(self._spacing * NARROWING, self._narrowest)

    def _delay(self, call: _Waiting) -> float:
        """Return the seconds until `call` should try again, or 0 if it got the slot."""
        with self._lock:
            now = self._clock.monotonic()
            slot = max(self._next_slot, self._paused_until)
            if now < slot:
                # All waiting requests wake up then, because their priorities may have changed.
                return slot - now
            if call is not min(self._waiting, key=_Waiting.rank):
                return self._spacing
            self._thread.sent = now
            self._next_slot = now + self._spacing
            return 0.0


class _Waiting(NamedTuple):
    """A request that waits for a slot."""

    priority: Callable[[], int]
    number: int

    def rank(self) -> tuple[int, int]:
        return self.priority(), self.number
