"""Runs somebody's command as if it had been called directly."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

# The statuses of shells.
CANNOT_BE_RUN = 126
NOT_FOUND = 127
ENDED_BY_SIGNAL = 128


class CommandNotRunError(Exception):
    """A command cannot be run; the message says why.

    Attributes:
        status: The exit status that shells have for it.
    """

    def __init__(self, message: str, status: int) -> None:
        """Take the message and the status."""
        super().__init__(message)
        self.status = status


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run `command` to its end, pass SIGTERM and SIGINT on to it, and give its status as shells do.

    Raises:
        CommandNotRunError: There is no such command, or it may not be run.
    """
    came_early: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and _terminal_interrupts_everyone():
            return
        if process is None:
            came_early.append(number)
        else:
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        process = subprocess.Popen(command, env=environment)  # noqa: S603 (the user's own command)
        for number in came_early:
            process.send_signal(number)
        status = process.wait()
    except FileNotFoundError:
        msg = f"command not found: {command[0]}"
        raise CommandNotRunError(msg, NOT_FOUND) from None
    except OSError as error:
        msg = f"cannot run {command[0]}: {error.strerror}"
        raise CommandNotRunError(msg, CANNOT_BE_RUN) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return ENDED_BY_SIGNAL - status if status < 0 else status


def _terminal_interrupts_everyone() -> bool:
    """Tell whether Ctrl-C reaches the command without us, as it does in the terminal's foreground."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
