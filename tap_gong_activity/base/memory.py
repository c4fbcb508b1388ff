"""Memory that goes back to the machine as soon as it's freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_MMAP_THRESHOLD = -3
"""glibc's name for the size from which an allocation is mapped on its own."""

LARGE_BYTES = 1024 * 1024


def return_large_buffers() -> None:
    """Have buffers of a megabyte and more mapped on their own, where the C library is glibc.

    glibc raises that threshold to the size of whatever is freed, up to 32 MB. Pages of several megabytes then come from
    heaps that each thread has for itself and that rarely shrink, which took a third more memory.
    """
    # Other C libraries have no mallopt, and some systems none that can be opened like this.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
