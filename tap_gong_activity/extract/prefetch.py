"""Read-ahead: several threads fetch windows concurrently, and their pages come out in order.

Gong takes about a second per response and allows three requests per second, so sequential requests would leave most of
the limit unused. Within a window, each page needs the cursor of the previous one.
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
"""Size of the waiting pages above which new ones are compressed, to about a tenth."""

MAX_WAITING_BYTES = 24 * 1024 * 1024
"""Size of the waiting pages, as stored, above which no thread requests another."""

MAX_AHEAD = 4
"""Windows per thread to start beyond the one being written; what they have fetched is lost on a failure."""

STACK_BYTES = 1024 * 1024
"""Stack size of a thread; the usual 8 MB can exhaust a limited address space."""

POLL_SECONDS = 0.5
"""Maximum uninterrupted wait: if Python handles a signal right before a wait, the wait isn't interrupted."""


class ReadAhead:
    """Fetches up to `parallel` windows at once.

    Args:
        windows: The windows, in order.
        fetch: Fetches a window's pages; ends when the token bound to its thread is cancelled.
        run: The cancellation token of the run.
        parallel: Number of threads, if the machine can start that many.
        max_uncompressed: Bytes of waiting pages above which new ones are compressed.
        max_waiting: Bytes of waiting pages above which fetching pauses.
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
        # Queues from this index on won't be read: those after a failure, or all of them when the run ends.
        self._end = len(windows)
        self._changed = threading.Condition()

    def __iter__(self) -> Iterator[tuple[Window, Iterator[Page]]]:
        """Yield each window with its pages, which must be exhausted before the next window.

        An error while fetching a window is raised when it's that window's turn. However the iteration ends, no further
        requests are sent.
        """
        if not self._start_threads():
            yield from ((queue.window, self._fetch(queue.window)) for queue in self._queues)
            return
        try:
            for index, queue in enumerate(self._queues):
                with self._changed:
                    self._being_written = index
                    self._changed.notify_all()
                # Unlike a generator, this iterator doesn't keep the last page in memory.
                yield queue.window, iter(partial(self._take, queue), None)
        finally:
            self._end_at(0)

    def _start_threads(self) -> int:
        """Start the threads, and return how many of them the machine could start."""
        return_large_buffers()
        started, stack_before = 0, threading.stack_size(STACK_BYTES)
        with suppress(RuntimeError, MemoryError):
            while started < self._parallel:
                # A daemon, because a request in flight can't be canceled and must not delay the end of the run.
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
        # A buffer of the final size, because growing one takes twice the memory.
        return zlib.decompress(page.content, bufsize=page.size) if page.size else page.content

    # Called in the threads

    def _work(self) -> None:
        while (index := self._begin_window()) is not None:
            queue = self._queues[index]
            priority.set(partial(self._priority, index))
            try:
                with queue.cancellation.bound():
                    for page in self._fetch(queue.window):
                        self._put(queue, page)
                        # Frees the page during the waits for room and for the next one.
                        del page
                        self._wait_for_room(index)
            except BaseException as error:  # noqa: BLE001 - reraised in the main thread
                queue.failure = error
                self._end_at(index + 1)
            with self._changed:
                queue.is_complete = True
                self._changed.notify_all()

    def _begin_window(self) -> int | None:
        """Return the index of the next window to fetch, or None if there's none left.

        While half the room is taken, no window starts: it would stop halfway, and its cursor could expire.
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
        """Return a window's priority: the one being written, then in order until all have started, then first come."""
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
        # There's always room for the window being written, because only writing makes room.
        is_awaited = index == self._being_written and not self._queues[index].pages
        return is_awaited or self._waiting_bytes <= self._max_waiting

    # Called in any thread

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
    """A page as stored, and its uncompressed size, or 0 if it isn't compressed."""

    content: Page
    size: int


class _Queue:
    """The pages of a window that have been fetched but not yet written."""

    def __init__(self, window: Window, cancellation: Cancellation) -> None:
        self.window = window
        self.cancellation = cancellation
        self.pages: deque[_WaitingPage] = deque()
        self.is_complete = False
        self.failure: BaseException | None = None
