"""What a user sees: a line for each window, and a bar where somebody is there to see it."""

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
    """A stderr that somebody sees."""

    def isatty(self) -> bool:
        return True


def test_each_window_gets_a_line() -> None:
    """Stream, dates, which of how many, its rows, the run's requests, and the time left."""
    clock, tally, log = FakeClock(), Tally(), list[str]()
    # Another stream was read before.
    clock.pass_by(1_000)
    with Progress("activity_by_day", 3, tally=tally, clock=clock, log=log.append) as progress:
        for requests, rows, seconds in ((2, 9_000, 100), (1, 0, 20), (1_500, 1, 0)):
            tally.add(requests=requests)
            clock.pass_by(seconds)
            progress.window_done(WINDOW, rows)
    start = "activity_by_day: 2025-01-01 to 2025-04-01, window"
    assert log == [
        f"{start} 1 of 3, 9,000 rows, 2 requests so far, 3 min 20 s left",
        f"{start} 2 of 3, 0 rows, 3 requests so far, 1 min 0 s left",
        f"{start} 3 of 3, 1 rows, 1,503 requests so far, 0 s left",
    ]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min 0 s"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h 0 min"),
        (90_061, "25 h 1 min"),
    ],
)
def test_the_time_left_is_told_roughly(seconds: float, told: str) -> None:
    """As long as the window before it took."""
    clock, log = FakeClock(), list[str]()
    with Progress("activity_by_day", 2, tally=Tally(), clock=clock, log=log.append) as progress:
        clock.pass_by(seconds)
        progress.window_done(WINDOW, 0)
    assert log[0].endswith(f" {told} left")


def test_a_terminal_sees_a_bar_besides(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is gone when the stream is done."""
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
def test_nobody_is_shown_a_bar(monkeypatch: pytest.MonkeyPatch, windows: int) -> None:
    """Neither where stderr is a file, nor where there is nothing to read."""
    stderr = io.StringIO() if windows else Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    with Progress("activity_by_day", windows, tally=Tally(), clock=FakeClock(), log=lambda _: None):
        pass
    assert stderr.getvalue() == ""


def test_a_failure_takes_the_bar_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that its message stands on a line of its own."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    def fail() -> None:
        with Progress("activity_by_day", 2, tally=Tally(), clock=FakeClock(), log=lambda _: None):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert terminal.getvalue().rstrip(" ").endswith("\r")
