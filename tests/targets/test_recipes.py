"""The load scripts in `examples/`: rerun, with a tap that fails or is killed, killed themselves, and rolled back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest
from gong_sandbox import Company, Sandbox
from psycopg.conninfo import make_conninfo
from support.catalogs import catalog_selecting
from support.child_processes import TAP, clean_environment
from support.expected_rows import COUNTER_COLUMNS, ExpectedWindow, expected_rows
from support.loader_runs import unthrottled_settings
from support.postgres_server import postgres_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"
COMPANY = Company(12, seed=11)
STREAMS = {"activity_by_day": "DAY", "activity_by_week": "WEEK"}
START, MIDDLE, END = date(2025, 1, 6), date(2025, 2, 3), date(2025, 3, 3)
PERIODS_PER_WINDOW = 14
TIMEOUT = 60

Key = tuple[str, date]
Table = dict[Key, dict[str, Any]]


@dataclass(frozen=True)
class Recipe:
    """A load script and an empty database.

    Attributes:
        script: The script's path.
        database: The script's argument.
        query: Runs a query and returns its rows.
        commits_each_state: Whether rows are committed before the tap has ended.
        types: The types of the columns; "calls" for the counters.
    """

    script: Path
    database: str
    query: Callable[[str], list[tuple[Any, ...]]]
    commits_each_state: bool
    types: dict[str, str]

    def start(self, tap: Path, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start the script, with a folder that contains the tap's command."""
        return subprocess.Popen(
            [sys.executable, self.script, self.database, *arguments],
            env={**clean_environment(), "PATH": f"{tap}{os.pathsep}{os.environ['PATH']}"},
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, tap: Path, *arguments: str | Path) -> tuple[int, str]:
        """Run the script to its end; return its status and what it wrote to stderr."""
        with self.start(tap, *arguments) as script:
            _, errors = script.communicate(timeout=TIMEOUT)
        return script.returncode, errors

    def rows(self, stream: str) -> Table:
        """Return a table's rows by key, and fail if a key is there twice."""
        columns = ["user_id", "user_email_address", "aggregation_period", "period_start_date", "period_end_date"]
        columns += ["period_start_at", "period_end_at", "is_complete", *COUNTER_COLUMNS]
        if not self.query(f"select 1 from information_schema.tables where table_name = '{stream}'"):  # noqa: S608 - the tap's own stream names
            return {}
        values = self.query(f"select {', '.join(columns)} from gong_activity.{stream}")  # noqa: S608 - ours
        rows = {(row[0], row[3]): dict(zip(columns, row, strict=True)) for row in values}
        assert len(rows) == len(values)
        return rows

    def state(self) -> dict[str, Any]:
        """Return the state in the database."""
        (state,) = self.query("select cast(state as varchar) from gong_activity.state") or [("{}",)]
        return json.loads(state[0])  # type: ignore[no-any-return] # any JSON

    def bookmarks(self) -> dict[str, str]:
        """Return the bookmark of each stream."""
        bookmarks = self.state().get("bookmarks", {})
        return {
            stream: entry["replication_key_value"]
            for stream, entry in bookmarks.items()
            if "replication_key_value" in entry
        }


def duckdb_recipe(path: Path) -> Recipe:
    """Return the recipe for DuckDB, with a database file."""

    def query(text: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(path) as connection:
            return connection.execute(text).fetchall()

    types = {"text": "VARCHAR", "date": "DATE", "instant": "TIMESTAMP WITH TIME ZONE"}
    types |= {"truth": "BOOLEAN", "calls": "BIGINT"}
    return Recipe(EXAMPLES / "duckdb" / "load.py", str(path), query, commits_each_state=False, types=types)


def postgres_recipe(url: str) -> Recipe:
    """Return the recipe for PostgreSQL, with a database."""

    def query(text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(url) as connection:
            return connection.execute(text.encode()).fetchall()

    types = {"text": "text", "date": "date", "instant": "timestamp with time zone"}
    types |= {"truth": "boolean", "calls": "bigint"}
    return Recipe(EXAMPLES / "postgres" / "load.py", url, query, commits_each_state=True, types=types)


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL database for all tests."""
    with postgres_database() as conninfo:
        yield make_conninfo(**conninfo)


@pytest.fixture(params=["duckdb", "postgres"])
def recipe(request: pytest.FixtureRequest, tmp_path: Path) -> Recipe:
    """Each recipe, with an empty database."""
    if request.param == "duckdb":
        return duckdb_recipe(tmp_path / "gong.duckdb")
    url = request.getfixturevalue("postgres_url")
    with psycopg.connect(url) as connection:
        connection.execute("drop schema if exists gong_activity cascade")
    return postgres_recipe(url)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox without limits."""
    with Sandbox(company=COMPANY, calls_per_second=None) as sandbox:
        yield sandbox


def arguments(folder: Path, sandbox: Sandbox, end: date = END) -> list[str | Path]:
    """Write the tap's files, and return its arguments."""
    settings = unthrottled_settings(
        sandbox, start_date=str(START), end_date=str(end), periods_per_window=PERIODS_PER_WINDOW, max_retries=0
    )
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "catalog.json").write_text(json.dumps(catalog_selecting(*STREAMS)), encoding="utf-8")
    return ["--config", folder / "config.json", "--catalog", folder / "catalog.json"]


def expected(stream: str, end: date = END) -> Table:
    """Return the rows that a table must have, window by window."""
    length = timedelta(days=PERIODS_PER_WINDOW * (7 if stream == "activity_by_week" else 1))
    rows, start = [], START
    while start < end:
        rows += expected_rows(COMPANY, [ExpectedWindow(STREAMS[stream], start, min(start + length, end))])
        start += length
    return {(row["user_id"], row["period_start_date"]): row for row in map(typed, rows)}


def typed(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with dates and instants instead of texts."""
    dates = {name: date.fromisoformat(row[name]) for name in row if name.endswith("_date")}
    instants = {name: datetime.fromisoformat(row[name].replace("Z", "+00:00")) for name in row if name.endswith("_at")}
    return {**row, **dates, **instants}


def test_rerun_loads_the_same_tables(recipe: Recipe, sandbox: Sandbox, tmp_path: Path) -> None:
    """Two runs load every value of every stream, typed and once; the second reads the lookback and what is new."""
    first = recipe.run(TAP.parent, *arguments(tmp_path, sandbox, MIDDLE))
    requests = len(sandbox.requests)
    lookback = MIDDLE - timedelta(days=7)
    # A row that changes in Gong after the first load.
    sandbox.inject(f"set=usersAggregateActivity.0.userAggregateActivity.0.callsAsHost:99,period=DAY,from={lookback}")
    changed_key = expected_rows(COMPANY, [ExpectedWindow("DAY", lookback, MIDDLE)])[0]["user_id"], lookback
    second = recipe.run(TAP.parent, *arguments(tmp_path, sandbox))

    assert (first[0], second[0]) == (0, 0), first[1] + second[1]
    start_dates = [request.body["filter"]["fromDate"] for request in sandbox.requests[requests:]]
    assert min(start_dates) == str(lookback)
    for stream in STREAMS:
        # All-zero rows depend on the windows, which start on other dates in the second run.
        rows = without_zero_rows(expected(stream))
        if stream == "activity_by_day":
            rows[changed_key] |= {"calls_as_host": 99}
        assert without_zero_rows(recipe.rows(stream)) == rows
    assert recipe.bookmarks() == dict.fromkeys(STREAMS, str(END))
    assert None in {row["user_email_address"] for row in recipe.rows("activity_by_day").values()}
    assert any(int(user_id) > 2**63 for user_id, _ in recipe.rows("activity_by_day"))
    assert_columns_have_types(recipe)


def assert_columns_have_types(recipe: Recipe) -> None:
    """Assert that texts, dates, instants, booleans and counters have the types of the database."""
    types = recipe.query(
        "select column_name, data_type from information_schema.columns "
        "where table_schema = 'gong_activity' and table_name = 'activity_by_week'"
    )
    text, instant, day = recipe.types["text"], recipe.types["instant"], recipe.types["date"]
    assert dict(types) == {
        **dict.fromkeys(["user_id", "user_email_address", "aggregation_period"], text),
        **dict.fromkeys(["period_start_date", "period_end_date"], day),
        **dict.fromkeys(["period_start_at", "period_end_at"], instant),
        "is_complete": recipe.types["truth"],
        **dict.fromkeys(COUNTER_COLUMNS, recipe.types["calls"]),
    }


def without_zero_rows(rows: Table) -> Table:
    """Return the rows with any activity."""
    return {key: row for key, row in rows.items() if any(row[name] for name in COUNTER_COLUMNS)}


def test_failing_tap_keeps_committed_rows(recipe: Recipe, sandbox: Sandbox, tmp_path: Path) -> None:
    """If the tap fails, the script fails too and keeps the committed rows with their state; a rerun resumes."""
    third = START + timedelta(days=2 * PERIODS_PER_WINDOW)
    sandbox.inject(f"status=400,period=DAY,from={third},at=1")
    status, errors = recipe.run(TAP.parent, *arguments(tmp_path, sandbox))

    assert status == 1
    assert "The tap failed with status 1" in errors
    assert recipe.bookmarks()["activity_by_day"] == str(third)
    assert recipe.rows("activity_by_day") == expected("activity_by_day", third)

    assert recipe.run(TAP.parent, *arguments(tmp_path, sandbox))[0] == 0
    for stream in STREAMS:
        assert without_zero_rows(recipe.rows(stream)) == without_zero_rows(expected(stream))


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The output of a run without a state."""
    folder = tmp_path_factory.mktemp("output")
    with Sandbox(company=COMPANY, calls_per_second=None) as sandbox:
        command = [TAP, *arguments(folder, sandbox)]
        return subprocess.run(command, check=True, env=clean_environment(), stdout=subprocess.PIPE).stdout


def fake_tap(folder: Path, output: bytes, ending: str) -> Path:
    """Create a tap that writes this output and then runs a shell command; return its folder."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "output").write_bytes(output)
    tap = folder / "bin" / TAP.name
    tap.write_text(f'#!/bin/sh\ncat > "$0.state"\ncat "${{0%/*}}/output"\n{ending}\n')
    tap.chmod(0o755)
    return tap.parent


def is_consistent(recipe: Recipe) -> bool:
    """Return whether every row up to each bookmark is in its table."""
    return all(
        {key for key, row in expected(stream).items() if str(row["period_end_date"]) <= bookmark}
        <= recipe.rows(stream).keys()
        for stream, bookmark in recipe.bookmarks().items()
    )


def test_killed_tap_loses_no_row(recipe: Recipe, sandbox: Sandbox, output: bytes, tmp_path: Path) -> None:
    """However far a tap has come when it's killed, no row before the saved state is missing."""
    for percent in (1, 55, 95):
        cut = output[: len(output) * percent // 100 + 7]
        status, errors = recipe.run(fake_tap(tmp_path, cut, "kill -KILL $$"))

        assert status == 1
        assert "The tap failed with status -9" in errors
        states = [json.loads(line)["value"] for line in cut.split(b"\n")[:-1] if b'"STATE"' in line]
        assert recipe.state() == (states[-1] if states else {})
        assert is_consistent(recipe)
    assert recipe.run(TAP.parent, *arguments(tmp_path, sandbox))[0] == 0
    for stream in STREAMS:
        assert without_zero_rows(recipe.rows(stream)) == without_zero_rows(expected(stream))


def test_killed_script_loses_no_row(recipe: Recipe, sandbox: Sandbox, output: bytes, tmp_path: Path) -> None:
    """A killed script leaves the committed rows with their state."""
    os.mkfifo(tmp_path / "arrived")
    os.mkfifo(tmp_path / "end")
    tap = fake_tap(tmp_path, output[: len(output) // 2], f"echo > {tmp_path}/arrived\nexec cat {tmp_path}/end")
    with recipe.start(tap) as script:
        (tmp_path / "arrived").read_text()
        script.send_signal(signal.SIGKILL)
        script.wait(timeout=TIMEOUT)
        # Lets the tap exit.
        (tmp_path / "end").write_text("")

    if not recipe.commits_each_state:
        assert recipe.rows("activity_by_day") == {}
        assert recipe.state() == {}
    assert is_consistent(recipe)
    assert recipe.run(TAP.parent, *arguments(tmp_path, sandbox))[0] == 0
    for stream in STREAMS:
        assert without_zero_rows(recipe.rows(stream)) == without_zero_rows(expected(stream))


def test_state_is_rolled_back_with_its_rows(recipe: Recipe, output: bytes, tmp_path: Path) -> None:
    """A row that the database rejects fails the run, and the state after it isn't saved."""
    lines = output.splitlines(keepends=True)
    number = next(number for number in reversed(range(len(lines))) if b'"RECORD"' in lines[number])
    before = [json.loads(line)["value"] for line in lines[:number] if b'"STATE"' in line]
    record = json.loads(lines[number])
    record["record"]["calls_as_host"] = 2**63
    lines[number] = json.dumps(record).encode() + b"\n"
    status, errors = recipe.run(fake_tap(tmp_path, b"".join(lines), "exit 0"))

    assert status == 1
    assert str(2**63) in errors
    assert recipe.state() == (before[-1] if recipe.commits_each_state else {})
    assert is_consistent(recipe)


def test_repeated_key_is_loaded_once(recipe: Recipe, output: bytes, tmp_path: Path) -> None:
    """If a key occurs twice, as after a window is read again, its last row is loaded."""
    lines = output.splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if b'"RECORD"' in line)
    again = json.loads(lines[first])
    again["record"]["calls_as_host"] = 99
    lines.insert(first + 1, json.dumps(again).encode() + b"\n")
    status, errors = recipe.run(fake_tap(tmp_path, b"".join(lines), "exit 0"))

    assert status == 0, errors
    key = (again["record"]["user_id"], date.fromisoformat(again["record"]["period_start_date"]))
    assert recipe.rows("activity_by_day")[key]["calls_as_host"] == 99


def test_parallel_run_fails(recipe: Recipe, output: bytes, tmp_path: Path) -> None:
    """A second run into the same database fails at once, without starting the tap."""
    os.mkfifo(tmp_path / "arrived")
    os.mkfifo(tmp_path / "end")
    tap = fake_tap(tmp_path, output, f"echo > {tmp_path}/arrived\nexec cat {tmp_path}/end")
    with recipe.start(tap) as script:
        (tmp_path / "arrived").read_text()
        (tap / f"{TAP.name}.state").unlink()
        status, errors = recipe.run(tap)
        assert not (tap / f"{TAP.name}.state").exists()
        (tmp_path / "end").write_text("")
        script.communicate(timeout=TIMEOUT)

    assert script.returncode == 0
    assert status == 1
    assert "another" in errors.lower() or "lock" in errors.lower()
