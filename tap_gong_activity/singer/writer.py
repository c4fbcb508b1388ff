"""The writer of Singer messages: encodes them with msgspec, buffers them, and writes only whole lines."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec
from singer_sdk.contrib.msgspec import enc_hook
from singer_sdk.io_base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message, RecordMessage, SchemaMessage

from tap_gong_activity.base.errors import StreamMapError
from tap_gong_activity.base.memory import require
from tap_gong_activity.base.signals import deferred
from tap_gong_activity.singer.schemas import portable

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence

BUFFER_BYTES = 65_536
"""Size from which the buffer is written; the capacity of a pipe on Linux."""

MAX_ENCODED_BYTES = 4_194_304
"""Upper bound of the memory for encoding `ROWS_AT_ONCE` rows."""

ROWS_AT_ONCE = 1_000
"""Number of rows to encode before writing them; about half a megabyte."""

MAX_LAST_WRITE_SECONDS = 5.0
"""How long a signal waits for the current lines to be written completely."""

_encoder = msgspec.json.Encoder(enc_hook=enc_hook, decimal_format="number")


class _Record(msgspec.Struct, tag_field="type", tag="RECORD", gc=False):
    """A RECORD message, identical to the SDK's for the same row."""

    stream: str
    record: msgspec.Struct
    time_extracted: datetime


class MessageWriter(GenericSingerWriter[bytes, Message]):
    """Writes messages to stdout.

    Records are buffered; any other message is written immediately, after the records before it. A signal never leaves
    a partial line, because a target couldn't parse what follows it.
    """

    def __init__(self) -> None:
        """Start with an empty buffer."""
        super().__init__()
        self._buffer = bytearray()
        self._has_failed = False

    @override
    def serialize_message(self, message: Message) -> bytes:
        content = message.to_dict()
        if isinstance(message, SchemaMessage):
            content["schema"] = portable(content["schema"])
        try:
            return _encoder.encode(content) + b"\n"
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            # The tap's own values are always JSON, so this one is a stream map's. The error may quote it.
            stream = content.get("stream", "A message")
            sentence = f"{stream}: a value from stream_maps can't be written as JSON ({type(error).__name__})."
            raise StreamMapError(sentence) from None

    @override
    def write_message(self, message: Message) -> None:
        self._buffer += self.serialize_message(message)
        if len(self._buffer) >= BUFFER_BYTES or not isinstance(message, RecordMessage):
            self.flush()

    def write_rows(self, stream: str, rows: Sequence[msgspec.Struct]) -> None:
        """Write a RECORD message for each row, with the current time as `time_extracted`.

        Raises:
            BrokenPipeError: If the target has closed the pipe.
        """
        extracted = datetime.now(timezone.utc)
        for first in range(0, len(rows), ROWS_AT_ONCE):
            require(MAX_ENCODED_BYTES)
            self._buffer += _encoder.encode_lines(
                [_Record(stream, row, extracted) for row in rows[first : first + ROWS_AT_ONCE]]
            )
            self.flush()

    def flush(self) -> None:
        """Write the buffer, unless an earlier write failed, which may have left a partial line.

        Raises:
            BrokenPipeError: If the target has closed the pipe.
        """
        buffered, self._buffer = self._buffer, bytearray()
        if self._has_failed:
            return
        self._has_failed = True
        with deferred(MAX_LAST_WRITE_SECONDS):
            left = memoryview(buffered)
            while left:
                # With PYTHONUNBUFFERED, a write that a signal interrupts is partial.
                left = left[sys.stdout.buffer.write(left) :]
            sys.stdout.buffer.flush()
        self._has_failed = False
