"""The rate limit: one pace for all requests of a run, whichever stream and thread sends them.

Gong allows a company 3 calls a second, shared with everything else it runs, and answers 429 with Retry-After beyond.
Rate-limiting libraries know neither a Retry-After that pauses every thread nor which of the waiting threads is urgent.
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
"""How much longer than allowed the space between two requests is.

Requests reach Gong less evenly than they leave: with 3 %, pages of 4 MB brought four of them within a second.
"""

WIDENING = 1.15
"""What the spacing is multiplied by after a 429."""

NARROWING = 0.998
"""What it's multiplied by after each good response, down to where it began."""

MAX_WIDENING = 10.0
"""How many times as wide as at the beginning the spacing gets at most."""

FIRST = -1
"""The priority of requests whose pages are written as soon as they arrive."""

priority: ContextVar[Callable[[], int]] = ContextVar("priority", default=lambda: FIRST)
"""How urgent the calling thread's requests are, which may change while one waits: less goes first."""


class RateLimiter:
    """Spaces requests evenly, so that no second holds more than `requests_per_second`; safe to share between threads.

    Even spacing leaves gaps in which other clients of the same account get through. A 429 widens it and each good
    response narrows it a little, so that a run next to a busy neighbor settles at what is left of the limit.
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
        """Return when this thread may send its request, which it must do at once.

        Of those that wait, the one with the lowest `priority` goes first, and of equals the one that came first.

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
        """Let no request leave for that many seconds: a Retry-After is for every thread."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def refused(self, seconds: float) -> None:
        """Pause after a 429, and widen the spacing.

        Only if the request left at the present spacing: of several that were under way at once, the first counts.
        """
        with self._lock:
            now = self._clock.monotonic()
            if self._thread.sent >= self._widened:
                self._widened = now
                self._spacing = min(self._spacing * WIDENING, self._narrowest * MAX_WIDENING)
        self.pause(seconds)

    def succeeded(self) -> None:
        """Narrow the spacing after a good response."""
        with self._lock:
            self._spacing = max(self._spacing * NARROWING, self._narrowest)

    def _delay(self, call: _Waiting) -> float:
        """Seconds until `call` can hope for the next slot; at 0 it has it."""
        with self._lock:
            now = self._clock.monotonic()
            slot = max(self._next_slot, self._paused_until)
            if now < slot:
                # Everyone wakes then, as which request is the most urgent may have changed.
                return slot - now
            if call is not min(self._waiting, key=_Waiting.rank):
                return self._spacing
            self._thread.sent = now
            self._next_slot = now + self._spacing
            return 0.0


class _Waiting(NamedTuple):
    """A request that waits for its slot."""

    priority: Callable[[], int]
    number: int

    def rank(self) -> tuple[int, int]:
        return self.priority(), self.number
