"""Fake clocks, on which waits take no time: a wait advances the clock at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, TypeVar

from gong_sandbox import HandClock

from tap_gong_activity.base.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

NOON = datetime(2025, 3, 12, 20, tzinfo=timezone.utc)
"""Noon in Los Angeles on a Wednesday, in the middle of a week, a month, a quarter and a year."""

TODAY = date(2025, 3, 12)
"""The date at `NOON`."""


class FakeClock(Clock):
    """The tap's clock, which advances with its waits.

    Attributes:
        hand: The underlying clock, to be shared with a sandbox; starts at `NOON` by default.
        waits: The waits so far, in seconds.
        tick: Seconds by which each call of `monotonic` advances the clock.
        on_wait: Called before each wait.
    """

    def __init__(self, hand: HandClock | None = None, *, tick: float = 0.0) -> None:
        super().__init__()
        self.hand = hand or HandClock(NOON)
        self.waits: list[float] = []
        self.tick = tick
        self.on_wait: Callable[[float], None] = lambda _: None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self.hand.now()

    def monotonic(self) -> float:
        if self.tick:
            self.hand.sleep(self.tick)
        return self.hand.seconds()

    def wait(self, seconds: float) -> None:
        self.on_wait(seconds)
        self.cancellation.raise_if_cancelled()
        with self._lock:
            self.waits.append(seconds)
        self.hand.sleep(seconds)

    def advance(self, seconds: float) -> None:
        """Advance the clock without a wait."""
        self.hand.sleep(seconds)


class SharedClock(Clock):
    """A clock shared by threads, which advances to the earliest wake-up once all of them wait.

    So a thread that reads it after a wait sees the exact time it waited for, however slow the machine is.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._running = 0
        self._wakes: list[float] = []
        self._changed = threading.Condition()

    def monotonic(self) -> float:
        with self._changed:
            return self._now

    def wait(self, seconds: float) -> None:
        with self._changed:
            wake = self._now + seconds
            self._wakes.append(wake)
            self._pause()
            while self._now < wake:
                self._changed.wait()

    def run(self, *functions: Callable[[], None]) -> None:
        """Run the functions in parallel, each in its own thread, until all have returned."""

        def call(function: Callable[[], None]) -> None:
            try:
                function()
            finally:
                with self._changed:
                    self._pause()

        self._running = len(functions)
        with ThreadPoolExecutor(len(functions)) as threads:
            for future in [threads.submit(call, function) for function in functions]:
                future.result()

    def add_threads(self, threads: int) -> None:
        """Count more threads as running; each must call `remove_thread` when it ends."""
        with self._changed:
            self._running += threads

    def remove_thread(self) -> None:
        """Stop counting the calling thread as running."""
        with self._changed:
            self._pause()

    def _pause(self) -> None:
        self._running -= 1
        if not self._running and self._wakes:
            self._now = min(self._wakes)
            # They count as running from now on, so the clock doesn't advance before they have run.
            self._running = self._wakes.count(self._now)
            self._wakes = [wake for wake in self._wakes if wake > self._now]
            self._changed.notify_all()


class SharedCondition(threading.Condition):
    """A condition whose waiting threads count as waiting on a SharedClock."""

    def __init__(self, clock: SharedClock) -> None:
        super().__init__()
        self._clock = clock
        self._waiting = 0

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:  # noqa: ARG002 - in real time
        while not (result := predicate()):
            self._waiting += 1
            self._clock.remove_thread()
            self.wait()
        return result

    def notify_all(self) -> None:
        # Here, because the clock would advance before they wake up.
        self._clock.add_threads(self._waiting)
        self._waiting = 0
        super().notify_all()
