"""Runs a command as if it had been called directly."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from gong_sandbox.signals import ENDING_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

# The statuses of shells.
CANNOT_BE_RUN = 126
NOT_FOUND = 127
ENDED_BY_SIGNAL = 128


class CommandNotRunError(Exception):
    """A command that can't be run; the message says why.

    Attributes:
        status: The exit status that shells return for it.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run `command` to its end, forward signals to it, and return its status as shells do.

    Signals must be blocked until then. One that has arrived already keeps the command from starting; once the command
    has ended, they have no effect.

    Raises:
        CommandNotRunError: There is no such command, or it isn't executable.
    """
    pending: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def forward(number: int, _: FrameType | None) -> None:
        if process is None:
            pending.append(number)
        elif number != signal.SIGINT or not _terminal_interrupts_everyone():
            process.send_signal(number)

    for number in ENDING_SIGNALS:
        signal.signal(number, forward)
    # The command inherits which signals are blocked.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
    if pending:
        return ENDED_BY_SIGNAL + pending[0]
    try:
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - the user's own command
    except FileNotFoundError:
        message = f"command not found: {command[0]}"
        raise CommandNotRunError(message, NOT_FOUND) from None
    except OSError as error:
        message = f"cannot run {command[0]}: {error.strerror}"
        raise CommandNotRunError(message, CANNOT_BE_RUN) from None
    for early in pending:
        process.send_signal(early)
    status = process.wait()
    return ENDED_BY_SIGNAL - status if status < 0 else status


def _terminal_interrupts_everyone() -> bool:
    """Return whether Ctrl-C reaches the command directly, as it does in the terminal's foreground."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
