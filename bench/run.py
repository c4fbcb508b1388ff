"""One run of a command, measured from outside: time, processor time, memory, and what it wrote."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

from bench.cores import FOR_WHAT_IS_MEASURED, ON_THE_OTHER_CORES, on_cores

if TYPE_CHECKING:
    from collections.abc import Sequence

CHUNK = 1_048_576
"""Bytes that are read of the pipe at once, if they are there."""


class Run(NamedTuple):
    """What a run took.

    Attributes:
        seconds: From its start to its end.
        processor_seconds: User and system time.
        peak_memory: Most memory that it held, in megabytes.
        lines: Lines that it wrote.
        said: What it said on stderr.
    """

    seconds: float
    processor_seconds: float
    peak_memory: float
    lines: int
    said: str


def run(command: Sequence[str], *, bytes_per_second: float | None = None) -> Run:
    """Run a command to its end on one core, its output read from a pipe.

    Args:
        command: The program and its arguments.
        bytes_per_second: Read the pipe no faster than that.

    Raises:
        subprocess.CalledProcessError: If it fails.
    """
    with tempfile.TemporaryFile() as stderr:
        with on_cores(FOR_WHAT_IS_MEASURED):
            begun = time.monotonic()
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr)
        with on_cores(ON_THE_OTHER_CORES):
            lines = _read_to_its_end(process, bytes_per_second)
            # Not `wait`, as only `wait4` tells what this one process took.
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        stderr.seek(0)
        said = stderr.read().decode()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=said)
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, lines, said)


def _read_to_its_end(process: subprocess.Popen[bytes], bytes_per_second: float | None) -> int:
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    lines = 0
    with process.stdout as pipe:
        while chunk := os.read(pipe.fileno(), CHUNK):
            lines += chunk.count(b"\n")
            if bytes_per_second:
                time.sleep(len(chunk) / bytes_per_second)
    return lines
