"""Which of the machine's cores a process runs on: what is measured gets one for itself."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALL = os.sched_getaffinity(0) if sys.platform == "linux" else set()

FOR_WHAT_IS_MEASURED = {min(_ALL)} if _ALL else set()
"""One core."""

ON_THE_OTHER_CORES = _ALL - FOR_WHAT_IS_MEASURED or _ALL
"""Where the server and the reader of the pipe run."""


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Run this process, and those that it starts meanwhile, on these cores only; nothing is done but on Linux."""
    before = os.sched_getaffinity(0) if cores else set()
    if cores:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        if before:
            os.sched_setaffinity(0, before)
