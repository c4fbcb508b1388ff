"""Measured runs of a command: time, CPU time, memory and output."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

from bench.cores import MEASURED_CORES, OTHER_CORES, on_cores

if TYPE_CHECKING:
    from collections.abc import Sequence

CHUNK_BYTES = 1_048_576
"""Maximum number of bytes to read from the pipe at once."""


class Run(NamedTuple):
    """The result of a run.

    Attributes:
        seconds: Wall-clock time.
        cpu_seconds: User and system time.
        peak_memory: Peak memory in megabytes.
        lines: Number of lines on stdout.
        stderr: Output on stderr.
    """

    seconds: float
    cpu_seconds: float
    peak_memory: float
    lines: int
    stderr: str


def run(command: Sequence[str], *, bytes_per_second: float | None = None) -> Run:
    """Run a command on one core, and read its output from a pipe.

    Args:
        command: The program and its arguments.
        bytes_per_second: Maximum rate at which to read the pipe.

    Raises:
        subprocess.CalledProcessError: The command failed.
    """
    with tempfile.TemporaryFile() as errors:
        with on_cores(MEASURED_CORES):
            start = time.monotonic()
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        with on_cores(OTHER_CORES):
            lines = _count_lines(process, bytes_per_second)
            # Only `wait4` returns the resources used by this process alone.
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        stderr = errors.read().decode()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=stderr)
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, lines, stderr)


def _count_lines(process: subprocess.Popen[bytes], bytes_per_second: float | None) -> int:
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    lines = 0
    with process.stdout as pipe:
        while chunk := os.read(pipe.fileno(), CHUNK_BYTES):
            lines += chunk.count(b"\n")
            if bytes_per_second:
                time.sleep(len(chunk) / bytes_per_second)
    return lines
