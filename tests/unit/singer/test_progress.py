"""Progress: a log line for each window, and a bar on a terminal."""

from __future__ import annotations

import io
import sys
from datetime import date

import pytest
from support.fake_clock import FakeClock

from tap_gong_activity.base.stats import Tally
from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.extract.windows import Window
from tap_gong_activity.singer.progress import Progress

WINDOW = Window(Grain.DAY, date(2025, 1, 1), date(2025, 4, 1))


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_every_window_is_logged() -> None:
    """Each window's line has the stream, dates, number, rows, requests of the run, and time left."""
    clock, tally, log = FakeClock(), Tally(), list[str]()
    # As if another stream was read before.
    clock.advance(1_000)
    with Progress("activity_by_day", 3, tally=tally, clock=clock, log=log.append) as progress:
        for requests, rows, seconds in ((2, 9_000, 100), (1, 0, 20), (1_500, 1, 0)):
            tally.add(requests=requests)
            clock.advance(seconds)
            progress.window_done(WINDOW, rows)
    start = "activity_by_day: 2025-01-01 to 2025-04-01, window"
    assert log == [
        f"{start} 1 of 3, 9,000 rows, 2 requests so far, 3 min 20 s left",
        f"{start} 2 of 3, 0 rows, 3 requests so far, 1 min 0 s left",
        f"{start} 3 of 3, 1 rows, 1,503 requests so far, 0 s left",
    ]


@pytest.mark.parametrize(
    ("seconds", "duration"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min 0 s"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h 0 min"),
        (90_061, "25 h 1 min"),
    ],
)
def test_time_left_is_formatted(seconds: float, duration: str) -> None:
    """The time left is the duration of the previous window, in at most two units."""
    clock, log = FakeClock(), list[str]()
    with Progress("activity_by_day", 2, tally=Tally(), clock=clock, log=log.append) as progress:
        clock.advance(seconds)
        progress.window_done(WINDOW, 0)
    assert log[0].endswith(f" {duration} left")


def test_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal also shows a bar, which disappears at the end of the stream."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    log: list[str] = []
    with Progress("activity_by_day", 2, tally=Tally(), clock=FakeClock(), log=log.append) as progress:
        progress.window_done(WINDOW, 3)
        assert "activity_by_day" in terminal.getvalue()
        assert "| 0/2" in terminal.getvalue()
    assert len(log) == 1
    assert terminal.getvalue().rstrip(" ").endswith("\r")


@pytest.mark.parametrize("windows", [0, 2])
def test_bar_is_not_shown_without_terminal_or_windows(monkeypatch: pytest.MonkeyPatch, windows: int) -> None:
    """There's no bar if stderr isn't a terminal or there's nothing to read."""
    stderr = io.StringIO() if windows else Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    with Progress("activity_by_day", windows, tally=Tally(), clock=FakeClock(), log=lambda _: None):
        pass
    assert stderr.getvalue() == ""


def test_failure_removes_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure removes the bar, so that its message is on a separate line."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    def fail() -> None:
        with Progress("activity_by_day", 2, tally=Tally(), clock=FakeClock(), log=lambda _: None):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert terminal.getvalue().rstrip(" ").endswith("\r")
