"""A bare script with requests, json and print.

`python -m bench.bare_json URL START END DAYS` writes a RECORD message per row, in windows of DAYS days.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import date, datetime, timedelta, timezone
from functools import cache
from typing import Any

import requests


@cache
def to_utc(text: str) -> str:
    """Return a time in UTC."""
    return datetime.fromisoformat(text).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def to_snake_case(name: str) -> str:
    """Return the column name of a counter."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def to_row(user: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a user and day."""
    start, end = item.pop("fromDate"), item.pop("toDate")
    return {
        "user_id": user["userId"],
        "user_email_address": user["userEmailAddress"],
        "aggregation_period": "DAY",
        "period_start_date": start[:10],
        "period_end_date": end[:10],
        "period_start_at": to_utc(start),
        "period_end_at": to_utc(end),
        "is_complete": True,
        **{to_snake_case(name): value for name, value in item.items()},
    }


def main(url: str, start: date, end: date, days: int) -> None:
    """Write all rows of the range."""
    session = requests.Session()
    while start < end:
        window_end = min(start + timedelta(days=days), end)
        body = {"aggregationPeriod": "DAY", "filter": {"fromDate": str(start), "toDate": str(window_end)}}
        cursor: str | None = ""
        while cursor is not None:
            response = session.post(url, json={**body, "cursor": cursor} if cursor else body, auth=("key", "secret"))
            response.raise_for_status()
            page = json.loads(response.content)
            now = datetime.now(timezone.utc).isoformat()
            for user in page["usersAggregateActivity"]:
                for item in user["userAggregateActivity"]:
                    record = to_row(user, item)
                    message = {"type": "RECORD", "stream": "activity_by_day", "record": record, "time_extracted": now}
                    print(json.dumps(message))
            cursor = page["records"].get("cursor")
        start = window_end


if __name__ == "__main__":
    main(sys.argv[1], date.fromisoformat(sys.argv[2]), date.fromisoformat(sys.argv[3]), int(sys.argv[4]))
