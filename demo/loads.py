"""What one run has asked of the sandbox, and what it has loaded."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from gong_sandbox import RequestRecord

Row = dict[str, str]


@dataclass(frozen=True)
class Load:
    """One run's part in one stream.

    Attributes:
        stream: The stream's name.
        requests: How many requests it took.
        first_day: The earliest day that was asked for.
        end: The latest exclusive end of what was asked for.
        rows_sent: How many rows the sandbox's answers held.
        rows_loaded: How many rows are in the files.
    """

    stream: str
    requests: int
    first_day: str
    end: str
    rows_sent: int
    rows_loaded: int


def read_rows(files: Iterable[Path]) -> dict[str, list[Row]]:
    """Read loaded files, named after their streams; later files come later."""
    rows: dict[str, list[Row]] = {}
    for path in sorted(files):
        with path.open(encoding="utf-8", newline="") as file:
            rows.setdefault(path.name.partition("-")[0], []).extend(csv.DictReader(file))
    return rows


def compare(requests: Iterable[RequestRecord], loaded: Mapping[str, list[Row]]) -> list[Load]:
    """Put what was sent beside what was loaded, for each stream that took part in either."""
    asked: dict[str, list[RequestRecord]] = {}
    for request in requests:
        asked.setdefault(f"activity_by_{request.body['aggregationPeriod'].lower()}", []).append(request)
    return [
        Load(
            stream,
            requests=len(asked.get(stream, [])),
            first_day=min((request.body["filter"]["fromDate"] for request in asked.get(stream, [])), default=""),
            end=max((request.body["filter"]["toDate"] for request in asked.get(stream, [])), default=""),
            rows_sent=sum(request.items for request in asked.get(stream, [])),
            rows_loaded=len(loaded.get(stream, [])),
        )
        for stream in sorted({*asked, *loaded})
    ]


def newest(rows: Iterable[Row]) -> list[Row]:
    """Give one row for each key: the one that was loaded last, as a table of a warehouse would hold it."""
    return list({(row["user_id"], row["period_start_date"]): row for row in rows}.values())


def busiest_hosts(rows: Iterable[Row], month: str) -> list[tuple[str, Counter[str]]]:
    """Add up the counters of each user over the days of a month (YYYY-MM), most calls hosted first."""
    totals: dict[str, Counter[str]] = {}
    for row in rows:
        if row["period_start_date"].startswith(month):
            counters = {name: int(value or 0) for name, value in row.items() if "calls_" in name}
            totals.setdefault(row["user_email_address"] or row["user_id"], Counter()).update(counters)
    return sorted(totals.items(), key=lambda host: (-host[1]["calls_as_host"], host[0]))
