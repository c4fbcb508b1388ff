"""A clock that waits for nobody: whoever waits moves it, and whoever looks at it may."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TypeVar

from gong_sandbox import HandClock

from tap_gong_activity.base.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

NOON = datetime(2025, 3, 12, 20, tzinfo=timezone.utc)
"""Noon in Los Angeles, on 12 March 2025."""


class FakeClock(Clock):
    """The tap's clock, and by its `hand` the sandbox's too.

    Attributes:
        hand: The clock that is moved.
        waits: The waits so far, in seconds.
        tick: Seconds that pass with each look at `monotonic`.
        on_wait: Called before each wait.
    """

    def __init__(self, now: datetime = NOON, *, tick: float = 0.0) -> None:
        super().__init__()
        self.hand = HandClock(now)
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

    def pass_by(self, seconds: float) -> None:
        """Let time pass without anybody waiting."""
        self.hand.sleep(seconds)


class SharedClock(Clock):
    """A clock for several threads, whose time passes only while all of them wait, and then to the first wake-up.

    So whoever looks at it after a wait sees the very moment until which it waited, however slow the machine is.
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

    def run(self, *works: Callable[[], None]) -> None:
        """Do all of these at once, each in a thread of its own, to their ends."""

        def do(work: Callable[[], None]) -> None:
            try:
                work()
            finally:
                with self._changed:
                    self._pause()

        self._running = len(works)
        with ThreadPoolExecutor(len(works)) as threads:
            for done in [threads.submit(do, work) for work in works]:
                done.result()

    def joined(self, threads: int) -> None:
        """Count so many more threads, which have to call `left` at their ends."""
        with self._changed:
            self._running += threads

    def left(self) -> None:
        """Count the calling thread no more."""
        with self._changed:
            self._pause()

    def _pause(self) -> None:
        self._running -= 1
        if not self._running and self._wakes:
            self._now = min(self._wakes)
            # They count as running from here on, so that no time passes before they have run.
            self._running = self._wakes.count(self._now)
            self._wakes = [wake for wake in self._wakes if wake > self._now]
            self._changed.notify_all()


class SharedCondition(threading.Condition):
    """A condition whose waiting threads let a SharedClock's time pass."""

    def __init__(self, clock: SharedClock) -> None:
        super().__init__()
        self._clock = clock
        self._waiting = 0

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:  # noqa: ARG002 - of real time
        while not (result := predicate()):
            self._waiting += 1
            self._clock.left()
            self.wait()
        return result

    def notify_all(self) -> None:
        # Here, as time would pass before they have woken.
        self._clock.joined(self._waiting)
        self._waiting = 0
        super().notify_all()
