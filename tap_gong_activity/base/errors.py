"""Errors that end a run, each with one sentence that the user can act on.

A message says what failed, where, and what to do. It never holds a credential, an email address, a response body or the
value of a secret setting.
"""

from __future__ import annotations

import signal


class TapError(Exception):
    """An error that ends the run with one sentence on stderr and exit status 1, without a traceback."""


class SettingsError(TapError):
    """A setting is missing, conflicts with another or has an invalid value; the message names it."""


class CatalogError(TapError):
    """The catalog can't be used; the message names the stream."""


class StateError(TapError):
    """The state can't be used; the message names the stream and the value."""


class StreamMapError(TapError):
    """A stream map failed on a row; the message names the stream and, if known, the property, never the value."""


class GongError(TapError):
    """Gong sent a response, or none, that ends the run.

    Attributes:
        status: The response's HTTP status, if there was a response.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        """Take the sentence, without its full stop, and the HTTP status."""
        super().__init__(message)
        self.status = status


class UnexpectedResponseError(GongError):
    """A response is JSON but doesn't match Gong's documentation; the message names the field."""


class MissingScopeError(GongError):
    """The credentials lack the scope of one endpoint: its streams end, and the others are still read."""


class TerminatedError(SystemExit):
    """A signal ended the run, with the exit status that a shell reports for it: 143 for SIGTERM, 130 for SIGINT."""

    def __init__(self, signal_number: int) -> None:
        """Take the signal's number."""
        super().__init__(128 + signal_number)
        self.signal_name = signal.Signals(signal_number).name
