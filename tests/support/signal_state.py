"""The state of signals as at the start of a process, for tests that send signals to their own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from tap_gong_activity.base import signals

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def no_signal_received() -> Iterator[None]:
    """Reset which signal was received, before and after."""
    with mock.patch.object(signals, "_state", type(signals._state)()):  # noqa: SLF001 - there's one per process
        yield
