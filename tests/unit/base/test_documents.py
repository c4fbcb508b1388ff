"""JSON documents: parsed in every encoding that JSON allows; errors don't quote the content."""

from __future__ import annotations

import os
import re
import threading
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tap_gong_activity.base import documents
from tap_gong_activity.base.documents import MAX_DEPTH, parse_json, read_json_object

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_byte_order_mark_is_accepted(encoding: str, tmp_path: Path) -> None:
    """A file can start with a byte order mark, as Windows' editors and shells write it."""
    path = tmp_path / "config.json"
    path.write_bytes('{"a": "zoë", "b": 0.1}'.encode(encoding))
    assert read_json_object(str(path), Decimal) == {"a": "zoë", "b": Decimal("0.1")}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"[]", "JSON object"),
        (b'{"hush": 1', "delimiter"),
        ('{"hush": "é"}'.encode("latin-1"), "decode"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "nested too deeply"),
        (b'{"hush": "\\ud800"}', "surrogate"),
        (b'{"hush": 1' + b"0" * 5_000 + b"}", "digits"),
        (b'{"hush": 1e' + b"9" * 30 + b"}", "out of range"),
    ],
    ids=lambda value: f"{value!r:.20}",
)
def test_invalid_content_is_rejected(content: bytes, reason: str, tmp_path: Path) -> None:
    """Content that can't be parsed raises an error with the reason, without quoting the content."""
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason) as error:
        read_json_object(str(path), Decimal)
    assert not re.search("hush", str(error.value))


def test_unreadable_path_is_rejected(tmp_path: Path) -> None:
    """A path that is missing, a folder, or not a path at all raises an error."""
    for path, reason in ((tmp_path / "no.json", "No such file"), (tmp_path, "directory"), ("a\0b", "null")):
        with pytest.raises(ValueError, match=reason):
            read_json_object(str(path))


def test_maximum_depth_is_accepted() -> None:
    """The maximum depth is accepted; the outermost container counts as one level."""
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_json(text) is not None


def test_fifo_is_read_with_a_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A FIFO is read once something is written to it, and raises an error after a timeout."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=('{"a": 1}',))
    writer.start()
    assert read_json_object(str(path)) == {"a": 1}
    writer.join()
    monkeypatch.setattr(documents, "MAX_WRITER_WAIT", 0.01)
    with pytest.raises(ValueError, match="nothing was written"):
        read_json_object(str(path))
