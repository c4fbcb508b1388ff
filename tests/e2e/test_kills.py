"""Killed anywhere and run again from what the target was left with, the tap loses no row."""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from gong_sandbox import Clock as SandboxClock
from gong_sandbox import Fault, Mutation
from gong_sandbox.effects import Effect
from support.catalogs import catalog_selecting
from support.expected_rows import company
from support.fake_clock import TODAY
from support.fake_time_runs import run, serve_sandbox
from support.run_results import (
    RunResult,
    assert_failed,
    assert_succeeded,
    bookmarks,
    committed_rows_and_state,
    rows_of_messages,
)
from support.seeded_random import seeded_random
from support.tap_processes import SMALLEST_PIPE, TapForker

from tap_gong_activity.base.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from random import Random

    from gong_sandbox import Sandbox
    from gong_sandbox.exchanges import Exchange
    from gong_sandbox.responses import Response
    from support.tap_processes import TapProcess

WINDOWS = {
    "activity_by_day": ("2025-02-01", 4),
    "activity_by_week": ("2024-06-03", 4),
    "activity_by_month": ("2022-01-01", 4),
    "activity_by_quarter": ("2021-01-01", 2),
    "activity_by_year": ("2017-01-01", 1),
}
"""Where each stream begins and how many periods its windows have, so that there are eight to ten windows."""

MAPPED = {
    "stream_maps": {
        "*": {
            "__filter__": "calls_as_host != 1",
            "__alias__": "'mapped'",
            "user_email_address": None,
            "grain": "aggregation_period",
        }
    }
}
ENDING_SIGNALS: dict[signal.Signals | None, int] = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}
STATUSES: dict[signal.Signals | None, int] = {signal.SIGKILL: -9, **ENDING_SIGNALS, None: 1}
"""How a process ends by a signal, or without its target."""

HOW = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None)
KILLS_OF_EACH_KIND = 2


@dataclass
class Trap:
    """A call of a function as the sandbox answers a page, whichever it is told to wait for."""

    _page: int = 0
    _spring: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, page: int, spring: Any) -> None:  # noqa: ANN401 - a function
        """Call `spring` at that page, from 1, of those from now on."""
        with self._lock:
            self._page, self._spring = page, spring

    def __call__(self, _: dict[str, Any]) -> None:
        """Count a page."""
        with self._lock:
            self._page -= 1
            springs = self._page == 0
        if springs:
            self._spring()


@dataclass
class Stage:
    """A sandbox with a trap, and what the tap makes of it if nobody kills it."""

    sandbox: Sandbox
    trap: Trap
    settings: dict[str, Any]
    catalog: dict[str, Any]
    uninterrupted: RunResult
    _resumed: dict[str, RunResult] = field(default_factory=dict)

    def resumed(self, state: dict[str, Any]) -> RunResult:
        """Give the run from a state, which is the same each time."""
        key = json.dumps(state)
        if key not in self._resumed:
            again = run(self.sandbox, catalog=self.catalog, state=state, clock=Clock(), **self.settings)
            assert_succeeded(again)
            self._resumed[key] = again
        return self._resumed[key]

    def assert_nothing_is_lost(self, output: bytes) -> None:
        """Check that what a target kept of the output and what a rerun brings are all that there is."""
        kept, state = committed_rows_and_state(output)
        again = self.resumed(state)
        assert keyed_by_stream([*kept, *rows_of_messages(again.messages)]) == keyed_by_stream(
            rows_of_messages(self.uninterrupted.messages)
        )
        assert {**bookmarks(state), **again.bookmarks} == self.uninterrupted.bookmarks


def keyed_by_stream(rows: Any) -> dict[tuple[str, str, str], Any]:  # noqa: ANN401 - streams with their rows
    """Index the rows, of which a map may have taken the grain."""
    return {(stream, row["user_id"], row["period_start_date"]): row for stream, row in rows}


@pytest.fixture(
    scope="module",
    params=[
        ("plain", "activity_by_day"),
        ("mapped", "activity_by_week"),
        ("batches", "activity_by_month"),
        ("plain", "activity_by_quarter"),
        ("batches", "activity_by_year"),
    ],
    ids="-".join,
)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Serve a stream, to be read plain, through a map, or into BATCH files."""
    mode, stream = request.param
    start, periods = WINDOWS[stream]
    settings: dict[str, Any] = {
        "start_date": start,
        "end_date": str(TODAY),
        "periods_per_window": periods,
        "requests_per_second": 10_000,
        **(MAPPED if mode == "mapped" else {}),
        **(_batches(tmp_path_factory.mktemp(stream)) if mode == "batches" else {}),
    }
    trap, catalog = Trap(), catalog_selecting(stream)
    with serve_sandbox(
        company=company(6), clock=SandboxClock(), page_size=3, faults=[Fault(Mutation(trap))]
    ) as sandbox:
        uninterrupted = run(sandbox, catalog=catalog, clock=Clock(), **settings)
        assert_succeeded(uninterrupted)
        assert len(uninterrupted.states) >= 8
        assert uninterrupted.rows
        yield Stage(sandbox, trap, settings, catalog, uninterrupted)


def _batches(folder: Path) -> dict[str, Any]:
    encoding, storage = {"format": "jsonl", "compression": "gzip"}, {"root": f"file://{folder}"}
    return {"batch_config": {"encoding": encoding, "storage": storage, "batch_size": 7}}


def test_any_cut_of_the_output_can_be_gone_on_from(stage: Stage) -> None:
    """As after a SIGKILL: what a target has seen is a beginning of the output, and all up to its last STATE is kept."""
    output = stage.uninterrupted.output
    lines = output.splitlines(keepends=True)
    ends = [sum(map(len, lines[: number + 1])) for number, line in enumerate(lines) if b'"type":"STATE"' in line]
    for end in (0, *ends):
        # Every byte from here to the next STATE leaves the target with the same.
        stage.assert_nothing_is_lost(output[:end])


def test_a_kill_at_any_moment_loses_no_row(stage: Stage, forker: TapForker) -> None:
    """By SIGKILL, SIGTERM or SIGINT, or by a target that dies: after any byte read, or as any page is answered."""
    draw = seeded_random("kills", json.dumps(stage.settings))
    for how in HOW * KILLS_OF_EACH_KIND:
        killed = _killed(stage, forker, how, draw)
        # Before the tap has begun and after it has ended, a signal ends the process as it would any.
        assert killed.status in (0, STATUSES[how], -(how or 0))
        assert "Traceback" not in killed.log
        if killed.status == STATUSES[how]:
            _assert_said_what_happened(killed, how)
        stage.assert_nothing_is_lost(killed.output)


def _killed(stage: Stage, forker: TapForker, how: signal.Signals | None, draw: Random) -> RunResult:
    by_page = how is not None and draw.random() < 0.5
    begun: list[TapProcess] = []
    known = threading.Event()

    def spring() -> None:
        known.wait()
        if how is not None:
            begun[0].send(how)

    stage.trap.arm(draw.randrange(1, len(stage.uninterrupted.requests)) if by_page else 0, spring)
    settings: dict[str, Any] = {**stage.settings, "max_parallel_windows": draw.choice([1, 4])}
    process = forker.start(stage.sandbox, catalog=stage.catalog, **settings)
    begun.append(process)
    known.set()
    if not by_page:
        process.read(draw.randrange(len(stage.uninterrupted.output)))
        if how is None:
            process.stop_reading()
        else:
            process.send(how)
    return process.finish()


def _assert_said_what_happened(killed: RunResult, how: signal.Signals | None) -> None:
    if how is signal.SIGKILL:
        assert killed.errors == []
    elif how is None:
        assert "target closed the pipe early" in assert_failed(RunResult(killed.status, b"", killed.log))
    else:
        assert how.name in assert_failed(killed, STATUSES[how])


@pytest.mark.parametrize(("how", "unbuffered"), [(signal.SIGTERM, ""), (signal.SIGINT, "1")])
def test_a_signal_lets_a_line_become_whole_for_a_target_that_reads_late(
    how: signal.Signals, unbuffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the pipe is full when it comes, and also where Python does not buffer, as in many containers."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with serve_sandbox(company=company(12), clock=SandboxClock()) as sandbox, TapForker() as forker:
        process = forker.start(sandbox, start_date="2024-01-01", end_date=str(TODAY))
        process.read(3 * SMALLEST_PIPE)
        process.await_full_pipe()
        process.send(how)
        ended = process.finish()
    assert how.name in assert_failed(ended, STATUSES[how])
    assert len(ended.output) > 4 * SMALLEST_PIPE


@pytest.mark.parametrize("how", ENDING_SIGNALS)
def test_a_signal_ends_the_run_although_the_target_does_not_read(how: signal.Signals, forker: TapForker) -> None:
    """After the seconds that it leaves for the lines that are being written."""
    with serve_sandbox(company=company(12), clock=SandboxClock()) as sandbox:
        process = forker.start(sandbox, start_date="2024-01-01", end_date=str(TODAY), last_write=0.2)
        process.read(3 * SMALLEST_PIPE)
        process.await_full_pipe()
        process.send(how)
        ended = process.wait()
    assert how.name in assert_failed(RunResult(ended.status, b"", ended.log), STATUSES[how])


@dataclass(frozen=True)
class Noticed(Effect):
    """The same answer, and an event that tells of the request."""

    event: threading.Event

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - whichever it is
        self.event.set()
        return response


@pytest.mark.parametrize(
    ("how", "fault"),
    [(signal.SIGTERM, "hang"), (signal.SIGINT, "status=429,retry_after=500"), (signal.SIGHUP, "status=503,at=1-")],
)
def test_a_signal_ends_whatever_the_tap_waits_for(how: signal.Signals, fault: str, forker: TapForker) -> None:
    """An answer, a Retry-After or a backoff; the STATE before it stands."""
    asked = threading.Event()
    with serve_sandbox(company=company(12), clock=SandboxClock(), latency=0.01) as sandbox:
        begun = run(sandbox, clock=Clock(), start_date="2025-02-01", end_date="2025-02-11")
        sandbox.inject(fault)
        sandbox.inject(Fault(Noticed(asked)))
        process = forker.start(sandbox, state=begun.state, start_date="2025-02-01", end_date=str(TODAY))
        asked.wait()
        process.send(how)
        ended = process.finish()
    assert how.name in assert_failed(ended, STATUSES[how])
    assert ended.bookmarks in (begun.bookmarks, {})


def test_a_target_that_has_gone_before_the_first_line(forker: TapForker) -> None:
    """As one whose own settings are wrong: a sentence, no traceback, and not 0."""
    with serve_sandbox(company=company(12), clock=SandboxClock()) as sandbox:
        process = forker.start(sandbox, start_date="2025-01-01", end_date=str(TODAY))
        process.stop_reading()
        ended = process.wait()
    assert "target closed the pipe early" in assert_failed(ended)


@pytest.mark.parametrize("argument", ["--discover", "--about", "--about --format=json"])
def test_other_output_that_nobody_reads_is_no_traceback_either(argument: str, forker: TapForker) -> None:
    """As with `| head`."""
    with serve_sandbox(clock=SandboxClock()) as sandbox:
        process = forker.start(sandbox, *argument.split())
        process.stop_reading()
        ended = process.wait()
    assert "Traceback" not in ended.log
    assert "Exception ignored" not in ended.log
    assert ended.status in (0, 1)


def test_the_memory_stays_flat_whatever_the_answer(forker: TapForker) -> None:
    """Of a body of 200 MB hardly more is taken than of any other; of forty windows no more than of one."""
    with serve_sandbox(company=company(12), clock=SandboxClock(), faults=["huge=209715200,from=2025-03-02"]) as sandbox:
        settings: dict[str, Any] = {"periods_per_window": 1, "requests_per_second": 10_000, "start_date": "2024-12-02"}
        small = forker.start(sandbox, **{**settings, "start_date": "2025-02-20"}, end_date="2025-03-01").finish()
        large = forker.start(sandbox, **settings, end_date="2025-03-01").finish()
        huge = forker.start(sandbox, **settings, end_date="2025-03-03").finish()
    assert_succeeded(large)
    assert "larger than" in assert_failed(huge)
    assert large.memory < small.memory + 20_000
    assert huge.memory < small.memory + 120_000
