"""Runs of the tap as processes of their own, for signals, pipes and targets that die."""

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

from support.fake_time_runs import Run, file_arguments, settings_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from gong_sandbox import Sandbox
    from typing_extensions import Self

SMALLEST_PIPE = 4096

PATIENCE = 60.0
"""Seconds that a tap may take to end, before a test fails rather than waits for ever."""


class TapProcess:
    """A tap under way, whose stdout is read as far as a test wants.

    Attributes:
        number: The process's number.
        output: What has been read of its stdout.
    """

    def __init__(self, forker: TapForker, number: int, pipe: int, folder: Path) -> None:
        self.number = number
        self.output = b""
        self._forker = forker
        self._pipe: int | None = pipe
        self._folder = folder

    def read(self, size: int) -> None:
        """Read so many bytes more, or to the end of what there is."""
        assert self._pipe is not None
        wanted = len(self.output) + size
        while len(self.output) < wanted and (piece := os.read(self._pipe, min(wanted - len(self.output), 65_536))):
            self.output += piece

    def await_full_pipe(self) -> None:
        """Wait until the tap waits for its pipe, as Linux tells.

        A signal that came a moment earlier would be seen by Python only once the pipe has been read.
        """
        place, patience = Path(f"/proc/{self.number}/wchan"), 10_000
        while not (place.exists() and "pipe_write" in place.read_text()):
            patience -= 1
            if not (place.exists() and patience):
                pytest.skip("only Linux tells what a process waits for, and not in each container")
            time.sleep(0.001)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a process that has ended by itself gets none."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.number, number)

    def stop_reading(self) -> None:
        """Close the pipe, as a target that dies."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    def end(self) -> Run:
        """Read what is left, if the target lives, and wait for the process's end."""
        if self._pipe is not None:
            self.read(sys.maxsize)
        return self.wait()

    def wait(self) -> Run:
        """Wait for the process's end, without reading."""
        status, memory = self._forker.await_end()
        self.stop_reading()
        run = Run(status, self.output, (self._folder / "stderr").read_text())
        run.memory = memory
        return run


class TapForker:
    """Starts taps by `tap_forker.py`, one at a time; a context manager."""

    def __enter__(self) -> Self:
        """Import the tap, once."""
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
        """End the forker, and the tap that a failed test has left."""
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
        """Start a tap on a sandbox."""
        if self._running is not None:
            # A failed test has left it.
            os.kill(self._running, signal.SIGKILL)
            self.await_end()
        self._started += 1
        folder = Path(self._folder.name) / str(self._started)
        folder.mkdir()
        os.mkfifo(folder / "stdout", 0o600)
        (folder / "stderr").touch()
        files = file_arguments(folder, config=settings_for(sandbox, **settings), catalog=catalog, state=state)
        order = {
            "arguments": [*files, *arguments],
            "environment": {"PATH": os.environ["PATH"], **(environment or {})},
            "stdout": str(folder / "stdout"),
            "stderr": str(folder / "stderr"),
            "last_write": last_write,
            "signal_before": signal_before,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        (number,) = self._numbers()
        self._running = number
        # Waits until the tap has opened its end.
        pipe = os.open(folder / "stdout", os.O_RDONLY)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            # So that the tap is hardly ahead of what has been read.
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
        return TapProcess(self, number, pipe, folder)

    def await_end(self) -> tuple[int, int]:
        """Wait for the tap's end; give its exit status and its largest memory in kilobytes."""
        assert self._process.stdout is not None
        if self._running is not None and not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            os.kill(self._running, signal.SIGKILL)
            pytest.fail(f"the tap has not ended within {PATIENCE} s")
        status, memory = self._numbers()
        self._running = None
        return status, memory

    def _numbers(self) -> list[int]:
        assert self._process.stdout is not None
        return [int(number) for number in self._process.stdout.readline().split()]
