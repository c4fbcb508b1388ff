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
from support.company_rows import company_rows
from support.meltano_project import MeltanoProject
from support.postgres_server import postgres_database

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

LOADERS = ["target-csv", "target-jsonl", "target-postgres"]
COMPANY = Company()
START, FIRST_END, SECOND_END = date(2025, 1, 6), date(2025, 3, 3), date(2025, 3, 12)
#: The first run's bookmark less seven days.
LOOKED_BACK_TO = date(2025, 2, 24)
EVERYTHING = (str(START), str(FIRST_END))
LOOKBACK_AND_NEWS = (str(LOOKED_BACK_TO), str(SECOND_END))


@pytest.fixture(scope="module")
def outside() -> Iterator[socket.socket]:
    """Stand in for Meltano's Hub and for whoever gathers its statistics: a port on which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        yield listener


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, Any]]:
    """A PostgreSQL database."""
    with postgres_database() as conninfo:
        yield conninfo


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, outside: socket.socket, database: dict[str, Any]
) -> MeltanoProject:
    """The project, its plugins installed."""
    elsewhere = f"http://127.0.0.1:{outside.getsockname()[1]}"
    environment = {
        "MELTANO_HUB_URL": elsewhere,
        "MELTANO_SNOWPLOW_COLLECTOR_ENDPOINTS": json.dumps([elsewhere]),
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


Asked = list[tuple[str, str]]


def run(project: MeltanoProject, loaders: list[str], end: date, environment: dict[str, str] | None = None) -> Asked:
    """Run the tap into loaders, one after another, and give the days that were asked for in each of the runs."""
    blocks = [block for loader in loaders for block in ("tap-gong-activity", loader)]
    with Sandbox(company=COMPANY) as sandbox:
        settings = {**sandbox.environment, "TAP_GONG_ACTIVITY_END_DATE": str(end), **(environment or {})}
        ended = project.meltano("run", *blocks, environment=settings)
        assert ended.returncode == 0, ended.stdout
        filters = [request.body["filter"] for request in sandbox.requests]
    return [(asked["fromDate"], asked["toDate"]) for asked in filters]


@pytest.fixture(scope="module")
def with_database(project: MeltanoProject) -> tuple[Asked, Asked]:
    """What two runs into each loader have asked for, Meltano's state being where it is by default."""
    return run(project, LOADERS, FIRST_END), run(project, LOADERS, SECOND_END)


def loaded_files(project: MeltanoProject, loader: str) -> list[set[tuple[str, str]]]:
    """Give the keys of the rows in each file that a loader has written, oldest first."""
    keys = []
    for path in sorted((project.folder / "output" / loader.removeprefix("target-")).iterdir()):
        with path.open(encoding="utf-8", newline="") as file:
            rows: Any = csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)
            keys.append({(row["user_id"], row["period_start_date"]) for row in rows})
    return keys


def keys(start: date, end: date) -> set[tuple[str, str]]:
    """Give the keys of the rows that the company has."""
    return {(row["user_id"], row["period_start_date"]) for row in company_rows(COMPANY, "DAY", start, end)}


def test_first_run_asks_for_everything(with_database: tuple[Asked, Asked]) -> None:
    """Without a state, each run asks for the whole range."""
    assert with_database[0] == [EVERYTHING] * len(LOADERS)


def test_second_run_asks_for_the_lookback_and_what_is_new(with_database: tuple[Asked, Asked]) -> None:
    """With the state that Meltano has kept in its database for each loader, no day before the lookback is asked for."""
    assert with_database[1] == [LOOKBACK_AND_NEWS] * len(LOADERS)


@pytest.mark.usefixtures("with_database")
def test_csv_has_a_file_a_run(project: MeltanoProject) -> None:
    """Each run has a CSV file of its own, with every row that the run read."""
    assert loaded_files(project, "target-csv") == [keys(START, FIRST_END), keys(LOOKED_BACK_TO, SECOND_END)]


@pytest.mark.usefixtures("with_database")
def test_jsonl_is_appended_to(project: MeltanoProject) -> None:
    """Both runs have written into the one file of JSON lines."""
    assert loaded_files(project, "target-jsonl") == [keys(START, FIRST_END) | keys(LOOKED_BACK_TO, SECOND_END)]


@pytest.mark.usefixtures("with_database")
def test_postgres_has_each_row_once(database: dict[str, Any]) -> None:
    """The table holds what both runs read, and the rows that both of them read once; its instants are in UTC."""
    with psycopg.connect(**database) as connection:
        found = connection.execute(
            "select user_id, period_start_date, period_start_at from gong_activity.activity_by_day"
        ).fetchall()

    assert sorted((user_id, str(day)) for user_id, day, _ in found) == sorted(
        keys(START, FIRST_END) | keys(LOOKED_BACK_TO, SECOND_END)
    )
    assert {(at.hour, at.tzinfo) for _, _, at in found} == {(8, None), (7, None)}, "midnight in Los Angeles"


def test_state_in_files(project: MeltanoProject, tmp_path: Path) -> None:
    """With a file backend, the first run finds no state, the second one the first's."""
    backend = {"MELTANO_STATE_BACKEND_URI": tmp_path.as_uri()}
    asked = [run(project, ["target-postgres"], end, backend) for end in (FIRST_END, SECOND_END)]
    (state,) = (json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.rglob("state.json"))

    assert asked == [[EVERYTHING], [LOOKBACK_AND_NEWS]]
    bookmark = state["completed"]["singer_state"]["bookmarks"]["activity_by_day"]
    assert bookmark["replication_key_value"] == str(SECOND_END)


def complaints(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """Give the lines in which somebody complains."""
    return [line for line in ended.stdout.splitlines() if "[error" in line or "Traceback" in line]


def test_failing_key_ends_the_run(project: MeltanoProject) -> None:
    """A key that Gong refuses gives exit status 1 and one sentence that says what to do."""
    with Sandbox(company=COMPANY, access_key_secret="another") as sandbox:
        ended = project.meltano(
            "run",
            "tap-gong-activity",
            "target-jsonl",
            environment={**sandbox.environment, "TAP_GONG_ACTIVITY_ACCESS_KEY_SECRET": "mistyped"},
        )
    sentence, *meltanos_own = complaints(ended)

    assert ended.returncode == 1
    assert "401" in sentence
    assert "check the access key and its secret" in sentence
    assert not [line for line in meltanos_own if " meltano " not in line]
    assert "mistyped" not in ended.stdout


@pytest.mark.parametrize(
    ("options", "secret", "status", "answer"),
    [
        pytest.param({}, None, 0, None, id="good-key"),
        pytest.param({}, "mistyped", 1, "check the access key and its secret", id="bad-key"),
        pytest.param({"has_scope": False}, None, 1, "api:stats:user-actions", id="missing-scope"),
    ],
)
def test_connection_test(
    project: MeltanoProject, options: dict[str, Any], secret: str | None, status: int, answer: str | None
) -> None:
    """Asked to test, the tap makes one request and says in one sentence what is wrong, if anything is."""
    with Sandbox(company=COMPANY, **options) as sandbox:
        settings = dict(sandbox.environment)
        if secret:
            settings["TAP_GONG_ACTIVITY_ACCESS_KEY_SECRET"] = secret
        ended = project.meltano("invoke", "tap-gong-activity", "--test", environment=settings)
        requests = len(sandbox.requests)

    assert (ended.returncode, requests) == (status, 1)
    assert [answer in line for line in complaints(ended) if answer] == ([True] if answer else [])


@pytest.mark.usefixtures("with_database")
def test_nobody_is_asked_for_plugins(outside: socket.socket) -> None:
    """Neither the Hub nor the gatherer of statistics has been called by anything that ran here."""
    with pytest.raises(BlockingIOError):
        outside.accept()
