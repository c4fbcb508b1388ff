"""Forks one tap after another, each a process as if its command had been called, without its start-up of half a second.

Reads a line of JSON for each: `arguments`, `environment`, the paths of `stdout` and `stderr`, and `last_write`, the
seconds that a signal leaves for the lines that are being written. Writes a line with the
process's number, and one with its exit status (negative for a signal) and its largest memory in kilobytes.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from typing import Any, NoReturn

from tap_gong_activity import cli
from tap_gong_activity.base import signals
from tap_gong_activity.ending import run_to_the_end
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
    signals.install()
    run_to_the_end(cli.CommandLine.cli)


if __name__ == "__main__":
    main()
