"""Forks taps one at a time, each a process as if its command had been started, without half a second of imports.

Reads a line of JSON for each: `arguments`, `environment`, the paths of `stdout` and `stderr`, `last_write` (seconds
after a signal for lines that are being written), and `signal_before` (a step of a token refresh and the signal to
receive right before it, or null). Writes a line with the process ID, and one with its exit status (negative for a
signal) and its peak memory in kilobytes.
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
    """Fork a tap for each line of stdin."""
    # A child's garbage collector then skips inherited objects, so the child exits four times as fast.
    gc.freeze()
    for line in sys.stdin.buffer:
        options = json.loads(line)
        pid = os.fork()
        if not pid:
            run_tap(options)
        report(pid)
        _, status, usage = os.wait4(pid, 0)
        report(os.waitstatus_to_exitcode(status), usage.ru_maxrss)


def report(*numbers: int) -> None:
    """Write numbers as a line, in a single write, so that no child inherits a part of it."""
    os.write(1, (" ".join(map(str, numbers)) + "\n").encode())


def run_tap(options: dict[str, Any]) -> NoReturn:
    """Run the tap's command line on the given files, and exit."""
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, options["stdout"], os.O_WRONLY),
        (2, options["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(options["environment"])
    sys.argv = ["tap-gong-activity", *options["arguments"]]
    writer.MAX_LAST_WRITE_SECONDS = options["last_write"]
    if options["signal_before"]:
        signal_before(*options["signal_before"])
    signals.install()
    run_to_the_end(cli.CommandLine.cli)


def signal_before(step: str, number: int) -> None:
    """Make the process send itself a signal right before a step of a token refresh."""
    owner: Any = TokenFile if hasattr(TokenFile, step) else OAuthCredentials
    original = getattr(owner, step)

    def signaled(*arguments: object) -> object:
        os.kill(os.getpid(), number)
        # A main thread that doesn't wait for this step would exit in the meantime.
        time.sleep(0.1)
        return original(*arguments)

    setattr(owner, step, signaled)


if __name__ == "__main__":
    main()
