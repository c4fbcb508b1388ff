"""The page server in a separate process, so that it doesn't use the measured process's core."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from bench.cores import OTHER_CORES, on_cores

if TYPE_CHECKING:
    from collections.abc import Iterator


class Request(NamedTuple):
    """A request that the server received.

    Attributes:
        arrived: Time of arrival, in seconds.
        status: Status of the response.
        path: Path of the request.
    """

    arrived: float
    status: int
    path: str


class ServerProcess:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 - it was started with a pipe
        self._process = process
        self.url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        self._lines: list[str] = []
        # Read during the run, because the server blocks once the pipe is full.
        self._reader = threading.Thread(target=self._lines.extend, args=(process.stdout,))
        self._reader.start()

    def stop(self) -> None:
        """Stop the server."""
        self._process.kill()
        self._reader.join()

    def requests(self) -> list[Request]:
        """Stop the server, and return its requests in the order of the responses."""
        self.stop()
        lines = map(str.split, self._lines)
        return [Request(float(arrived), int(status), path) for arrived, status, path in lines]


@contextmanager
def serving(*, users: int, latency: float = 0.0, calls_per_second: int = 0) -> Iterator[ServerProcess]:
    """Serve a company's pages.

    Args:
        users: Number of users.
        latency: Seconds per response.
        calls_per_second: Rate limit; 0 for none.
    """
    options = ["--users", str(users), "--latency", str(latency), "--calls-per-second", str(calls_per_second)]
    with (
        on_cores(OTHER_CORES),
        subprocess.Popen(
            [sys.executable, "-m", "bench.page_server", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        server = ServerProcess(process)
        try:
            yield server
        finally:
            server.stop()
