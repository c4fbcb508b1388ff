"""Pages that wait: first in, first out, within a budget of memory."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.counting_budget import CountingBudget
from support.properties import SOME

from tap_gong_activity.base.errors import TapError
from tap_gong_activity.extract.page_buffer import MemoryBudget, PageBuffer

PAGES = st.binary(max_size=300) | st.integers(0, 20_000).map(lambda size: b"x" * size) | st.just(bytearray(b"array"))
STEPS = st.lists(st.tuples(st.integers(0, 2), PAGES | st.none() | st.just("close")), max_size=40)


@SOME
@given(size=st.sampled_from([0, 1, 100, 1_000, 10**6]), steps=STEPS)
def test_buffers_give_their_pages_in_order_and_share_their_budget(size: int, steps: list[tuple[int, Any]]) -> None:
    """Whatever is put, taken and closed in between: the budget is kept, used where it can be, and given back."""
    budget = CountingBudget(size)
    buffers = [PageBuffer(budget) for _ in range(3)]
    expected: list[list[bytes]] = [[] for _ in buffers]
    try:
        for number, step in steps:
            if step == "close":
                buffers[number].close()
                expected[number].clear()
            elif step is not None:
                fits = budget.taken + len(step) <= size
                before = budget.taken
                buffers[number].put(step)
                expected[number].append(bytes(step))
                assert budget.taken == before + (len(step) if fits else 0)
            elif expected[number]:
                assert bytes(buffers[number].get()) == expected[number].pop(0)
            assert 0 <= budget.taken <= size
            assert [len(buffer) for buffer in buffers] == [len(pages) for pages in expected]
            assert budget.taken <= sum(len(page) for pages in expected for page in pages)
    finally:
        for buffer in buffers:
            buffer.close()
    assert budget.taken == 0


@SOME
@given(pages=st.lists(st.binary(max_size=20_000), max_size=12), taken=st.integers(0, 12))
def test_pages_come_back_from_the_file_as_they_were(pages: list[bytes], taken: int) -> None:
    """Also those that are put while others are taken."""
    buffer = PageBuffer(MemoryBudget(0))
    try:
        for page in pages:
            buffer.put(page)
        assert [bytes(buffer.get()) for _ in pages[:taken]] == pages[:taken]
        for page in pages:
            buffer.put(page)
        assert [bytes(buffer.get()) for _ in range(len(buffer))] == pages[taken:] + pages
    finally:
        buffer.close()


def test_no_file_is_made_while_the_budget_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it found by anybody once there is one."""
    made: list[IO[bytes]] = []
    make = tempfile.TemporaryFile

    def count(**options: Any) -> IO[bytes]:  # noqa: ANN401 (those of open)
        made.append(make(**options))
        return made[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", count)
    buffer = PageBuffer(MemoryBudget(10))
    buffer.put(b"1234567890")
    assert not made
    buffer.put(b"x")
    buffer.put(b"y")
    assert len(made) == 1
    assert not made[0].closed
    buffer.close()
    assert made[0].closed


def test_the_file_has_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kill leaves nothing behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    buffer = PageBuffer(MemoryBudget(0))
    buffer.put(b"x" * 100_000)
    assert list(tmp_path.iterdir()) == []
    assert buffer.get() == b"x" * 100_000
    buffer.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("size", [10, 100_000])
def test_a_full_disk_is_told_when_a_page_is_put(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Not later, when some other window's page is taken; and closing is no trouble."""

    def full(**options: Any) -> IO[Any]:  # noqa: ANN401 (those of open)
        file: IO[Any] = Path("/dev/full").open("r+b", **options)  # noqa: SIM115 (the buffer closes it)
        return file

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    buffer = PageBuffer(MemoryBudget(0))
    with pytest.raises(TapError, match=r"No space left on device.*max_parallel_windows"):
        buffer.put(b"x" * size)
    buffer.close()


@pytest.mark.parametrize("size", [10, 5_000, 20_000])
def test_pages_before_a_full_disk_are_given_out(size: int) -> None:
    """A window fails only after what it had read before."""
    resource = pytest.importorskip("resource", reason="this system knows no limit for a file's size")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    buffer = PageBuffer(MemoryBudget(0))
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + size // 2, limits[1]))
        buffer.put(b"a" * size)
        with pytest.raises(TapError, match="File too large"):
            buffer.put(b"b" * size)
        assert bytes(buffer.get()) == b"a" * size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
        buffer.close()


def test_a_missing_temporary_folder_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is the user's to mend."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    buffer = PageBuffer(MemoryBudget(0))
    with pytest.raises(TapError, match="temporary folder"):
        buffer.put(b"x")
    buffer.close()


def test_closing_twice_gives_back_once() -> None:
    """Both the end of a window and the end of the run close it."""
    budget = CountingBudget(100)
    buffer = PageBuffer(budget)
    buffer.put(b"x" * 60)
    buffer.close()
    buffer.close()
    assert budget.taken == 0
    assert len(buffer) == 0
