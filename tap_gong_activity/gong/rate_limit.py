"""One pace for all requests of a run, whichever stream and thread makes them.

Gong allows a company 3 calls a second, shared with everything else that it runs, and answers 429 with Retry-After above
that. A limiter of our own, as the rate-limiting libraries know no Retry-After that holds everybody.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_gong_activity.base.clock import Clock

MARGIN = 1.04
"""How much longer than allowed the limiter makes each span, as requests reach Gong less evenly than they leave.

Pages of five megabytes on a core that six processes shared reached a server up to 0.04 s unevenly.
"""

MOST_REMEMBERED = 1_000
"""Calls that are looked back at, however many a second are allowed."""

SHORTEST_WAIT = 0.001
"""Seconds to wait at least, where what was foreseen has not come true."""


class RateLimiter:
    """Lets no more than `calls_per_second` calls begin in any second.

    Of the threads that wait, the one whose last call is longest ago goes first: where the quickest went first, one
    window would fall behind the others and be read alone at the end, at a call a second.
    Below one call a second, and for fractions, the span grows so that whole calls fit it: 0.5 is one call in two
    seconds. Safe to share between threads.
    """

    def __init__(self, calls_per_second: float, clock: Clock) -> None:
        self._calls = min(math.ceil(calls_per_second), MOST_REMEMBERED)
        self._span = self._calls / calls_per_second * MARGIN
        self._begun: deque[_Call] = deque(maxlen=self._calls)
        self._waiting: list[_Call] = []
        self._numbers = itertools.count(1)
        self._held_until = -math.inf
        self._clock = clock
        self._lock = threading.Lock()
        self._own = threading.local()

    def wait_for_turn(self) -> None:
        """Return when this thread's next call may begin, and count it as begun.

        Raises:
            RunStoppedError: If the run is stopped meanwhile.
        """
        before: _Call | None = getattr(self._own, "call", None)
        call = self._own.call = _Call(before.number if before else 0)
        with self._lock:
            self._waiting.append(call)
            self._waiting.sort(key=lambda waiting: waiting.last_number)
            delay = self._delay(call)
        while delay:
            self._clock.wait(delay)
            with self._lock:
                delay = self._delay(call)

    def begin_late(self) -> None:
        """Count this thread's call as begun only now that it leaves; it may have had to wait for a connection."""
        with self._lock:
            self._own.call.begins = self._clock.monotonic()

    def hold(self, seconds: float) -> None:
        """Let no call begin for that many seconds, which is what a Retry-After asks of everybody."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def _delay(self, call: _Call) -> float:
        """Seconds until `call` may begin, as far as is known by now; at 0 it has begun."""
        now = self._clock.monotonic()
        # Whoever wakes first lets all begin whose turn it is, as threads do not wake in the order of their turns.
        while self._waiting and max(self._held_until, self._allowed(0)) <= now:
            first = self._waiting.pop(0)
            first.number = next(self._numbers)
            first.begins = now
            self._begun.append(first)
        if call.number:
            call.begins = now
            return 0.0
        call.begins = max(self._held_until, self._allowed(self._waiting.index(call)))
        return max(call.begins - now, SHORTEST_WAIT)

    def _allowed(self, place: int) -> float:
        """When the call at that place among those that wait may begin: a span after the one that is `calls` before."""
        before = len(self._begun) + place - self._calls
        if before < 0:
            return -math.inf
        # Sorted, as one that began late counts from then.
        begun = sorted(call.begins for call in self._begun)
        follows = begun[before] if before < len(begun) else self._waiting[before - len(begun)].begins
        return follows + self._span


class _Call:
    """A call that waits or has begun.

    Attributes:
        last_number: The number of the same thread's last call; 0 if this is its first.
        number: Which of all calls it is, counted from 1; 0 while it waits.
        begins: When it begins; foreseen, until it has begun.
    """

    def __init__(self, last_number: int) -> None:
        self.last_number = last_number
        self.number = 0
        self.begins = math.inf
