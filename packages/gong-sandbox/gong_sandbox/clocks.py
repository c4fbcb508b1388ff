"""Clocks: the machine's, and one that a test moves."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from threading import Lock


class Clock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current time, in UTC."""
        return datetime.now(timezone.utc)

    def seconds(self) -> float:
        """Return monotonic seconds from an arbitrary start."""
        return time.monotonic()


class HandClock(Clock):
    """A clock that only a test moves."""

    def __init__(self, now: datetime) -> None:
        self._start = now.astimezone(timezone.utc)
        self._seconds = 0.0
        self._lock = Lock()

    def now(self) -> datetime:
        """Return the time to which the clock has been moved, in UTC."""
        return self._start + timedelta(seconds=self._seconds)

    def seconds(self) -> float:
        """Return the seconds by which the clock has been moved."""
        return self._seconds

    def sleep(self, seconds: float) -> None:
        """Move the clock forward; a drop-in for `time.sleep`."""
        with self._lock:
            self._seconds += seconds
