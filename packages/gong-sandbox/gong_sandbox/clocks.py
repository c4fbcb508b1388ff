"""Clocks, which tests can control."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from threading import Lock


class Clock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Return the current instant, in UTC."""
        return datetime.now(timezone.utc)

    def seconds(self) -> float:
        """Return monotonic seconds from an arbitrary start."""
        return time.monotonic()


class HandClock(Clock):
    """A clock that stops until a test moves it."""

    def __init__(self, now: datetime) -> None:
        self._start = now.astimezone(timezone.utc)
        self._seconds = 0.0
        self._moving = Lock()

    def now(self) -> datetime:
        """Return the instant to which the clock has been moved, in UTC."""
        return self._start + timedelta(seconds=self._seconds)

    def seconds(self) -> float:
        """Return the seconds by which the clock has been moved."""
        return self._seconds

    def sleep(self, seconds: float) -> None:
        """Move the clock forward; can replace `time.sleep`."""
        with self._moving:
            self._seconds += seconds
