"""What time it is, so that tests can say."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from threading import Lock


class Clock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Give the present instant, in UTC."""
        return datetime.now(timezone.utc)

    def seconds(self) -> float:
        """Give seconds that never go backwards, from an arbitrary start."""
        return time.monotonic()


class HandClock(Clock):
    """A clock that stands still until it is moved by hand."""

    def __init__(self, now: datetime) -> None:
        """Start at `now`, an instant with an offset."""
        self._start = now.astimezone(timezone.utc)
        self._seconds = 0.0
        self._moving = Lock()

    def now(self) -> datetime:
        """Give the instant to which the clock has been moved, in UTC."""
        return self._start + timedelta(seconds=self._seconds)

    def seconds(self) -> float:
        """Give the seconds by which the clock has been moved."""
        return self._seconds

    def sleep(self, seconds: float) -> None:
        """Move the clock forward; can stand in for `time.sleep`."""
        with self._moving:
            self._seconds += seconds
