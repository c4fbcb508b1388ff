"""Signals that end the run: never lost, and never in the middle of what has to be finished.

A handler that raises isn't enough. Python runs it in the main thread, which doesn't notice a signal that another
thread received, or that came just before a wait began; and what it raises inside a finalizer or a callback is dropped.
So a thread repeats the signal to the main thread until the run ends.
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
"""How often a signal is repeated."""

MAX_ENDING_SECONDS = 5.0
"""How long the run may take to end after a signal, besides what has to be finished."""

MAX_FINISHING_SECONDS = 35.0
"""Longest that the end of the run waits for what another thread has to finish: a token refresh."""


@dataclass
class _State:
    """What has been received, and what the main thread is finishing."""

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
    """Have SIGTERM, SIGINT and SIGHUP raise TerminatedError in the main thread from now on.

    A SIGHUP that is ignored stays so, as `nohup` wants it.
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
            # The machine gives no more threads, so that there is none that could take the main thread's signals.
            signal.set_wakeup_fd(-1)


def handle(number: int, frame: FrameType | None = None) -> None:  # noqa: ARG001 - what Python passes
    """Raise TerminatedError, or as soon as a `deferred` block is done.

    Raises:
        TerminatedError: For the first signal that was received.
    """
    if _state.received is None:
        _state.received, _state.received_at = number, time.monotonic()
    _state.raise_if_due()


@contextmanager
def deferred(seconds: float) -> Iterator[None]:
    """Keep signals from ending the run inside the block, for up to `seconds` after one was received.

    In another thread than the main one, where no signal is raised, the process doesn't end before the block.
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
    """Raise nothing from now on, because the run has ended and only `leave` is left."""
    _state.has_ended = True


def leave(status: int) -> NoReturn:
    """End the process, with `status` unless a signal was received; first let other threads leave `deferred` blocks.

    No exit handler runs: Python's own finalization crashes where another thread is inside OpenSSL.
    """
    stop_raising()
    # Never released, so that no other thread begins what would be cut short.
    _others_finishing.acquire(timeout=MAX_FINISHING_SECONDS)
    os._exit(status if _state.received is None else 128 + _state.received)


def _repeat(reading: int) -> NoReturn:
    """Send each signal to the main thread again, and end the process if that doesn't end it."""
    first: float | None = None
    while True:
        # Python writes the number of each signal there, also of those that are sent here.
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
    # What a signal raises in a finalizer is raised again elsewhere.
    if not isinstance(unraisable.exc_value, TerminatedError):
        sys.__unraisablehook__(unraisable)
