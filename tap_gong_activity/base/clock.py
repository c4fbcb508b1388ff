"""The clock: time and waits, which tests replace with their own."""

from __future__ import annotations

import time
from datetime import datetime, timezone

from tap_gong_activity.base.cancellation import Cancellation, bound_cancellation


class Clock:
    """The machine's clock, with waits that end when the run ends."""

    def __init__(self) -> None:
        self._run = Cancellation()

    @property
    def cancellation(self) -> Cancellation:
        """The token that ends this thread's waits: the one bound to it, or the run's."""
        return bound_cancellation() or self._run

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Return seconds since an arbitrary point; never decreases."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait for that many seconds.

        Raises:
            CancelledError: When the run stops or this thread's token is cancelled.
        """
        self.cancellation.wait(seconds)

    def stop(self) -> None:
        """End every current and future wait of the run."""
        self._run.cancel()
