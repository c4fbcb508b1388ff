"""The tap in a process of its own, for tests of signals, pipes and targets that fail."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.fake_time_runs import file_arguments, sandbox_settings
from support.run_results import RunResult

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from gong_sandbox import Sandbox
    from typing_extensions import Self

SMALLEST_PIPE = 4096

TIMEOUT = 60.0
"""Seconds after which a tap that hasn't exited fails the test."""


class TapProcess:
    """A running tap, whose stdout the test reads.

    Attributes:
        pid: The process ID.
        output: The bytes read from its stdout so far.
    """

    def __init__(self, forker: TapForker, pid: int, pipe: int, folder: Path) -> None:
        self.pid = pid
        self.output = b""
        self._forker = forker
        self._pipe: int | None = pipe
        self._folder = folder

    def read(self, size: int) -> None:
        """Read that many more bytes, or up to the end."""
        assert self._pipe is not None
        end = len(self.output) + size
        while len(self.output) < end and (chunk := os.read(self._pipe, min(end - len(self.output), 65_536))):
            self.output += chunk

    def await_full_pipe(self) -> None:
        """Wait until the tap is blocked on a full pipe, according to /proc.

        Python would handle an earlier signal only after the pipe is read.
        """
        channel, polls_left = Path(f"/proc/{self.pid}/wchan"), 10_000
        while not (channel.exists() and "pipe_write" in channel.read_text()):
            polls_left -= 1
            if not (channel.exists() and polls_left):
                pytest.skip("needs /proc/PID/wchan, which only Linux has, and not in every container")
            time.sleep(0.001)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has already exited."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def stop_reading(self) -> None:
        """Close the pipe, like a target that fails."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    def finish(self) -> RunResult:
        """Read the remaining output, unless the pipe is closed, and wait for the process to exit."""
        if self._pipe is not None:
            self.read(sys.maxsize)
        return self.wait()

    def wait(self) -> RunResult:
        """Wait for the process to exit, without reading."""
        status, memory = self._forker.await_exit()
        self.stop_reading()
        result = RunResult(status, self.output, (self._folder / "stderr").read_text())
        result.memory = memory
        return result


class TapForker:
    """Starts taps with `tap_forker.py`, one at a time; a context manager."""

    def __enter__(self) -> Self:
        """Start the forker, which imports the tap once."""
        self._folder = tempfile.TemporaryDirectory()
        self._started = 0
        self._running: int | None = None
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("tap_forker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the forker, and the tap that a failed test left running."""
        if self._running is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._running, signal.SIGKILL)
        self._process.communicate()
        self._folder.cleanup()

    def start(
        self,
        sandbox: Sandbox,
        *arguments: str,
        catalog: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        last_write: float = 5.0,
        signal_before: tuple[str, signal.Signals] | None = None,
        **settings: Any,  # noqa: ANN401 - those of the tap
    ) -> TapProcess:
        """Start a tap against a sandbox."""
        if self._running is not None:
            # A failed test left it running.
            os.kill(self._running, signal.SIGKILL)
            self.await_exit()
        self._started += 1
        folder = Path(self._folder.name) / str(self._started)
        folder.mkdir()
        os.mkfifo(folder / "stdout", 0o600)
        (folder / "stderr").touch()
        files = file_arguments(folder, config=sandbox_settings(sandbox, **settings), catalog=catalog, state=state)
        options = {
            "arguments": [*files, *arguments],
            "environment": {"PATH": os.environ["PATH"], **(environment or {})},
            "stdout": str(folder / "stdout"),
            "stderr": str(folder / "stderr"),
            "last_write": last_write,
            "signal_before": signal_before,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(options).encode() + b"\n")
        self._process.stdin.flush()
        (pid,) = self._numbers()
        self._running = pid
        # Blocks until the tap has opened its end.
        pipe = os.open(folder / "stdout", os.O_RDONLY)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            # So that the tap is hardly ahead of the reader.
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
        return TapProcess(self, pid, pipe, folder)

    def await_exit(self) -> tuple[int, int]:
        """Wait for the tap to exit, and return its exit status and its peak memory in kilobytes."""
        assert self._process.stdout is not None
        if self._running is not None and not select.select([self._process.stdout], [], [], TIMEOUT)[0]:
            os.kill(self._running, signal.SIGKILL)
            pytest.fail(f"the tap didn't exit within {TIMEOUT} s")
        status, memory = self._numbers()
        self._running = None
        return status, memory

    def _numbers(self) -> list[int]:
        assert self._process.stdout is not None
        return [int(number) for number in self._process.stdout.readline().split()]
