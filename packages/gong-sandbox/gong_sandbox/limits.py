"""The rate limit, the daily quota, and the waits that a Retry-After imposes."""

from __future__ import annotations

import math
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gong_sandbox.clocks import Clock

RATE_WINDOW_SECONDS = 1.0
QUOTA_WINDOW_SECONDS = 86_400.0
TOLERANCE_SECONDS = 1e-6
"""Tolerance, because sums of floats aren't exact."""


class Admission(NamedTuple):
    """Whether a call is admitted.

    Attributes:
        retry_after: None if the call is admitted, otherwise the whole seconds to wait.
        violation: Whether the call violates an earlier Retry-After.
    """

    retry_after: int | None
    violation: bool


class CallLimits:
    """Limits for any second and for a day, shared by all connections, as is the wait after a Retry-After.

    A call that arrives during a wait is refused. It's also a violation, unless it may have been in flight when the wait
    started: on another connection, and within `grace` seconds.
    """

    def __init__(self, clock: Clock, calls_per_second: int | None, daily_quota: int | None, grace: float) -> None:
        """Set the limits; None disables one. A day starts with its first call."""
        self._clock = clock
        self._calls_per_second = calls_per_second
        self._daily_quota = daily_quota
        self._grace = grace
        self._last_second: deque[float] = deque()
        self._day_start = -math.inf
        self._calls_today = 0
        self._wait_start = -math.inf
        self._wait_end = -math.inf
        self._notified: set[Hashable] = set()
        self._lock = Lock()

    def admit(self, connection: Hashable) -> Admission:
        """Admit and count a call on `connection`, or refuse it."""
        with self._lock:
            now = self._clock.seconds()
            if now + TOLERANCE_SECONDS < self._wait_end:
                violation = connection in self._notified or now - self._wait_start >= self._grace
                self._notified.add(connection)
                return Admission(math.ceil(self._wait_end - now), violation)
            free_at = self._free_at(now)
            if free_at is not None:
                retry_after = max(1, math.ceil(free_at - now))
                self._start_wait(now, retry_after, connection)
                return Admission(retry_after, violation=False)
            self._last_second.append(now)
            self._calls_today += 1
            return Admission(None, violation=False)

    def start_wait(self, seconds: float, connection: Hashable) -> None:
        """Start a wait of `seconds`, of which `connection` has been notified by a fault."""
        with self._lock:
            self._start_wait(self._clock.seconds(), seconds, connection)

    def _start_wait(self, now: float, seconds: float, connection: Hashable) -> None:
        self._wait_start = now
        self._wait_end = max(self._wait_end, now + seconds)
        self._notified = {connection}

    def _free_at(self, now: float) -> float | None:
        """Return when the next call is possible, or None if it's possible now."""
        if now + TOLERANCE_SECONDS >= self._day_start + QUOTA_WINDOW_SECONDS:
            self._day_start = now
            self._calls_today = 0
        if self._daily_quota is not None and self._calls_today >= self._daily_quota:
            return self._day_start + QUOTA_WINDOW_SECONDS
        while self._last_second and now + TOLERANCE_SECONDS >= self._last_second[0] + RATE_WINDOW_SECONDS:
            self._last_second.popleft()
        if self._calls_per_second is not None and len(self._last_second) >= self._calls_per_second:
            return self._last_second[0] + RATE_WINDOW_SECONDS
        return None
