"""The signals that end the sandbox, unless they were ignored from the start, as by `nohup`."""

from __future__ import annotations

import signal

ENDING_SIGNALS = [
    number
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN
]


def block_signals() -> None:
    """Let signals wait until somebody handles them; threads that start later block them as well."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
