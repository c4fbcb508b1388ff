"""Exit statuses, on machines, terminals and networks with problems."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socketserver
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from support.fake_time_runs import sandbox_settings, serve_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TAP = (sys.executable, "-m", "tap_gong_activity")


def close(number: int) -> Callable[[], None]:
    """Return a function that closes a standard stream."""
    return lambda: os.close(number)


def fill(number: int) -> Callable[[], None]:
    """Return a function that redirects a standard stream to a full disk."""

    def redirect() -> None:
        os.dup2(os.open("/dev/full", os.O_WRONLY), number)

    return redirect


def run_tap(*arguments: str, before: Callable[[], None]) -> subprocess.CompletedProcess[str]:
    """Run the tap; `before` is called first, in its process."""
    return subprocess.run(
        [*TAP, *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=before,
    )


def write_config(path: Path, **settings: object) -> str:
    """Write a config file and return its path."""
    path.write_text(json.dumps(settings))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "break_stream"),
    [("--discover", fill), ("--about --format=json", fill), ("--config", fill), ("--config", close)],
)
def test_unwritable_stdout_fails_with_one_error(
    arguments: str, break_stream: Callable[[int], Callable[[], None]], tmp_path: Path
) -> None:
    """A closed stdout or a full disk ends the run with status 1 and one error."""
    file = write_config(
        tmp_path / "config.json", api_url="http://127.0.0.1:9", access_token="t", start_date="2025-01-01"
    )
    command = [arguments, file] if arguments == "--config" else arguments.split()
    completed = run_tap(*command, before=break_stream(1))
    assert completed.returncode == 1
    assert "Traceback" not in completed.stderr
    error = completed.stderr.splitlines()[-1]
    assert "Standard output is closed" in error or "No space left on device" in error


@pytest.mark.parametrize("break_stream", [close, fill], ids=["closed", "full"])
def test_unwritable_stderr_is_ignored(break_stream: Callable[[int], Callable[[], None]], tmp_path: Path) -> None:
    """Rows and exit statuses are the same if nothing can be written to stderr."""
    with serve_sandbox() as sandbox:
        settings = sandbox_settings(sandbox, end_date="2025-01-01", request_timeout=60)
        completed = run_tap("--config", write_config(tmp_path / "config.json", **settings), before=break_stream(2))
    assert completed.returncode == 0
    assert '"RECORD"' in completed.stdout
    assert run_tap("--nonsense", before=break_stream(2)).returncode == 2


def test_out_of_memory_fails_with_one_error() -> None:
    """If memory runs out, even while Python imports, the run fails with one error."""
    limit = 40_000 * 1024
    completed = run_tap("--about", before=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert completed.returncode == 1
    assert completed.stderr.startswith("The machine ran out of memory for the tap")
    assert len(completed.stderr.splitlines()) == 1


class PlainHTTPHandler(socketserver.BaseRequestHandler):
    """Responds to any first bytes, including a TLS handshake, in plain HTTP."""

    def handle(self) -> None:
        self.request.recv(65_536)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def test_threads_in_openssl_do_not_crash_the_exit(tmp_path: Path) -> None:
    """The first failure ends the run cleanly while other threads are in a TLS handshake."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), PlainHTTPHandler) as server:
        threading.Thread(target=server.serve_forever).start()
        file = write_config(
            tmp_path / "config.json",
            api_url=f"https://127.0.0.1:{server.server_address[1]}",
            access_token="t",
            start_date="2024-01-01",
            periods_per_window=30,
            max_parallel_windows=12,
            requests_per_second=1000,
            max_retries=0,
        )
        statuses = [run_tap("--config", file, before=lambda: None).returncode for _ in range(2)]
        server.shutdown()
    assert statuses == [1] * 2


SIGNALED_WHILE_IMPORTING = """
import builtins, os, sys
from tap_gong_activity.__main__ import main
real_import = builtins.__import__
def signal_while_importing(name, *arguments, **options):
    if name == "dataclasses":
        builtins.__import__ = real_import
        os.kill(os.getpid(), int(sys.argv.pop(1)))
    return real_import(name, *arguments, **options)
builtins.__import__ = signal_while_importing
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_during_imports_ends_the_run(number: signal.Signals) -> None:
    """A signal that arrives before any handler is installed ends the run silently with its status."""
    command = [sys.executable, "-c", SIGNALED_WHILE_IMPORTING, str(int(number)), "--about"]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stderr) == (128 + number, "")


def test_full_nonblocking_stderr_is_ignored() -> None:
    """A full pipe to stderr that another process made non-blocking doesn't fail the run."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b" " * 65_536)
    command = [sys.executable, "-m", "tap_gong_activity", "--config", "missing.json"]
    try:
        assert subprocess.run(command, stderr=writing, check=False, timeout=60).returncode == 1
    finally:
        os.close(reading)
        os.close(writing)
