"""The base of all streams: writes pages of rows as RECORD or BATCH messages, and STATE after them."""

from __future__ import annotations

import logging
import sys
from abc import abstractmethod
from copy import copy
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Stream
from singer_sdk.exceptions import SingerSDKError
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import RecordMessage, StateMessage
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from tap_gong_activity.base.errors import TapError
from tap_gong_activity.base.stats import Wait
from tap_gong_activity.singer.batches import BatchFiles
from tap_gong_activity.singer.stream_maps import check_key

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    import msgspec
    from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.metrics import Counter

    from tap_gong_activity.streams.run import Run

    Pages = Iterator[Sequence[msgspec.Struct]]


class GongStream(Stream):
    """A stream that is read in pages, and whose state changes only after a whole part has been written."""

    columns: ClassVar[tuple[str, ...]]
    """The fields of a row, in order."""

    _tap: Run  # type: ignore[assignment] # the tap implements it

    @abstractmethod
    def parts(self) -> Iterator[Pages]:
        """Yield each part of the stream as an iterator over its pages.

        The code after a `yield` runs once that part has been written; that's where the bookmark moves.
        """

    @property
    def has_bookmark(self) -> bool:
        """Whether the state records how far the stream has been written."""
        return self.replication_method != REPLICATION_FULL_TABLE

    @property
    def is_test(self) -> bool:
        """Whether this is a connection test: one request, its first row, and no bookmark."""
        return self.ABORT_AT_RECORD_COUNT is not None

    def complete_state(self) -> None:
        """Convert the stream's entry in the state to the form that this version writes."""

    def write_state(self) -> None:
        """Write a STATE message, even an unchanged one: many targets discard a state when a RECORD follows it."""
        self._tap.write_message(StateMessage(self.tap_state))

    def _counted_parts(self) -> Iterator[Pages]:
        """Yield the stream's parts, and make sure that a STATE ends them."""
        ends_with_state = False
        with self.get_record_counter() as counter, self.get_sync_timer():
            for pages in self.parts():
                yield self._counted(pages, counter)
                ends_with_state = self.has_bookmark and not self.is_test
        if not ends_with_state:
            self.write_state()

    def _counted(self, pages: Pages, counter: Counter) -> Pages:
        for page in pages:
            rows = page[: self.ABORT_AT_RECORD_COUNT]
            counter.increment(len(rows))
            del page
            yield rows
            del rows

    def _rows(
        self,
        read: Callable[[Iterator[bytes | bytearray]], Iterator[Sequence[msgspec.Struct]]],
        pages: Iterator[bytes | bytearray],
        part: str = "",
    ) -> Any:  # noqa: ANN401 - pages of the rows that `read` returns
        """Yield a part's pages of rows and count them; add the stream and the part to errors."""
        try:
            for rows in read(iter(partial(self._next_page, pages), None)):
                self._tap.tally.add(rows=len(rows))
                yield rows
                # Frees the page while the next one is awaited.
                del rows
        except TapError as error:
            where = f"{self.name}, {part}" if part else self.name
            what = "; ".join([str(error).rstrip("."), *self.details(error)])
            # A copy, because other streams can fail with the same error.
            located = copy(error)
            located.args = (f"{where}: {what}.",)
            raise located from None

    def _next_page(self, pages: Iterator[bytes | bytearray]) -> bytes | bytearray | None:
        with self._tap.tally.waiting(Wait.PAGE):
            return next(pages, None)

    def details(self, error: TapError) -> list[str]:  # noqa: ARG002 - for streams with windows
        """Return what to add to the message of an error."""
        return []

    # RECORD messages

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Record, None, None]:
        """Write whole pages instead of single records, and STATE only between the stream's parts.

        The SDK's work per record, which takes four fifths of the time of a row, can't be avoided in a public way. Its
        bookmarks per record would be wrong, because rows are unordered within a part.
        """
        for pages in self._counted_parts():
            for rows in pages:
                self._write(rows)
                # Frees the page while the next one is awaited.
                del rows
        yield from ()

    def _write(self, rows: Sequence[msgspec.Struct]) -> None:
        if self.rows_are_unchanged():
            self._tap.message_writer.write_rows(self.name, rows)
        else:
            for message in self._record_messages(rows):
                self._tap.write_message(message)

    def rows_are_unchanged(self) -> bool:
        """Whether rows are written unchanged: all columns are selected, no stream map, no flattening."""
        (stream_map, *other_maps) = self.stream_maps
        return (
            self._selected_columns() == self.columns
            and type(stream_map) is SameRecordTransform
            and not other_maps
            and not stream_map.flattening_enabled
        )

    def _record_messages(self, rows: Sequence[msgspec.Struct]) -> Iterator[RecordMessage]:
        columns, extracted = self._selected_columns(), datetime.now(timezone.utc)
        for row in rows:
            record = {column: getattr(row, column) for column in columns}
            for stream_map in self.stream_maps:
                mapped = stream_map.transform(record)
                if mapped is not None:
                    check_key(self.name, mapped, stream_map.transformed_key_properties or ())
                    yield RecordMessage(stream_map.stream_alias, mapped, time_extracted=extracted)

    def _selected_columns(self) -> tuple[str, ...]:
        """Return the columns that the catalog selects and its schema contains."""
        properties, mask = self.effective_schema["properties"], self.mask
        return tuple(
            column for column in self.columns if column in properties and mask.get(("properties", column), True)
        )

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        """Not used: `_sync_records` writes whole pages."""
        raise NotImplementedError

    # BATCH messages

    @override
    def get_batches(
        self, batch_config: BatchConfig, context: Context | None = None
    ) -> Iterator[tuple[BaseBatchFileEncoding, list[str]]]:
        """Yield the batches of each part in turn, so that no STATE precedes the BATCH with its rows."""
        if len(self.stream_maps) > 1:
            message = f"{self.name}: batch_config can't be combined with stream_maps that split a stream."
            raise TapError(message)
        files = BatchFiles(batch_config, self.tap_name, self.name)
        whole_pages = files.take_pages and self.rows_are_unchanged()
        for pages in self._counted_parts():
            records = (message.record for rows in pages for message in self._record_messages(rows))
            for manifest in files.of_pages(pages) if whole_pages else files.of_records(records):
                yield batch_config.encoding, manifest

    # SDK features that this tap doesn't use

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        """Do nothing: there are no progress markers, and STATE has been written."""

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Return None: a bookmark is a window's end, which is never after today."""

    @property
    @override
    def emit_activate_version_messages(self) -> bool:
        """False: no table is ever replaced by a new version."""
        return False

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        # The SDK logs every exception as unhandled, including those whose message says what to do.
        if level < logging.ERROR or not isinstance(
            sys.exc_info()[1], (TapError, SingerSDKError, ModuleNotFoundError, OSError)
        ):
            super().log(message, *args, level=level, **kwargs)
