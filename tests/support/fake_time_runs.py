"""Runs of the tap's command line in this process, against a sandbox, on a fake clock.

`support.tap_processes` runs it in a process, for signals and pipes.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from gong_sandbox import HandClock, Sandbox

from support.catalogs import catalog_selecting
from support.expected_rows import company
from support.fake_clock import NOON, FakeClock
from support.run_results import RunResult
from tap_gong_activity.base.clock import Clock
from tap_gong_activity.cli import CommandLine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ONE_HOUR = 3600.0

MAX_SPACING = 0.00001
"""The longest wait in seconds for a slot at a million requests per second."""


@contextlib.contextmanager
def serve_sandbox(**options: Any) -> Iterator[Sandbox]:  # noqa: ANN401 - those of Sandbox
    """Serve the shared company at `NOON`, on a clock that only waits advance.

    It doesn't check the calls per second: with several threads, a wait of one advances the clock while another's
    request is in flight, which then seems to arrive late. `serve_rate_limited_sandbox` does.
    """
    defaults: dict[str, Any] = {
        "company": company(),
        "clock": HandClock(NOON),
        "calls_per_second": None,
        "grace": ONE_HOUR,
    }
    with Sandbox(**{**defaults, **options}) as sandbox:
        yield sandbox


def serve_rate_limited_sandbox(**options: Any) -> contextlib.AbstractContextManager[Sandbox]:  # noqa: ANN401 - those of Sandbox
    """Serve with Gong's rate limit, for runs with `max_parallel_windows` 1."""
    return serve_sandbox(**{"calls_per_second": 3, "grace": 0.0, **options})


def sandbox_settings(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:  # noqa: ANN401 - those of the tap
    """Return settings for a run against the sandbox; None leaves a setting out."""
    defaults = {
        "access_key": sandbox.access_key,
        "access_key_secret": sandbox.access_key_secret,
        "api_url": sandbox.url,
        "start_date": "2024-11-20",
        "company_timezone": sandbox.company.zone.key,
        "lookback_days": 0,
        # On a fake clock, one thread's wait counts toward the timeout of a response that another thread reads.
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
) -> RunResult:
    """Run the tap's command line against a sandbox.

    Args:
        sandbox: The sandbox.
        arguments: Further command-line arguments.
        streams: The streams to select; by default, those of the catalog.
        catalog: The catalog.
        state: The state.
        environment: The environment variables of the run.
        clock: The clock of the run, if it isn't the sandbox's.
        settings: The tap's settings, in addition to those of `sandbox_settings`.
    """
    requests_before = len(sandbox.requests)
    result = run_command(
        *arguments,
        config=sandbox_settings(sandbox, **settings),
        catalog=catalog_selecting(*streams) if streams else catalog,
        state=state,
        environment=environment,
        clock=clock or FakeClock(_hand_clock(sandbox)),
    )
    result.requests = sandbox.requests[requests_before:]
    return result


def _hand_clock(sandbox: Sandbox) -> HandClock:
    assert isinstance(sandbox.clock, HandClock), "a run on a fake clock needs a sandbox with a HandClock"
    return sandbox.clock


def run_command(
    *arguments: str,
    config: object = None,
    catalog: object = None,
    state: object = None,
    environment: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> RunResult:
    """Run the tap's command line in this process; `config`, `catalog` and `state` are passed as files."""
    stdout, stderr = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        restored_process_state(),
        mock.patch.dict(os.environ, {"PATH": os.environ["PATH"], **(environment or {})}, clear=True),
        mock.patch.object(CommandLine, "clock", clock or Clock()),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        files = file_arguments(Path(folder), config=config, catalog=catalog, state=state)
        status = _exit_status([*files, *arguments])
        # Read-ahead threads are daemons; here they must end before the sandbox does.
        for thread in threading.enumerate():
            if thread.name.startswith("read-ahead"):
                thread.join()
    output = stdout.buffer
    assert isinstance(output, io.BytesIO)
    waits = [seconds for seconds in clock.waits if seconds > MAX_SPACING] if isinstance(clock, FakeClock) else []
    return RunResult(status, output.getvalue(), stderr.getvalue(), waits)


def file_arguments(folder: Path, **contents: object) -> list[str]:
    """Write each content that isn't None into a file, and return the arguments that pass the files."""
    arguments = []
    for name, content in contents.items():
        if content is not None:
            path = folder / f"{name}.json"
            path.write_text(content if isinstance(content, str) else json.dumps(content))
            arguments += [f"--{name}", str(path)]
    return arguments


def _exit_status(arguments: list[str]) -> int:
    try:
        CommandLine.cli.main(arguments)
    except SystemExit as exit_:
        if isinstance(exit_.code, str):
            print(exit_.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
            return 1
        return exit_.code or 0
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        return 1
    return 0


@contextlib.contextmanager
def restored_process_state() -> Iterator[None]:
    """Restore the handlers of signals, logs and exceptions, and the filters, that a command line changes."""
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
