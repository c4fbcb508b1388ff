"""Signals that end the run: none is lost, and none interrupts what has to be finished.

A handler that raises isn't enough. Python runs it in the main thread, which doesn't notice a signal that arrives in
another thread or just before a wait, and an exception inside a finalizer or a callback is dropped. So a thread repeats
the signal to the main thread until the run ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from tap_gong_activity.base.errors import TerminatedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

ENDING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP

REPEAT_SECONDS = 0.1
"""Interval for repeating a signal."""

MAX_ENDING_SECONDS = 5.0
"""Time for the run to end after a signal, in addition to the work that has to be finished."""

MAX_FINISHING_SECONDS = 35.0
"""Maximum time that the end of the run waits for another thread's token refresh."""


@dataclass
class _State:
    """The signal that was received, and whether the main thread is deferring it."""

    received: int | None = None
    received_at: float = 0.0
    finishing_seconds: float | None = None
    has_ended: bool = False

    def raise_if_due(self) -> None:
        if self.received is None or self.has_ended:
            return
        if self.finishing_seconds is None or time.monotonic() - self.received_at > self.finishing_seconds:
            raise TerminatedError(self.received)


_state = _State()
_others_finishing = threading.Lock()


def install() -> None:
    """Make SIGTERM, SIGINT and SIGHUP raise TerminatedError in the main thread.

    An ignored SIGHUP stays ignored, for `nohup`.
    """
    for number in ENDING_SIGNALS:
        if number != getattr(signal, "SIGHUP", None) or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handle)
    sys.unraisablehook = _report_unraisable
    if hasattr(signal, "pthread_kill"):
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        try:
            threading.Thread(target=_repeat, args=(reading,), name="signals", daemon=True).start()
        except RuntimeError:
            # The machine can't start a thread, so no other thread can receive the main thread's signals either.
            signal.set_wakeup_fd(-1)


def handle(number: int, frame: FrameType | None = None) -> None:  # noqa: ARG001 - Python passes it
    """Raise TerminatedError, in a `deferred` block at its end.

    Raises:
        TerminatedError: For the first signal that was received.
    """
    if _state.received is None:
        _state.received, _state.received_at = number, time.monotonic()
    _state.raise_if_due()


@contextmanager
def deferred(seconds: float) -> Iterator[None]:
    """Defer signals until the end of the block, for up to `seconds` after the first one.

    In threads other than the main one, no signal is raised; there, the process doesn't end before the block does.
    """
    if threading.current_thread() is not threading.main_thread():
        with _others_finishing:
            yield
        return
    _state.finishing_seconds = seconds
    try:
        yield
    finally:
        _state.finishing_seconds = None
        _state.raise_if_due()


def stop_raising() -> None:
    """Stop raising TerminatedError, because the run has ended and only `leave` remains."""
    _state.has_ended = True


def leave(status: int) -> NoReturn:
    """End the process with `status`, or with that of a received signal, after other threads' `deferred` blocks.

    No exit handler runs, because Python's finalization crashes while another thread is inside OpenSSL.
    """
    stop_raising()
    # Never released, so that no other thread starts something that would be cut off.
    _others_finishing.acquire(timeout=MAX_FINISHING_SECONDS)
    os._exit(status if _state.received is None else 128 + _state.received)


def _repeat(reading: int) -> NoReturn:
    """Send each signal to the main thread again, and end the process if that has no effect."""
    first: float | None = None
    while True:
        # Python writes every signal's number to the pipe, including those sent below.
        number = os.read(reading, 1)[0]
        if number not in ENDING_SIGNALS:
            continue
        first = first or time.monotonic()
        time.sleep(REPEAT_SECONDS)
        if time.monotonic() - first > MAX_ENDING_SECONDS + _finishing_seconds():
            os._exit(128 + number)
        signal.pthread_kill(threading.main_thread().ident or 0, number)


def _finishing_seconds() -> float:
    return max(_state.finishing_seconds or 0.0, MAX_FINISHING_SECONDS if _others_finishing.locked() else 0.0)


def _report_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    # A signal's exception in a finalizer is raised again elsewhere.
    if not isinstance(unraisable.exc_value, TerminatedError):
        sys.__unraisablehook__(unraisable)
