"""Cancellation: a token that ends the waits of the work it belongs to, a run's or a window's."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Iterator


class CancelledError(Exception):
    """The work is no longer needed: the run is ending, or an earlier window failed."""


class Cancellation:
    """A token that is cancelled once and for all, and its children with it; safe to share between threads.

    It isn't handed through the layers: a thread that works for a window binds the window's token, and whatever waits in
    that thread, however deep, finds it.

    Args:
        parent: Cancelling it cancels this token too.
    """

    def __init__(self, parent: Cancellation | None = None) -> None:
        self._cancelled = threading.Event()
        self._children: WeakSet[Cancellation] = WeakSet()
        self._lock = threading.Lock()
        if parent is not None:
            parent._adopt(self)  # noqa: SLF001 - of the same class

    @property
    def is_cancelled(self) -> bool:
        """Whether the work is no longer needed."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """End every wait on this token and its children, now and later."""
        self._cancelled.set()
        with self._lock:
            children = list(self._children)
        for child in children:
            child.cancel()

    def raise_if_cancelled(self) -> None:
        """Raise `CancelledError` if the work is no longer needed."""
        if self.is_cancelled:
            raise CancelledError

    def wait(self, seconds: float) -> None:
        """Let that many seconds pass.

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
        """Have everything that this thread does meanwhile end with this token."""
        before = _bound.set(self)
        try:
            yield
        finally:
            _bound.reset(before)


_bound: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


def bound_cancellation() -> Cancellation | None:
    """Return the token that this thread works under, if it has bound one."""
    return _bound.get()
