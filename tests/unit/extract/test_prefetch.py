"""Read-ahead: the same as one window after another, but faster."""

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

PATIENCE = 30.0
"""Seconds to wait for something before the test fails."""


class BrokenError(Exception):
    """Reading a window failed."""


def windows_of(number: int) -> list[Window]:
    """Return that many windows of one day each."""
    days = [date(2025, 1, 1) + timedelta(days=count) for count in range(number + 1)]
    return [Window(Grain.DAY, start, end) for start, end in pairwise(days)]


def in_time(work: Callable[[], T]) -> T:
    """Return what `work` returns, or fail if it hangs."""
    results: list[T] = []
    errors: list[BaseException] = []

    def do() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 (raised below)
            errors.append(error)

    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "it hangs"
    if errors:
        raise errors[0]
    return results[0]


def until(condition: Callable[[], bool]) -> None:
    """Return once a condition holds."""
    pause = threading.Event()
    for _ in range(int(PATIENCE * 1_000)):
        if condition():
            return
        pause.wait(0.001)
    message = "it never came true"
    raise AssertionError(message)


def readers() -> list[threading.Thread]:
    """Return the threads that read ahead."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead-")]


@pytest.fixture(autouse=True)
def _all_threads_end() -> Iterator[None]:
    yield
    for thread in readers():
        thread.join(PATIENCE)
    assert readers() == []


class Script:
    """Fetches windows as a test says, and stops if cancelled, like the client.

    Attributes:
        requests: How many pages of each window have been requested.
        begun: The windows in the order in which they were begun.
    """

    def __init__(self, pages: list[int], broken: dict[int, int] | None = None, size: int = 10) -> None:
        self.windows = windows_of(len(pages))
        self.requests: Counter[int] = Counter()
        self.begun: list[int] = []
        self.before_request: Callable[[int, int, Callable[[], bool]], None] = lambda *_: None
        self._pages = pages
        self._broken = broken or {}
        self._size = size

    def __call__(self, window: Window) -> Iterator[bytes]:
        cancellation = bound_cancellation() or Cancellation()

        def should_continue() -> bool:
            return not cancellation.is_cancelled

        index = self.windows.index(window)
        self.begun.append(index)
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
    ahead: Iterable[tuple[Window, Iterator[bytes | bytearray]]], given: list[tuple[Window, list[bytes]]]
) -> None:
    """Take every page, and record it."""
    for window, pages in ahead:
        taken: list[bytes] = []
        given.append((window, taken))
        taken.extend(bytes(page) for page in pages)


@SOME
@given(
    pages=st.lists(st.integers(0, 5), max_size=12),
    broken=st.dictionaries(st.integers(0, 11), st.integers(0, 4), max_size=2),
    parallel=st.integers(1, 6),
    room=st.sampled_from([(0, 0), (0, 25), (25, 60), (10**6, 10**6)]),
    stop_after=st.none() | st.integers(0, 12),
    seed=st.integers(0, 10**6),
)
def test_any_schedule_yields_the_same_as_one_window_after_another(
    pages: list[int],
    broken: dict[int, int],
    parallel: int,
    room: tuple[int, int],
    stop_after: int | None,
    seed: int,
) -> None:
    """Pages are in order, a failure comes after everything before it, and nothing hangs for want of room."""
    broken = {index: page for index, page in broken.items() if index < len(pages) and page < pages[index]}
    script = Script(pages, broken)
    chance = random.Random(seed)  # noqa: S311 (a schedule, no secret)
    pauses = threading.Event()

    def pause(*_: object) -> None:
        pauses.wait(0.0001 * chance.randrange(3))

    script.before_request = pause
    yielded: list[bytes] = []
    windows_yielded: list[Window] = []

    def run() -> str:
        iterator = iter(
            ReadAhead(
                script.windows,
                script,
                run=Cancellation(),
                parallel=parallel,
                max_uncompressed=room[0],
                max_waiting=room[1],
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
            iterator.close()  # type: ignore[attr-defined]  # a generator
        return "done"

    outcome = in_time(run)
    for thread in readers():
        thread.join(PATIENCE)
    first_broken = min(broken, default=len(pages))
    everything = [page for index in range(min(first_broken + 1, len(pages))) for page in script.expected(index)]
    if outcome == "stopped":
        assert stop_after is not None
        assert yielded == everything[: stop_after + 1]
    else:
        assert yielded == everything
        assert outcome == (f"broken {first_broken}" if broken else "done")
    assert windows_yielded == script.windows[: len(windows_yielded)]
    assert readers() == []


def test_windows_are_read_at_once() -> None:
    """As many threads as allowed meet at a barrier, which fewer would never pass."""
    script = Script([1] * 8)
    together = threading.Barrier(4, timeout=PATIENCE)

    def meet(*_: object) -> None:
        together.wait()

    script.before_request = meet
    yielded: list[tuple[Window, list[bytes]]] = []
    in_time(lambda: take_all(ReadAhead(script.windows, script, run=Cancellation(), parallel=4), yielded))
    assert [window for window, _ in yielded] == script.windows


@pytest.mark.parametrize("parallel", [1, 5])
def test_windows_are_begun_in_order_and_only_so_far_ahead(parallel: int) -> None:
    """What has been fetched is lost if the window being written fails."""
    script = Script([1] * 40)
    taken: list[Window] = []
    iterator = iter(ReadAhead(script.windows, script, run=Cancellation(), parallel=parallel))
    pause = threading.Event()

    def run() -> None:
        for window, pages in iterator:
            until(lambda: len(script.begun) >= min(len(taken) + MAX_AHEAD * parallel, 40))
            list(pages)
            for _ in range(3):
                pause.wait(0.001)
                assert len(script.begun) <= len(taken) + MAX_AHEAD * parallel
            taken.append(window)

    in_time(run)
    assert script.begun == sorted(script.begun)
    assert len(script.begun) == 40


def test_a_failure_waits_for_its_turn_and_stops_later_windows() -> None:
    """Windows before it are read to the end, and those after it send no further request."""
    script = Script([3, 2, 4, 2, 2], broken={1: 1})
    behind_has_begun, is_stopped = threading.Event(), threading.Event()
    continued_before: list[bool] = []

    def before_request(index: int, page: int, should_continue: Callable[[], bool]) -> None:
        if (index, page) == (0, 1):
            # The failure of the next window is known before this one goes on.
            assert is_stopped.wait(PATIENCE)
            continued_before.append(should_continue())
        if (index, page) == (1, 1):
            assert behind_has_begun.wait(PATIENCE)
        if (index, page) == (2, 1):
            behind_has_begun.set()
            until(lambda: not should_continue())
            is_stopped.set()

    script.before_request = before_request
    yielded: list[tuple[Window, list[bytes]]] = []
    with pytest.raises(BrokenError):
        in_time(lambda: take_all(ReadAhead(script.windows, script, run=Cancellation(), parallel=3), yielded))
    assert yielded == [(script.windows[0], script.expected(0)), (script.windows[1], script.expected(1))]
    assert continued_before == [True]
    assert script.requests == {0: 3, 1: 2, 2: 1}


def test_the_first_of_two_failures_is_raised() -> None:
    """The order is that of the windows, not of time."""
    script = Script([1, 1, 1], broken={0: 0, 2: 0})
    later_has_failed = threading.Event()

    def before_request(index: int, _page: int, should_continue: Callable[[], bool]) -> None:
        if index == 0:
            assert later_has_failed.wait(PATIENCE)
        elif index == 1:
            later_has_failed.set()
            assert should_continue()

    script.before_request = before_request
    with pytest.raises(BrokenError, match="0"):
        in_time(lambda: take_all(ReadAhead(script.windows, script, run=Cancellation(), parallel=3), []))


def test_closing_early_stops_every_further_request() -> None:
    """The target may have closed the pipe."""
    script = Script([5] * 6)
    closed = threading.Event()
    waiting = threading.Semaphore(0)

    def before_request(_index: int, page: int, _should_continue: Callable[[], bool]) -> None:
        if page == 1:
            waiting.release()
            assert closed.wait(PATIENCE)

    script.before_request = before_request
    iterator = iter(ReadAhead(script.windows, script, run=Cancellation(), parallel=3))

    def run() -> None:
        _, pages = next(iterator)
        assert next(pages) == script.page(0, 0)
        for _ in range(3):
            assert waiting.acquire(timeout=PATIENCE)
        iterator.close()  # type: ignore[attr-defined]  # a generator
        closed.set()

    in_time(run)
    for thread in readers():
        thread.join(PATIENCE)
    assert script.requests == {0: 1, 1: 1, 2: 1}


def test_an_error_of_the_consumer_stops_every_further_request() -> None:
    """Invalid rows end the run while other windows are being fetched."""
    script = Script([2] * 6)
    raised = threading.Event()

    def before_request(_index: int, page: int, _should_continue: Callable[[], bool]) -> None:
        if page:
            raised.wait(PATIENCE)

    script.before_request = before_request

    def consume() -> None:
        for _, pages in ReadAhead(script.windows, script, run=Cancellation(), parallel=2):
            for _ in pages:
                raise BrokenError

    def run() -> None:
        try:
            consume()
        finally:
            raised.set()

    with pytest.raises(BrokenError):
        in_time(run)
    for thread in readers():
        thread.join(PATIENCE)
    assert all(requests == 1 for requests in script.requests.values())


def test_nothing_to_read_starts_no_thread() -> None:
    """It ends at once."""
    assert list(ReadAhead([], Script([]), run=Cancellation(), parallel=4)) == []
    assert readers() == []


def test_fetching_waits_for_room_but_never_for_the_window_being_written() -> None:
    """With a target slower than Gong, the waiting pages stay within their bound, and every page is yielded."""
    script = Script([20] * 4, size=1_000)
    yielded: list[tuple[Window, list[bytes]]] = []
    parallel, room = 3, 5_000

    def run() -> None:
        ahead = ReadAhead(
            script.windows, script, run=Cancellation(), parallel=parallel, max_uncompressed=10**6, max_waiting=room
        )
        for window, pages in ahead:
            taken: list[bytes] = []
            yielded.append((window, taken))
            while True:
                before = sum(script.requests.values())
                threading.Event().wait(0.005)
                all_taken = sum(len(pages) for _, pages in yielded)
                # One page more for each thread, which waits for room once it has it.
                assert before - all_taken <= room // 1_000 + 2 * parallel
                if (page := next(pages, None)) is None:
                    break
                taken.append(bytes(page))

    in_time(run)
    assert [pages for _, pages in yielded] == [script.expected(index) for index in range(4)]


def test_pages_are_compressed_once_there_are_many_of_them() -> None:
    """A hundred of them fit where ten would without; each is yielded unchanged."""
    script = Script([100] * 2, size=100_000)
    yielded: list[tuple[Window, list[bytes]]] = []

    def run() -> None:
        iterator = iter(
            ReadAhead(
                script.windows, script, run=Cancellation(), parallel=2, max_uncompressed=300_000, max_waiting=1_000_000
            )
        )
        window, pages = next(iterator)
        until(lambda: script.requests == {0: 100, 1: 100})
        yielded.append((window, [bytes(page) for page in pages]))
        take_all(iterator, yielded)

    in_time(run)
    assert [pages for _, pages in yielded] == [script.expected(index) for index in range(2)]


def test_the_threads_do_not_keep_the_process_alive() -> None:
    """A request under way must not hold up the end of the run."""
    script = Script([1])
    is_checked = threading.Event()

    def wait(*_: object) -> None:
        is_checked.wait(PATIENCE)

    script.before_request = wait
    # In the main thread, which isn't a daemon, as the others would be like it.
    iterator = iter(ReadAhead(script.windows, script, run=Cancellation(), parallel=1))
    next(iterator)
    assert [thread.daemon for thread in readers()] == [True]
    is_checked.set()
    iterator.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.parametrize(("available", "error"), [(0, MemoryError()), (3, RuntimeError("can't start new thread"))])
def test_fewer_threads_than_planned_read_everything(
    monkeypatch: pytest.MonkeyPatch, available: int, error: Exception
) -> None:
    """If none can be started, the main thread reads."""
    script = Script([2] * 8)
    start, started = threading.Thread.start, list[str]()

    def start_if_available(thread: threading.Thread) -> None:
        if thread.name.startswith("read-ahead-"):
            if len(started) == available:
                raise error
            started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_if_available)
    yielded: list[tuple[Window, list[bytes]]] = []
    in_time(lambda: take_all(ReadAhead(script.windows, script, run=Cancellation(), parallel=4), yielded))
    assert [pages for _, pages in yielded] == [script.expected(index) for index in range(8)]
    assert len(started) == available


def test_the_window_being_written_is_the_most_urgent_then_the_next_until_all_have_begun() -> None:
    """After that all others are equal, so that the oldest request goes first."""
    script = Script([2] * 6)
    seen: dict[tuple[int, int], int] = {}
    go_on = [threading.Event(), threading.Event()]

    def before_request(index: int, page: int, _should_continue: Callable[[], bool]) -> None:
        seen[index, page] = priority.get()()
        if page == 1:
            assert go_on[index // 3].wait(PATIENCE)

    script.before_request = before_request

    def run() -> None:
        for number, (_, pages) in enumerate(ReadAhead(script.windows, script, run=Cancellation(), parallel=3)):
            if number in {0, 1}:
                # The first three have begun, and then the others.
                until(lambda: len(seen) == (12 if number else 6))  # noqa: B023 - called at once
                go_on[number].set()
            list(pages)

    in_time(run)
    assert [seen[index, page] for index in range(3) for page in (0, 1)] == [-1, -1, 1, 1, 2, 2]
    assert [seen[5, page] for page in (0, 1)] == [0, 0]


def test_no_window_begins_while_much_is_waiting() -> None:
    """It would stop halfway for want of room, and its cursor would expire."""
    script = Script([1] * 20, size=1_000)

    def run() -> None:
        iterator = iter(
            ReadAhead(script.windows, script, run=Cancellation(), parallel=2, max_uncompressed=10**6, max_waiting=4_000)
        )
        _, pages = next(iterator)
        until(lambda: len(script.begun) >= 3)
        threading.Event().wait(0.05)
        # More than half of the room is taken by three pages, and another thread may have been about to begin.
        assert len(script.begun) <= 4
        assert len([*pages]) == 1
        take_all(iterator, [])

    in_time(run)
    assert len(script.begun) == 20
