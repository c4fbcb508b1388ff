"""Singer messages on their way out: the SDK's own, in whole lines."""

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
    """Standard output, which takes a part of what it is given, and during which something may happen."""

    def __init__(self, most: int = 10**9) -> None:
        self.writes: list[bytes] = []
        self.buffer = self
        self.during_write: Callable[[], None] = lambda: None
        self._most = most

    def write(self, data: bytes) -> int:
        self.writes.append(bytes(data[: self._most]))
        self.during_write()
        return len(self.writes[-1])

    def flush(self) -> None:
        pass

    @property
    def written(self) -> bytes:
        return b"".join(self.writes)


@contextmanager
def piped(most: int = 10**9) -> Iterator[Pipe]:
    """Have a pipe for standard output; in the test itself, as pytest exchanges it behind its fixtures."""
    pipe = Pipe(most)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", pipe)
        yield pipe


def rows_of(number: int) -> list[Row]:
    """So many rows like that of Gong's example."""
    reader = RowReader(None, warn=lambda *_: None, redact=str)
    (rows,) = reader.rows(documented_response.WINDOW, iter([documented_response.TEXT.encode()]))
    return [msgspec.structs.replace(rows[0], user_id=str(count)) for count in range(number)]


def record_of(row: Row) -> RecordMessage:
    """The SDK's message for a row."""
    return RecordMessage("activity_by_day", msgspec.structs.asdict(row), time_extracted=NOW)


def without_time(line: bytes) -> list[tuple[str, Any]]:
    """A message's members in their order, but for when it was extracted."""
    members: list[tuple[str, Any]] = json.loads(line, object_pairs_hook=list)
    return [(name, "a time" if name == "time_extracted" else value) for name, value in members]


def test_whole_pages_give_the_messages_of_the_sdk() -> None:
    """Member for member in the same order, by both of the SDK's writers."""
    with piped() as pipe:
        row = rows_of(1)[0]
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
            for found in rows:
                line = writer.serialize_message(record_of(found))
                expected.append(without_time(line.encode() if isinstance(line, str) else bytes(line)))
            assert [without_time(line) for line in lines] == expected


def test_rows_tell_when_they_were_extracted() -> None:
    """An instant with its offset, between the beginning and the end of the writing."""
    with piped() as pipe:
        before = datetime.now(timezone.utc)
        MessageWriter().write_rows("activity_by_day", rows_of(2))
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
def test_other_messages_are_those_of_the_sdk(message: Any) -> None:  # noqa: ANN401 (any message)
    """Byte for byte, but for the buffer of its writer."""
    assert MessageWriter().serialize_message(message) == bytes(MsgSpecWriter().serialize_message(message))


def test_a_state_comes_after_the_rows_that_it_speaks_of() -> None:
    """Rows are gathered; whatever else comes is written at once, together with them."""
    with piped() as pipe:
        writer = MessageWriter()
        for row in rows_of(3):
            writer.write_message(record_of(row))
        assert pipe.writes == []
        writer.write_message(StateMessage({}))
        assert len(pipe.writes) == 1
        writer.write_rows("activity_by_day", rows_of(2))
        writer.write_message(StateMessage({}))
        types = [json.loads(line)["type"] for line in pipe.written.splitlines()]
        assert types == ["RECORD"] * 3 + ["STATE"] + ["RECORD"] * 2 + ["STATE"]


def test_rows_do_not_gather_for_ever() -> None:
    """A pipe's worth at most, and a flush gives out the rest."""
    with piped() as pipe:
        writer = MessageWriter()
        rows = rows_of(500)
        size = len(writer.serialize_message(record_of(rows[-1])))
        for row in rows:
            writer.write_message(record_of(row))
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
    most=st.sampled_from([1, 7, 1_000, 10**9]),
)
def test_nothing_is_lost_where_the_pipe_takes_only_a_part(counts: list[int], most: int) -> None:
    """As it does without a buffer of Python's own."""
    most = max(most, 1_000) if ROWS_AT_ONCE + 1 in counts else most
    with piped(most) as pipe:
        writer = MessageWriter()
        for count in counts:
            writer.write_rows("activity_by_day", rows_of(count))
            writer.write_message(StateMessage({"count": count}))
    found = [json.loads(line) for line in pipe.written.splitlines()]
    assert [message["value"]["count"] for message in found if message["type"] == "STATE"] == counts
    assert [message["record"]["user_id"] for message in found if message["type"] == "RECORD"] == [
        str(number) for count in counts for number in range(count)
    ]


@pytest.mark.parametrize("most", [1, 50, 10**9])
def test_a_signal_in_a_write_waits_until_the_lines_are_whole(most: int) -> None:
    """Also where it's repeated, because a target can't read half a line."""
    with piped(most) as pipe, no_signal_received():
        pipe.during_write = lambda: signals.handle(signal.SIGTERM)
        with pytest.raises(TerminatedError):
            MessageWriter().write_rows("activity_by_day", rows_of(3))
        assert [json.loads(line)["record"]["user_id"] for line in pipe.written.splitlines()] == ["0", "1", "2"]
        assert pipe.written.endswith(b"\n")


def test_a_target_that_has_gone_is_told_as_such() -> None:
    """The command line knows what to say of it."""
    with piped() as pipe:

        def break_pipe() -> NoReturn:
            raise BrokenPipeError

        pipe.during_write = break_pipe
        with pytest.raises(BrokenPipeError):
            MessageWriter().write_rows("activity_by_day", rows_of(1))


def test_nothing_follows_half_a_line() -> None:
    """A disk that was full for a moment leaves half a line, behind which a STATE couldn't be read."""
    with piped(most=10) as pipe:

        def fill_up() -> None:
            pipe.during_write = lambda: None
            raise OSError(errno.ENOSPC, "No space left on device")

        pipe.during_write = fill_up
        writer = MessageWriter()
        with pytest.raises(OSError, match="space"):
            writer.write_rows("activity_by_day", rows_of(1))
        writer.write_message(StateMessage({"bookmarks": {}}))
        assert len(pipe.written) == 10
