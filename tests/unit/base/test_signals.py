"""Signals end a process with the right status at any moment, except where something has to be finished first."""

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

BEGINNING = """
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
    """Run a script that ends as the tap does; give its status and what it wrote."""
    process = subprocess.run(
        [sys.executable, "-c", BEGINNING + textwrap.dedent(script), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return process.returncode, process.stdout, process.stderr


def assert_ended(ended: tuple[int, str, str], status: int, stdout: str = "") -> None:
    """Check a status and an output, and that at most one sentence was logged."""
    assert ended[:2] == (status, stdout), ended
    assert ended[2].count("\n") <= 1, ended


@pytest.mark.parametrize(("number", "status"), STATUSES.items())
def test_a_signal_ends_the_process_with_its_status(number: signal.Signals, status: int) -> None:
    """And one sentence that names it; no exit handler runs while other threads are at work."""
    ended = run(f"number = {int(number)}\nrun_to_the_end(lambda: (kill(), time.sleep(20)))")
    assert_ended(ended, status)
    assert number.name in ended[2]


def test_a_signal_that_nohup_ignores_stays_ignored() -> None:
    """The others end the process all the same."""
    script = "number = {}\nrun_to_the_end(lambda: (kill(), print('went on')))"
    for number, status in ((signal.SIGHUP, 0), (signal.SIGTERM, 143)):
        command = ["nohup", sys.executable, "-c", BEGINNING + script.format(int(number))]
        process = subprocess.run(command, check=False, capture_output=True, timeout=30)
        assert process.returncode == status


def test_a_signal_during_imports_ends_the_process() -> None:
    """As soon as the package's first module has been imported, and as the first process of a container too."""
    script = """
        class Trap:
            def find_spec(self, name, path, target=None):
                if name == sys.argv[1]:
                    kill()
        sys.meta_path.insert(0, Trap())
        from tap_gong_activity.__main__ import main
        sys.argv[1:], = [sys.argv[1], "--about"],
        main()
    """
    for module in ("tap_gong_activity.cli", "singer_sdk.mapper", "requests"):
        assert_ended(run(script, module), 143)


def test_a_signal_in_a_finalizer_at_the_end_is_not_swallowed() -> None:
    """Python drops what is raised there, without a word here."""
    script = """
        class Finalized:
            def __del__(self):
                kill()
        def command():
            Finalized()
        run_to_the_end(command)
    """
    assert_ended(run(script), 143)


def test_a_signal_that_another_thread_receives_ends_the_main_threads_wait() -> None:
    """Python runs handlers in the main thread alone, which doesn't wake up by itself."""
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
    assert_ended(run(script), 143)


def test_code_that_swallows_everything_is_ended_all_the_same() -> None:
    """After a few seconds, by the thread that repeats the signal."""
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
    assert_ended(run(script), 143)


def test_what_has_to_be_finished_is_finished_first() -> None:
    """However often the signal is repeated meanwhile."""
    script = """
        def command():
            with signals.deferred(20):
                kill()
                time.sleep(0.5)
                print("finished", flush=True)
            print("not reached", flush=True)
        run_to_the_end(command)
    """
    assert_ended(run(script), 143, "finished\n")


def test_what_takes_too_long_to_finish_is_ended() -> None:
    """After its own limit."""
    script = """
        def command():
            with signals.deferred(0.2):
                kill()
                time.sleep(20)
        run_to_the_end(command)
    """
    began = time.monotonic()
    assert_ended(run(script), 143)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(("ends_by", "status"), [("kill()", 143), ("sys.exit(3)", 3)])
def test_the_process_ends_after_what_another_thread_has_to_finish(ends_by: str, status: int) -> None:
    """However the main thread ends."""
    script = f"""
        begun = threading.Event()
        def finish():
            with signals.deferred(20):
                begun.set()
                time.sleep(0.5)
                print("finished", flush=True)
        def command():
            threading.Thread(target=finish, daemon=True).start()
            begun.wait()
            {ends_by}
            time.sleep(20)
        run_to_the_end(command)
    """
    assert_ended(run(script), status, "finished\n")


def test_a_signal_reaches_the_first_process_of_a_container() -> None:
    """For which the system ignores signals without a handler."""
    script = BEGINNING + "run_to_the_end(lambda: (print('ready', flush=True), time.sleep(20)))"
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as outer:
        assert outer.stdout is not None
        if not outer.stdout.readline():
            pytest.skip("a process namespace of its own can't be had here")
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text(encoding="ascii").split()
        os.kill(int(children[0]), signal.SIGTERM)
        assert outer.wait(30) == 143
