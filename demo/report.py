"""The tables that the demo prints."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from loads import busiest_hosts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loads import Load, Row

MAX_HOSTS = 10
COUNTERS = {
    "calls_as_host": "hosted",
    "calls_attended": "attended",
    "calls_received_feedback": "feedback on",
    "calls_comments_received": "comments on",
}


def print_loads(loads: Iterable[Load]) -> None:
    """Print a line per stream: days requested, requests, rows sent and rows loaded."""
    print(f"  {'stream':<18}{'days (end exclusive)':<26}{'requests':>8}{'rows sent':>13}{'rows loaded':>13}")
    for load in loads:
        days = f"{load.first_day} to {load.end}"
        print(f"  {load.stream:<18}{days:<26}{load.requests:>8,}{load.rows_sent:>13,}{load.rows_loaded:>13,}")


def print_busiest_hosts(days: Sequence[Row]) -> None:
    """Print the users who hosted the most calls in the last complete month."""
    last_end = date.fromisoformat(max(row["period_end_date"] for row in days))
    month = f"{last_end.replace(day=1) - timedelta(days=1):%Y-%m}"
    print(f"Busiest hosts of {month}, in calls:")
    print(f"  {'':<36}" + "".join(f"{label:>13}" for label in COUNTERS.values()))
    for user, counters in busiest_hosts(days, month)[:MAX_HOSTS]:
        print(f"  {user:<36}" + "".join(f"{counters[name]:>13,}" for name in COUNTERS))
