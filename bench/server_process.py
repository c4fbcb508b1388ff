"""The page server in a process of its own, so that it takes nothing from what is measured."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from bench.cores import ON_THE_OTHER_CORES, on_cores

if TYPE_CHECKING:
    from collections.abc import Iterator


class Request(NamedTuple):
    """One request that the server answered.

    Attributes:
        arrived: When it came, in seconds.
        status: The status of its answer.
        path: The path it asked for.
    """

    arrived: float
    status: int
    path: str


class ServerProcess:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{self._line()}"

    def _line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        return self._process.stdout.readline().strip()

    def requests(self) -> list[Request]:
        """End the server, and give what it was asked, in the order of its answers."""
        output, _ = self._process.communicate()
        lines = map(str.split, output.splitlines())
        return [Request(float(arrived), int(status), path) for arrived, status, path in lines]


@contextmanager
def serving(*, users: int, seconds: float = 0.0, calls_per_second: int = 0) -> Iterator[ServerProcess]:
    """A server of one company's pages.

    Args:
        users: How many users the company has.
        seconds: How long an answer takes.
        calls_per_second: How many requests are allowed; 0 for any number.
    """
    options = ["--users", str(users), "--seconds", str(seconds), "--calls-per-second", str(calls_per_second)]
    with (
        on_cores(ON_THE_OTHER_CORES),
        subprocess.Popen(
            [sys.executable, "-m", "bench.page_server", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            yield ServerProcess(process)
        finally:
            process.kill()
