"""Read-ahead: the same pages as without it, but faster."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hypothesis_settings import SOME

from tap_gong_activity.base.cancellation import Cancellation, CancelledError, bound_cancellation
from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.extract.prefetch import MAX_AHEAD, ReadAhead
from tap_gong_activity.extract.windows import Window
from tap_gong_activity.gong.rate_limit import priority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds after which a test fails instead of waiting."""


class BrokenError(Exception):
    """Reading a window failed."""


def windows_of(number: int) -> list[Window]:
    """Return that many windows of one day each."""
    days = [date(2025, 1, 1) + timedelta(days=count) for count in range(number + 1)]
    return [Window(Grain.DAY, start, end) for start, end in pairwise(days)]


def with_timeout(function: Callable[[], T]) -> T:
    """Return the result of `function`, or fail if it hangs."""
    results: list[T] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    assert not thread.is_alive(), "it hangs"
    if errors:
        raise errors[0]
    return results[0]


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    pause = threading.Event()
    for _ in range(int(TIMEOUT * 1_000)):
        if condition():
            return
        pause.wait(0.001)
    message = "the condition never held"
    raise AssertionError(message)


def reader_threads() -> list[threading.Thread]:
    """Return the read-ahead threads."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead-")]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    for thread in reader_threads():
        thread.join(TIMEOUT)
    assert reader_threads() == []


class FakeFetch:
    """Fetches windows with a given number of pages, and stops if cancelled, like the client.

    Attributes:
        requests: The number of requested pages of each window.
        started: The indexes of the windows, in the order in which they were started.
    """

    def __init__(self, pages: list[int], broken: dict[int, int] | None = None, size: int = 10) -> None:
        self.windows = windows_of(len(pages))
        self.requests: Counter[int] = Counter()
        self.started: list[int] = []
        self.before_request: Callable[[int, int, Callable[[], bool]], None] = lambda *_: None
        self._pages = pages
        self._broken = broken or {}
        self._size = size

    def __call__(self, window: Window) -> Iterator[bytes]:
        cancellation = bound_cancellation() or Cancellation()

        def should_continue() -> bool:
            return not cancellation.is_cancelled

        index = self.windows.index(window)
        self.started.append(index)
        for page in range(self._pages[index]):
            self.before_request(index, page, should_continue)
            if not should_continue():
                raise CancelledError
            self.requests[index] += 1
            if self._broken.get(index) == page:
                raise BrokenError(index)
            yield self.page(index, page)

    def page(self, index: int, page: int) -> bytes:
        """Return the content of a page."""
        return f"{index}/{page}".encode().ljust(self._size)

    def expected(self, index: int) -> list[bytes]:
        """Return the pages of a window, up to where it fails."""
        return [self.page(index, page) for page in range(self._broken.get(index, self._pages[index]))]


def take_all(
    ahead: Iterable[tuple[Window, Iterator[bytes | bytearray]]], recorded: list[tuple[Window, list[bytes]]]
) -> None:
    """Record every page."""
    for window, pages in ahead:
        taken: list[bytes] = []
        recorded.append((window, taken))
        taken.extend(bytes(page) for page in pages)


@SOME
@given(
    pages=st.lists(st.integers(0, 5), max_size=12),
    broken=st.dictionaries(st.integers(0, 11), st.integers(0, 4), max_size=2),
    parallel=st.integers(1, 6),
    limits=st.sampled_from([(0, 0), (0, 25), (25, 60), (10**6, 10**6)]),
    stop_after=st.none() | st.integers(0, 12),
    seed=st.integers(0, 10**6),
)
def test_every_schedule_yields_the_same_pages(
    pages: list[int],
    broken: dict[int, int],
    parallel: int,
    limits: tuple[int, int],
    stop_after: int | None,
    seed: int,
) -> None:
    """Under any schedule and limits, pages are in order, and a failure follows every page before it."""
    broken = {index: page for index, page in broken.items() if index < len(pages) and page < pages[index]}
    fetch = FakeFetch(pages, broken)
    rng = random.Random(seed)  # noqa: S311 - a schedule, no secret
    pauses = threading.Event()

    def pause(*_: object) -> None:
        pauses.wait(0.0001 * rng.randrange(3))

    fetch.before_request = pause
    yielded: list[bytes] = []
    windows_yielded: list[Window] = []

    def run() -> str:
        iterator = iter(
            ReadAhead(
                fetch.windows,
                fetch,
                run=Cancellation(),
                parallel=parallel,
                max_uncompressed=limits[0],
                max_waiting=limits[1],
            )
        )
        try:
            for window, window_pages in iterator:
                windows_yielded.append(window)
                for page in window_pages:
                    yielded.append(bytes(page))
                    if stop_after is not None and len(yielded) > stop_after:
                        return "stopped"
        except BrokenError as error:
            return f"broken {error}"
        finally:
            iterator.close()  # type: ignore[attr-defined] # a generator
        return "done"

    outcome = with_timeout(run)
    for thread in reader_threads():
        thread.join(TIMEOUT)
    first_broken = min(broken, default=len(pages))
    everything = [page for index in range(min(first_broken + 1, len(pages))) for page in fetch.expected(index)]
    if outcome == "stopped":
        assert stop_after is not None
        assert yielded == everything[: stop_after + 1]
    else:
        assert yielded == everything
        assert outcome == (f"broken {first_broken}" if broken else "done")
    assert windows_yielded == fetch.windows[: len(windows_yielded)]
    assert reader_threads() == []


def test_windows_are_read_in_parallel() -> None:
    """As many windows are read in parallel as allowed."""
    fetch = FakeFetch([1] * 8)
    barrier = threading.Barrier(4, timeout=TIMEOUT)

    def meet(*_: object) -> None:
        barrier.wait()

    fetch.before_request = meet
    yielded: list[tuple[Window, list[bytes]]] = []
    with_timeout(lambda: take_all(ReadAhead(fetch.windows, fetch, run=Cancellation(), parallel=4), yielded))
    assert [window for window, _ in yielded] == fetch.windows


@pytest.mark.parametrize("parallel", [1, 5])
def test_windows_start_in_order_and_within_a_distance(parallel: int) -> None:
    """Windows start in order, and at most MAX_AHEAD windows per thread ahead of the writer."""
    fetch = FakeFetch([1] * 40)
    taken: list[Window] = []
    iterator = iter(ReadAhead(fetch.windows, fetch, run=Cancellation(), parallel=parallel))
    pause = threading.Event()

    def run() -> None:
        for window, pages in iterator:
            wait_until(lambda: len(fetch.started) >= min(len(taken) + MAX_AHEAD * parallel, 40))
            list(pages)
            for _ in range(3):
                pause.wait(0.001)
                assert len(fetch.started) <= len(taken) + MAX_AHEAD * parallel
            taken.append(window)

    with_timeout(run)
    assert fetch.started == sorted(fetch.started)
    assert len(fetch.started) == 40


def test_failure_follows_earlier_windows_and_stops_later_ones() -> None:
    """A failure is raised after the windows before it, and windows after it send no further request."""
    fetch = FakeFetch([3, 2, 4, 2, 2], broken={1: 1})
    later_has_started, is_stopped = threading.Event(), threading.Event()
    continued_before: list[bool] = []

    def before_request(index: int, page: int, should_continue: Callable[[], bool]) -> None:
        if (index, page) == (0, 1):
            # The next window fails before this one continues.
            assert is_stopped.wait(TIMEOUT)
            continued_before.append(should_continue())
        if (index, page) == (1, 1):
            assert later_has_started.wait(TIMEOUT)
        if (index, page) == (2, 1):
            later_has_started.set()
            wait_until(lambda: not should_continue())
            is_stopped.set()

    fetch.before_request = before_request
    yielded: list[tuple[Window, list[bytes]]] = []
    with pytest.raises(BrokenError):
        with_timeout(lambda: take_all(ReadAhead(fetch.windows, fetch, run=Cancellation(), parallel=3), yielded))
    assert yielded == [(fetch.windows[0], fetch.expected(0)), (fetch.windows[1], fetch.expected(1))]
    assert continued_before == [True]
    assert fetch.requests == {0: 3, 1: 2, 2: 1}


def test_first_of_two_failures_is_raised() -> None:
    """Of two failures, that of the earlier window is raised, whichever happens first."""
    fetch = FakeFetch([1, 1, 1], broken={0: 0, 2: 0})
    later_has_failed = threading.Event()

    def before_request(index: int, _page: int, should_continue: Callable[[], bool]) -> None:
        if index == 0:
            assert later_has_failed.wait(TIMEOUT)
        elif index == 1:
            later_has_failed.set()
            assert should_continue()

    fetch.before_request = before_request
    with pytest.raises(BrokenError, match="0"):
        with_timeout(lambda: take_all(ReadAhead(fetch.windows, fetch, run=Cancellation(), parallel=3), []))


def test_closing_early_stops_every_further_request() -> None:
    """Closing the iterator early stops every further request."""
    fetch = FakeFetch([5] * 6)
    closed = threading.Event()
    waiting = threading.Semaphore(0)

    def before_request(_index: int, page: int, _should_continue: Callable[[], bool]) -> None:
        if page == 1:
            waiting.release()
            assert closed.wait(TIMEOUT)

    fetch.before_request = before_request
    iterator = iter(ReadAhead(fetch.windows, fetch, run=Cancellation(), parallel=3))

    def run() -> None:
        _, pages = next(iterator)
        assert next(pages) == fetch.page(0, 0)
        for _ in range(3):
            assert waiting.acquire(timeout=TIMEOUT)
        iterator.close()  # type: ignore[attr-defined] # a generator
        closed.set()

    with_timeout(run)
    for thread in reader_threads():
        thread.join(TIMEOUT)
    assert fetch.requests == {0: 1, 1: 1, 2: 1}


def test_error_of_the_consumer_stops_every_further_request() -> None:
    """An error of the consumer stops every further request."""
    fetch = FakeFetch([2] * 6)
    raised = threading.Event()

    def before_request(_index: int, page: int, _should_continue: Callable[[], bool]) -> None:
        if page:
            raised.wait(TIMEOUT)

    fetch.before_request = before_request

    def consume() -> None:
        for _, pages in ReadAhead(fetch.windows, fetch, run=Cancellation(), parallel=2):
            for _ in pages:
                raise BrokenError

    def run() -> None:
        try:
            consume()
        finally:
            raised.set()

    with pytest.raises(BrokenError):
        with_timeout(run)
    for thread in reader_threads():
        thread.join(TIMEOUT)
    assert all(requests == 1 for requests in fetch.requests.values())


def test_nothing_to_read_starts_no_thread() -> None:
    """Without windows, no thread is started."""
    assert list(ReadAhead([], FakeFetch([]), run=Cancellation(), parallel=4)) == []
    assert reader_threads() == []


def test_waiting_pages_are_limited() -> None:
    """If the target is slow, waiting pages stay within their limit, and every page is yielded."""
    fetch = FakeFetch([20] * 4, size=1_000)
    yielded: list[tuple[Window, list[bytes]]] = []
    parallel, limits = 3, 5_000

    def run() -> None:
        ahead = ReadAhead(
            fetch.windows, fetch, run=Cancellation(), parallel=parallel, max_uncompressed=10**6, max_waiting=limits
        )
        for window, pages in ahead:
            taken: list[bytes] = []
            yielded.append((window, taken))
            while True:
                before = sum(fetch.requests.values())
                threading.Event().wait(0.005)
                all_taken = sum(len(pages) for _, pages in yielded)
                # Each thread waits with one more page.
                assert before - all_taken <= limits // 1_000 + 2 * parallel
                if (page := next(pages, None)) is None:
                    break
                taken.append(bytes(page))

    with_timeout(run)
    assert [pages for _, pages in yielded] == [fetch.expected(index) for index in range(4)]


def test_many_waiting_pages_are_compressed() -> None:
    """Many waiting pages are compressed, and yielded unchanged."""
    fetch = FakeFetch([100] * 2, size=100_000)
    yielded: list[tuple[Window, list[bytes]]] = []

    def run() -> None:
        iterator = iter(
            ReadAhead(
                fetch.windows, fetch, run=Cancellation(), parallel=2, max_uncompressed=300_000, max_waiting=1_000_000
            )
        )
        window, pages = next(iterator)
        wait_until(lambda: fetch.requests == {0: 100, 1: 100})
        yielded.append((window, [bytes(page) for page in pages]))
        take_all(iterator, yielded)

    with_timeout(run)
    assert [pages for _, pages in yielded] == [fetch.expected(index) for index in range(2)]


def test_threads_are_daemons() -> None:
    """The threads are daemons, so that a request in flight doesn't delay the exit."""
    fetch = FakeFetch([1])
    is_checked = threading.Event()

    def wait(*_: object) -> None:
        is_checked.wait(TIMEOUT)

    fetch.before_request = wait
    # In the main thread, because threads inherit whether they're daemons.
    iterator = iter(ReadAhead(fetch.windows, fetch, run=Cancellation(), parallel=1))
    next(iterator)
    assert [thread.daemon for thread in reader_threads()] == [True]
    is_checked.set()
    iterator.close()  # type: ignore[attr-defined] # a generator


@pytest.mark.parametrize(("available", "error"), [(0, MemoryError()), (3, RuntimeError("can't start new thread"))])
def test_fewer_threads_than_planned_read_everything(
    monkeypatch: pytest.MonkeyPatch, available: int, error: Exception
) -> None:
    """If fewer threads can be started, or none, everything is read nonetheless."""
    fetch = FakeFetch([2] * 8)
    start, started = threading.Thread.start, list[str]()

    def start_if_available(thread: threading.Thread) -> None:
        if thread.name.startswith("read-ahead-"):
            if len(started) == available:
                raise error
            started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_if_available)
    yielded: list[tuple[Window, list[bytes]]] = []
    with_timeout(lambda: take_all(ReadAhead(fetch.windows, fetch, run=Cancellation(), parallel=4), yielded))
    assert [pages for _, pages in yielded] == [fetch.expected(index) for index in range(8)]
    assert len(started) == available


def test_priority_of_windows() -> None:
    """The window being written has the highest priority, then the next ones, until all have started."""
    fetch = FakeFetch([2] * 6)
    seen: dict[tuple[int, int], int] = {}
    can_continue = [threading.Event(), threading.Event()]

    def before_request(index: int, page: int, _should_continue: Callable[[], bool]) -> None:
        seen[index, page] = priority.get()()
        if page == 1:
            assert can_continue[index // 3].wait(TIMEOUT)

    fetch.before_request = before_request

    def run() -> None:
        for number, (_, pages) in enumerate(ReadAhead(fetch.windows, fetch, run=Cancellation(), parallel=3)):
            if number in {0, 1}:
                # The first three have started, and then the others.
                wait_until(lambda: len(seen) == (12 if number else 6))  # noqa: B023 - called at once
                can_continue[number].set()
            list(pages)

    with_timeout(run)
    assert [seen[index, page] for index in range(3) for page in (0, 1)] == [-1, -1, 1, 1, 2, 2]
    assert [seen[5, page] for page in (0, 1)] == [0, 0]


def test_no_window_starts_while_many_pages_wait() -> None:
    """No window starts while many pages wait, because its cursor would expire."""
    fetch = FakeFetch([1] * 20, size=1_000)

    def run() -> None:
        iterator = iter(
            ReadAhead(fetch.windows, fetch, run=Cancellation(), parallel=2, max_uncompressed=10**6, max_waiting=4_000)
        )
        _, pages = next(iterator)
        wait_until(lambda: len(fetch.started) >= 3)
        threading.Event().wait(0.05)
        # Three pages use more than half of the limit, and another thread may have been about to start.
        assert len(fetch.started) <= 4
        assert len([*pages]) == 1
        take_all(iterator, [])

    with_timeout(run)
    assert len(fetch.started) == 20
