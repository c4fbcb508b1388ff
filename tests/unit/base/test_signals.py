"""Signals: they end a process with the right status at any time, after deferred work is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

STATUSES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}

PREAMBLE = """
import atexit, os, signal, sys, threading, time
from tap_gong_activity.base import signals
signals.install()
from tap_gong_activity.ending import run_to_the_end
atexit.register(print, "an exit handler ran")
def kill():
    os.kill(os.getpid(), number)
number = signal.SIGTERM
"""


def run(script: str, *arguments: str) -> tuple[int, str, str]:
    """Run a script that exits as the tap does; return its status, stdout and stderr."""
    process = subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(script), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return process.returncode, process.stdout, process.stderr


def assert_exit(result: tuple[int, str, str], status: int, stdout: str = "") -> None:
    """Assert a status and an output, and that at most one line was logged."""
    assert result[:2] == (status, stdout), result
    assert result[2].count("\n") <= 1, result


@pytest.mark.parametrize(("number", "status"), STATUSES.items())
def test_signal_exits_with_its_status(number: signal.Signals, status: int) -> None:
    """A signal exits with its status and one error that names it, without exit handlers."""
    result = run(f"number = {int(number)}\nrun_to_the_end(lambda: (kill(), time.sleep(20)))")
    assert_exit(result, status)
    assert number.name in result[2]


def test_signal_ignored_by_nohup_stays_ignored() -> None:
    """A signal that nohup ignores stays ignored, and others end the process."""
    script = "number = {}\nrun_to_the_end(lambda: (kill(), print('went on')))"
    for number, status in ((signal.SIGHUP, 0), (signal.SIGTERM, 143)):
        command = ["nohup", sys.executable, "-c", PREAMBLE + script.format(int(number))]
        process = subprocess.run(command, check=False, capture_output=True, timeout=30)
        assert process.returncode == status


def test_signal_during_imports_exits() -> None:
    """A signal during the tap's imports ends the process."""
    script = """
        class SignalingFinder:
            def find_spec(self, name, path, target=None):
                if name == sys.argv[1]:
                    kill()
        sys.meta_path.insert(0, SignalingFinder())
        from tap_gong_activity.__main__ import main
        sys.argv[1:], = [sys.argv[1], "--about"],
        main()
    """
    for module in ("tap_gong_activity.cli", "singer_sdk.mapper", "requests"):
        assert_exit(run(script, module), 143)


def test_signal_in_a_finalizer_exits() -> None:
    """A signal in a finalizer ends the process, although Python ignores exceptions there."""
    script = """
        class Finalized:
            def __del__(self):
                kill()
        def command():
            Finalized()
        run_to_the_end(command)
    """
    assert_exit(run(script), 143)


def test_signal_to_another_thread_wakes_the_main_thread() -> None:
    """A signal that another thread receives ends the main thread's wait."""
    script = """
        def command():
            waiting = threading.Lock()
            waiting.acquire()
            other = threading.Thread(target=time.sleep, args=(20,), daemon=True)
            other.start()
            signal.pthread_kill(other.ident, number)
            waiting.acquire()
        run_to_the_end(command)
    """
    assert_exit(run(script), 143)


def test_code_that_swallows_exceptions_is_ended() -> None:
    """Code that swallows every exception is ended after a few seconds."""
    script = """
        signals.MAX_ENDING_SECONDS = 0.5
        def command():
            kill()
            while True:
                try:
                    time.sleep(20)
                except BaseException:
                    pass
        run_to_the_end(command)
    """
    assert_exit(run(script), 143)


def test_deferred_work_is_finished() -> None:
    """A signal waits until deferred work is done."""
    script = """
        def command():
            with signals.deferred(20):
                kill()
                time.sleep(0.5)
                print("finished", flush=True)
            print("not reached", flush=True)
        run_to_the_end(command)
    """
    assert_exit(run(script), 143, "finished\n")


def test_deferral_has_a_limit() -> None:
    """Deferred work that exceeds its limit is ended."""
    script = """
        def command():
            with signals.deferred(0.2):
                kill()
                time.sleep(20)
        run_to_the_end(command)
    """
    start = time.monotonic()
    assert_exit(run(script), 143)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(("ending", "status"), [("kill()", 143), ("sys.exit(3)", 3)])
def test_exit_waits_for_deferred_work_of_another_thread(ending: str, status: int) -> None:
    """However the main thread ends, the process waits for deferred work of another thread."""
    script = f"""
        started = threading.Event()
        def finish():
            with signals.deferred(20):
                started.set()
                time.sleep(0.5)
                print("finished", flush=True)
        def command():
            threading.Thread(target=finish, daemon=True).start()
            started.wait()
            {ending}
            time.sleep(20)
        run_to_the_end(command)
    """
    assert_exit(run(script), status, "finished\n")


def test_signal_ends_the_first_process_of_a_container() -> None:
    """A signal ends the process if it's PID 1, for which the kernel ignores signals without a handler."""
    script = PREAMBLE + "run_to_the_end(lambda: (print('ready', flush=True), time.sleep(20)))"
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as outer:
        assert outer.stdout is not None
        if not outer.stdout.readline():
            pytest.skip("needs the permission to create a PID namespace")
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text(encoding="ascii").split()
        os.kill(int(children[0]), signal.SIGTERM)
        assert outer.wait(30) == 143
