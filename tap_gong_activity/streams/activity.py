"""What all streams do: go from windows to rows, write them, and keep the bookmark."""

from __future__ import annotations

import logging
import sys
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from singer_sdk import Stream, StreamSchema
from singer_sdk.batch import Batcher
from singer_sdk.exceptions import SingerSDKError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from tap_gong_activity.base.errors import TapError
from tap_gong_activity.base.stats import Wait
from tap_gong_activity.extract.activity_rows import COLUMNS, Row, RowReader
from tap_gong_activity.extract.prefetch import ReadAhead
from tap_gong_activity.extract.windows import Window, cut_into_windows, first_day, newest_period
from tap_gong_activity.gong.endpoints import UserFilter, activity_request
from tap_gong_activity.gong.paging import read_pages
from tap_gong_activity.singer.progress import Progress
from tap_gong_activity.singer.schemas import SCHEMAS
from tap_gong_activity.singer.state import REPLICATION_KEY, bookmark_of

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from datetime import date

    from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.metrics import Counter

    from tap_gong_activity.extract.periods import Grain
    from tap_gong_activity.gong.endpoints import PagedRequest
    from tap_gong_activity.settings import Settings
    from tap_gong_activity.streams.run import Run


def window_request(settings: Settings, window: Window) -> PagedRequest:
    """The request for a window's activity."""
    return activity_request(
        window.grain.value,
        window.start,
        window.end,
        periods=len(window.periods()),
        users=UserFilter(settings.user_ids, settings.users_created_from, settings.users_created_to),
    )


class ActivityStream(Stream):
    """Activity of each user in each period of one grain."""

    grain: ClassVar[Grain]

    schema = StreamSchema(SCHEMAS, key="activity")
    primary_keys = ("user_id", "period_start_date")
    replication_key = REPLICATION_KEY

    # The SDK would write STATE between rows too, which it may not: within a window rows come in no order.
    STATE_MSG_FREQUENCY = sys.maxsize

    # Rows are built to their schema; only columns that a catalog's schema lacks have to go.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.ROOT_ONLY

    _tap: Run  # type: ignore[assignment] # the tap, which is the run

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        # The SDK announces every exception as an unhandled error, also the one whose sentence says what to do.
        if level < logging.ERROR or not isinstance(
            sys.exc_info()[1], (TapError, SingerSDKError, ModuleNotFoundError, OSError)
        ):
            super().log(message, *args, level=level, **kwargs)

    @property
    @override
    def emit_activate_version_messages(self) -> bool:
        """No: no table is ever written anew as a version."""
        return False

    @property
    @override
    def partitions(self) -> None:
        """There are none, whatever a state says."""

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """There is none: a bookmark is a window's end, which never lies ahead of today."""

    @override
    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
        """Leave the bookmark alone, as one row says nothing of those that come after it in the same window.

        The SDK has no public way to tell it so: a sorted stream's bookmark moves with each row, which loses the rest of
        an interrupted window; an unsorted one's can't be resumed from.
        """

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        for window, pages in self._windows_and_rows():
            for rows in pages:
                for row in rows:
                    yield _as_record(row)
            # Here, as what stands after a `yield` runs only once that row has been written.
            self._set_bookmark(window)

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Record, None, None]:
        """Write whole pages where nothing would be done to a single row.

        The SDK has no way around its work for each record, which takes four fifths of the time that a row needs where
        no column is deselected and no stream map and no flattening is on. The messages are the same.
        """
        if not (write_messages and self._rows_go_out_as_they_are()):
            yield from super()._sync_records(context, write_messages=write_messages)
            return
        with self.get_record_counter() as counter, self.get_sync_timer():
            for window, pages in self._windows_and_rows():
                # Not in a loop, whose variable would keep a page's rows while the next page comes in.
                for written in map(self._write_rows, pages):
                    counter.increment(written)
                self._set_bookmark(window)

    def _write_rows(self, rows: list[Row]) -> int:
        self._tap.message_writer.write_rows(self.name, rows)
        return len(rows)

    def _rows_go_out_as_they_are(self) -> bool:
        (stream_map, *other_maps) = self.stream_maps
        return (
            self.selected
            and all(self.mask.get(("properties", column), True) for column in COLUMNS)
            and set(COLUMNS) <= self.effective_schema["properties"].keys()
            and type(stream_map) is SameRecordTransform
            and not other_maps
            and not stream_map.flattening_enabled
            and self.ABORT_AT_RECORD_COUNT is None
        )

    @override
    def get_batches(
        self, batch_config: BatchConfig, context: Context | None = None
    ) -> Iterator[tuple[BaseBatchFileEncoding, list[str]]]:
        """Batches of one window after another, as no STATE may go out before the BATCH that holds its rows.

        They hold what RECORD messages would: without deselected columns, and through the stream map.
        """
        if len(self.stream_maps) > 1:
            message = f"{self.name}: batch_config can't be combined with stream_maps that make several streams of one."
            raise TapError(message)
        batcher = Batcher(tap_name=self.tap_name, stream_name=self.name, batch_config=batch_config)
        with self.get_record_counter() as counter, self.get_sync_timer():
            for window, pages in self._windows_and_rows():
                records = (
                    message.record
                    for rows in pages
                    for row in rows
                    for message in self._generate_record_messages(_as_record(row))
                )
                for manifest in batcher.get_batches(_counted(records, counter)):
                    yield batch_config.encoding, manifest
                # After the `yield`, so after the window's last BATCH.
                self._set_bookmark(window)

    def _windows_and_rows(self) -> Iterator[tuple[Window, Iterator[list[Row]]]]:
        """Each window to read and its rows, page by page, which must be taken to their end before the next window."""
        tap, windows = self._tap, self._windows_to_read()
        reader = RowReader(tap.settings.company_timezone, tap.warn_once)
        with Progress(self.name, len(windows), tally=tap.tally, clock=tap.clock, log=self.logger.info) as progress:
            for window, pages in self._windows_and_pages(windows):
                rows_before = tap.tally.rows
                yield window, self._rows(reader, window, pages)
                progress.window_done(window, tap.tally.rows - rows_before)

    def _rows(self, reader: RowReader, window: Window, pages: Iterator[bytes | bytearray]) -> Iterator[list[Row]]:
        try:
            yield from map(self._tallied, reader.rows(window, iter(partial(self._next_page, pages), None)))
        except TapError as error:
            bookmark = self._bookmark()
            stands = f"the state stands at {bookmark}" if bookmark else "no state has been written for this stream yet"
            message = f"{self.name}, {window}: {str(error).rstrip('.')}; {stands}."
            raise TapError(message) from None

    def _next_page(self, pages: Iterator[bytes | bytearray]) -> bytes | bytearray | None:
        with self._tap.tally.waiting(Wait.PAGE):
            return next(pages, None)

    def _tallied(self, rows: list[Row]) -> list[Row]:
        self._tap.tally.add(rows=len(rows))
        return rows

    def _windows_and_pages(self, windows: list[Window]) -> Iterable[tuple[Window, Iterator[bytes | bytearray]]]:
        if self.ABORT_AT_RECORD_COUNT is not None:
            return ((window, islice(self._read(window), 1)) for window in windows)
        parallel = min(self._tap.settings.max_parallel_windows, len(windows))
        if parallel > 1:
            return ReadAhead(windows, self._read, run=self._tap.clock.cancellation, parallel=parallel)
        return ((window, self._read(window)) for window in windows)

    def _read(self, window: Window) -> Iterator[bytes | bytearray]:
        tap = self._tap
        return read_pages(tap.client, window_request(tap.settings, window), warn=tap.warn_once)

    def _windows_to_read(self) -> list[Window]:
        settings, today = self._tap.settings, self._tap.today
        end = min(settings.end_date or today, today)
        bookmark = self._bookmark()
        start = first_day(self.grain, settings.start_date, bookmark, settings.lookback_days)
        windows = cut_into_windows(
            self.grain,
            start,
            end,
            periods_per_window=settings.periods_per_window,
            # Once it has been written whole, a period that end_date cuts must not replace it.
            include_open_period=settings.include_open_period
            and (bookmark is None or bookmark <= self.grain.period_start(end)),
        )
        if self.ABORT_AT_RECORD_COUNT is not None:
            # A test wants to know whether Gong answers, for which the newest window's first page is enough.
            return windows[-1:] or [newest_period(self.grain, today)]
        if bookmark is not None and bookmark > today:
            self.logger.warning(
                "The bookmark of %s (%s) lies after the company's today (%s): nothing new is read until then, so if "
                "it was edited by mistake, correct it in the state.",
                self.name,
                bookmark,
                today,
            )
        elif not windows:
            self.logger.info("%s: nothing to read, as no %s from %s has ended.", self.name, self.grain.value, start)
        return windows

    def _bookmark(self) -> date | None:
        if self.replication_method == REPLICATION_FULL_TABLE:
            return None
        return bookmark_of(self.name, self.stream_state)

    def _set_bookmark(self, window: Window) -> None:
        """Move the bookmark to the end of a window that has been written, and write STATE."""
        if self.replication_method == REPLICATION_FULL_TABLE or self.ABORT_AT_RECORD_COUNT is not None:
            return
        reached = window.end if window.is_complete else window.start
        bookmark = self._bookmark()
        state = self.stream_state
        state["replication_key"] = REPLICATION_KEY
        state["replication_key_value"] = str(max(reached, bookmark) if bookmark else reached)
        self.finalize_state_progress_markers(state)


def _as_record(row: Row) -> Record:
    return msgspec.structs.asdict(row)


def _counted(records: Iterable[Record], counter: Counter) -> Iterator[Record]:
    for record in records:
        counter.increment()
        yield record
