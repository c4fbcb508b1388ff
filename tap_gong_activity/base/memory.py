"""How much memory the process takes from the machine, and what happens if the machine gives no more."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress

M_MMAP_THRESHOLD = -3
"""glibc's name for the size from which an allocation is mapped on its own."""

M_ARENA_MAX = -8
"""glibc's name for the number of heaps."""

LARGE_BYTES = 1024 * 1024

STACK_BYTES = 1024 * 1024
"""Stack of a thread where memory is limited."""


def fit_into_limit() -> None:
    """Reserve less where `ulimit -v` limits it: glibc takes 64 MB for each thread's heap, and 8 MB for its stack.

    To be called before the first thread is started.
    """
    if sys.platform != "linux":
        return
    import resource  # noqa: PLC0415 - not on Windows

    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        threading.stack_size(STACK_BYTES)
        _mallopt(M_ARENA_MAX, 1)


def return_large_buffers() -> None:
    """Have buffers of a megabyte and more mapped on their own, where the C library is glibc.

    glibc raises that threshold to the size of whatever is freed, up to 32 MB. Pages of several megabytes then come from
    heaps that each thread has for itself and that rarely shrink, which took a third more memory.
    """
    _mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def require(size: int) -> None:
    """Check that so many bytes can be allocated, for code in C that doesn't: msgspec 0.22 crashes.

    Raises:
        MemoryError: If they can't.
    """
    bytearray(size)


def _mallopt(parameter: int, value: int) -> None:
    import ctypes  # noqa: PLC0415 - slow

    # Other C libraries have no mallopt, and some systems none that can be opened like this.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(parameter, value)
