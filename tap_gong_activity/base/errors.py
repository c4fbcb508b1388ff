"""The failures that a user can mend.

Each is told in one sentence: what happened, where, what to do.
No message may hold a credential, a response's body or a value out of a secret setting.
"""

from __future__ import annotations

import signal


class TapError(Exception):
    """A failure that ends the run with one sentence on stderr and exit status 1, without a traceback."""


class SettingsError(TapError):
    """A setting is missing, doubled or has a value that can't be used; the message names it."""


class StateError(TapError):
    """The state that was passed in can't be read; the message names the stream and the value."""


class GongError(TapError):
    """Gong gave an answer, or none, that ends the run.

    Attributes:
        status: The answer's HTTP status, if there was an answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        """Tell what happened and what to do, as a sentence without its full stop."""
        super().__init__(message)
        self.status = status


class TerminatedError(SystemExit):
    """A signal ended the run, with the status that a shell gives for it: 143 for SIGTERM, 130 for SIGINT."""

    def __init__(self, signal_number: int) -> None:
        """Take the number of the signal that came."""
        super().__init__(128 + signal_number)
        self.signal_name = signal.Signals(signal_number).name
