"""Rows of activity: pages flattened to one row per user and period, with the columns in `schemas/activity.json`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from tap_gong_activity.base.errors import UnexpectedResponseError
from tap_gong_activity.extract.instants import in_utc, read_instant
from tap_gong_activity.gong.models import activity_decoder, describe_unknown_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from tap_gong_activity.extract.windows import Window
    from tap_gong_activity.gong.models import PeriodActivity


class Row(msgspec.Struct, gc=False):
    """A row; the fields are the columns in order.

    Dates are in the company's time zone (YYYY-MM-DD); instants are UTC and end in `Z`.
    """

    user_id: str
    user_email_address: str | None
    aggregation_period: str
    period_start_date: str
    period_end_date: str
    period_start_at: str | None
    period_end_at: str | None
    is_complete: bool
    calls_as_host: int | None
    calls_gave_feedback: int | None
    calls_requested_feedback: int | None
    calls_received_feedback: int | None
    own_calls_listened_to: int | None
    others_calls_listened_to: int | None
    calls_shared_internally: int | None
    calls_shared_externally: int | None
    calls_scorecards_filled: int | None
    calls_scorecards_received: int | None
    calls_attended: int | None
    calls_comments_given: int | None
    calls_comments_received: int | None
    calls_marked_as_feedback_given: int | None
    calls_marked_as_feedback_received: int | None


COLUMNS = Row.__struct_fields__
"""The columns of a row, in order."""


@dataclass(frozen=True, slots=True)
class _Period:
    """The columns that all users share in a period."""

    start_date: str
    end_date: str
    start_at: str | None
    end_at: str | None


class RowReader:
    """Converts pages of activity to rows.

    Args:
        zone: The company's time zone, if known.
        warn: Called with the kind and the text of a warning, which starts with the window; logs each kind once.
        redact: Makes foreign text safe for messages.
    """

    def __init__(
        self, zone: ZoneInfo | None, *, warn: Callable[[str, str], None], redact: Callable[[str], str]
    ) -> None:
        self._zone = zone
        self._warn = warn
        self._redact = redact
        self._decoder = activity_decoder()

    def rows(self, window: Window, pages: Iterator[bytes | bytearray]) -> Iterator[list[Row]]:
        """Yield the rows of each page of a window as a list.

        Raises:
            UnexpectedResponseError: If an item has no user, or its dates aren't a period of the window.
        """
        dates = set(window.periods().items())
        # All users of a window have the same periods, so each pair of dates is parsed once.
        parsed: dict[tuple[str | None, str | None], _Period] = {}
        return map(partial(self._rows_of_page, window, dates, parsed), pages)

    def _rows_of_page(
        self,
        window: Window,
        dates: set[tuple[date, date]],
        parsed: dict[tuple[str | None, str | None], _Period],
        body: bytes | bytearray,
    ) -> list[Row]:
        grain, is_complete = window.grain.value, window.is_complete
        page, unknown_fields = self._decoder.decode(body)
        if unknown_fields:
            self._warn("unknown fields", f"{window}: {describe_unknown_fields(unknown_fields, self._redact)}")
        rows = []
        for user in page.users_aggregate_activity or ():
            items = user.user_aggregate_activity or ()
            if not user.user_id:
                if items:
                    message = "Gong returned a user without userId"
                    raise UnexpectedResponseError(message)
                continue
            periods = len({item.from_date for item in items})
            if periods < len(dates):
                self._warn(
                    "missing periods",
                    f"{window}: Gong returned only {periods} of {len(dates)} periods for user "
                    f"{self._redact(user.user_id)}; continuing with those.",
                )
            for item in items:
                texts = item.from_date, item.to_date
                period = parsed.get(texts)
                if period is None:
                    period = parsed[texts] = self._parse_period(item, window, dates)
                rows.append(
                    Row(
                        user.user_id,
                        user.user_email_address,
                        grain,
                        period.start_date,
                        period.end_date,
                        period.start_at,
                        period.end_at,
                        is_complete,
                        *msgspec.structs.astuple(item)[:-2],
                    )
                )
        return rows

    def _parse_period(self, item: PeriodActivity, window: Window, dates: set[tuple[date, date]]) -> _Period:
        start_text, end_text = item.from_date, item.to_date
        if not start_text or not end_text:
            message = f"Gong returned a period without {'toDate' if start_text else 'fromDate'}"
            raise UnexpectedResponseError(message)
        start_at, end_at = read_instant(start_text), read_instant(end_text)
        for name, text, instant in (("fromDate", start_text, start_at), ("toDate", end_text, end_at)):
            if instant is None:
                self._warn(
                    "instant",
                    f"{window}: Gong's {name} {self._shown(text)} isn't a valid time; its date is used, its instant is "
                    "null.",
                )
            elif self._zone and instant.utcoffset() != instant.astimezone(self._zone).utcoffset():
                self._warn(
                    "offset",
                    f"{window}: Gong's {name} {self._shown(text)} has a different offset than {self._zone.key}: check "
                    "that company_timezone is the company's time zone in Gong.",
                )
        start: date | None = self._date(start_text, "fromDate")
        end: date | None = self._date(end_text, "toDate")
        if (start, end) not in dates or _may_be_the_day_before(start_at) or _may_be_the_day_before(end_at):
            start, end = self._in_company_zone(start_at, end_at)
        if (start, end) not in dates:
            message = (
                f"Gong returned a period from {self._shown(start_text)} to {self._shown(end_text)}, which doesn't "
                f"match any {window.grain.value} in the requested range: set company_timezone to the company's time "
                "zone in Gong"
            )
            raise UnexpectedResponseError(message)
        return _Period(str(start), str(end), in_utc(start_at), in_utc(end_at))

    def _date(self, text: str, name: str) -> date:
        # Gong's own example of toDate is malformed after its date (2019-01-21T000:00:00-08:00).
        try:
            return msgspec.convert(text[:10], date)
        except msgspec.ValidationError:
            message = f"Gong returned a period whose {name} isn't a date: {self._shown(text)}"
            raise UnexpectedResponseError(message) from None

    def _shown(self, text: str) -> str:
        return repr(self._redact(text)[:40])

    def _in_company_zone(self, *instants: datetime | None) -> list[date | None]:
        return [instant.astimezone(self._zone).date() if instant and self._zone else None for instant in instants]


EARLIEST_MIDNIGHT_IN_UTC = time(10)
"""Time in UTC when a date first begins anywhere (UTC+14): 10:00 on the day before."""


def _may_be_the_day_before(instant: datetime | None) -> bool:
    # East of UTC, a company's midnight in UTC is on the day before (18:30 for Kolkata). Where clocks skip midnight, the
    # company's day begins at 01:00, which is well before 10:00.
    return instant is not None and instant.time() >= EARLIEST_MIDNIGHT_IN_UTC
