"""Kills: after being killed at any point, the next run resumes and no row is lost."""

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
"""Start date and periods per window of each stream, for eight to ten windows."""

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
"""Exit statuses after a signal, or None if the target closes the pipe."""

KILLS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None)
REPETITIONS = 2


@dataclass
class PageTrigger:
    """Calls a function when the sandbox serves a certain page."""

    _page: int = 0
    _callback: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, page: int, callback: Any) -> None:  # noqa: ANN401 - a function
        """Call `callback` at that page, counted from 1 for the next one."""
        with self._lock:
            self._page, self._callback = page, callback

    def __call__(self, _: dict[str, Any]) -> None:
        """Count a page, and call the function if it's the one."""
        with self._lock:
            self._page -= 1
            is_reached = self._page == 0
        if is_reached:
            self._callback()


@dataclass
class Scenario:
    """A sandbox with a trigger, and the result of an uninterrupted run."""

    sandbox: Sandbox
    trigger: PageTrigger
    settings: dict[str, Any]
    catalog: dict[str, Any]
    uninterrupted: RunResult
    _resumed: dict[str, RunResult] = field(default_factory=dict)

    def resumed(self, state: dict[str, Any]) -> RunResult:
        """Return the result of a run from a state; it's always the same."""
        key = json.dumps(state)
        if key not in self._resumed:
            rerun = run(self.sandbox, catalog=self.catalog, state=state, clock=Clock(), **self.settings)
            assert_succeeded(rerun)
            self._resumed[key] = rerun
        return self._resumed[key]

    def assert_nothing_is_lost(self, output: bytes) -> None:
        """Assert that the committed rows and those of the next run are all rows."""
        committed, state = committed_rows_and_state(output)
        rerun = self.resumed(state)
        assert by_stream_and_key([*committed, *rows_of_messages(rerun.messages)]) == by_stream_and_key(
            rows_of_messages(self.uninterrupted.messages)
        )
        assert {**bookmarks(state), **rerun.bookmarks} == self.uninterrupted.bookmarks


def by_stream_and_key(rows: Any) -> dict[tuple[str, str, str], Any]:  # noqa: ANN401 - streams with their rows
    """Index rows by stream and key, because a stream map may have removed the grain."""
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
def scenario(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    """Serve a stream that is read as RECORD, through a stream map, or as BATCH."""
    mode, stream = request.param
    start, periods = WINDOWS[stream]
    settings: dict[str, Any] = {
        "start_date": start,
        "end_date": str(TODAY),
        "periods_per_window": periods,
        "requests_per_second": 10_000,
        **(MAPPED if mode == "mapped" else {}),
        **(_batch_settings(tmp_path_factory.mktemp(stream)) if mode == "batches" else {}),
    }
    trigger, catalog = PageTrigger(), catalog_selecting(stream)
    with serve_sandbox(
        company=company(6), clock=SandboxClock(), page_size=3, faults=[Fault(Mutation(trigger))]
    ) as sandbox:
        uninterrupted = run(sandbox, catalog=catalog, clock=Clock(), **settings)
        assert_succeeded(uninterrupted)
        assert len(uninterrupted.states) >= 8
        assert uninterrupted.rows
        yield Scenario(sandbox, trigger, settings, catalog, uninterrupted)


def _batch_settings(folder: Path) -> dict[str, Any]:
    encoding, storage = {"format": "jsonl", "compression": "gzip"}, {"root": f"file://{folder}"}
    return {"batch_config": {"encoding": encoding, "storage": storage, "batch_size": 7}}


def test_truncated_output_loses_no_row(scenario: Scenario) -> None:
    """Wherever the output is truncated, the next run resumes from the last STATE in it."""
    output = scenario.uninterrupted.output
    lines = output.splitlines(keepends=True)
    ends = [sum(map(len, lines[: number + 1])) for number, line in enumerate(lines) if b'"type":"STATE"' in line]
    for end in (0, *ends):
        # A target commits the same at every byte up to the next STATE.
        scenario.assert_nothing_is_lost(output[:end])


def test_kill_at_any_time_loses_no_row(scenario: Scenario, forker: TapForker) -> None:
    """A signal or a closed pipe after any byte or at any page loses no row."""
    draw = seeded_random("kills", json.dumps(scenario.settings))
    for kill in KILLS * REPETITIONS:
        killed = _killed(scenario, forker, kill, draw)
        # Before the tap starts and after it ends, a signal has its default effect.
        assert killed.status in (0, STATUSES[kill], -(kill or 0))
        assert "Traceback" not in killed.log
        if killed.status == STATUSES[kill]:
            _assert_error_names(killed, kill)
        scenario.assert_nothing_is_lost(killed.output)


def _killed(scenario: Scenario, forker: TapForker, kill: signal.Signals | None, draw: Random) -> RunResult:
    by_page = kill is not None and draw.random() < 0.5
    processes: list[TapProcess] = []
    started = threading.Event()

    def callback() -> None:
        started.wait()
        if kill is not None:
            processes[0].send(kill)

    scenario.trigger.arm(draw.randrange(1, len(scenario.uninterrupted.requests)) if by_page else 0, callback)
    settings: dict[str, Any] = {**scenario.settings, "max_parallel_windows": draw.choice([1, 4])}
    process = forker.start(scenario.sandbox, catalog=scenario.catalog, **settings)
    processes.append(process)
    started.set()
    if not by_page:
        process.read(draw.randrange(len(scenario.uninterrupted.output)))
        if kill is None:
            process.stop_reading()
        else:
            process.send(kill)
    return process.finish()


def _assert_error_names(killed: RunResult, kill: signal.Signals | None) -> None:
    if kill is signal.SIGKILL:
        assert killed.errors == []
    elif kill is None:
        assert "target closed the pipe early" in assert_failed(RunResult(killed.status, b"", killed.log))
    else:
        assert kill.name in assert_failed(killed, STATUSES[kill])


@pytest.mark.parametrize(("kill", "unbuffered"), [(signal.SIGTERM, ""), (signal.SIGINT, "1")])
def test_signal_completes_the_line_for_a_slow_target(
    kill: signal.Signals, unbuffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal while the pipe is full still lets a slow target read complete lines, even if Python doesn't buffer."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with serve_sandbox(company=company(12), clock=SandboxClock()) as sandbox, TapForker() as forker:
        process = forker.start(sandbox, start_date="2024-01-01", end_date=str(TODAY))
        process.read(3 * SMALLEST_PIPE)
        process.await_full_pipe()
        process.send(kill)
        result = process.finish()
    assert kill.name in assert_failed(result, STATUSES[kill])
    assert len(result.output) > 4 * SMALLEST_PIPE


@pytest.mark.parametrize("kill", ENDING_SIGNALS)
def test_signal_ends_the_run_if_the_target_does_not_read(kill: signal.Signals, forker: TapForker) -> None:
    """If the target doesn't read, a signal ends the run after the time reserved for the last lines."""
    with serve_sandbox(company=company(12), clock=SandboxClock()) as sandbox:
        process = forker.start(sandbox, start_date="2024-01-01", end_date=str(TODAY), last_write=0.2)
        process.read(3 * SMALLEST_PIPE)
        process.await_full_pipe()
        process.send(kill)
        result = process.wait()
    assert kill.name in assert_failed(RunResult(result.status, b"", result.log), STATUSES[kill])


@dataclass(frozen=True)
class EventEffect(Effect):
    """Sets an event when a request arrives, and leaves the response unchanged."""

    event: threading.Event

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - the interface's
        self.event.set()
        return response


@pytest.mark.parametrize(
    ("kill", "fault"),
    [(signal.SIGTERM, "hang"), (signal.SIGINT, "status=429,retry_after=500"), (signal.SIGHUP, "status=503,at=1-")],
)
def test_signal_interrupts_every_wait(kill: signal.Signals, fault: str, forker: TapForker) -> None:
    """A signal interrupts waits for a response, a Retry-After and a backoff, and bookmarks stay."""
    requested = threading.Event()
    with serve_sandbox(company=company(12), clock=SandboxClock(), latency=0.01) as sandbox:
        earlier = run(sandbox, clock=Clock(), start_date="2025-02-01", end_date="2025-02-11")
        sandbox.inject(fault)
        sandbox.inject(Fault(EventEffect(requested)))
        process = forker.start(sandbox, state=earlier.state, start_date="2025-02-01", end_date=str(TODAY))
        requested.wait()
        process.send(kill)
        result = process.finish()
    assert kill.name in assert_failed(result, STATUSES[kill])
    assert result.bookmarks in (earlier.bookmarks, {})


def test_target_that_closes_the_pipe_early_fails_the_run(forker: TapForker) -> None:
    """If the target closes the pipe before the first line, the run fails with one error."""
    with serve_sandbox(company=company(12), clock=SandboxClock()) as sandbox:
        process = forker.start(sandbox, start_date="2025-01-01", end_date=str(TODAY))
        process.stop_reading()
        result = process.wait()
    assert "target closed the pipe early" in assert_failed(result)


@pytest.mark.parametrize("argument", ["--discover", "--about", "--about --format=json"])
def test_closed_pipe_causes_no_traceback(argument: str, forker: TapForker) -> None:
    """A closed pipe causes no traceback in --discover and --about, as with `| head`."""
    with serve_sandbox(clock=SandboxClock()) as sandbox:
        process = forker.start(sandbox, *argument.split())
        process.stop_reading()
        result = process.wait()
    assert "Traceback" not in result.log
    assert "Exception ignored" not in result.log
    assert result.status in (0, 1)


def test_memory_stays_flat(forker: TapForker) -> None:
    """Memory depends on neither the number of windows nor the size of a response."""
    with serve_sandbox(company=company(12), clock=SandboxClock(), faults=["huge=209715200,from=2025-03-02"]) as sandbox:
        settings: dict[str, Any] = {"periods_per_window": 1, "requests_per_second": 10_000, "start_date": "2024-12-02"}
        small = forker.start(sandbox, **{**settings, "start_date": "2025-02-20"}, end_date="2025-03-01").finish()
        large = forker.start(sandbox, **settings, end_date="2025-03-01").finish()
        huge = forker.start(sandbox, **settings, end_date="2025-03-03").finish()
    assert_succeeded(large)
    assert "larger than" in assert_failed(huge)
    assert large.memory < small.memory + 20_000
    assert huge.memory < small.memory + 120_000
