"""One pace for all requests of a run, whichever stream and thread makes them.

Gong allows a company 3 calls a second, shared with everything else that it runs, and answers 429 with Retry-After above
that. A limiter of our own, as the rate-limiting libraries know no Retry-After that holds everybody.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_gong_activity.clock import Clock

MARGIN = 1.03
"""How much longer than allowed the limiter makes each span, as requests reach Gong less evenly than they leave."""


class RateLimiter:
    """Lets no more than `calls_per_second` calls begin in any second.

    Below one call a second, and for fractions, the span grows so that whole calls fit it: 0.5 is one call in two
    seconds. Safe to share between threads.
    """

    def __init__(self, calls_per_second: float, clock: Clock) -> None:
        calls = max(1, math.floor(calls_per_second))
        self._span = calls / calls_per_second * MARGIN
        self._begun: deque[float] = deque(maxlen=calls)
        self._held_until = -math.inf
        self._clock = clock
        self._lock = threading.Lock()

    def wait_for_turn(self) -> None:
        """Return when the next call may begin, and count it as begun.

        Raises:
            RunStoppedError: If the run is stopped meanwhile.
        """
        while delay := self._take_turn():
            self._clock.wait(delay)

    def hold(self, seconds: float) -> None:
        """Let no call begin for that many seconds, which is what a Retry-After asks of everybody."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def _take_turn(self) -> float:
        with self._lock:
            now = self._clock.monotonic()
            full = len(self._begun) == self._begun.maxlen
            ready = max(self._held_until, self._begun[0] + self._span if full else -math.inf)
            if now >= ready:
                self._begun.append(now)
                return 0.0
            return ready - now
