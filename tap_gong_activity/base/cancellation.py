"""Cancellation: a token that ends all waits of a run or of a window."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Iterator


class CancelledError(Exception):
    """The result is no longer needed: the run is ending, or an earlier window failed."""


class Cancellation:
    """A token that can be cancelled once, together with its children; safe to share between threads.

    It isn't passed through the layers: a thread binds the token of its window, and every wait in that thread uses it.

    Args:
        parent: A token that cancels this one too.
    """

    def __init__(self, parent: Cancellation | None = None) -> None:
        self._cancelled = threading.Event()
        self._children: WeakSet[Cancellation] = WeakSet()
        self._lock = threading.Lock()
        if parent is not None:
            parent._adopt(self)  # noqa: SLF001 - the same class

    @property
    def is_cancelled(self) -> bool:
        """Whether the token has been cancelled."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """End every current and future wait on this token and its children."""
        self._cancelled.set()
        with self._lock:
            children = list(self._children)
        for child in children:
            child.cancel()

    def raise_if_cancelled(self) -> None:
        """Raise `CancelledError` if the token has been cancelled."""
        if self.is_cancelled:
            raise CancelledError

    def wait(self, seconds: float) -> None:
        """Wait for that many seconds.

        Raises:
            CancelledError: As soon as the token is cancelled.
        """
        if self._cancelled.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise CancelledError

    def _adopt(self, child: Cancellation) -> None:
        with self._lock:
            self._children.add(child)
        if self.is_cancelled:
            child.cancel()

    @contextmanager
    def bound(self) -> Iterator[None]:
        """Bind the token to this thread inside the block."""
        before = _bound.set(self)
        try:
            yield
        finally:
            _bound.reset(before)


_bound: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


def bound_cancellation() -> Cancellation | None:
    """Return the token bound to this thread, if any."""
    return _bound.get()
