"""The activity streams: a date range read window by window; the bookmark moves after each."""

from __future__ import annotations

import sys
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from singer_sdk import StreamSchema

from tap_gong_activity.base.errors import GongError
from tap_gong_activity.extract.activity_rows import COLUMNS, Row, RowReader
from tap_gong_activity.extract.plan import Plan, Written, plan_windows
from tap_gong_activity.extract.prefetch import ReadAhead
from tap_gong_activity.extract.windows import Window, newest_period
from tap_gong_activity.gong.endpoints import UserFilter, activity_request
from tap_gong_activity.singer.progress import Progress
from tap_gong_activity.singer.schemas import SCHEMAS
from tap_gong_activity.singer.state import REPLICATION_KEY, set_written, written_of
from tap_gong_activity.streams.stream import GongStream

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_gong_activity.base.errors import TapError
    from tap_gong_activity.extract.periods import Grain
    from tap_gong_activity.gong.endpoints import PagedRequest
    from tap_gong_activity.settings import Settings


def window_request(settings: Settings, window: Window) -> PagedRequest:
    """Return the request for a window's activity."""
    return activity_request(
        window.grain.value,
        window.start,
        window.end,
        periods=len(window.periods()),
        users=UserFilter(settings.user_ids, settings.users_created_from, settings.users_created_to),
        name=f"activity_by_{window.grain.value.lower()}, {window}",
    )


class ActivityStream(GongStream):
    """A stream of activity per user and period of one grain."""

    grain: ClassVar[Grain]

    columns = COLUMNS
    schema = StreamSchema(SCHEMAS, key="activity")
    primary_keys = ("user_id", "period_start_date")
    replication_key = REPLICATION_KEY

    _parallel = 1
    _has_written_window = False

    @override
    def parts(self) -> Iterator[Iterator[list[Row]]]:
        tap, plan = self._tap, self._plan()
        reader = RowReader(tap.settings.company_timezone, warn=self._warn_once, redact=tap.client.redact)
        with Progress(self.name, len(plan.windows), tally=tap.tally, clock=tap.clock, log=self.logger.info) as progress:
            self._parallel = min(tap.settings.max_parallel_windows, len(plan.windows))
            for window, pages in self._fetched(plan.windows):
                rows_before = tap.tally.rows
                yield self._rows(partial(reader.rows, window), pages, str(window))
                self._move_bookmark(plan, window)
                self._has_written_window = True
                progress.window_done(window, tap.tally.rows - rows_before)

    @override
    def details(self, error: TapError) -> list[str]:
        written = self._written
        parts = [f"last bookmark: {written.bookmark}" if written else "no state yet"]
        is_quota = isinstance(error, GongError) and error.status == HTTPStatus.TOO_MANY_REQUESTS
        if is_quota and not self._has_written_window and self._parallel > 1:
            # Several windows have shared what was left of the quota, and none is complete.
            parts.append("if no run gets past it, set max_parallel_windows to 1")
        return parts

    def _warn_once(self, kind: str, sentence: str) -> None:
        self._tap.warn_once(kind, f"{self.name}, {sentence}")

    def _fetched(self, windows: list[Window]) -> Iterable[tuple[Window, Iterator[bytes | bytearray]]]:
        if self.is_test:
            return ((window, islice(self._read(window), 1)) for window in windows)
        if self._parallel > 1:
            return ReadAhead(windows, self._read, run=self._tap.clock.cancellation, parallel=self._parallel)
        return ((window, self._read(window)) for window in windows)

    def _read(self, window: Window) -> Iterator[bytes | bytearray]:
        return self._tap.page_reader.read(window_request(self._tap.settings, window))

    # The plan and the state

    def _plan(self) -> Plan:
        settings, today = self._tap.settings, self._tap.today
        written = self._written
        plan = plan_windows(
            self.grain,
            start_date=settings.start_date,
            end_date=settings.end_date,
            today=today,
            lookback_days=settings.lookback_days,
            periods_per_window=settings.periods_per_window,
            include_open_period=settings.include_open_period,
            written=written,
        )
        if self.is_test:
            # The first page of the newest window is enough to see whether Gong responds.
            newest = max(plan.windows, key=lambda window: window.end, default=newest_period(self.grain, today))
            return Plan(start=newest.start, windows=[newest], is_history_blocked=False)
        if plan.is_history_blocked and written:
            self.logger.warning(
                "%s: the history before %s isn't extended to start_date, because end_date (%s) isn't after it: "
                "remove end_date or set a later one to read from %s.",
                self.name,
                written.history_start,
                settings.end_date,
                settings.start_date,
            )
        if written and written.bookmark > today:
            self.logger.warning(
                "The bookmark of %s (%s) is after the company's current date (%s), so nothing new is read until then; "
                "if it was edited by mistake, correct it in the state.",
                self.name,
                written.bookmark,
                today,
            )
        elif not plan.windows and settings.start_date > today:
            self.logger.warning(
                "%s: nothing to read, because start_date (%s) is after the company's current date (%s).",
                self.name,
                settings.start_date,
                today,
            )
        elif not plan.windows:
            self.logger.info(
                "%s: nothing to read, because no %s from %s on has ended by %s.",
                self.name,
                self.grain.value,
                plan.start,
                "end_date" if settings.end_date and settings.end_date < today else "today",
            )
        if missing := plan.missing:
            self.logger.info(
                "%s: start_date was moved back, so the history from %s to %s is read after the new days.",
                self.name,
                missing[-1].start,
                missing[0].end,
            )
        return plan

    @property
    def _written(self) -> Written | None:
        """The days that have been written, according to the state."""
        entry = self.tap_state.get("bookmarks", {}).get(self.name, {})
        start = self.grain.period_start(self._tap.settings.start_date)
        return written_of(self.name, entry, history_start=start) if self.has_bookmark else None

    @override
    def complete_state(self) -> None:
        if self.name in self.tap_state.get("bookmarks", {}):
            set_written(self.stream_state, self._written)

    def _move_bookmark(self, plan: Plan, window: Window) -> None:
        """Record that a window has been written, and write a STATE message."""
        if self.has_bookmark and not self.is_test:
            set_written(self.stream_state, plan.after(window, self._written))
            self.write_state()
