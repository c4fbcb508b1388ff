"""Whole runs of the tap through its command line, against a sandbox, with time played instead of slept.

`run` calls the command line in this process and gives what it wrote, its exit status and the seconds that it would have
waited. `TapProcesses` is for what needs a process: signals, pipes, and targets that die.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import urlsplit

from gong_sandbox import Company, HandClock, Sandbox
from gong_sandbox.periods import ONE_DAY, PERIOD_OF_DAY, periods_between

from tap_gong_activity.base.clock import Clock
from tap_gong_activity.cli import CommandLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gong_sandbox import RequestRecord

NOON = datetime(2025, 3, 12, 20, tzinfo=timezone.utc)
"""A Wednesday's noon in Los Angeles, in the middle of a week, a month, a quarter and a year."""

TODAY = date(2025, 3, 12)

ONE_HOUR = 3600.0

STREAMS = {
    "activity_by_day": "DAY",
    "activity_by_week": "WEEK",
    "activity_by_month": "MONTH",
    "activity_by_quarter": "QUARTER",
    "activity_by_year": "YEAR",
}

COLUMNS = (
    "user_id",
    "user_email_address",
    "aggregation_period",
    "period_start_date",
    "period_end_date",
    "period_start_at",
    "period_end_at",
    "is_complete",
    "calls_as_host",
    "calls_gave_feedback",
    "calls_requested_feedback",
    "calls_received_feedback",
    "own_calls_listened_to",
    "others_calls_listened_to",
    "calls_shared_internally",
    "calls_shared_externally",
    "calls_scorecards_filled",
    "calls_scorecards_received",
    "calls_attended",
    "calls_comments_given",
    "calls_comments_received",
    "calls_marked_as_feedback_given",
    "calls_marked_as_feedback_received",
)
"""As the contract lists them; written out, so that a change of the tap's own is noticed."""

Row = dict[str, Any]
Keyed = dict[tuple[str, str, str], Row]
Settings = dict[str, Any]


# Chance

SEED = os.environ.get("TAP_RUNS_SEED") or str(random.SystemRandom().getrandbits(32))
"""Another one each time, so that more and more is played."""


def chance(*words: object) -> random.Random:
    """Give the draws that belong to these words; `TAP_RUNS_SEED`, printed where a test fails, repeats them."""
    print(f"TAP_RUNS_SEED={SEED}")  # noqa: T201 - pytest shows it with a failure
    return random.Random("/".join(map(str, (SEED, *words))))  # noqa: S311 - which runs to play, no secret


# What Gong holds


@lru_cache(32)
def company(size: int = 20, zone: str = "America/Los_Angeles", seed: str = "gong") -> Company:
    """Give a company, shared by all tests, so that each day is invented once."""
    return Company(size, zone, seed)


@dataclass(frozen=True)
class Span:
    """A window as the contract cuts it, worked out day by day and without the tap."""

    grain: str
    start: date
    end: date
    is_complete: bool = True


def windows(
    grain: str, start: date, end: date, *, periods_per_window: int = 90, include_open_period: bool = False
) -> list[Span]:
    """Cut the range into windows of whole periods, and the open one."""
    first = start
    while PERIOD_OF_DAY[grain](first - ONE_DAY) == PERIOD_OF_DAY[grain](start):
        first -= ONE_DAY
    periods = periods_between(grain, first, end)
    is_open = bool(periods) and PERIOD_OF_DAY[grain](end - ONE_DAY) == PERIOD_OF_DAY[grain](end)
    whole = periods[:-1] if is_open else periods
    spans = [
        Span(grain, whole[number].from_date, whole[: number + periods_per_window][-1].to_date)
        for number in range(0, len(whole), periods_per_window)
    ]
    if is_open and include_open_period:
        spans.append(Span(grain, *periods[-1], is_complete=False))
    return spans


def rows_of(of: Company, spans: Iterable[Span], **filters: Any) -> list[Row]:  # noqa: ANN401 - those of the company
    """Give the rows that the contract makes of what the company holds, in the order of windows and pages."""
    rows: list[Row] = []
    for span in spans:
        for held in of.rows(span.grain, span.start, span.end, **filters):
            values = (
                held.user_id,
                held.user_email_address,
                span.grain,
                held.from_date.isoformat(),
                held.to_date.isoformat(),
                *(f"{of.midnight(day).astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}" for day in held[2:4]),
                span.is_complete,
                *held.counters,
            )
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def keyed(rows: Iterable[Row]) -> Keyed:
    """Index rows by grain and primary key, as a target keeps them: the last one wins."""
    return {(row["aggregation_period"], row["user_id"], row["period_start_date"]): row for row in rows}


# Time


SPACING = 0.00001
"""Seconds that a million requests a second may have to wait for each other."""


class PlayedClock(Clock):
    """Lets the sandbox's time pass at once, and remembers for how long it would have waited."""

    def __init__(self, hand: HandClock) -> None:
        super().__init__()
        self._hand = hand
        self.waits: list[float] = []

    def now(self) -> datetime:
        return self._hand.now()

    def monotonic(self) -> float:
        return self._hand.seconds()

    def wait(self, seconds: float) -> None:
        super().wait(0)
        if seconds > SPACING:
            self.waits.append(seconds)
        self._hand.sleep(seconds)


# A run


@dataclass
class Run:
    """What came out of a run.

    Attributes:
        status: The exit status.
        output: What went to stdout.
        log: What went to stderr.
        waits: The seconds of each wait, where time was played.
        requests: What the sandbox was asked meanwhile.
        memory: The kilobytes that it took at most, where it was a process of its own.
    """

    status: int
    output: bytes
    log: str
    waits: list[float] = field(default_factory=list)
    requests: list[RequestRecord] = field(default_factory=list)
    memory: int = 0

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """Every line of stdout."""
        return [json.loads(line) for line in self.output.splitlines()]

    @cached_property
    def rows(self) -> list[Row]:
        """The rows, whether they came as RECORD or in BATCH files."""
        return [row for _, row in rows_of_messages(self.messages)]

    @cached_property
    def keyed(self) -> Keyed:
        """The rows by their key."""
        return keyed(self.rows)

    @property
    def states(self) -> list[dict[str, Any]]:
        """The values of the STATE messages."""
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def state(self) -> dict[str, Any]:
        """The state that a target is left with; empty if there was none."""
        return self.states[-1] if self.states else {}

    @property
    def bookmarks(self) -> dict[str, str | None]:
        """The bookmarks of the last state."""
        return bookmarks(self.state)

    @property
    def errors(self) -> list[str]:
        """The ERROR lines of stderr."""
        return [line for line in self.log.splitlines() if "| ERROR " in line or "| CRITICAL" in line]

    @property
    def warnings(self) -> list[str]:
        """The WARNING lines of stderr."""
        return [line for line in self.log.splitlines() if "| WARNING " in line]

    @property
    def waited(self) -> float:
        """The seconds of all waits."""
        return sum(self.waits)


def rows_of_messages(messages: Iterable[dict[str, Any]]) -> Iterator[tuple[str, Row]]:
    """Give the stream and the row of each RECORD, and of each line in the files of each BATCH."""
    for message in messages:
        if message["type"] == "RECORD":
            yield message["stream"], message["record"]
        elif message["type"] == "BATCH":
            for address in message["manifest"]:
                for line in gzip.decompress(Path(urlsplit(address).path).read_bytes()).splitlines():
                    yield message["stream"], json.loads(line)


def kept_of(output: bytes) -> tuple[list[tuple[str, dict[str, Any]]], dict[str, Any]]:
    """Give the rows that stand before the last whole STATE, and that state: what a target is sure to have kept."""
    whole = output[: output.rfind(b"\n") + 1].splitlines()
    messages = [json.loads(line) for line in whole]
    last = max((number for number, message in enumerate(messages) if message["type"] == "STATE"), default=-1)
    return list(rows_of_messages(messages[: last + 1])), messages[last]["value"] if last >= 0 else {}


def bookmarks(state: Mapping[str, Any]) -> dict[str, str | None]:
    """Give the bookmark of each stream in a state."""
    entries: dict[str, dict[str, Any]] = state.get("bookmarks", {})
    return {stream: entry.get("replication_key_value") for stream, entry in entries.items()}


def assert_ended_well(run: Run) -> None:
    """Check that the run ended with 0, without an error, and that the sandbox was never called in a wait."""
    assert run.status == 0, run.log
    assert_told_in_sentences(run)
    assert run.errors == []


def assert_failed(run: Run, status: int = 1) -> str:
    """Check that the run ended with one sentence, and give it."""
    assert run.status == status, run.log
    assert_told_in_sentences(run)
    assert len(run.errors) == 1, run.log
    return run.errors[0]


def assert_told_in_sentences(run: Run) -> None:
    """Check that nothing but whole lines was written, no traceback among them, and that each wait was kept."""
    assert "Traceback" not in run.log, run.log
    # The SDK warns of a Python that's no longer maintained.
    warnings = [line for line in run.log.splitlines() if "py.warnings" in line and "end of life" not in line]
    assert warnings == [], run.log
    assert run.output.endswith(b"\n") or not run.output, run.output[-200:]
    assert [record for record in run.requests if record.violation] == []


# Running in this process


@contextlib.contextmanager
def gong(**options: Any) -> Iterator[Sandbox]:  # noqa: ANN401 - those of Sandbox
    """Serve the shared company at `NOON`, by a clock that only waits move on.

    As strictly as Gong, but for the calls a second: with several threads, a wait of one moves the clock while another's
    call is under way, which then seems to arrive with later ones. `one_by_one` has that limit too.
    """
    defaults: dict[str, Any] = {
        "company": company(),
        "clock": HandClock(NOON),
        "calls_per_second": None,
        "grace": ONE_HOUR,
    }
    with Sandbox(**{**defaults, **options}) as sandbox:
        yield sandbox


def one_by_one(**options: Any) -> contextlib.AbstractContextManager[Sandbox]:  # noqa: ANN401 - those of Sandbox
    """Serve as strictly as Gong, for runs with `max_parallel_windows` 1."""
    return gong(**{"calls_per_second": 3, "grace": 0.0, **options})


def settings_for(sandbox: Sandbox, **settings: Any) -> Settings:  # noqa: ANN401 - those of the tap
    """Give settings that turn the tap to the sandbox; None leaves one out."""
    defaults = {
        "access_key": sandbox.access_key,
        "access_key_secret": sandbox.access_key_secret,
        "api_url": sandbox.url,
        "start_date": "2024-11-20",
        "company_timezone": sandbox.company.zone.key,
        "lookback_days": 0,
        # By a played clock, a wait of one thread takes time from an answer that another is reading.
        "request_timeout": 1_000_000,
    }
    return {name: value for name, value in {**defaults, **settings}.items() if value is not None}


def run(
    sandbox: Sandbox,
    *arguments: str,
    streams: Sequence[str] | None = None,
    catalog: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    **settings: Any,  # noqa: ANN401 - those of the tap
) -> Run:
    """Run the tap's command line on a sandbox.

    Args:
        sandbox: Gong.
        arguments: More of the command line's arguments.
        streams: The streams to select, if not by a catalog or by default.
        catalog: A catalog.
        state: A state.
        environment: The environment variables that the tap shall see.
        clock: Time, if it is not the sandbox's.
        settings: The tap's settings, on top of those of `settings_for`.
    """
    asked_before = len(sandbox.requests)
    ran = run_command(
        *arguments,
        config=settings_for(sandbox, **settings),
        catalog=catalog_of(*streams) if streams else catalog,
        state=state,
        environment=environment,
        clock=clock or PlayedClock(_hand_of(sandbox)),
    )
    ran.requests = sandbox.requests[asked_before:]
    return ran


def _hand_of(sandbox: Sandbox) -> HandClock:
    assert isinstance(sandbox.clock, HandClock), "time can be played only where the sandbox has a HandClock"
    return sandbox.clock


def run_command(
    *arguments: str,
    config: object = None,
    catalog: object = None,
    state: object = None,
    environment: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Run:
    """Run the tap's command line in this process; `config`, `catalog` and `state` are passed as files."""
    stdout, stderr = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        process_left_as_it_was(),
        mock.patch.dict(os.environ, {"PATH": os.environ["PATH"], **(environment or {})}, clear=True),
        mock.patch.object(CommandLine, "clock", clock or Clock()),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        files = file_arguments(Path(folder), config=config, catalog=catalog, state=state)
        status = _status_of([*files, *arguments])
        # The threads that read ahead are daemons; here they end before the sandbox does.
        for thread in threading.enumerate():
            if thread.name.startswith("read-ahead"):
                thread.join()
    output = stdout.buffer
    assert isinstance(output, io.BytesIO)
    waits = clock.waits if isinstance(clock, PlayedClock) else []
    return Run(status, output.getvalue(), stderr.getvalue(), waits)


def file_arguments(folder: Path, **contents: object) -> list[str]:
    """Write each content that is not None into a file, and give the arguments that pass it."""
    arguments = []
    for name, content in contents.items():
        if content is not None:
            path = folder / f"{name}.json"
            path.write_text(content if isinstance(content, str) else json.dumps(content))
            arguments += [f"--{name}", str(path)]
    return arguments


def _status_of(arguments: list[str]) -> int:
    try:
        CommandLine.cli.main(arguments)
    except SystemExit as ending:
        if isinstance(ending.code, str):
            print(ending.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
            return 1
        return ending.code or 0
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        return 1
    return 0


@contextlib.contextmanager
def process_left_as_it_was() -> Iterator[None]:
    """Undo what a command line does to its process: handlers of signals, logs and exceptions, and filters."""
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level = list(root.handlers), root.level
    urllib3 = logging.getLogger("urllib3.connectionpool")
    filters = list(urllib3.filters)
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    root.handlers.clear()
    with warnings.catch_warnings():
        try:
            yield
        finally:
            root.handlers[:], root.level, sys.excepthook = handlers, level, hook
            urllib3.filters[:] = filters
            logging.captureWarnings(capture=False)
            for number, handler in signals.items():
                signal.signal(number, handler)


# Catalogs


@lru_cache(1)
def _discovered() -> str:
    discovered = run_command("--discover")
    assert discovered.status == 0, discovered.log
    return discovered.output.decode()


def catalog_of(*streams: str, without: Iterable[str] = (), full_table: bool = False) -> dict[str, Any]:
    """Give the discovered catalog with these streams selected, without some of their columns."""
    catalog: dict[str, Any] = json.loads(_discovered())
    for entry in catalog["streams"]:
        is_selected = entry["tap_stream_id"] in streams
        if full_table:
            entry["replication_method"] = "FULL_TABLE"
        for metadata in entry["metadata"]:
            if not metadata["breadcrumb"]:
                metadata["metadata"]["selected"] = is_selected
                if full_table:
                    metadata["metadata"]["forced-replication-method"] = "FULL_TABLE"
            elif metadata["breadcrumb"][-1] in without:
                metadata["metadata"]["selected"] = False
    return catalog
