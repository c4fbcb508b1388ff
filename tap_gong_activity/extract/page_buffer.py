"""Pages that wait for their turn: in memory while a shared budget lasts, then in an unlinked temporary file."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from typing import IO, NamedTuple

from tap_gong_activity.base.errors import TapError


class MemoryBudget:
    """Bytes of memory that all buffers of a run share."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        """Take that many bytes, if they are left."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        self._left += size


class PageBuffer:
    """First in, first out; not safe to share between threads without a lock.

    Args:
        budget: The memory that may be used.
    """

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._waiting: deque[bytes | bytearray | _Place] = deque()
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        """How many pages wait."""
        return len(self._waiting)

    def put(self, page: bytes | bytearray) -> None:
        """Add a page.

        Raises:
            TapError: If it fits neither the memory nor the temporary folder.
        """
        self._waiting.append(page if self._budget.take(len(page)) else self._put_into_file(page))

    def get(self) -> bytes | bytearray:
        """Take the first page."""
        page = self._waiting.popleft()
        if isinstance(page, _Place):
            assert self._file is not None  # noqa: S101 - a place is one in the file
            self._file.seek(page.offset)
            return self._file.read(page.size)
        self._budget.give_back(len(page))
        return page

    def close(self) -> None:
        """Forget all pages, and give back what they take."""
        while self._waiting:
            page = self._waiting.popleft()
            if not isinstance(page, _Place):
                self._budget.give_back(len(page))
        if self._file is not None:
            self._file.close()
            self._file = None

    def _put_into_file(self, page: bytes | bytearray) -> _Place:
        try:
            if self._file is None:
                # Without a buffer, which would tell of a full disk only later, when another page is taken.
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the buffer
            offset = self._file.seek(0, os.SEEK_END)
            left = memoryview(page)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            message = (
                f"Pages that wait for their turn can't be kept in the temporary folder ({error.strerror}): "
                "make room there, or set max_parallel_windows to 1."
            )
            raise TapError(message) from None
        return _Place(offset, len(page))


class _Place(NamedTuple):
    """Where in the temporary file a page is."""

    offset: int
    size: int
