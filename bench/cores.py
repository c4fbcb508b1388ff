"""CPU affinity: the measured process has a core to itself."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALL_CORES = os.sched_getaffinity(0) if sys.platform == "linux" else set()

MEASURED_CORES = {min(_ALL_CORES)} if _ALL_CORES else set()
"""The core of the measured process."""

OTHER_CORES = _ALL_CORES - MEASURED_CORES or _ALL_CORES
"""The cores of the server and of the pipe's reader."""


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Pin this process, and processes that it starts, to `cores` within a `with` block; a no-op except on Linux."""
    before = os.sched_getaffinity(0) if cores else set()
    if cores:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        if before:
            os.sched_setaffinity(0, before)
