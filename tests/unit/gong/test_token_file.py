"""The OAuth token file: other tools that write it, and disks that fail."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from support.fake_clock import FakeClock

from tap_gong_activity.base.errors import TapError
from tap_gong_activity.gong.token_file import ROOM_BYTES, locked_token_file

if TYPE_CHECKING:
    from pathlib import Path


def test_file_replaced_before_locking_is_reopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is replaced before it's locked is opened again."""
    path, successor = tmp_path / "tokens.json", tmp_path / "tokens.json.new"
    for written, content in ((path, '{"refresh_token": "old"}'), (successor, '{"refresh_token": "new"}')):
        written.write_text(content)
        written.chmod(0o600)
    flock = fcntl.flock

    def flock_after_replacement(file: Any, operation: int) -> None:  # noqa: ANN401 - a file or a descriptor
        if successor.exists():
            successor.replace(path)
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock_after_replacement)
    with locked_token_file(path, FakeClock(), lambda _: None) as file:
        assert file.read() == {"refresh_token": "new"}


def test_unstored_token_needs_a_new_authorization(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a new refresh token can't be stored, the error says to authorize the app again."""
    path = tmp_path / "tokens.json"
    path.write_text("{}")

    def fail(_: int) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with locked_token_file(path, FakeClock(), lambda _: None) as file, pytest.raises(TapError) as error:
        file.write({"refresh_token": "new"})
    assert str(error.value) == (
        f"Gong has issued a new refresh token, but it couldn't be stored in {path} (Input/output error): authorize the "
        "app in Gong again and put its refresh_token there."
    )


def test_file_that_cannot_be_locked_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that can't be locked, as on some network file systems, is an error with its path."""
    path = tmp_path / "tokens.json"
    path.write_text("{}")

    def fail(*_: object) -> NoReturn:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    with (
        pytest.raises(TapError, match=rf"{path} can't be locked \(No locks available\)"),
        locked_token_file(path, FakeClock(), lambda _: None),
    ):
        pass


def test_pipe_is_not_a_token_file(tmp_path: Path) -> None:
    """A pipe is rejected as a token file, because its content can be read only once."""
    path = tmp_path / "tokens.json"
    os.mkfifo(path, 0o600)
    with (
        locked_token_file(path, FakeClock(), lambda _: None) as file,
        pytest.raises(TapError, match=f"^The OAuth token file {path} isn't a regular file.$"),
    ):
        file.read()


def test_room_and_new_token_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reserved room and the new token are synced to the disk before the caller continues."""
    path = tmp_path / "tokens.json"
    path.write_text('{"refresh_token": "old"}')
    path.chmod(0o600)
    synced: list[tuple[int, str]] = []
    monkeypatch.setattr(
        os, "fsync", lambda _: synced.append((path.stat().st_size, json.loads(path.read_text())["refresh_token"]))
    )

    with locked_token_file(path, FakeClock(), lambda _: None) as file:
        file.prove_room()
        file.write({"refresh_token": "new"})

    (proven, before), (stored, after) = synced
    assert (before, after) == ("old", "new")
    assert stored == proven > ROOM_BYTES
