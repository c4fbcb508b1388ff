"""The models, built on two nights of a company's data in real databases, compared with what the company did."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from gong_sandbox import Company, Sandbox
from support.company_rows import COUNTER_COLUMNS
from support.tap_runs import settings_for
from support.warehouses import Warehouse, duckdb_file, postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gong_sandbox import Profile

PACKAGE = Path(__file__).parents[1]
DBT = PACKAGE / ".venv" / "bin" / "dbt"
STREAMS = ["activity_by_day", "activity_by_week", "activity_by_month", "users"]
COMPANY = Company(60)
START = date(2024, 11, 1)
NIGHTS = (date(2025, 3, 5), date(2025, 7, 2))
"""Between the two, people join, leave and change teams."""

MONTHS_END = date(2025, 7, 1)
RESTATED = "set=usersAggregateActivity.0.userAggregateActivity.0.callsGaveFeedback:40,period=MONTH,at=1"
"""Feedback that the first night has and the second doesn't."""


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A database with two nights of data and the models built after each."""
    folder = tmp_path_factory.mktemp(request.param)
    make: Callable[..., Any] = {"duckdb": duckdb_file, "postgres": postgres}[request.param]
    with make(folder) as database:
        state = None
        for night in NIGHTS:
            faults = [RESTATED] if night == NIGHTS[0] else []
            with Sandbox(company=COMPANY, today=night, calls_per_second=None, faults=faults) as sandbox:
                settings = settings_for(sandbox, start_date=str(START), end_date=str(night), lookback_days=400)
                state = database.load(settings, STREAMS, state)
            # The month that claims more than its days add up to is a warning, until it's read again.
            build(request.param, folder, database, warnings=len(faults))
        yield database


def build(target: str, folder: Path, database: Warehouse, *, warnings: int) -> None:
    """Build and test every model."""
    environment = {**os.environ, **database.connection, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    done = subprocess.run(
        [DBT, "build", "--target", target, "--target-path", folder / "target", "--log-path", folder / "logs"],
        cwd=PACKAGE,
        env={**environment, "DBT_PROFILES_DIR": str(PACKAGE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert f"WARN={warnings} ERROR=0" in done.stdout


def expected_months() -> dict[tuple[str, date], dict[str, int]]:
    """What the company did, by user and month."""
    return {
        (row.user_id, row.from_date): dict(zip(COUNTER_COLUMNS, row.counters, strict=True))
        for row in COMPANY.rows("MONTH", START, MONTHS_END)
    }


def profiles() -> dict[str, Profile]:
    """Everybody as of the second night."""
    return {profile.user_id: profile for profile in COMPANY.profiles(NIGHTS[1], include_avatars=True)}


def test_marts_count_what_the_company_did(warehouse: Warehouse) -> None:
    """Every user's months hold the company's own figures, and zeros where nothing happened."""
    columns = [name for name in COUNTER_COLUMNS if name in MART_COUNTERS]
    rows = warehouse.query(
        f"select user_id, month, {', '.join(columns)} from gong_activity_marts.mart_gong_coaching_by_month"  # noqa: S608 - the columns are the test's own
    )
    expected = expected_months()

    assert len(rows) == len({row[:2] for row in rows})
    found = {(user, month): dict(zip(columns, counters, strict=True)) for user, month, *counters in rows}
    assert expected.keys() <= found.keys()
    for key, counters in found.items():
        activity = expected.get(key, {})
        assert counters == {name: activity.get(name, 0) for name in columns}, key


def test_everybody_with_an_account_has_every_month(warehouse: Warehouse) -> None:
    """Nobody who is still there is missing for being idle."""
    rows = warehouse.query("select user_id, month from gong_activity_marts.mart_gong_coaching_by_month")
    months = {month for _, month in rows}

    assert len(months) == 8
    for profile in profiles().values():
        if profile.is_active:
            theirs = {month for user, month in rows if user == profile.user_id}
            assert theirs == {month for month in months if profile.created.date() < next_month(month)}


def test_teams_sum_up_their_members(warehouse: Warehouse) -> None:
    """A team's month is the sum of the months of the manager's direct reports."""
    members: dict[tuple[str, date], int] = defaultdict(int)
    calls: dict[tuple[str, date], int] = defaultdict(int)
    expected = expected_months()
    people = profiles()
    for user, month in warehouse.query("select user_id, month from gong_activity_marts.mart_gong_coaching_by_month"):
        manager = people[user].manager_id if user in people else None
        if manager in people:
            members[manager, month] += 1
            calls[manager, month] += expected.get((user, month), {}).get("calls_as_host", 0)
    rows = warehouse.query(
        "select team_id, month, members, calls_as_host from gong_activity_marts.mart_gong_team_coaching_by_month"
    )

    assert {(team, month): (size, hosted) for team, month, size, hosted in rows} == {
        key: (members[key], calls[key]) for key in members
    }


def test_paths_lead_to_the_top(warehouse: Warehouse) -> None:
    """Each user's path is the chain of managers as of the last night."""
    people = profiles()
    found = dict(warehouse.query("select user_id, manager_path from gong_activity_marts.dim_gong_users"))

    assert people.keys() <= found.keys()
    for user in people:
        chain = [user]
        while (manager := people[chain[0]].manager_id) in people:
            chain.insert(0, manager)
        assert found[user] == f"/{'/'.join(chain)}/"


def test_managers_reach_everybody_below_them(warehouse: Warehouse) -> None:
    """The bridge holds each step of each path."""
    paths = warehouse.query("select user_id, manager_path from gong_activity_marts.dim_gong_users")
    bridge = warehouse.query("select user_id, manager_id, levels_between from gong_activity_marts.bridge_gong_managers")

    expected = {
        (user, manager, levels)
        for user, path in paths
        for levels, manager in enumerate(reversed(path.strip("/").split("/")))
    }
    assert set(bridge) == expected
    assert len(bridge) == len(expected)


def next_month(month: date) -> date:
    """Return the first day of the month after."""
    return (month.replace(day=28).replace(month=month.month % 12 + 1, day=1)).replace(
        year=month.year + (month.month == 12)
    )


MART_COUNTERS = {
    "calls_as_host",
    "calls_attended",
    "calls_gave_feedback",
    "calls_comments_given",
    "calls_scorecards_filled",
    "calls_marked_as_feedback_given",
    "others_calls_listened_to",
    "calls_requested_feedback",
    "calls_received_feedback",
    "calls_comments_received",
    "calls_scorecards_received",
    "calls_marked_as_feedback_received",
}
