"""Read-ahead: windows are fetched by several threads at once, and read in order as if fetched one after another.

Gong takes about a second for a response and allows three a second, so one request after another leaves most of that
unused; and a window's next page can be requested only with the cursor of the page before.
"""

from __future__ import annotations

import threading
import zlib
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tap_gong_activity.base.cancellation import Cancellation
from tap_gong_activity.base.memory import return_large_buffers
from tap_gong_activity.gong.rate_limit import FIRST, priority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_gong_activity.extract.windows import Window

    Page = bytes | bytearray

MAX_UNCOMPRESSED_BYTES = 8 * 1024 * 1024
"""Size of the waiting pages beyond which further ones are compressed, to about a tenth."""

MAX_WAITING_BYTES = 24 * 1024 * 1024
"""Size of the waiting pages, as they are kept, beyond which no thread requests another."""

MAX_AHEAD = 4
"""How many windows for each thread are begun beyond the one being written: what has been fetched is lost on failure."""

STACK_BYTES = 1024 * 1024
"""Address space for a thread's stack, of which the usual 8 MB leave too little where that is limited."""

POLL_SECONDS = 0.5
"""Longest uninterrupted wait: Python may handle a signal right before a wait, which then doesn't end for it."""


class ReadAhead:
    """Fetches up to `parallel` windows at once.

    Args:
        windows: The windows, in the order to read them in.
        fetch: Requests one window's pages; ends when the token that its thread has bound is cancelled.
        run: The run's token.
        parallel: How many threads fetch, if the machine lets them start.
        max_uncompressed: Bytes of waiting pages to keep uncompressed.
        max_waiting: Bytes of waiting pages beyond which fetching waits.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        fetch: Callable[[Window], Iterator[Page]],
        *,
        run: Cancellation,
        parallel: int,
        max_uncompressed: int = MAX_UNCOMPRESSED_BYTES,
        max_waiting: int = MAX_WAITING_BYTES,
    ) -> None:
        self._fetch = fetch
        self._queues = [_Queue(window, Cancellation(run)) for window in windows]
        self._parallel = min(parallel, len(windows))
        self._max_uncompressed = max_uncompressed
        self._max_waiting = max_waiting
        self._waiting_bytes = 0
        self._being_written = 0
        self._begun = 0
        # The queues from here on won't be read: those after a failure, or all when the run ends.
        self._end = len(windows)
        self._changed = threading.Condition()

    def __iter__(self) -> Iterator[tuple[Window, Iterator[Page]]]:
        """Each window and its pages, which must be taken to their end before the next window.

        Whatever fetching a window raises is raised in its turn, after everything before it has been read. However this
        ends, no further request is made.
        """
        if not self._start_threads():
            yield from ((queue.window, self._fetch(queue.window)) for queue in self._queues)
            return
        try:
            for index, queue in enumerate(self._queues):
                with self._changed:
                    self._being_written = index
                    self._changed.notify_all()
                # An iterator that keeps no page in a variable while the next one comes in.
                yield queue.window, iter(partial(self._take, queue), None)
        finally:
            self._end_at(0)

    def _start_threads(self) -> int:
        """Start the threads, and return how many the machine has given."""
        return_large_buffers()
        started, stack_before = 0, threading.stack_size(STACK_BYTES)
        with suppress(RuntimeError, MemoryError):
            while started < self._parallel:
                # A daemon, as a request under way can't be taken back and must not hold up the end of the run.
                threading.Thread(target=self._work, name=f"read-ahead-{started + 1}", daemon=True).start()
                started += 1
        threading.stack_size(stack_before)
        return started

    def _take(self, queue: _Queue) -> Page | None:
        with self._changed:
            self._wait_until(lambda: bool(queue.pages) or queue.is_complete)
            if not queue.pages:
                if queue.failure is not None:
                    raise queue.failure
                return None
            page = queue.pages.popleft()
            self._waiting_bytes -= len(page.content)
            self._changed.notify_all()
        # Into a buffer of that size at once, as one that grows takes twice the memory.
        return zlib.decompress(page.content, bufsize=page.size) if page.size else page.content

    # In the threads

    def _work(self) -> None:
        while (index := self._begin_window()) is not None:
            queue = self._queues[index]
            priority.set(partial(self._priority, index))
            try:
                with queue.cancellation.bound():
                    for page in self._fetch(queue.window):
                        self._put(queue, page)
                        # Or it would stay in memory while this waits for room and while the next one comes in.
                        del page
                        self._wait_for_room(index)
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that writes
                queue.failure = error
                self._end_at(index + 1)
            with self._changed:
                queue.is_complete = True
                self._changed.notify_all()

    def _begin_window(self) -> int | None:
        """The next window to fetch.

        None begins while much is waiting: it would stop halfway for want of room, until its cursor has expired.
        """
        with self._changed:
            self._wait_until(
                lambda: (
                    self._begun >= self._end
                    or (
                        self._begun < self._being_written + MAX_AHEAD * self._parallel
                        and self._waiting_bytes <= self._max_waiting // 2
                    )
                )
            )
            if self._begun >= self._end:
                return None
            self._begun += 1
            return self._begun - 1

    def _priority(self, index: int) -> int:
        """The window being written first; then the next ones, while some window hasn't begun; then first come."""
        if index == self._being_written:
            return FIRST
        return index if self._begun < len(self._queues) else 0

    def _put(self, queue: _Queue, page: Page) -> None:
        with self._changed:
            is_compressed = self._waiting_bytes + len(page) > self._max_uncompressed
        content = zlib.compress(page, 1) if is_compressed else page
        with self._changed:
            queue.pages.append(_WaitingPage(content, len(page) if is_compressed else 0))
            self._waiting_bytes += len(content)
            self._changed.notify_all()

    def _wait_for_room(self, index: int) -> None:
        with self._changed:
            self._wait_until(lambda: self._has_room(index) or index >= self._end)
        self._queues[index].cancellation.raise_if_cancelled()

    def _has_room(self, index: int) -> bool:
        # For the window being written always, or nothing would ever make room.
        is_awaited = index == self._being_written and not self._queues[index].pages
        return is_awaited or self._waiting_bytes <= self._max_waiting

    # In either

    def _end_at(self, end: int) -> None:
        with self._changed:
            self._end = min(self._end, end)
            for queue in self._queues[self._end :]:
                queue.cancellation.cancel()
                self._waiting_bytes -= sum(len(page.content) for page in queue.pages)
                queue.pages.clear()
            self._changed.notify_all()

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        while not self._changed.wait_for(condition, POLL_SECONDS):
            pass


class _WaitingPage(NamedTuple):
    """A page as it is kept, and its size before it was compressed; 0 if it wasn't."""

    content: Page
    size: int


class _Queue:
    """One window's pages, from the thread that fetches them to the one that writes them."""

    def __init__(self, window: Window, cancellation: Cancellation) -> None:
        self.window = window
        self.cancellation = cancellation
        self.pages: deque[_WaitingPage] = deque()
        self.is_complete = False
        self.failure: BaseException | None = None
