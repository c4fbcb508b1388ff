"""What a run has done so far, for its progress lines and its summary."""

from __future__ import annotations

import threading


class Tally:
    """Counts requests, and the time spent waiting for either limit; safe to share between threads.

    Attributes:
        requests: Requests sent, each try counted.
        retries: Tries after the first.
        rows: Rows read.
        seconds_for_limit: Time in which requests waited for their turn, summed over threads.
        seconds_for_gong: Time in which requests waited for Gong's answer, summed over threads.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.retries = 0
        self.rows = 0
        self.seconds_for_limit = 0.0
        self.seconds_for_gong = 0.0
        self._lock = threading.Lock()

    def add(
        self,
        *,
        requests: int = 0,
        retries: int = 0,
        rows: int = 0,
        seconds_for_limit: float = 0.0,
        seconds_for_gong: float = 0.0,
    ) -> None:
        """Add to the counts."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.rows += rows
            self.seconds_for_limit += seconds_for_limit
            self.seconds_for_gong += seconds_for_gong
