"""Statistics of a run: counts, and how long it waited for what."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Wait(Enum):
    """A reason to wait."""

    PAGE = auto()
    """The main thread waits for the next page to write."""
    SLOT = auto()
    """A request waits for a slot of the rate limit."""
    GONG = auto()
    """A request waits for Gong's response or for a retry."""


class Tally:
    """Counts requests and rows, and measures what the run waits for; safe to share between threads.

    Requests wait concurrently, so the sum of their waits can exceed the elapsed time. Only time counts in which there
    was nothing to write: for the rate limit if a request was waiting for a slot, because a higher limit would have
    helped, and otherwise for Gong.

    Attributes:
        requests: Requests sent, including retries.
        retries: Retries.
        rows: Rows read.
        seconds_for_limit: Time spent waiting for the rate limit.
        seconds_for_gong: Time spent waiting for Gong.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.requests = 0
        self.retries = 0
        self.rows = 0
        self.seconds_for_limit = 0.0
        self.seconds_for_gong = 0.0
        self._waiting: Counter[Wait] = Counter()
        self._monotonic = monotonic
        self._begun = self._measured_until = monotonic()
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return self._monotonic() - self._begun

    def add(self, *, requests: int = 0, retries: int = 0, rows: int = 0) -> None:
        """Add to the counts."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.rows += rows

    @contextmanager
    def waiting(self, wait: Wait) -> Iterator[None]:
        """Measure the wait inside the block."""
        self._change(wait, 1)
        try:
            yield
        finally:
            self._change(wait, -1)

    def _change(self, wait: Wait, by: int) -> None:
        with self._lock:
            now = self._monotonic()
            if self._waiting[Wait.PAGE] and self._waiting[Wait.SLOT]:
                self.seconds_for_limit += now - self._measured_until
            elif self._waiting[Wait.PAGE] and self._waiting[Wait.GONG]:
                self.seconds_for_gong += now - self._measured_until
            self._measured_until = now
            self._waiting[wait] += by
