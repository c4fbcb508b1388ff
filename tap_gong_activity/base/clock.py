"""Time as the tap sees it, so that tests can pass their own."""

from __future__ import annotations

import time
from datetime import datetime, timezone

from tap_gong_activity.base.cancellation import Cancellation, bound_cancellation


class Clock:
    """The machine's clock, and waits that end when the run does."""

    def __init__(self) -> None:
        self._run = Cancellation()

    @property
    def cancellation(self) -> Cancellation:
        """What ends the calling thread's waits: the token it has bound, or the run's."""
        return bound_cancellation() or self._run

    def now(self) -> datetime:
        """The current instant, in UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Let that many seconds pass.

        Raises:
            CancelledError: As soon as the run is stopped or the calling thread's work is cancelled.
        """
        self.cancellation.wait(seconds)

    def stop(self) -> None:
        """Cancel the run: end every wait, now and later."""
        self._run.cancel()
