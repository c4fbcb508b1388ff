"""The writer: the SDK's messages, in complete lines."""

from __future__ import annotations

import errno
import json
import signal
import sys
from contextlib import contextmanager
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import RecordMessage, SchemaMessage, StateMessage
from singer_sdk.singerlib.encoding.simple import SimpleSingerWriter
from support import documented_response
from support.hypothesis_settings import FEW
from support.signal_state import no_signal_received

from tap_gong_activity.base import signals
from tap_gong_activity.base.errors import TerminatedError
from tap_gong_activity.extract.activity_rows import Row, RowReader
from tap_gong_activity.singer.writer import BUFFER_BYTES, ROWS_AT_ONCE, MessageWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime(2025, 3, 12, 20, tzinfo=timezone.utc)


class Pipe:
    """A standard output that accepts at most `max_bytes` bytes per write, and calls a function during it."""

    def __init__(self, max_bytes: int = 10**9) -> None:
        self.writes: list[bytes] = []
        self.buffer = self
        self.during_write: Callable[[], None] = lambda: None
        self._max_bytes = max_bytes

    def write(self, data: bytes) -> int:
        self.writes.append(bytes(data[: self._max_bytes]))
        self.during_write()
        return len(self.writes[-1])

    def flush(self) -> None:
        pass

    @property
    def written(self) -> bytes:
        return b"".join(self.writes)


@contextmanager
def piped(max_bytes: int = 10**9) -> Iterator[Pipe]:
    """Replace standard output by a pipe, within the test because pytest replaces it after fixtures."""
    pipe = Pipe(max_bytes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", pipe)
        yield pipe


def make_rows(number: int) -> list[Row]:
    """Return that many rows like the one in Gong's documentation."""
    reader = RowReader(None, warn=lambda *_: None, redact=str)
    (rows,) = reader.rows(documented_response.WINDOW, iter([documented_response.TEXT.encode()]))
    return [msgspec.structs.replace(rows[0], user_id=str(count)) for count in range(number)]


def record_message(row: Row) -> RecordMessage:
    """Return the SDK's message for a row."""
    return RecordMessage("activity_by_day", msgspec.structs.asdict(row), time_extracted=NOW)


def without_extraction_time(line: bytes) -> list[tuple[str, Any]]:
    """Return a message's members in order, without the time of `time_extracted`."""
    members: list[tuple[str, Any]] = json.loads(line, object_pairs_hook=list)
    return [(name, "a time" if name == "time_extracted" else value) for name, value in members]


def test_rows_equal_messages_of_the_sdk() -> None:
    """Rows are written with the same members in the same order as by the SDK's writers."""
    with piped() as pipe:
        row = make_rows(1)[0]
        rows = [
            row,
            msgspec.structs.replace(row, user_email_address=None, calls_as_host=None, period_start_at=None),
            msgspec.structs.replace(
                row, user_email_address='"\\\n\u2028ä😀</script>', calls_as_host=10**30, is_complete=False
            ),
        ]
        MessageWriter().write_rows("activity_by_day", rows)
        lines = pipe.written.splitlines()
        for writer in (MsgSpecWriter(), SimpleSingerWriter(), MessageWriter()):
            expected = []
            for row in rows:
                line = writer.serialize_message(record_message(row))
                expected.append(without_extraction_time(line.encode() if isinstance(line, str) else bytes(line)))
            assert [without_extraction_time(line) for line in lines] == expected


def test_rows_have_the_time_of_extraction() -> None:
    """`time_extracted` is an instant with an offset, taken while the rows are written."""
    with piped() as pipe:
        before = datetime.now(timezone.utc)
        MessageWriter().write_rows("activity_by_day", make_rows(2))
        times = [json.loads(line)["time_extracted"] for line in pipe.written.splitlines()]
        assert len(set(times)) == 1
        assert before <= datetime.fromisoformat(times[0].replace("Z", "+00:00")) <= datetime.now(timezone.utc)


@pytest.mark.parametrize(
    "message",
    [
        StateMessage({"bookmarks": {"activity_by_day": {"replication_key_value": "2025-03-12"}}}),
        SchemaMessage("activity_by_day", {"properties": {"a": {"type": "string"}}}, ["a"], ["b"]),
        RecordMessage("activity_by_day", {"a": Decimal("1.50"), "b": NOW, "c": None, "d": "ä"}, time_extracted=NOW),
        RecordMessage("activity_by_day", {}, version=3),
    ],
    ids=lambda message: message.type,
)
def test_other_messages_equal_those_of_the_sdk(message: Any) -> None:  # noqa: ANN401 - any message
    """Other messages are the same bytes as the SDK's."""
    assert MessageWriter().serialize_message(message) == bytes(MsgSpecWriter().serialize_message(message))


def test_state_follows_its_rows() -> None:
    """Rows are buffered, and every other message is written at once, after the buffered rows."""
    with piped() as pipe:
        writer = MessageWriter()
        for row in make_rows(3):
            writer.write_message(record_message(row))
        assert pipe.writes == []
        writer.write_message(StateMessage({}))
        assert len(pipe.writes) == 1
        writer.write_rows("activity_by_day", make_rows(2))
        writer.write_message(StateMessage({}))
        types = [json.loads(line)["type"] for line in pipe.written.splitlines()]
        assert types == ["RECORD"] * 3 + ["STATE"] + ["RECORD"] * 2 + ["STATE"]


def test_buffer_is_limited() -> None:
    """The buffer is written once it fills a pipe, and flush writes the rest."""
    with piped() as pipe:
        writer = MessageWriter()
        rows = make_rows(500)
        size = len(writer.serialize_message(record_message(rows[-1])))
        for row in rows:
            writer.write_message(record_message(row))
        assert 1 < len(pipe.writes) < 20
        assert all(BUFFER_BYTES <= len(write) < BUFFER_BYTES + size for write in pipe.writes)
        writer.flush()
        assert [json.loads(line)["record"]["user_id"] for line in pipe.written.splitlines()] == [
            row.user_id for row in rows
        ]
        writes = len(pipe.writes)
        writer.flush()
        assert len(pipe.writes) == writes


@FEW
@given(
    counts=st.lists(st.integers(0, 5) | st.just(ROWS_AT_ONCE + 1), max_size=4),
    max_bytes=st.sampled_from([1, 7, 1_000, 10**9]),
)
def test_partial_writes_lose_nothing(counts: list[int], max_bytes: int) -> None:
    """Nothing is lost if each write accepts only a part, as without Python's buffer."""
    max_bytes = max(max_bytes, 1_000) if ROWS_AT_ONCE + 1 in counts else max_bytes
    with piped(max_bytes) as pipe:
        writer = MessageWriter()
        for count in counts:
            writer.write_rows("activity_by_day", make_rows(count))
            writer.write_message(StateMessage({"count": count}))
    messages = [json.loads(line) for line in pipe.written.splitlines()]
    assert [message["value"]["count"] for message in messages if message["type"] == "STATE"] == counts
    assert [message["record"]["user_id"] for message in messages if message["type"] == "RECORD"] == [
        str(number) for count in counts for number in range(count)
    ]


@pytest.mark.parametrize("max_bytes", [1, 50, 10**9])
def test_signal_during_a_write_completes_the_lines(max_bytes: int) -> None:
    """A signal during a write raises after the lines are complete, even if it's repeated."""
    with piped(max_bytes) as pipe, no_signal_received():
        pipe.during_write = lambda: signals.handle(signal.SIGTERM)
        with pytest.raises(TerminatedError):
            MessageWriter().write_rows("activity_by_day", make_rows(3))
        assert [json.loads(line)["record"]["user_id"] for line in pipe.written.splitlines()] == ["0", "1", "2"]
        assert pipe.written.endswith(b"\n")


def test_broken_pipe_is_passed_on() -> None:
    """A broken pipe raises BrokenPipeError, which the command line explains."""
    with piped() as pipe:

        def break_pipe() -> NoReturn:
            raise BrokenPipeError

        pipe.during_write = break_pipe
        with pytest.raises(BrokenPipeError):
            MessageWriter().write_rows("activity_by_day", make_rows(1))


def test_nothing_follows_a_truncated_line() -> None:
    """After a failed write, which may truncate a line, nothing else is written."""
    with piped(max_bytes=10) as pipe:

        def fill_disk() -> None:
            pipe.during_write = lambda: None
            raise OSError(errno.ENOSPC, "No space left on device")

        pipe.during_write = fill_disk
        writer = MessageWriter()
        with pytest.raises(OSError, match="space"):
            writer.write_rows("activity_by_day", make_rows(1))
        writer.write_message(StateMessage({"bookmarks": {}}))
        assert len(pipe.written) == 10
