"""Forks one tap after another, each a process as if its command had been called, without its start-up of half a second.

Reads a line of JSON for each: `arguments`, `environment`, the paths of `stdout` and `stderr`, `last_write`, the
seconds that a signal leaves for the lines that are being written, and `signal_before`, a step of a token refresh with
the signal that comes right before it, or null. Writes a line with the process's number, and one with its exit status
(negative for a signal) and its largest memory in kilobytes.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from typing import Any, NoReturn

from tap_gong_activity import cli
from tap_gong_activity.base import signals
from tap_gong_activity.ending import run_to_the_end
from tap_gong_activity.gong.oauth import OAuthCredentials
from tap_gong_activity.gong.token_file import TokenFile
from tap_gong_activity.singer import writer


def main() -> None:
    """Fork as long as there are orders."""
    # What all share is left alone by a child's collector, which makes its end four times as fast.
    gc.freeze()
    for line in sys.stdin.buffer:
        order = json.loads(line)
        process = os.fork()
        if not process:
            become_the_tap(order)
        report(process)
        _, status, usage = os.wait4(process, 0)
        report(os.waitstatus_to_exitcode(status), usage.ru_maxrss)


def report(*numbers: int) -> None:
    """Write a line, all of it at once, so that no child inherits a part."""
    os.write(1, (" ".join(map(str, numbers)) + "\n").encode())


def become_the_tap(order: dict[str, Any]) -> NoReturn:
    """Run the command line, with the order's files for its own."""
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, order["stdout"], os.O_WRONLY),
        (2, order["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["tap-gong-activity", *order["arguments"]]
    writer.MAX_LAST_WRITE_SECONDS = order["last_write"]
    if order["signal_before"]:
        signal_before(*order["signal_before"])
    signals.install()
    run_to_the_end(cli.CommandLine.cli)


def signal_before(step: str, number: int) -> None:
    """Have the process signal itself right before a step of a token refresh."""
    owner: Any = TokenFile if hasattr(TokenFile, step) else OAuthCredentials
    original = getattr(owner, step)

    def signaled(*arguments: object) -> object:
        os.kill(os.getpid(), number)
        # A main thread that didn't wait for this step would end the process meanwhile.
        time.sleep(0.1)
        return original(*arguments)

    setattr(owner, step, signaled)


if __name__ == "__main__":
    main()
