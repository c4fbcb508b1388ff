"""Memory: how much the process reserves, and how it fails when there's no more."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress

M_MMAP_THRESHOLD = -3
"""glibc's parameter for the size from which an allocation gets its own mapping."""

M_ARENA_MAX = -8
"""glibc's parameter for the maximum number of heaps."""

LARGE_BYTES = 1024 * 1024

STACK_BYTES = 1024 * 1024
"""Stack size of a thread if memory is limited."""


def fit_into_limit() -> None:
    """Reserve less memory under `ulimit -v`: glibc reserves 64 MB per thread for its heap, and 8 MB for its stack.

    Call it before starting any thread.
    """
    if sys.platform != "linux":
        return
    import resource  # noqa: PLC0415 - not on Windows

    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        threading.stack_size(STACK_BYTES)
        _mallopt(M_ARENA_MAX, 1)


def return_large_buffers() -> None:
    """Make glibc return buffers of a megabyte and more to the operating system when they're freed.

    glibc raises this threshold to the size of every freed buffer, up to 32 MB. Pages of several megabytes then come
    from per-thread heaps, which rarely shrink; that took a third more memory.
    """
    _mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def require(size: int) -> None:
    """Check that a buffer of this size can be allocated, because msgspec 0.22 crashes if it can't.

    Raises:
        MemoryError: If it can't.
    """
    bytearray(size)


def _mallopt(parameter: int, value: int) -> None:
    import ctypes  # noqa: PLC0415 - slow

    # Other C libraries have no mallopt, and not every system can load its C library like this.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(parameter, value)
