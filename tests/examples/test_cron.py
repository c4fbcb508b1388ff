"""The script in `examples/cron`: its state and exit status when the tap, the target or the script fails."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gong_sandbox import Company, Sandbox
from support.child_processes import TAP, clean_environment
from support.expected_rows import ExpectedWindow, expected_rows
from support.loader_runs import unthrottled_settings
from support.run_results import bookmarks

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).parents[2] / "examples" / "cron" / "load.sh"
COMPANY = Company(6)
START, END = "2025-01-06", "2025-02-03"
WINDOWS = ["2025-01-13", "2025-01-20", "2025-01-27", "2025-02-03"]
TIMEOUT = 60
#: A target that appends rows to a file, and prints each STATE after the rows before it. `target.json` can make it
#: pause, exit or be killed after some rows.
TARGET = """
import json, os, signal, sys
options = json.load(open("target.json"))
rows = 0
with open("timezone", "w") as timezone:
    timezone.write(os.environ["PGTZ"])
with open("loaded.jsonl", "a", buffering=1) as loaded:
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "RECORD":
            rows += 1
            loaded.write(json.dumps(message["record"]) + "\\n")
            if rows == options.get("after"):
                if "pause" in options:
                    open(options["pause"][0], "w").close()
                    open(options["pause"][1]).close()
                if "exit" in options:
                    sys.exit(options["exit"])
                if "kill" in options:
                    os.kill(os.getpid(), signal.SIGKILL)
        elif message["type"] == "STATE":
            print(json.dumps(message["value"]), flush=True)
"""


class Machine:
    """A folder with the script, the tap's settings and a target."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        shutil.copy(SCRIPT, folder)
        target = folder / "bin" / "target-postgres"
        program = folder / "target.py"
        program.write_text(TARGET)
        # Not with the interpreter's path after #!, which can't contain a space.
        target.write_text(f"#!/bin/bash\nexec {shlex.quote(sys.executable)} {shlex.quote(str(program))}\n")
        target.chmod(0o755)
        settings = unthrottled_settings(sandbox, start_date=START, end_date=END, periods_per_window=7, max_retries=0)
        (folder / "config.json").write_text(json.dumps(settings))
        self.configure_target()

    def configure_target(self, **options: object) -> None:
        """Make the target pause, exit or be killed in the next run."""
        (self.folder / "target.json").write_text(json.dumps(options))

    def start(self) -> subprocess.Popen[str]:
        """Start the script."""
        path = os.pathsep.join([str(self.folder / "bin"), str(TAP.parent), os.environ["PATH"]])
        return subprocess.Popen(
            [self.folder / SCRIPT.name],
            cwd="/",
            env={**clean_environment(), "PATH": path},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self) -> tuple[int, str]:
        """Run the script; return its exit status and its last line."""
        with self.start() as script:
            _, errors = script.communicate(timeout=TIMEOUT)
        return script.returncode, errors.splitlines()[-1]

    def bookmark(self) -> str | None:
        """Return the bookmark in the saved state."""
        return bookmarks(json.loads((self.folder / "state.json").read_text() or "{}")).get("activity_by_day")

    def missing_rows(self, bookmark: str | None = END) -> set[tuple[str, str]]:
        """Return the keys of rows before the bookmark that weren't loaded."""
        rows = map(json.loads, (self.folder / "loaded.jsonl").read_text().splitlines())
        loaded = {(row["user_id"], row["period_start_date"]) for row in rows}
        expected = {
            (row["user_id"], row["period_start_date"])
            for start, end in zip([START, *WINDOWS], WINDOWS, strict=False)
            for row in expected_rows(
                COMPANY, [ExpectedWindow("DAY", date.fromisoformat(start), date.fromisoformat(end))]
            )
            if bookmark and row["period_end_date"] <= bookmark
        }
        return expected - loaded


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox without limits."""
    with Sandbox(company=COMPANY, calls_per_second=None) as sandbox:
        yield sandbox


@pytest.fixture
def machine(tmp_path: Path, sandbox: Sandbox) -> Machine:
    """A machine before the first run."""
    return Machine(tmp_path, sandbox)


def test_success_saves_the_state(machine: Machine, sandbox: Sandbox) -> None:
    """A run loads everything and saves the state, and the next run reads the lookback only."""
    assert machine.run()[0] == 0
    assert (machine.bookmark(), machine.missing_rows()) == (END, set())
    assert (machine.folder / "timezone").read_text() == "UTC"

    requests = len(sandbox.requests)
    assert machine.run()[0] == 0
    assert [request.body["filter"]["fromDate"] for request in sandbox.requests[requests:]] == [WINDOWS[-2]]
    assert machine.bookmark() == END


def test_failing_tap_keeps_the_confirmed_state(machine: Machine, sandbox: Sandbox) -> None:
    """If the tap fails, the run fails and the state is the last one that the target confirmed."""
    sandbox.inject(f"status=400,from={WINDOWS[1]},at=1")
    status, error = machine.run()

    assert (status, error) == (1, "The load failed: the tap ended with status 1, the target with 0.")
    assert machine.bookmark() == WINDOWS[1]
    assert machine.missing_rows(machine.bookmark()) == set()
    assert machine.run()[0] == 0
    assert (machine.bookmark(), machine.missing_rows()) == (END, set())


@pytest.mark.parametrize(("options", "code"), [({"exit": 3}, 3), ({"kill": True}, 137)])
def test_failing_target_keeps_the_state(machine: Machine, options: dict[str, object], code: int) -> None:
    """If the target fails or is killed, the run fails and the state doesn't change."""
    machine.configure_target(after=50, **options)
    status, error = machine.run()

    assert status == 1
    assert error.endswith(f"the target with {code}.")
    assert machine.bookmark() is None
    machine.configure_target()
    assert machine.run()[0] == 0
    assert (machine.bookmark(), machine.missing_rows()) == (END, set())


@pytest.mark.parametrize("killed", ["tap", "script"])
def test_kill_loses_no_row(machine: Machine, killed: str) -> None:
    """If the tap or the script is killed, the run fails and no row is lost."""
    arrived, go = machine.folder / "arrived", machine.folder / "go"
    os.mkfifo(arrived)
    os.mkfifo(go)
    if killed == "tap":
        # Killed within a line.
        tap = machine.folder / "bin" / TAP.name
        tap.write_text(f'#!/bin/bash\n{shlex.quote(str(TAP))} "$@" | head --bytes=9000\nkill -KILL $$\n')
        tap.chmod(0o755)
        status, error = machine.run()
        assert status == 1
        assert "the tap ended with status 137" in error
        tap.unlink()
    else:
        machine.configure_target(after=50, pause=[str(arrived), str(go)])
        with machine.start() as script:
            subprocess.run(["/bin/cat", arrived], check=True, timeout=TIMEOUT)
            script.send_signal(signal.SIGKILL)
            script.wait(timeout=TIMEOUT)
            # The target is still loading, so the next run must not start.
            assert machine.run() == (75, "Another run is still in progress.")
            go.write_text("")
            script.communicate(timeout=TIMEOUT)
        assert script.returncode == -signal.SIGKILL
    assert machine.missing_rows(machine.bookmark()) == set()

    machine.configure_target()
    assert machine.run()[0] == 0
    assert (machine.bookmark(), machine.missing_rows()) == (END, set())


def test_parallel_run_is_refused(machine: Machine) -> None:
    """While a run is in progress, another one exits with 75, and the first one isn't affected."""
    arrived, go = machine.folder / "arrived", machine.folder / "go"
    os.mkfifo(arrived)
    os.mkfifo(go)
    machine.configure_target(after=50, pause=[str(arrived), str(go)])
    with machine.start() as first:
        subprocess.run(["/bin/cat", arrived], check=True, timeout=TIMEOUT)
        assert machine.run() == (75, "Another run is still in progress.")
        go.write_text("")
        first.communicate(timeout=TIMEOUT)

    assert first.returncode == 0
    assert (machine.bookmark(), machine.missing_rows()) == (END, set())


def test_target_without_a_state_keeps_the_saved_one(machine: Machine) -> None:
    """If the target prints no state, the saved state doesn't change."""
    assert machine.run()[0] == 0
    (machine.folder / "bin" / "target-postgres").write_text("#!/bin/sh\ncat > /dev/null\necho done\n")

    assert machine.run()[0] == 0
    assert machine.bookmark() == END


def test_unwritable_state_fails_the_run(machine: Machine) -> None:
    """If the new state can't be saved, the run fails and the old state stays."""
    (machine.folder / "state.next").symlink_to("/dev/full")
    status, error = machine.run()

    assert status == 1
    assert error == "The rows were loaded, but their state couldn't be saved; the next run reads them again."
    assert machine.bookmark() is None
