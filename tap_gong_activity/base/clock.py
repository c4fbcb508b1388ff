"""Time as the tap sees it, so that tests can pass their own."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone


class RunStoppedError(Exception):
    """The run is ending, so whoever waits need not go on."""


class Clock:
    """The machine's clock, and a wait that ends at once when the run does."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def now(self) -> datetime:
        """The current instant, in UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Let that many seconds pass.

        Raises:
            RunStoppedError: As soon as the run is stopped.
        """
        if self._stopped.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise RunStoppedError

    def stop(self) -> None:
        """End every wait, now and later."""
        self._stopped.set()
