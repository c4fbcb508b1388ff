"""A bare script with requests and msgspec.

`python -m bench.bare_msgspec URL START END DAYS` writes a RECORD message per row, in windows of DAYS days.
"""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta, timezone
from functools import cache

import msgspec
import requests


class Activity(msgspec.Struct, rename="camel"):
    """One user's counters on one day."""

    calls_as_host: int | None = None
    calls_gave_feedback: int | None = None
    calls_requested_feedback: int | None = None
    calls_received_feedback: int | None = None
    own_calls_listened_to: int | None = None
    others_calls_listened_to: int | None = None
    calls_shared_internally: int | None = None
    calls_shared_externally: int | None = None
    calls_scorecards_filled: int | None = None
    calls_scorecards_received: int | None = None
    calls_attended: int | None = None
    calls_comments_given: int | None = None
    calls_comments_received: int | None = None
    calls_marked_as_feedback_given: int | None = None
    calls_marked_as_feedback_received: int | None = None
    from_date: str = ""
    to_date: str = ""


class User(msgspec.Struct, rename="camel"):
    """One user's days."""

    user_id: str
    user_email_address: str | None = None
    user_aggregate_activity: list[Activity] = []


class Records(msgspec.Struct):
    """The position of a page."""

    cursor: str | None = None


class Page(msgspec.Struct, rename="camel"):
    """One page."""

    records: Records
    users_aggregate_activity: list[User] = []


class Row(msgspec.Struct):
    """The row of a user and day."""

    user_id: str
    user_email_address: str | None
    aggregation_period: str
    period_start_date: str
    period_end_date: str
    period_start_at: str
    period_end_at: str
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


class Message(msgspec.Struct, tag_field="type", tag="RECORD"):
    """A RECORD message."""

    stream: str
    record: Row
    time_extracted: datetime


@cache
def to_utc(text: str) -> str:
    """Return a time in UTC."""
    return datetime.fromisoformat(text).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def main(url: str, start: date, end: date, days: int) -> None:
    """Write all rows of the range."""
    session = requests.Session()
    decoder, encoder = msgspec.json.Decoder(Page), msgspec.json.Encoder()
    write = sys.stdout.buffer.write
    while start < end:
        window_end = min(start + timedelta(days=days), end)
        body = {"aggregationPeriod": "DAY", "filter": {"fromDate": str(start), "toDate": str(window_end)}}
        cursor: str | None = ""
        while cursor is not None:
            response = session.post(url, json={**body, "cursor": cursor} if cursor else body, auth=("key", "secret"))
            response.raise_for_status()
            page = decoder.decode(response.content)
            now = datetime.now(timezone.utc)
            for user in page.users_aggregate_activity:
                for item in user.user_aggregate_activity:
                    row = Row(
                        user.user_id,
                        user.user_email_address,
                        "DAY",
                        item.from_date[:10],
                        item.to_date[:10],
                        to_utc(item.from_date),
                        to_utc(item.to_date),
                        True,  # noqa: FBT003 - the column is_complete, by position like the others
                        item.calls_as_host,
                        item.calls_gave_feedback,
                        item.calls_requested_feedback,
                        item.calls_received_feedback,
                        item.own_calls_listened_to,
                        item.others_calls_listened_to,
                        item.calls_shared_internally,
                        item.calls_shared_externally,
                        item.calls_scorecards_filled,
                        item.calls_scorecards_received,
                        item.calls_attended,
                        item.calls_comments_given,
                        item.calls_comments_received,
                        item.calls_marked_as_feedback_given,
                        item.calls_marked_as_feedback_received,
                    )
                    write(encoder.encode(Message("activity_by_day", row, now)) + b"\n")
            cursor = page.records.cursor
        start = window_end


if __name__ == "__main__":
    main(sys.argv[1], date.fromisoformat(sys.argv[2]), date.fromisoformat(sys.argv[3]), int(sys.argv[4]))
