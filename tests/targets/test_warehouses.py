"""Two loads into real databases, with a changed row and closed periods in between, and the example queries on them."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from gong_sandbox import Company, Sandbox
from support.expected_rows import COUNTER_COLUMNS, ExpectedWindow, expected_rows
from support.loader_runs import unthrottled_settings
from support.run_results import bookmarks
from support.warehouses import Warehouse, duckdb_file, postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

EXAMPLES = Path(__file__).parents[2] / "examples" / "sql"
#: A company that a host leaves in these months.
COMPANY = Company(30, seed=11)
STREAMS = ["activity_by_day", "activity_by_week", "activity_by_month"]
START, FIRST_END, SECOND_END = date(2024, 11, 1), date(2025, 3, 5), date(2025, 4, 2)
#: The bookmark of the days less seven.
CHANGED_DAY = date(2025, 2, 26)
CHANGED_CALLS = 99
#: Open in the first load and complete in the second.
CLOSED_WEEK, CLOSED_MONTH = date(2025, 3, 3), date(2025, 3, 1)

Table = dict[tuple[str, str], dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    """A kind of database.

    Attributes:
        open: Creates one.
        types: The types of its columns; "calls" for the counters.
        read_date: Converts a date to the type of the table.
    """

    open: Callable[[Path], AbstractContextManager[Warehouse]]
    types: dict[str, str]
    read_date: Callable[[str], Any]


KINDS = {
    "postgres": Kind(
        postgres,
        {
            "user_id": "text",
            "user_email_address": "text",
            "aggregation_period": "text",
            "period_start_date": "date",
            "period_end_date": "date",
            "period_start_at": "timestamp without time zone",
            "period_end_at": "timestamp without time zone",
            "is_complete": "boolean",
            "calls": "bigint",
        },
        read_date=date.fromisoformat,
    ),
    "duckdb": Kind(
        duckdb_file,
        {
            "user_id": "VARCHAR",
            "user_email_address": "VARCHAR",
            "aggregation_period": "VARCHAR",
            # The loader doesn't support dates.
            "period_start_date": "VARCHAR",
            "period_end_date": "VARCHAR",
            "period_start_at": "TIMESTAMP",
            "period_end_at": "TIMESTAMP",
            "is_complete": "BOOLEAN",
            "calls": "HUGEINT",
        },
        read_date=str,
    ),
}


@dataclass(frozen=True)
class Loaded:
    """A database after two loads."""

    kind: Kind
    warehouse: Warehouse
    first_state: str
    open_after_first: set[tuple[str, date]]

    def rows(self, stream: str) -> list[dict[str, Any]]:
        """Return a table's rows, without the columns that the loader adds."""
        columns = list(expected(stream).popitem()[1])
        rows = self.warehouse.query(f"select {', '.join(columns)} from gong_activity.{stream}")  # noqa: S608 - ours
        return [dict(zip(columns, row, strict=True)) for row in rows]


@pytest.fixture(
    scope="module",
    params=[
        "postgres",
        pytest.param(
            "duckdb", marks=pytest.mark.skipif(sys.version_info >= (3, 14), reason="the pinned duckdb has no wheel")
        ),
    ],
)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """A database after two loads of days, weeks and months, with a changed row in between."""
    kind = KINDS[request.param]
    with (
        kind.open(tmp_path_factory.mktemp(request.param)) as warehouse,
        Sandbox(company=COMPANY, calls_per_second=None) as sandbox,
    ):
        settings = unthrottled_settings(sandbox, start_date=str(START), include_open_period=True)
        first_state = warehouse.load({**settings, "end_date": str(FIRST_END)}, STREAMS)
        open_after_first = {
            (stream, date.fromisoformat(str(start)))
            for stream in STREAMS
            for (start,) in warehouse.query(
                f"select period_start_date from gong_activity.{stream} where not is_complete"  # noqa: S608 - ours
            )
        }
        sandbox.inject(
            "set=usersAggregateActivity.0.userAggregateActivity.0.callsAsHost:"
            f"{CHANGED_CALLS},period=DAY,from={CHANGED_DAY}"
        )
        warehouse.load({**settings, "end_date": str(SECOND_END)}, STREAMS, first_state)
        yield Loaded(kind, warehouse, first_state, open_after_first)


def expected(stream: str) -> Table:
    """Return a table's expected rows by key: later rows replace earlier ones."""
    if stream == "activity_by_day":
        again = expected_rows(COMPANY, [ExpectedWindow("DAY", CHANGED_DAY, SECOND_END)])
        again[0]["calls_as_host"] = CHANGED_CALLS
        windows = [
            # In windows of 90 days, because all-zero rows depend on them.
            expected_rows(COMPANY, [ExpectedWindow("DAY", START, START + timedelta(days=90))]),
            expected_rows(COMPANY, [ExpectedWindow("DAY", START + timedelta(days=90), FIRST_END)]),
            again,
        ]
    elif stream == "activity_by_week":
        windows = [
            expected_rows(COMPANY, [ExpectedWindow("WEEK", date(2024, 10, 28), CLOSED_WEEK)]),
            expected_rows(COMPANY, [ExpectedWindow("WEEK", CLOSED_WEEK, FIRST_END, is_complete=False)]),
            expected_rows(COMPANY, [ExpectedWindow("WEEK", date(2025, 2, 24), date(2025, 3, 31))]),
            expected_rows(COMPANY, [ExpectedWindow("WEEK", date(2025, 3, 31), SECOND_END, is_complete=False)]),
        ]
    else:
        windows = [
            expected_rows(COMPANY, [ExpectedWindow("MONTH", START, CLOSED_MONTH)]),
            expected_rows(COMPANY, [ExpectedWindow("MONTH", CLOSED_MONTH, FIRST_END, is_complete=False)]),
            expected_rows(COMPANY, [ExpectedWindow("MONTH", date(2025, 2, 1), date(2025, 4, 1))]),
            expected_rows(COMPANY, [ExpectedWindow("MONTH", date(2025, 4, 1), SECOND_END, is_complete=False)]),
        ]
    return {(row["user_id"], row["period_start_date"]): row for window in windows for row in window}


def complete(stream: str) -> list[dict[str, Any]]:
    """Return the rows of complete periods."""
    return [row for row in expected(stream).values() if row["is_complete"]]


@pytest.mark.parametrize("stream", STREAMS)
def test_keys_are_unique(loaded: Loaded, stream: str) -> None:
    """Keys are unique, and the table has as many rows as the company."""
    keys = Counter((row["user_id"], row["period_start_date"]) for row in loaded.rows(stream))

    assert set(keys.values()) == {1}
    assert len(keys) == len(expected(stream))


@pytest.mark.parametrize("stream", STREAMS)
def test_every_value_is_loaded(loaded: Loaded, stream: str) -> None:
    """Every value is loaded: ids with all digits, dates, instants in UTC, nulls and counters."""
    rows = [
        {
            name: loaded.kind.read_date(value)
            if name.endswith("_date")
            # In UTC, without a zone.
            else datetime.fromisoformat(value.removesuffix("Z"))
            if name.endswith("_at")
            else value
            for name, value in row.items()
        }
        for row in expected(stream).values()
    ]

    assert sorted(loaded.rows(stream), key=key) == sorted(rows, key=key)
    assert {len(user_id) for user_id, _ in expected(stream)} >= {17, 20}
    assert None in {row["user_email_address"] for row in rows}


def key(row: dict[str, Any]) -> tuple[str, Any]:
    """Return a row's key."""
    return row["user_id"], row["period_start_date"]


@pytest.mark.parametrize("stream", STREAMS)
def test_columns_have_types(loaded: Loaded, stream: str) -> None:
    """Columns have the types that the README lists."""
    columns = dict(
        loaded.warehouse.query(
            f"select column_name, data_type from information_schema.columns where table_name = '{stream}'"  # noqa: S608 - the tap's own stream names
        )
    )
    types = {**loaded.kind.types, **dict.fromkeys(COUNTER_COLUMNS, loaded.kind.types["calls"])}
    del types["calls"]

    assert {name: type_ for name, type_ in columns.items() if not name.startswith("_sdc_")} == types


@pytest.mark.parametrize("stream", STREAMS)
def test_table_has_a_primary_key(loaded: Loaded, stream: str) -> None:
    """The table has the primary key of the stream."""
    columns = loaded.warehouse.query(
        f"select column_name from information_schema.key_column_usage where table_name = '{stream}' "  # noqa: S608 - likewise
        "order by ordinal_position"
    )

    assert columns == [("user_id",), ("period_start_date",)]


def test_changed_row_is_updated(loaded: Loaded) -> None:
    """A row within the lookback that changed in Gong is updated."""
    changed = expected_rows(COMPANY, [ExpectedWindow("DAY", CHANGED_DAY, SECOND_END)])[0]
    (row,) = (
        row
        for row in loaded.rows("activity_by_day")
        if key(row) == (changed["user_id"], loaded.kind.read_date(str(CHANGED_DAY)))
    )

    assert changed["calls_as_host"] != CHANGED_CALLS
    assert row["calls_as_host"] == CHANGED_CALLS


@pytest.mark.parametrize(("stream", "start"), [("activity_by_week", CLOSED_WEEK), ("activity_by_month", CLOSED_MONTH)])
def test_open_period_is_completed(loaded: Loaded, stream: str, start: date) -> None:
    """A period that is open in the first load is complete after the second, in the same rows."""
    closed = [row for row in loaded.rows(stream) if str(row["period_start_date"]) == str(start)]

    assert (stream, start) in loaded.open_after_first
    assert {row["is_complete"] for row in closed} == {True}
    assert len({row["user_id"] for row in closed}) == len(closed)


def test_bookmarks_precede_open_periods(loaded: Loaded) -> None:
    """The bookmarks of the first load are the starts of its open periods."""
    assert bookmarks(json.loads(loaded.first_state)) == {
        "activity_by_day": str(FIRST_END),
        "activity_by_week": str(CLOSED_WEEK),
        "activity_by_month": str(CLOSED_MONTH),
    }


def test_every_example_is_tested() -> None:
    """Every example in the folder has a test."""
    assert {path.stem for path in EXAMPLES.glob("*.sql")} == {
        name.removeprefix("test_example_") for name in globals() if name.startswith("test_example_")
    }


def run_example(loaded: Loaded, example: str) -> list[tuple[Any, ...]]:
    """Run an example query, with numbers as floats."""
    rows = loaded.warehouse.query((EXAMPLES / f"{example}.sql").read_text(encoding="utf-8"))
    # Sums and quotients are decimals in one of the databases.
    return [
        tuple(value if value is None or isinstance(value, (date, str)) else float(value) for value in row)
        for row in rows
    ]


def user_name(row: dict[str, Any]) -> str:
    """Return a user's name."""
    name: str = row["user_email_address"] or row["user_id"]
    return name


def start(row: dict[str, Any]) -> date:
    """Return the first day of a row's period."""
    return date.fromisoformat(row["period_start_date"])


def test_example_busiest_hosts(loaded: Loaded) -> None:
    """The busiest hosts are the ten with the most calls in each complete month; ties share a rank."""
    months = {start(row) for row in complete("activity_by_month")}
    result = []
    for month in months:
        hosts = [row for row in complete("activity_by_month") if start(row) == month and row["calls_as_host"]]
        for row in hosts:
            rank = 1 + sum(other["calls_as_host"] > row["calls_as_host"] for other in hosts)
            if rank <= 10:
                result.append((month, rank, user_name(row), row["calls_as_host"], row["calls_attended"]))

    assert len(months) == 5
    assert run_example(loaded, "busiest_hosts") == sorted(result)


def test_example_week_on_week(loaded: Loaded) -> None:
    """Each complete week has its change in calls from the week before."""
    calls: Counter[date] = Counter()
    hosts: Counter[date] = Counter()
    for row in complete("activity_by_week"):
        calls[start(row)] += row["calls_as_host"]
        hosts[start(row)] += row["calls_as_host"] > 0
    result: list[tuple[Any, ...]] = []
    for week in sorted(calls):
        before = calls.get(week - timedelta(days=7))
        change = None if before is None else calls[week] - before
        percent = pytest.approx(100 * change / before, abs=0.0501) if before and change is not None else None
        result.append((week, calls[week], hosts[week], change, percent))

    assert run_example(loaded, "week_on_week") == result
    assert len(result) > 20


def test_example_gone_quiet(loaded: Loaded) -> None:
    """A host of calls in one complete month and of none in the next has gone quiet in the next."""
    hosted = {(user_name(row), start(row)): row["calls_as_host"] for row in complete("activity_by_month")}
    next_month = {start(row): date.fromisoformat(row["period_end_date"]) for row in complete("activity_by_month")}
    result = [
        (next_month[month], host, calls)
        for (host, month), calls in hosted.items()
        if calls and next_month[month] in next_month and not hosted.get((host, next_month[month]))
    ]

    assert result, "needs a company that a host leaves"
    assert run_example(loaded, "gone_quiet") == sorted(result)


def test_example_reconcile(loaded: Loaded) -> None:
    """Days and months are consistent except for the changed day."""
    changed = expected_rows(COMPANY, [ExpectedWindow("DAY", CHANGED_DAY, SECOND_END)])[0]
    ((warning, stream, month, user_id, counter, calls, busiest_day, sum_of_days),) = run_example(loaded, "reconcile")

    assert (warning, stream, month) == ("below the busiest day", "activity_by_month", CHANGED_DAY.replace(day=1))
    assert (user_id, counter, busiest_day) == (changed["user_id"], "calls_as_host", CHANGED_CALLS)
    assert calls < busiest_day < sum_of_days
