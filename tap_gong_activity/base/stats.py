"""What a run has done so far, for its progress lines and its summary, and what it has waited for."""

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
    """What a thread waits for."""

    PAGE = auto()
    """The run itself, for the next page to write."""
    TURN = auto()
    """A request, for its turn by the rate limit."""
    GONG = auto()
    """A request, for Gong's answer or to be tried again."""


class Tally:
    """Counts what is done, and measures which limit the run waits for; safe to share between threads.

    Several requests wait at once, while others' pages are written, so that their waits summed up would tell of more
    time than has passed. Only that time counts in which the run had nothing to write, and each moment once: for the
    rate limit if any request waited for its turn then, as a higher limit would have helped, and else for Gong.

    Attributes:
        requests: Requests sent, each try counted.
        retries: Tries after the first.
        rows: Rows read.
        seconds_for_limit: Time that the run spent waiting for the rate limit.
        seconds_for_gong: Time that it spent waiting for Gong alone.
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
        """Time since the counting began."""
        return self._monotonic() - self._begun

    def add(self, *, requests: int = 0, retries: int = 0, rows: int = 0) -> None:
        """Add to the counts."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.rows += rows

    @contextmanager
    def waiting(self, wait: Wait) -> Iterator[None]:
        """Measure a wait, around which this stands."""
        self._change(wait, 1)
        try:
            yield
        finally:
            self._change(wait, -1)

    def _change(self, wait: Wait, by: int) -> None:
        with self._lock:
            now = self._monotonic()
            if self._waiting[Wait.PAGE] and self._waiting[Wait.TURN]:
                self.seconds_for_limit += now - self._measured_until
            elif self._waiting[Wait.PAGE] and self._waiting[Wait.GONG]:
                self.seconds_for_gong += now - self._measured_until
            self._measured_until = now
            self._waiting[wait] += by
