"""A bare script: requests, json and print.

`python -m bench.bare_json URL START END DAYS` writes a RECORD for each row of windows of so many days.
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
def in_utc(text: str) -> str:
    """The same instant in UTC."""
    return datetime.fromisoformat(text).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def in_snake_case(name: str) -> str:
    """The column that holds a counter."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def row_of(user: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    """What is written of one user and day."""
    start, end = item.pop("fromDate"), item.pop("toDate")
    return {
        "user_id": user["userId"],
        "user_email_address": user["userEmailAddress"],
        "aggregation_period": "DAY",
        "period_start_date": start[:10],
        "period_end_date": end[:10],
        "period_start_at": in_utc(start),
        "period_end_at": in_utc(end),
        "is_complete": True,
        **{in_snake_case(name): value for name, value in item.items()},
    }


def main(url: str, start: date, end: date, days: int) -> None:
    """Write every row of the range."""
    session = requests.Session()
    while start < end:
        following = min(start + timedelta(days=days), end)
        body = {"aggregationPeriod": "DAY", "filter": {"fromDate": str(start), "toDate": str(following)}}
        cursor: str | None = ""
        while cursor is not None:
            response = session.post(url, json={**body, "cursor": cursor} if cursor else body, auth=("key", "secret"))
            response.raise_for_status()
            answer = json.loads(response.content)
            now = datetime.now(timezone.utc).isoformat()
            for user in answer["usersAggregateActivity"]:
                for item in user["userAggregateActivity"]:
                    record = row_of(user, item)
                    message = {"type": "RECORD", "stream": "activity_by_day", "record": record, "time_extracted": now}
                    print(json.dumps(message))
            cursor = answer["records"].get("cursor")
        start = following


if __name__ == "__main__":
    main(sys.argv[1], date.fromisoformat(sys.argv[2]), date.fromisoformat(sys.argv[3]), int(sys.argv[4]))
