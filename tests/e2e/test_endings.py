"""Runs end with their status where the machine, the terminal or the network is odd."""

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
    """Close a standard stream before the tap starts."""
    return lambda: os.close(number)


def fill(number: int) -> Callable[[], None]:
    """Have a standard stream lead to a full disk."""

    def lead_to_a_full_disk() -> None:
        os.dup2(os.open("/dev/full", os.O_WRONLY), number)

    return lead_to_a_full_disk


def run_tap(*arguments: str, before: Callable[[], None]) -> subprocess.CompletedProcess[str]:
    """Run the tap, with `before` called in its process first."""
    return subprocess.run(
        [*TAP, *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=before,
    )


def config(path: Path, **settings: object) -> str:
    """Write a config file and give its path."""
    path.write_text(json.dumps(settings))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "break_stream"),
    [("--discover", fill), ("--about --format=json", fill), ("--config", fill), ("--config", close)],
)
def test_stdout_that_takes_nothing_ends_with_a_sentence(
    arguments: str, break_stream: Callable[[int], Callable[[], None]], tmp_path: Path
) -> None:
    """Whatever was to be written there."""
    file = config(tmp_path / "config.json", api_url="http://127.0.0.1:9", access_token="t", start_date="2025-01-01")
    given = [arguments, file] if arguments == "--config" else arguments.split()
    ended = run_tap(*given, before=break_stream(1))
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    said = ended.stderr.splitlines()[-1]
    assert "Standard output is closed" in said or "No space left on device" in said


@pytest.mark.parametrize("break_stream", [close, fill], ids=["closed", "full"])
def test_stderr_that_takes_nothing_is_ignored(
    break_stream: Callable[[int], Callable[[], None]], tmp_path: Path
) -> None:
    """Rows and statuses are the same."""
    with serve_sandbox() as sandbox:
        settings = sandbox_settings(sandbox, end_date="2025-01-01", request_timeout=60)
        ended = run_tap("--config", config(tmp_path / "config.json", **settings), before=break_stream(2))
    assert ended.returncode == 0
    assert '"RECORD"' in ended.stdout
    assert run_tap("--nonsense", before=break_stream(2)).returncode == 2


def test_too_little_memory_ends_with_a_sentence() -> None:
    """Also while Python imports."""
    limit = 40_000 * 1024
    ended = run_tap("--about", before=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert ended.returncode == 1
    assert ended.stderr.startswith("The machine ran out of memory for the tap")
    assert len(ended.stderr.splitlines()) == 1


class PlainAnswer(socketserver.BaseRequestHandler):
    """Answers whatever comes first, a TLS handshake too, in plain HTTP."""

    def handle(self) -> None:
        self.request.recv(65_536)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def test_threads_inside_openssl_do_not_crash_the_end(tmp_path: Path) -> None:
    """Each of twelve windows fails in a TLS handshake, and the first failure ends the run."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), PlainAnswer) as server:
        threading.Thread(target=server.serve_forever).start()
        file = config(
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
def test_a_signal_ends_the_run_while_its_first_modules_are_imported(number: signal.Signals) -> None:
    """Before the handlers that let lines and refreshes be finished are there."""
    command = [sys.executable, "-c", SIGNALED_WHILE_IMPORTING, str(int(number)), "--about"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (128 + number, "")


def test_a_full_stderr_that_does_not_block_is_ignored() -> None:
    """Whoever shares a pipe can make it non-blocking."""
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
