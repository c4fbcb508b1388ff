"""Windows read ahead by several threads, and given out in their order as if read one after another.

Gong takes about a second for an answer and allows three a second, so one request after another leaves most of that
unused; and a window's next page can only be asked for with the cursor of the page before.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from tap_gong_activity.base.cancellation import Cancellation
from tap_gong_activity.extract.page_buffer import MemoryBudget, PageBuffer
from tap_gong_activity.gong.rate_limit import priority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_gong_activity.extract.windows import Window

MEMORY_BUDGET = 8_388_608
"""Bytes of waiting pages that are kept in memory."""


class ReadAhead:
    """Reads up to `parallel` windows at once.

    No more than twice as many are begun as have been given out, so that a slow target does not make the tap read all
    of Gong into the temporary folder.

    Args:
        windows: The windows, in the order in which they are wanted.
        read: Reads one of them, page by page, until the token that its thread has bound is cancelled.
        run: The run's token.
        parallel: How many threads read.
        memory_budget: Bytes of waiting pages to keep in memory.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        read: Callable[[Window], Iterator[bytes | bytearray]],
        *,
        run: Cancellation,
        parallel: int,
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        budget = MemoryBudget(memory_budget)
        self._windows = windows
        self._read = read
        self._readings = [_Reading(PageBuffer(budget), Cancellation(run)) for _ in windows]
        self._parallel = parallel
        self._begun = 0
        self._given_out = 0
        # Windows from here on are no longer wanted: those behind a failure, or all when the run ends.
        self._end = len(windows)
        self._changed = threading.Condition()

    def __iter__(self) -> Iterator[tuple[Window, Iterator[bytes | bytearray]]]:
        """Each window and its pages, which must be taken to their end before the next window.

        Whatever reading a window raises is raised in its turn, after everything before it has been given out. However
        this ends, no further request is made.
        """
        for number in range(min(self._parallel, len(self._windows))):
            # A daemon, as a request that is under way can't be taken back and must not hold up the end of the run.
            threading.Thread(target=self._work, name=f"read-ahead-{number + 1}", daemon=True).start()
        try:
            for window, reading in zip(self._windows, self._readings, strict=True):
                yield window, self._pages(reading)
                with self._changed:
                    self._given_out += 1
                    self._changed.notify_all()
        finally:
            with self._changed:
                self._stop_at(0)
                for reading in self._readings:
                    reading.pages.close()
                self._changed.notify_all()

    def _pages(self, reading: _Reading) -> Iterator[bytes | bytearray]:
        # Not in a loop, here and below, whose variable would keep a page in memory while the next one comes in.
        pages: Iterator[bytes | bytearray] = iter(partial(self._next_page, reading), None)
        yield from pages
        reading.pages.close()
        if reading.failure is not None:
            raise reading.failure

    def _next_page(self, reading: _Reading) -> bytes | bytearray | None:
        with self._changed:
            while not (reading.pages or reading.is_finished):
                self._changed.wait()
            return reading.pages.get() if reading.pages else None

    def _work(self) -> None:
        while (index := self._next_window()) is not None:
            reading = self._readings[index]
            failure: BaseException | None = None
            priority.set(partial(self._priority, index))
            try:
                with reading.cancellation.bound():
                    if not all(map(partial(self._keep, index), self._read(self._windows[index]))):
                        return
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that writes
                failure = error
            with self._changed:
                if failure is not None:
                    self._stop_at(index + 1)
                reading.failure = failure
                reading.is_finished = True
                self._changed.notify_all()

    def _keep(self, index: int, page: bytes | bytearray) -> bool:
        """Have a page wait for its turn, if it is still wanted."""
        with self._changed:
            if index < self._end:
                self._readings[index].pages.put(page)
                self._changed.notify_all()
                return True
            return False

    def _stop_at(self, end: int) -> None:
        self._end = min(self._end, end)
        for reading in self._readings[self._end :]:
            reading.cancellation.cancel()

    def _priority(self, index: int) -> int:
        """The window being written first; then the next ones, while some window hasn't begun; then first come."""
        if index == self._given_out:
            return -1
        return index if self._begun < len(self._windows) else 0

    def _next_window(self) -> int | None:
        with self._changed:
            while self._begun < self._end and self._begun >= self._given_out + 2 * self._parallel:
                self._changed.wait()
            if self._begun >= self._end:
                return None
            self._begun += 1
            return self._begun - 1


class _Reading:
    """What one window's thread has read so far."""

    def __init__(self, pages: PageBuffer, cancellation: Cancellation) -> None:
        self.pages = pages
        self.cancellation = cancellation
        self.is_finished = False
        self.failure: BaseException | None = None
