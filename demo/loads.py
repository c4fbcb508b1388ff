"""Loads: what a run requested from the sandbox, and what it loaded."""

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
    """One stream's load in one run.

    Attributes:
        stream: Name of the stream.
        requests: Number of requests.
        first_day: Earliest requested day.
        end: Latest requested end date (exclusive).
        rows_sent: Number of rows in the sandbox's responses.
        rows_loaded: Number of rows in the loaded files.
    """

    stream: str
    requests: int
    first_day: str
    end: str
    rows_sent: int
    rows_loaded: int


def read_rows(files: Iterable[Path]) -> dict[str, list[Row]]:
    """Return the rows of loaded files by stream, oldest file first."""
    rows: dict[str, list[Row]] = {}
    for path in sorted(files):
        with path.open(encoding="utf-8", newline="") as file:
            rows.setdefault(path.name.partition("-")[0], []).extend(csv.DictReader(file))
    return rows


def compare(requests: Iterable[RequestRecord], loaded: Mapping[str, list[Row]]) -> list[Load]:
    """Compare rows sent and rows loaded, for each stream with either."""
    requested: dict[str, list[RequestRecord]] = {}
    for request in requests:
        requested.setdefault(f"activity_by_{request.body['aggregationPeriod'].lower()}", []).append(request)
    return [
        Load(
            stream,
            requests=len(requested.get(stream, [])),
            first_day=min((request.body["filter"]["fromDate"] for request in requested.get(stream, [])), default=""),
            end=max((request.body["filter"]["toDate"] for request in requested.get(stream, [])), default=""),
            rows_sent=sum(request.items for request in requested.get(stream, [])),
            rows_loaded=len(loaded.get(stream, [])),
        )
        for stream in sorted({*requested, *loaded})
    ]


def deduplicate(rows: Iterable[Row]) -> list[Row]:
    """Return the latest row of each key, as an upsert would keep it."""
    return list({(row["user_id"], row["period_start_date"]): row for row in rows}.values())


def busiest_hosts(rows: Iterable[Row], month: str) -> list[tuple[str, Counter[str]]]:
    """Return each user's total counters in a month (YYYY-MM), most calls hosted first."""
    totals: dict[str, Counter[str]] = {}
    for row in rows:
        if row["period_start_date"].startswith(month):
            counters = {name: int(value or 0) for name, value in row.items() if "calls_" in name}
            totals.setdefault(row["user_email_address"] or row["user_id"], Counter()).update(counters)
    return sorted(totals.items(), key=lambda host: (-host[1]["calls_as_host"], host[0]))
