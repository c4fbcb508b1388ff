"""Runs of Meltano into real loaders, twice each, with its state in its own database and in files."""

from __future__ import annotations

import csv
import json
import socket
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from gong_sandbox import Company, Sandbox
from support.expected_rows import ExpectedWindow, expected_rows
from support.meltano_project import MeltanoProject
from support.postgres_server import postgres_database

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

FILE_LOADERS = ["target-csv", "target-jsonl"]
LOADERS = [*FILE_LOADERS, "target-postgres"]
COMPANY = Company(30)
GRAINS = {"activity_by_day": "DAY", "activity_by_week": "WEEK"}
START, FIRST_END, SECOND_END = date(2025, 1, 6), date(2025, 3, 3), date(2025, 3, 12)
#: The first run's bookmark less seven days.
LOOKBACK_START = date(2025, 2, 24)
LAST_WEEK_END = date(2025, 3, 10)

Request = tuple[str, str, str]
Row = dict[str, Any]

FIRST_REQUESTS: list[Request] = [("DAY", str(START), str(FIRST_END)), ("WEEK", str(START), str(FIRST_END))]
SECOND_REQUESTS: list[Request] = [
    ("DAY", str(LOOKBACK_START), str(SECOND_END)),
    ("WEEK", str(LOOKBACK_START), str(LAST_WEEK_END)),
]


@pytest.fixture(scope="module")
def hub() -> Iterator[socket.socket]:
    """A port that accepts no connection, for Meltano's Hub and its statistics."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        yield listener


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, Any]]:
    """A PostgreSQL database."""
    with postgres_database() as conninfo:
        yield conninfo


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, hub: socket.socket, database: dict[str, Any]) -> MeltanoProject:
    """The project, with its plugins installed."""
    hub_url = f"http://127.0.0.1:{hub.getsockname()[1]}"
    environment = {
        "MELTANO_HUB_URL": hub_url,
        "MELTANO_SNOWPLOW_COLLECTOR_ENDPOINTS": json.dumps([hub_url]),
        "TAP_GONG_ACTIVITY_START_DATE": str(START),
        "TAP_GONG_ACTIVITY_REQUESTS_PER_SECOND": "1000",
        **{
            f"TARGET_POSTGRES_{setting}": str(database[name])
            for setting, name in (
                ("HOST", "host"),
                ("PORT", "port"),
                ("USER", "user"),
                ("PASSWORD", "password"),
                ("DATABASE", "dbname"),
            )
            if name in database
        },
    }
    project = MeltanoProject.clone(tmp_path_factory.mktemp("project"), environment)
    installed = project.meltano("install", "tap-gong-activity", *LOADERS)
    assert installed.returncode == 0, installed.stdout
    return project


def run(project: MeltanoProject, loaders: list[str], end: date, **environment: str) -> list[Request]:
    """Run the tap into each loader, and return each request's period, start and end."""
    blocks = [block for loader in loaders for block in ("tap-gong-activity", loader)]
    with Sandbox(company=COMPANY, calls_per_second=None) as sandbox:
        settings = {**sandbox.environment, "TAP_GONG_ACTIVITY_END_DATE": str(end), **environment}
        completed = project.meltano("run", *blocks, environment=settings)
        assert completed.returncode == 0, completed.stdout
        bodies = [request.body for request in sandbox.requests]
    return sorted((body["aggregationPeriod"], body["filter"]["fromDate"], body["filter"]["toDate"]) for body in bodies)


@pytest.fixture(scope="module")
def file_requests(project: MeltanoProject) -> tuple[list[Request], list[Request]]:
    """The requests of two runs into files, with Meltano's state in its default database."""
    select = json.dumps([f"{stream}.*" for stream in GRAINS])
    first = run(project, FILE_LOADERS, FIRST_END, TAP_GONG_ACTIVITY__SELECT=select)
    return first, run(project, FILE_LOADERS, SECOND_END, TAP_GONG_ACTIVITY__SELECT=select)


@pytest.fixture(scope="module")
def postgres_requests(
    project: MeltanoProject, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Request], list[Request], dict[str, Any]]:
    """The requests of two runs into PostgreSQL, with Meltano's state in a file, and that state."""
    folder = tmp_path_factory.mktemp("state")
    first, second = (
        run(project, ["target-postgres"], end, MELTANO_STATE_BACKEND_URI=folder.as_uri())
        for end in (FIRST_END, SECOND_END)
    )
    (state,) = (json.loads(path.read_text(encoding="utf-8")) for path in folder.rglob("state.json"))
    return first, second, state


def loaded_files(project: MeltanoProject, loader: str) -> dict[str, list[list[Row]]]:
    """Return each stream's rows in each file of a loader, oldest first."""
    streams: dict[str, list[list[Row]]] = {}
    for path in sorted((project.folder / "output" / loader.removeprefix("target-")).iterdir()):
        with path.open(encoding="utf-8", newline="") as file:
            rows: Any = csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)
            streams.setdefault(path.name.partition("-")[0].partition(".")[0], []).append(list(rows))
    return streams


def first_rows(grain: str) -> list[Row]:
    """Return the company's rows for the first run."""
    return expected_rows(COMPANY, [ExpectedWindow(grain, START, FIRST_END)])


def second_rows(grain: str) -> list[Row]:
    """Return the company's rows for the second run."""
    end = SECOND_END if grain == "DAY" else LAST_WEEK_END
    return expected_rows(COMPANY, [ExpectedWindow(grain, LOOKBACK_START, end)])


def as_csv(rows: list[Row]) -> list[dict[str, str]]:
    """Return rows as target-csv writes them: as text, with instants in Python's format."""
    return [
        {
            name: str(value).replace("T", " ").replace("Z", "+00:00")
            if name.endswith("_at")
            else ""
            if value is None
            else str(value)
            for name, value in row.items()
        }
        for row in rows
    ]


def test_first_run_requests_everything(file_requests: tuple[list[Request], list[Request]]) -> None:
    """Without a state, each run requests the whole range."""
    assert file_requests[0] == sorted(FIRST_REQUESTS * len(FILE_LOADERS))


def test_second_run_requests_the_lookback_and_new_days(file_requests: tuple[list[Request], list[Request]]) -> None:
    """With the state in Meltano's database, the second run requests the lookback and new days only."""
    assert file_requests[1] == sorted(SECOND_REQUESTS * len(FILE_LOADERS))


@pytest.mark.usefixtures("file_requests")
def test_csv_has_a_file_per_run(project: MeltanoProject) -> None:
    """Each run writes one CSV file per stream, with every row in order."""
    loaded = loaded_files(project, "target-csv")
    assert loaded == {
        stream: [as_csv(first_rows(grain)), as_csv(second_rows(grain))] for stream, grain in GRAINS.items()
    }
    assert any(int(row["user_id"]) > 2**63 for row in loaded["activity_by_day"][0])


@pytest.mark.usefixtures("file_requests")
def test_jsonl_is_appended_to(project: MeltanoProject) -> None:
    """Both runs append every row in order to one JSONL file per stream."""
    assert loaded_files(project, "target-jsonl") == {
        stream: [[*first_rows(grain), *second_rows(grain)]] for stream, grain in GRAINS.items()
    }


def test_state_in_a_file_backend(postgres_requests: tuple[list[Request], list[Request], dict[str, Any]]) -> None:
    """With a file backend for states, the second run resumes from the first one's state."""
    first, second, state = postgres_requests

    assert (first, second) == (FIRST_REQUESTS[:1], SECOND_REQUESTS[:1])
    bookmark = state["completed"]["singer_state"]["bookmarks"]["activity_by_day"]
    assert bookmark["replication_key_value"] == str(SECOND_END)


@pytest.mark.usefixtures("postgres_requests")
def test_postgres_has_each_row_once(database: dict[str, Any]) -> None:
    """The table has the rows of both runs once, with instants in UTC."""
    with psycopg.connect(**database) as connection:
        rows = connection.execute(
            "select user_id, period_start_date, period_start_at from gong_activity.activity_by_day"
        ).fetchall()

    assert sorted((user_id, str(day)) for user_id, day, _ in rows) == sorted(
        {(row["user_id"], row["period_start_date"]) for row in (*first_rows("DAY"), *second_rows("DAY"))}
    )
    assert {(at.hour, at.tzinfo) for _, _, at in rows} == {(8, None), (7, None)}, "midnight in Los Angeles"


def error_lines(completed: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines with an error or the start of a traceback."""
    return [line for line in completed.stdout.splitlines() if "[error" in line or "Traceback" in line]


def test_invalid_key_fails_the_run(project: MeltanoProject) -> None:
    """A key that Gong rejects makes Meltano exit with 1, after one error that says what to do."""
    with Sandbox(company=COMPANY, access_key_secret="another") as sandbox:
        completed = project.meltano(
            "run",
            "tap-gong-activity",
            "target-jsonl",
            environment={**sandbox.environment, "TAP_GONG_ACTIVITY_ACCESS_KEY_SECRET": "mistyped"},
        )
    error, *meltano_errors = error_lines(completed)

    assert completed.returncode == 1
    assert "401" in error
    assert "check the access key" in error
    assert not [line for line in meltano_errors if " meltano " not in line]
    assert "mistyped" not in completed.stdout


def test_connection_test(project: MeltanoProject) -> None:
    """`--test` through Meltano makes one request and ends with 0."""
    with Sandbox(company=COMPANY) as sandbox:
        completed = project.meltano("invoke", "tap-gong-activity", "--test", environment=sandbox.environment)
        requests = len(sandbox.requests)

    assert (completed.returncode, requests) == (0, 1)
    assert error_lines(completed) == []


@pytest.mark.usefixtures("file_requests", "postgres_requests")
def test_neither_hub_nor_statistics_are_called(hub: socket.socket) -> None:
    """Meltano connects neither to the Hub nor to its statistics in any of these runs."""
    with pytest.raises(BlockingIOError):
        hub.accept()
