"""Signals as at the start of a process, for tests that send some to their own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from tap_gong_activity.base import signals

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def no_signal_received() -> Iterator[None]:
    """Forget, before and after, which signal was received."""
    with mock.patch.object(signals, "_state", type(signals._state)()):  # noqa: SLF001 - one for each process
        yield
