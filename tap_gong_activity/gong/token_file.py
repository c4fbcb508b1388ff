"""The OAuth token file: locked against other processes, tested for room, and overwritten in place.

No other file is created or replaced, so the token file can be a single-file mount, a symbolic link, or shared by two
containers.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from tap_gong_activity.base.errors import TapError
from tap_gong_activity.gong.lenient_json import without_deep_values

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_gong_activity.base.clock import Clock

ROOM_BYTES = 16_384
"""Room to prove for the next content, in addition to the current size."""

MAX_BYTES = 1_048_576
"""Bytes of the file to read."""

LOCK_INTERVAL_SECONDS = 0.1
"""Interval for retrying a lock that another process holds."""

SILENT_SECONDS = 10.0
"""How long to wait for such a lock before logging it."""


class TokenFile:
    """A token file, locked by this process."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file

    def read(self) -> dict[str, Any]:
        """Return the content.

        Raises:
            TapError: If it isn't a JSON object, or is readable by other users.
        """
        self._check_mode()
        try:
            content = json.loads(without_deep_values(self._bytes()))
        except (OSError, ValueError):
            content = None
        if not isinstance(content, dict):
            message = f"The OAuth token file {self._path} isn't a JSON object."
            raise TapError(message)
        return content

    def prove_room(self) -> None:
        """Write and sync the current content, padded with spaces to more than the next content needs.

        Raises:
            TapError: If the next content couldn't be stored, for example because the disk is full.
        """
        try:
            content = self._bytes().rstrip()
            self._overwrite(content, len(content) + ROOM_BYTES)
        except OSError as error:
            problem = _cannot("be updated", self._path, error)
            raise problem from None

    def write(self, content: dict[str, Any]) -> None:
        """Store and sync new content, padded to at least the proven size.

        Raises:
            TapError: If that fails despite `prove_room`.
        """
        try:
            self._overwrite(json.dumps(content, indent=2).encode(), os.fstat(self._file.fileno()).st_size)
        except OSError as error:
            message = (
                f"Gong has issued a new refresh token, but it couldn't be stored in {self._path} ({error.strerror}): "
                "authorize the app in Gong again and put its refresh_token there."
            )
            raise TapError(message) from None

    def _check_mode(self) -> None:
        mode = os.fstat(self._file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            message = f"The OAuth token file {self._path} isn't a regular file."
            raise TapError(message)
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            message = (
                f"The OAuth token file {self._path} can be read by others than its owner "
                f"(mode {stat.S_IMODE(mode):04o}): run chmod 600 on it."
            )
            raise TapError(message)

    def _bytes(self) -> bytes:
        self._file.seek(0)
        return self._file.read(MAX_BYTES)

    def _overwrite(self, content: bytes, size: int) -> None:
        # In a single write: a kill between two could leave neither the old content nor the new.
        left = memoryview(content.ljust(size - 1) + b"\n")
        self._file.seek(0)
        while left:
            left = left[self._file.write(left) :]
        os.fsync(self._file.fileno())


@contextmanager
def locked_token_file(path: Path, clock: Clock, log: Callable[[str], None]) -> Iterator[TokenFile]:
    """Open and lock the file, waiting for other processes that have locked it.

    Args:
        path: The file; links are followed.
        clock: The clock of the run, whose end ends the wait.
        log: Called with a sentence if the wait is long.

    Raises:
        TapError: If the file can't be opened for writing or can't be locked.
    """
    started_at = clock.monotonic()
    is_silent = True
    while True:
        with _open(path) as file:
            # During the wait, another tool may have replaced the file.
            if _lock(path, file) and _is_still(path, file):
                yield TokenFile(path, file)
                return
        if is_silent and clock.monotonic() - started_at >= SILENT_SECONDS:
            is_silent = False
            log(f"Waiting for another process to release the OAuth token file {path}")
        clock.wait(LOCK_INTERVAL_SECONDS)


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("r+b", buffering=0)
    except OSError as error:
        problem = _cannot("be opened for reading and writing", path, error)
        raise problem from None


def _lock(path: Path, file: IO[bytes]) -> bool:
    """Lock a file until it's closed; return False if another process has locked it."""
    try:
        if sys.platform == "win32":
            # Others can't read locked bytes, so lock one past the end.
            file.seek(MAX_BYTES)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        problem = _cannot("be locked", path, error)
        raise problem from None
    return True


def _is_still(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _cannot(action: str, path: Path, error: OSError) -> TapError:
    return TapError(
        f"The OAuth token file {path} can't {action} ({error.strerror or error}): the tap has to store a new refresh "
        "token in it before it can use the old one."
    )
