"""The tap's command into real target-csv and target-jsonl: without a state, and then with the one they print."""

from __future__ import annotations

import csv
import json
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from gong_sandbox import Company, Sandbox
from support.company_rows import company_rows
from support.loaders import definition, install
from support.tap_runs import bookmarks, load, settings_for

if TYPE_CHECKING:
    from pathlib import Path

START, FIRST_END, SECOND_END = date(2025, 1, 6), date(2025, 3, 3), date(2025, 3, 12)
#: The bookmark less seven days, and for weeks the start of its week.
LOOKED_BACK_TO = date(2025, 2, 24)
LAST_WHOLE_WEEK_ENDS = date(2025, 3, 10)


class Run(NamedTuple):
    """What one run has left behind.

    Attributes:
        rows: The rows in its files, for each stream.
        state: What the loader printed at its end.
        asked: The requests it made: period, first day, exclusive end.
    """

    rows: dict[str, list[dict[str, Any]]]
    state: str
    asked: list[tuple[str, str, str]]


class Loads(NamedTuple):
    """Two runs of the tap into one loader, the second a week later and with the state of the first."""

    target: str
    company: Company
    first: Run
    second: Run


@pytest.fixture(scope="module", params=["target-csv", "target-jsonl"])
def loads(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loads:
    """Load days and weeks, without a state and then with one."""
    target = request.param
    command = install(target, tmp_path_factory.mktemp(target))
    company = Company(30)
    with Sandbox(company=company, calls_per_second=None) as sandbox:
        first = run(target, command, sandbox, tmp_path_factory.mktemp("first"), FIRST_END)
        second = run(target, command, sandbox, tmp_path_factory.mktemp("second"), SECOND_END, first.state)
    return Loads(target, company, first, second)


def run(target: str, command: Path, sandbox: Sandbox, folder: Path, end: date, state: str | None = None) -> Run:
    """Run the tap into the loader, as meltano.yml configures it, but into a folder of the run's own."""
    config = definition(target)["config"]
    (folder_setting,) = (name for name in config if name.endswith("_path"))
    config_file = folder / "loader.json"
    output = folder / "output"
    config_file.write_text(json.dumps({**config, folder_setting: str(output)}), encoding="utf-8")
    asked_before = len(sandbox.requests)
    state = load(
        [command, "--config", config_file],
        folder,
        settings_for(sandbox, start_date=str(START), end_date=str(end)),
        streams=["activity_by_day", "activity_by_week"],
        state=state,
    )
    bodies = [request.body for request in sandbox.requests[asked_before:]]
    asked = [(body["aggregationPeriod"], body["filter"]["fromDate"], body["filter"]["toDate"]) for body in bodies]
    return Run(read(target, output), state, asked)


def read(target: str, output: Path) -> dict[str, list[dict[str, Any]]]:
    """Read the rows of each stream out of its one file."""
    rows = {}
    for path in output.iterdir():
        with path.open(encoding="utf-8", newline="") as file:
            lines: Any = csv.DictReader(file) if target == "target-csv" else map(json.loads, file)
            rows[path.name.partition("-")[0].partition(".")[0]] = list(lines)
    return rows


def as_loaded(target: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give rows as a loader writes them: target-csv has text alone, and instants in Python's form."""
    if target == "target-jsonl":
        return rows
    return [{name: csv_text(name, value) for name, value in row.items()} for row in rows]


def csv_text(name: str, value: object) -> str:
    """Give a value as target-csv writes it."""
    if name.endswith("_at"):
        return str(value).replace("T", " ").replace("Z", "+00:00")
    return "" if value is None else str(value)


def test_first_run_loads_every_row(loads: Loads) -> None:
    """Without a state, the files hold every row that the company has, to the counter and in order."""
    assert loads.first.rows == {
        "activity_by_day": as_loaded(loads.target, company_rows(loads.company, "DAY", START, FIRST_END)),
        "activity_by_week": as_loaded(loads.target, company_rows(loads.company, "WEEK", START, FIRST_END)),
    }


def test_ids_keep_their_digits(loads: Loads) -> None:
    """Ids that no 64-bit integer holds arrive as they are, as text."""
    loaded = {row["user_id"] for row in loads.first.rows["activity_by_day"]}

    assert {user_id for user_id in loaded if len(user_id) == 20} == {
        user.user_id for user in loads.company.users if len(user.user_id) == 20 and user.user_id in loaded
    }
    assert any(int(user_id) > 2**63 for user_id in loaded)


def test_loader_prints_the_state(loads: Loads) -> None:
    """What the loader prints at its end are the bookmarks up to which everything has been loaded."""
    assert bookmarks(loads.first.state) == {
        "activity_by_day": str(FIRST_END),
        "activity_by_week": str(FIRST_END),
    }
    assert bookmarks(loads.second.state) == {
        "activity_by_day": str(SECOND_END),
        "activity_by_week": str(LAST_WHOLE_WEEK_ENDS),
    }


def test_second_run_asks_for_the_lookback_and_what_is_new(loads: Loads) -> None:
    """Given the state that the loader printed, the tap asks for no day before the lookback."""
    assert sorted(loads.second.asked) == [
        ("DAY", str(LOOKED_BACK_TO), str(SECOND_END)),
        ("WEEK", str(LOOKED_BACK_TO), str(LAST_WHOLE_WEEK_ENDS)),
    ]


def test_second_run_loads_what_it_asked_for(loads: Loads) -> None:
    """The second run's files hold every row from the lookback on, and no other."""
    days = company_rows(loads.company, "DAY", LOOKED_BACK_TO, SECOND_END)
    weeks = company_rows(loads.company, "WEEK", LOOKED_BACK_TO, LAST_WHOLE_WEEK_ENDS)

    assert loads.second.rows == {
        "activity_by_day": as_loaded(loads.target, days),
        "activity_by_week": as_loaded(loads.target, weeks),
    }
