"""`examples/sql/reconcile.sql` finds inconsistencies between tables, in DuckDB and PostgreSQL, and nothing else."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest
from gong_sandbox import Company
from support.expected_rows import COUNTER_COLUMNS, ExpectedWindow, expected_rows
from support.postgres_server import postgres_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

QUERY = (Path(__file__).parents[2] / "examples" / "sql" / "reconcile.sql").read_text(encoding="utf-8")
COMPANY = Company(12)
#: Days from mid-January on, so that January can't be checked.
DAYS = expected_rows(COMPANY, [ExpectedWindow("DAY", date(2025, 1, 13), date(2025, 4, 10))])
MONTHS = expected_rows(COMPANY, [ExpectedWindow("MONTH", date(2025, 1, 1), date(2025, 4, 1))])
FEBRUARY = "2025-02-01"

Rows = list[dict[str, Any]]
Warnings = list[tuple[Any, ...]]


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def reconcile(request: pytest.FixtureRequest) -> Iterator[Callable[[Rows, Rows], Warnings]]:
    """A function that loads days and months into tables and runs the query."""
    if request.param == "duckdb":
        with duckdb.connect() as connection:
            yield lambda days, months: run(connection, days, months)
    else:
        with postgres_database() as conninfo, psycopg.connect(**conninfo) as connection:
            yield lambda days, months: run(connection, days, months)


def run(connection: Any, days: Rows, months: Rows) -> Warnings:  # noqa: ANN401 - of either database
    """Load days and months, and return the rows of the query."""
    columns = [
        "user_id varchar",
        "period_start_date date",
        "period_end_date date",
        "is_complete boolean",
        *(f"{counter} bigint" for counter in COUNTER_COLUMNS),
    ]
    connection.execute("drop schema if exists gong_activity cascade")
    connection.execute("create schema gong_activity")
    for stream, rows in (("activity_by_day", days), ("activity_by_month", months)):
        connection.execute(f"create table gong_activity.{stream} ({', '.join(columns)})")
        names = [column.split()[0] for column in columns]
        values = ", ".join(f"({', '.join(literal(row[name]) for name in names)})" for row in rows)
        # In one statement, because DuckDB takes a second for a statement per row.
        connection.execute(f"insert into gong_activity.{stream} values {values}")  # noqa: S608 - ours
    warnings = connection.execute(QUERY).fetchall()
    return [tuple(str(value) if isinstance(value, date) else value for value in row) for row in warnings]


def literal(value: object) -> str:
    """Return a value of a row as SQL."""
    return "null" if value is None else f"'{value}'" if isinstance(value, str) else str(value).lower()


def with_change(rows: Rows, start: str, counter: str, by: int) -> tuple[Rows, dict[str, Any]]:
    """Add to one user's counter in one period; return all rows, and the with_change one."""
    number = next(number for number, row in enumerate(rows) if row["period_start_date"] == start and row[counter])
    row = {**rows[number], counter: rows[number][counter] + by}
    return [*rows[:number], row, *rows[number + 1 :]], row


def daily_counts(row: dict[str, Any], counter: str, days: Rows = DAYS) -> list[int]:
    """Return the counter on each day of a month's row."""
    return [
        day[counter]
        for day in days
        if day["user_id"] == row["user_id"]
        and row["period_start_date"] <= day["period_start_date"] < row["period_end_date"]
    ]


def test_consistent_tables_cause_no_warning(reconcile: Callable[[Rows, Rows], Warnings]) -> None:
    """Consistent tables cause no warning, even at the edges, where not all days of a month are loaded."""
    assert reconcile(DAYS, MONTHS) == []


def test_month_below_its_busiest_day(reconcile: Callable[[Rows, Rows], Warnings]) -> None:
    """A month with fewer calls than one of its days is reported."""
    _, row = with_change(MONTHS, FEBRUARY, "calls_as_host", 0)
    days = daily_counts(row, "calls_as_host")
    months, row = with_change(MONTHS, FEBRUARY, "calls_as_host", max(days) - 1 - row["calls_as_host"])

    assert reconcile(DAYS, months) == [
        (
            *("below the busiest day", "activity_by_month", FEBRUARY, row["user_id"], "calls_as_host"),
            *(max(days) - 1, max(days), sum(days)),
        )
    ]


def test_month_above_the_sum_of_its_days(reconcile: Callable[[Rows, Rows], Warnings]) -> None:
    """A month with more calls than the sum of its days is reported, for the last counter too."""
    counter = COUNTER_COLUMNS[-1]
    _, row = with_change(MONTHS, FEBRUARY, counter, 0)
    days = daily_counts(row, counter)
    months, row = with_change(MONTHS, FEBRUARY, counter, sum(days) + 1 - row[counter])

    assert reconcile(DAYS, months) == [
        (
            *("above the sum of the days", "activity_by_month", FEBRUARY, row["user_id"], counter),
            *(sum(days) + 1, max(days), sum(days)),
        )
    ]


def test_user_missing_from_one_grain(reconcile: Callable[[Rows, Rows], Warnings]) -> None:
    """A user without a month or without days is reported for each counter that isn't zero."""
    _, row = with_change(MONTHS, FEBRUARY, "calls_as_host", 0)
    user = row["user_id"]
    counters = {name for name in COUNTER_COLUMNS if row[name]}
    without_month = reconcile(DAYS, [month for month in MONTHS if month != row])
    without_days = reconcile(
        [day for day in DAYS if (day["user_id"], day["period_start_date"][:7]) != (user, "2025-02")], MONTHS
    )

    assert {warning[:5] for warning in without_month} == {
        ("below the busiest day", "activity_by_month", FEBRUARY, user, name) for name in counters
    }
    assert {warning[:5] for warning in without_days} == {
        ("above the sum of the days", "activity_by_month", FEBRUARY, user, name) for name in counters
    }


def test_gap_of_the_company(reconcile: Callable[[Rows, Rows], Warnings]) -> None:
    """Days without rows of any user are reported as one gap, and gaps of single users aren't."""
    weekend = {"2025-03-01", "2025-03-02"}  # without activity of any user
    days = [day for day in DAYS if day["period_start_date"] not in weekend]
    gaps = [warning for warning in reconcile(days, MONTHS) if warning[0] == "gap"]

    assert gaps == [("gap", "activity_by_day", "2025-03-01", None, None, None, None, None)]
    user = DAYS[0]["user_id"]
    idle = [day for day in DAYS if day["user_id"] != user or day["period_start_date"] not in weekend]
    assert [warning for warning in reconcile(idle, MONTHS) if warning[0] == "gap"] == []
    months = [month for month in MONTHS if month["period_start_date"] != FEBRUARY]
    assert ("gap", "activity_by_month", FEBRUARY) in {warning[:3] for warning in reconcile(DAYS, months)}
