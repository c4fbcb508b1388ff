"""The rate limit and the daily quota, and who violates a Retry-After."""

from __future__ import annotations

import math
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gong_sandbox.clocks import Clock

ONE_SECOND = 1.0
ONE_DAY = 86_400.0
ROUNDING = 1e-6
"""Tolerance in seconds, because sums of fractions aren't exact."""


class Admission(NamedTuple):
    """Whether a call is admitted.

    Attributes:
        retry_after: None if it is, otherwise the whole seconds that the caller must wait.
        violation: Whether the caller violated an earlier Retry-After.
    """

    retry_after: int | None
    violation: bool


class CallLimits:
    """Limits for any second and for a day; one Retry-After holds for every caller.

    A call that arrives during a wait is refused. It's also a violation, unless it may have been under way when the wait
    began: over another connection, and within `grace` seconds.
    """

    def __init__(self, clock: Clock, calls_per_second: int | None, daily_quota: int | None, grace: float) -> None:
        """Set the limits, of which None is none. A day begins with its first call."""
        self._clock = clock
        self._calls_per_second = calls_per_second
        self._daily_quota = daily_quota
        self._grace = grace
        self._last_second: deque[float] = deque()
        self._day_began = -math.inf
        self._calls_of_the_day = 0
        self._wait_began = -math.inf
        self._wait_until = -math.inf
        self._told: set[Hashable] = set()
        self._lock = Lock()

    def admit(self, caller: Hashable) -> Admission:
        """Count a call over the connection `caller`, or refuse it."""
        with self._lock:
            now = self._clock.seconds()
            if now + ROUNDING < self._wait_until:
                violation = caller in self._told or now - self._wait_began >= self._grace
                self._told.add(caller)
                return Admission(math.ceil(self._wait_until - now), violation)
            refused_until = self._full_until(now)
            if refused_until is not None:
                retry_after = max(1, math.ceil(refused_until - now))
                self._begin_wait(now, retry_after, caller)
                return Admission(retry_after, violation=False)
            self._last_second.append(now)
            self._calls_of_the_day += 1
            return Admission(None, violation=False)

    def hold(self, seconds: float, caller: Hashable) -> None:
        """Start a wait of `seconds`, which the connection `caller` already knows of for another reason."""
        with self._lock:
            self._begin_wait(self._clock.seconds(), seconds, caller)

    def _begin_wait(self, now: float, seconds: float, caller: Hashable) -> None:
        self._wait_began = now
        self._wait_until = max(self._wait_until, now + seconds)
        self._told = {caller}

    def _full_until(self, now: float) -> float | None:
        if now + ROUNDING >= self._day_began + ONE_DAY:
            self._day_began = now
            self._calls_of_the_day = 0
        if self._daily_quota is not None and self._calls_of_the_day >= self._daily_quota:
            return self._day_began + ONE_DAY
        while self._last_second and now + ROUNDING >= self._last_second[0] + ONE_SECOND:
            self._last_second.popleft()
        if self._calls_per_second is not None and len(self._last_second) >= self._calls_per_second:
            return self._last_second[0] + ONE_SECOND
        return None
