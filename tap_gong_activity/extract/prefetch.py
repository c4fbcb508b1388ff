"""Windows read ahead by several threads, and given out in their order as if read one after another.

Gong takes about a second for an answer and allows three a second, so one request after another leaves most of that
unused; and a window's next page can only be asked for with the cursor of the page before.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tap_gong_activity.extract.page_buffer import MemoryBudget, PageBuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_gong_activity.extract.windows import Window

MEMORY_BUDGET = 8_388_608
"""Bytes of waiting pages that are kept in memory."""


class ReadWindow(Protocol):
    """Reads one window, page by page, as long as `is_wanted` says that its pages are of use."""

    def __call__(self, window: Window, is_wanted: Callable[[], bool]) -> Iterator[bytes | bytearray]:
        """The window's pages."""


class ReadAhead:
    """Reads up to `parallel` windows at once.

    No more than twice as many are begun as have been given out, so that a slow target does not make the tap read all
    of Gong into the temporary folder.

    Args:
        windows: The windows, in the order in which they are wanted.
        read: Reads one of them.
        parallel: How many threads read.
        memory_budget: Bytes of waiting pages to keep in memory.
    """

    def __init__(
        self, windows: Sequence[Window], read: ReadWindow, *, parallel: int, memory_budget: int = MEMORY_BUDGET
    ) -> None:
        budget = MemoryBudget(memory_budget)
        self._windows = windows
        self._read = read
        self._readings = [_Reading(PageBuffer(budget)) for _ in windows]
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
                self._end = 0
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
            try:
                pages = self._read(self._windows[index], partial(self._is_wanted, index))
                if not all(map(partial(self._keep, index), pages)):
                    return
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that writes
                failure = error
            with self._changed:
                if failure is not None:
                    self._end = min(self._end, index + 1)
                reading.failure = failure
                reading.is_finished = True
                self._changed.notify_all()

    def _keep(self, index: int, page: bytes | bytearray) -> bool:
        """Have a page wait for its turn, if it is still wanted."""
        with self._changed:
            if self._is_wanted(index):
                self._readings[index].pages.put(page)
                self._changed.notify_all()
                return True
            return False

    def _is_wanted(self, index: int) -> bool:
        return index < self._end

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

    def __init__(self, pages: PageBuffer) -> None:
        self.pages = pages
        self.is_finished = False
        self.failure: BaseException | None = None
