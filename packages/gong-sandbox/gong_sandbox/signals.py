"""The signals that end the sandbox, except those ignored at the start, such as SIGHUP under `nohup`."""

from __future__ import annotations

import signal

TERMINATION_SIGNALS = [
    number
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN
]


def block_signals() -> None:
    """Block the signals until they're handled, in this thread and in threads started by it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, TERMINATION_SIGNALS)
