"""The end of the process: the promised exit status, and one sentence for every error a user can fix."""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from tap_gong_activity.base import signals
from tap_gong_activity.base.errors import TerminatedError

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_MORE = (
    "The machine ran out of %s for the tap: lower max_parallel_windows or periods_per_window, or raise its limits."
)


_logger = logging.getLogger("tap-gong-activity")


def run_to_the_end(command: Callable[[], object]) -> NoReturn:
    """Call `command` and exit with its status, without running Python's exit handlers."""
    status = 1
    try:
        _open_standard_streams()
        status = _status_of(command)
    except TerminatedError as ending:
        signals.stop_raising()  # the signal is repeated until here
        _logger.error("The run was stopped by %s; the next run resumes from the last STATE.", ending.signal_name)  # noqa: TRY400 - a sentence, no traceback
    finally:
        signals.stop_raising()
        logging.shutdown()
        signals.leave(status)


def _status_of(command: Callable[[], object]) -> int:
    if sys.stdout is None:
        return _failed("Standard output is closed, but the tap writes its messages there.")
    try:
        command()
    except TerminatedError:
        raise
    except SystemExit as ending:
        if isinstance(ending.code, str):
            return _failed(ending.code)
        status = ending.code or 0
    except BaseException as error:  # noqa: BLE001 - the process ends here
        return _status_of_failure(error)
    else:
        status = 0
    try:
        sys.stdout.flush()
    except OSError as error:
        return status or _status_of_failure(error)
    return status


def _status_of_failure(error: BaseException) -> int:
    """Log one sentence for an error that a user can fix, or the traceback of a bug; return the exit status."""
    text = str(error)
    if isinstance(error, MemoryError) or "annot allocate memory" in text or "failed to map segment" in text:
        return _failed(_NO_MORE, "memory")
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return _failed(_NO_MORE, "threads")
    if isinstance(error, BrokenPipeError):
        return _failed("Standard output was closed before everything was written.")
    if isinstance(error, OSError):
        return _failed("Reading or writing failed (%s).", error.strerror or type(error).__name__)
    sys.excepthook(type(error), error, error.__traceback__)
    return 1


def _failed(sentence: str, *values: object) -> int:
    try:
        _logger.error(sentence, *values)
    except MemoryError:
        os.write(2, (sentence % values if values else sentence).encode() + b"\n")
    return 1


def _open_standard_streams() -> None:
    """Open the closed standard streams, so that no other file gets their numbers, and ignore a full stderr."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - stdin, stdout and stderr
        pass
    os.close(opened)
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_ForgivingFile(2, "w", closefd=False)),
        encoding=getattr(sys.stderr, "encoding", "utf-8"),
        errors="backslashreplace",
        line_buffering=True,
    )


class _ForgivingFile(io.FileIO):
    """A file that discards what can't be written to it."""

    def write(self, data: bytes) -> int:  # type: ignore[override] # FileIO's takes any buffer
        try:
            written = super().write(data)
        except OSError:
            return len(data)
        # A full pipe in non-blocking mode accepts nothing.
        return len(data) if written is None else written
