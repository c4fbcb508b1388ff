"""A command that runs beside the sandbox, with its signals and its exit status passed through."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from gong_sandbox.signals import TERMINATION_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

# The exit statuses that shells use.
NOT_EXECUTABLE_STATUS = 126
NOT_FOUND_STATUS = 127
SIGNAL_STATUS = 128


class CommandError(Exception):
    """A command that can't be started; the message says why.

    Attributes:
        status: The exit status that a shell would return.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run `command`, forward signals to it, and return its exit status as a shell would.

    Signals must be blocked when it's called. If one is pending, the command isn't started. After the command has ended,
    signals have no effect.

    Raises:
        CommandError: The command doesn't exist or isn't executable.
    """
    pending: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def forward(number: int, _: FrameType | None) -> None:
        if process is None:
            pending.append(number)
        elif number != signal.SIGINT or not _terminal_interrupts_command():
            process.send_signal(number)

    for number in TERMINATION_SIGNALS:
        signal.signal(number, forward)
    # Unblocked first, because the command inherits the signal mask.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TERMINATION_SIGNALS)
    if pending:
        return SIGNAL_STATUS + pending[0]
    try:
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - the user's own command
    except FileNotFoundError:
        message = f"command not found: {command[0]}"
        raise CommandError(message, NOT_FOUND_STATUS) from None
    except OSError as error:
        message = f"can't run {command[0]}: {error.strerror}"
        raise CommandError(message, NOT_EXECUTABLE_STATUS) from None
    for early in pending:
        process.send_signal(early)
    status = process.wait()
    return SIGNAL_STATUS - status if status < 0 else status


def _terminal_interrupts_command() -> bool:
    """Return whether Ctrl-C reaches the command directly, as it does in the foreground of a terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
