"""Gong's pages flattened into rows: one for each user and period, always with the same columns.

The columns' types and meanings stand in `schemas/`.
"""

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
    """A row, its fields the columns in their order.

    Dates are the company's own (YYYY-MM-DD); instants are UTC and end in `Z`.
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
"""A row's columns, in order."""


@dataclass(frozen=True, slots=True)
class _Period:
    """The columns that are the same for every user of a period."""

    start_date: str
    end_date: str
    start_at: str | None
    end_at: str | None


class RowReader:
    """Reads rows out of the pages of one window after another.

    Args:
        zone: The company's time zone, if it is known.
        warn: Takes a warning's kind and its sentence; called for each occurrence, so it should let each kind pass once.
        redact: Makes foreign text fit for a message.
    """

    def __init__(
        self, zone: ZoneInfo | None, *, warn: Callable[[str, str], None], redact: Callable[[str], str]
    ) -> None:
        self._zone = zone
        self._warn = warn
        self._redact = redact
        self._decoder = activity_decoder()

    def rows(self, window: Window, pages: Iterator[bytes | bytearray]) -> Iterator[list[Row]]:
        """The rows of a window, a list for each of its pages.

        Raises:
            UnexpectedResponseError: If an item has no user, or no dates that are a period of the window.
        """
        dates = set(window.periods().items())
        # Every user of a window has the same periods, so each pair of Gong's texts is understood once.
        understood: dict[tuple[str | None, str | None], _Period] = {}
        return map(partial(self._rows_of_page, window, dates, understood), pages)

    def _rows_of_page(
        self,
        window: Window,
        dates: set[tuple[date, date]],
        understood: dict[tuple[str | None, str | None], _Period],
        body: bytes | bytearray,
    ) -> list[Row]:
        grain, is_complete = window.grain.value, window.is_complete
        page, unknown_fields = self._decoder.decode(body)
        if unknown_fields:
            self._warn("unknown fields", describe_unknown_fields(unknown_fields, self._redact))
        rows = []
        for user in page.users_aggregate_activity or ():
            items = user.user_aggregate_activity or ()
            if not user.user_id:
                if items:
                    message = "Gong answered a user without userId"
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
                period = understood.get(texts)
                if period is None:
                    period = understood[texts] = self._understand(item, window, dates)
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

    def _understand(self, item: PeriodActivity, window: Window, dates: set[tuple[date, date]]) -> _Period:
        start_text, end_text = item.from_date, item.to_date
        if not start_text or not end_text:
            message = f"Gong answered a period without {'toDate' if start_text else 'fromDate'}"
            raise UnexpectedResponseError(message)
        start_at, end_at = read_instant(start_text), read_instant(end_text)
        for name, text, instant in (("fromDate", start_text, start_at), ("toDate", end_text, end_at)):
            if instant is None:
                self._warn(
                    "instant",
                    f"Gong's {name} {self._shown(text)} is no valid time, so its instant stays null; the date is read.",
                )
            elif self._zone and instant.utcoffset() != instant.astimezone(self._zone).utcoffset():
                self._warn(
                    "offset",
                    f"Gong's {name} {self._shown(text)} has another offset than {self._zone.key}, so the setting "
                    "company_timezone may not be the company's own time zone.",
                )
        start: date | None = self._date(start_text, "fromDate")
        end: date | None = self._date(end_text, "toDate")
        if (start, end) not in dates or _may_be_the_day_before(start_at) or _may_be_the_day_before(end_at):
            start, end = self._in_company_zone(start_at, end_at)
        if (start, end) not in dates:
            message = (
                f"Gong answered a period from {self._shown(start_text)} to {self._shown(end_text)}, which is no "
                f"{window.grain.value} of the dates that were asked for: set company_timezone to the time zone that "
                "the company has in Gong"
            )
            raise UnexpectedResponseError(message)
        return _Period(str(start), str(end), in_utc(start_at), in_utc(end_at))

    def _date(self, text: str, name: str) -> date:
        # Gong's own example of toDate is malformed after its date (2019-01-21T000:00:00-08:00).
        try:
            return msgspec.convert(text[:10], date)
        except msgspec.ValidationError:
            message = f"Gong answered a period whose {name} is no date: {self._shown(text)}"
            raise UnexpectedResponseError(message) from None

    def _shown(self, text: str) -> str:
        return repr(self._redact(text)[:40])

    def _in_company_zone(self, *instants: datetime | None) -> list[date | None]:
        return [instant.astimezone(self._zone).date() if instant and self._zone else None for instant in instants]


EARLIEST_MIDNIGHT_IN_UTC = time(10)
"""When a date begins first on Earth (UTC+14): 10:00 of the day before, in UTC."""


def _may_be_the_day_before(instant: datetime | None) -> bool:
    # A company's midnight, told in UTC, falls on the day before for every company east of it (18:30 for Kolkata). Where
    # the company's clocks skip midnight, its day begins at 01:00, which is well before any of these.
    return instant is not None and instant.time() >= EARLIEST_MIDNIGHT_IN_UTC
