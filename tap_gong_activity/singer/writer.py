"""Singer messages on their way to the pipe: encoded by msgspec, gathered, and written as whole lines only."""

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

GATHERED_BYTES = 65_536
"""How much is gathered before it is written; as much as a pipe takes on Linux."""

ENCODING_BYTES = 4_194_304
"""More than is allocated to encode them."""

ROWS_AT_ONCE = 1_000
"""How many rows are encoded before they are written; about half a megabyte."""

MAX_LAST_WRITE_SECONDS = 5.0
"""How long a signal lets the lines that are being written become whole."""

_encoder = msgspec.json.Encoder(enc_hook=enc_hook, decimal_format="number")


class _Record(msgspec.Struct, tag_field="type", tag="RECORD", gc=False):
    """A RECORD message, as the SDK would write it for the same row."""

    stream: str
    record: msgspec.Struct
    time_extracted: datetime


class MessageWriter(GenericSingerWriter[bytes, Message]):
    """Writes messages to stdout.

    Rows are gathered; every other message is written at once, together with the rows before it. A signal never leaves
    half a line, as a target could not read what follows.
    """

    def __init__(self) -> None:
        """Begin with nothing gathered."""
        super().__init__()
        self._gathered = bytearray()
        self._has_failed = False

    @override
    def serialize_message(self, message: Message) -> bytes:
        content = message.to_dict()
        if isinstance(message, SchemaMessage):
            content["schema"] = portable(content["schema"])
        try:
            return _encoder.encode(content) + b"\n"
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            # A row's values are JSON by themselves, so it's a stream map's; the error may quote it.
            stream = content.get("stream", "A message")
            sentence = f"{stream}: a value from stream_maps can't be written as JSON ({type(error).__name__})."
            raise StreamMapError(sentence) from None

    @override
    def write_message(self, message: Message) -> None:
        self._gathered += self.serialize_message(message)
        if len(self._gathered) >= GATHERED_BYTES or not isinstance(message, RecordMessage):
            self.flush()

    def write_rows(self, stream: str, rows: Sequence[msgspec.Struct]) -> None:
        """Write a RECORD for each row, all of them extracted now.

        Raises:
            BrokenPipeError: If the target has gone.
        """
        extracted = datetime.now(timezone.utc)
        for first in range(0, len(rows), ROWS_AT_ONCE):
            require(ENCODING_BYTES)
            self._gathered += _encoder.encode_lines(
                [_Record(stream, row, extracted) for row in rows[first : first + ROWS_AT_ONCE]]
            )
            self.flush()

    def flush(self) -> None:
        """Write what has been gathered, unless a write has failed: half a line may precede it.

        Raises:
            BrokenPipeError: If the target has gone.
        """
        gathered, self._gathered = self._gathered, bytearray()
        if self._has_failed:
            return
        self._has_failed = True
        with deferred(MAX_LAST_WRITE_SECONDS):
            left = memoryview(gathered)
            while left:
                # With PYTHONUNBUFFERED it takes a part only, where a signal comes in between.
                left = left[sys.stdout.buffer.write(left) :]
            sys.stdout.buffer.flush()
        self._has_failed = False
