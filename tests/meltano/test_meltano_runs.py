"""Meltano runs the tap into real loaders, twice, and keeps its state in its own database and then in files."""

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
LOOKED_BACK_TO = date(2025, 2, 24)
LAST_WHOLE_WEEK_ENDS = date(2025, 3, 10)

Request = tuple[str, str, str]
Row = dict[str, Any]

FIRST_REQUESTS: list[Request] = [("DAY", str(START), str(FIRST_END)), ("WEEK", str(START), str(FIRST_END))]
SECOND_REQUESTS: list[Request] = [
    ("DAY", str(LOOKED_BACK_TO), str(SECOND_END)),
    ("WEEK", str(LOOKED_BACK_TO), str(LAST_WHOLE_WEEK_ENDS)),
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
    """The project, its plugins installed."""
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
    """Run the tap into loaders, one after another, and return each request's period, first day and end."""
    blocks = [block for loader in loaders for block in ("tap-gong-activity", loader)]
    with Sandbox(company=COMPANY, calls_per_second=None) as sandbox:
        settings = {**sandbox.environment, "TAP_GONG_ACTIVITY_END_DATE": str(end), **environment}
        ended = project.meltano("run", *blocks, environment=settings)
        assert ended.returncode == 0, ended.stdout
        bodies = [request.body for request in sandbox.requests]
    return sorted((body["aggregationPeriod"], body["filter"]["fromDate"], body["filter"]["toDate"]) for body in bodies)


@pytest.fixture(scope="module")
def into_files(project: MeltanoProject) -> tuple[list[Request], list[Request]]:
    """The requests of two runs into files, with Meltano's state where it is by default."""
    select = json.dumps([f"{stream}.*" for stream in GRAINS])
    first = run(project, FILE_LOADERS, FIRST_END, TAP_GONG_ACTIVITY__SELECT=select)
    return first, run(project, FILE_LOADERS, SECOND_END, TAP_GONG_ACTIVITY__SELECT=select)


@pytest.fixture(scope="module")
def into_postgres(
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
    """Return each stream's rows in each file that a loader has written, oldest first."""
    streams: dict[str, list[list[Row]]] = {}
    for path in sorted((project.folder / "output" / loader.removeprefix("target-")).iterdir()):
        with path.open(encoding="utf-8", newline="") as file:
            rows: Any = csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)
            streams.setdefault(path.name.partition("-")[0].partition(".")[0], []).append(list(rows))
    return streams


def rows_of_first_run(grain: str) -> list[Row]:
    """Return the rows that the company has for the first run."""
    return expected_rows(COMPANY, [ExpectedWindow(grain, START, FIRST_END)])


def rows_of_second_run(grain: str) -> list[Row]:
    """Return the rows that the company has for the second run."""
    end = SECOND_END if grain == "DAY" else LAST_WHOLE_WEEK_ENDS
    return expected_rows(COMPANY, [ExpectedWindow(grain, LOOKED_BACK_TO, end)])


def in_csv(rows: list[Row]) -> list[dict[str, str]]:
    """Return rows as target-csv writes them: as text, with instants in Python's form."""
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


def test_first_run_requests_everything(into_files: tuple[list[Request], list[Request]]) -> None:
    """Without a state, each run requests the whole range."""
    assert into_files[0] == sorted(FIRST_REQUESTS * len(FILE_LOADERS))


def test_second_run_requests_the_lookback_and_what_is_new(into_files: tuple[list[Request], list[Request]]) -> None:
    """With the state that Meltano has kept in its database for each loader, no day before the lookback is requested."""
    assert into_files[1] == sorted(SECOND_REQUESTS * len(FILE_LOADERS))


@pytest.mark.usefixtures("into_files")
def test_csv_has_a_file_a_run(project: MeltanoProject) -> None:
    """Each run has a CSV file of its own for each stream, with every row to the counter and in order."""
    loaded = loaded_files(project, "target-csv")
    assert loaded == {
        stream: [in_csv(rows_of_first_run(grain)), in_csv(rows_of_second_run(grain))]
        for stream, grain in GRAINS.items()
    }
    assert any(int(row["user_id"]) > 2**63 for row in loaded["activity_by_day"][0])


@pytest.mark.usefixtures("into_files")
def test_jsonl_is_appended_to(project: MeltanoProject) -> None:
    """Both runs have written every row, to the counter and in order, into one file of JSON lines for each stream."""
    assert loaded_files(project, "target-jsonl") == {
        stream: [[*rows_of_first_run(grain), *rows_of_second_run(grain)]] for stream, grain in GRAINS.items()
    }


def test_state_in_files(into_postgres: tuple[list[Request], list[Request], dict[str, Any]]) -> None:
    """With a file backend, the first run finds no state, the second one the first's; days alone are selected."""
    first, second, state = into_postgres

    assert (first, second) == (FIRST_REQUESTS[:1], SECOND_REQUESTS[:1])
    bookmark = state["completed"]["singer_state"]["bookmarks"]["activity_by_day"]
    assert bookmark["replication_key_value"] == str(SECOND_END)


@pytest.mark.usefixtures("into_postgres")
def test_postgres_has_each_row_once(database: dict[str, Any]) -> None:
    """The table holds what both runs read, and the rows that both of them read once; its instants are in UTC."""
    with psycopg.connect(**database) as connection:
        found = connection.execute(
            "select user_id, period_start_date, period_start_at from gong_activity.activity_by_day"
        ).fetchall()

    assert sorted((user_id, str(day)) for user_id, day, _ in found) == sorted(
        {(row["user_id"], row["period_start_date"]) for row in (*rows_of_first_run("DAY"), *rows_of_second_run("DAY"))}
    )
    assert {(at.hour, at.tzinfo) for _, _, at in found} == {(8, None), (7, None)}, "midnight in Los Angeles"


def error_lines(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines with an error or the start of a traceback."""
    return [line for line in ended.stdout.splitlines() if "[error" in line or "Traceback" in line]


def test_invalid_key_fails_the_run(project: MeltanoProject) -> None:
    """A key that Gong rejects makes Meltano exit with 1, after one error that says what to do."""
    with Sandbox(company=COMPANY, access_key_secret="another") as sandbox:
        ended = project.meltano(
            "run",
            "tap-gong-activity",
            "target-jsonl",
            environment={**sandbox.environment, "TAP_GONG_ACTIVITY_ACCESS_KEY_SECRET": "mistyped"},
        )
    error, *meltanos_own = error_lines(ended)

    assert ended.returncode == 1
    assert "401" in error
    assert "check the access key" in error
    assert not [line for line in meltanos_own if " meltano " not in line]
    assert "mistyped" not in ended.stdout


def test_connection_test(project: MeltanoProject) -> None:
    """`--test` through Meltano makes one request and ends with 0."""
    with Sandbox(company=COMPANY) as sandbox:
        ended = project.meltano("invoke", "tap-gong-activity", "--test", environment=sandbox.environment)
        requests = len(sandbox.requests)

    assert (ended.returncode, requests) == (0, 1)
    assert error_lines(ended) == []


@pytest.mark.usefixtures("into_files", "into_postgres")
def test_neither_hub_nor_statistics_are_called(hub: socket.socket) -> None:
    """Meltano connects neither to the Hub nor to its statistics in any of these runs."""
    with pytest.raises(BlockingIOError):
        hub.accept()
