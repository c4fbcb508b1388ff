"""JSON documents: read in every encoding that JSON allows, and refused without quoting what they hold."""

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
def test_a_file_may_begin_with_a_byte_order_mark(encoding: str, tmp_path: Path) -> None:
    """As Windows' editors and shells write it."""
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
def test_what_cannot_be_read_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    """With the reason, and nothing of what the file holds."""
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason) as caught:
        read_json_object(str(path), Decimal)
    assert not re.search("hush", str(caught.value))


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    """Whether it's missing, a folder, or no path at all."""
    for path, reason in ((tmp_path / "no.json", "No such file"), (tmp_path, "directory"), ("a\0b", "null")):
        with pytest.raises(ValueError, match=reason):
            read_json_object(str(path))


def test_depth_up_to_the_limit_is_taken() -> None:
    """The outermost container counts as one level."""
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_json(text) is not None


def test_a_fifo_is_read_and_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes into it may come later, but somebody has to."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=('{"a": 1}',))
    writer.start()
    assert read_json_object(str(path)) == {"a": 1}
    writer.join()
    monkeypatch.setattr(documents, "MAX_WRITER_WAIT", 0.01)
    with pytest.raises(ValueError, match="nothing was written"):
        read_json_object(str(path))
