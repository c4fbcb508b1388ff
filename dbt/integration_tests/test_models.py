"""The models, built on what loaders make of two nights of a company, compared with what Gong has returned by then."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from dbt_support import append_loader
from dbt_support.expected import chain_of, coaching, detours, disagreements, manager_of, team_coaching
from dbt_support.real_company import (
    BELOW_LOOP,
    CHAIN,
    FEEDBACK_WITHDRAWN,
    LOOP,
    LOST_MANAGER,
    NEVER_LISTED,
    NIGHTS,
    OWN_MANAGER,
    START,
    RealCompany,
    Returned,
)
from gong_sandbox import Sandbox
from support.expected_rows import COUNTER_COLUMNS
from support.loader_runs import unthrottled_settings
from support.warehouses import Warehouse, duckdb_file, postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PACKAGE = Path(__file__).parents[1]
DBT = PACKAGE / ".venv" / "bin" / "dbt"
SCHEMAS = PACKAGE.parent / "schemas"
APPENDED = "gong_appended"
STREAMS = ["activity_by_day", "activity_by_week", "activity_by_month", "users"]
COMPANY = RealCompany()


@dataclass(frozen=True)
class Built:
    """A database with the models built on two nights.

    Attributes:
        adapter: What dbt calls the kind of database.
        warehouse: The database.
        returned: What Gong has returned.
        target: Where dbt writes what it compiles.
    """

    adapter: str
    warehouse: Warehouse
    returned: Returned
    target: Path

    def table(self, name: str, columns: str = "*") -> list[tuple[Any, ...]]:
        """Return a model's rows."""
        return self.warehouse.query(f"select {columns} from gong_activity_marts.{name}")  # noqa: S608 - the tests' own

    def compiled_test(self, name: str) -> list[tuple[Any, ...]]:
        """Return what a test of the package finds."""
        (path,) = self.target.glob(f"compiled/gong_activity/tests/{name}.sql")
        return self.warehouse.query(path.read_text(encoding="utf-8"))


@contextmanager
def appended_duckdb(folder: Path) -> Iterator[Warehouse]:
    """Make a DuckDB file whose loader appends text, to tables that it names in its own way."""
    with duckdb_file(folder) as warehouse:
        file = warehouse.connection["GONG_ACTIVITY_DUCKDB"]
        yield replace(warehouse, loader=[sys.executable, append_loader.__file__, file, APPENDED])


@contextmanager
def appended_postgres(folder: Path) -> Iterator[Warehouse]:
    """Make a database on a real PostgreSQL server whose loader appends rows without keys; it ignores load_method."""
    with postgres(folder, default_target_schema=APPENDED) as warehouse:
        yield warehouse


WAREHOUSES: dict[str, Callable[[Path], AbstractContextManager[Warehouse]]] = {
    "duckdb": duckdb_file,
    "postgres": postgres,
    "duckdb, appended": appended_duckdb,
    "postgres, appended": appended_postgres,
}
WITHOUT_KEYS: dict[str, Any] = {"stream_maps": {stream: {"__key_properties__": []} for stream in STREAMS}}
VARIABLES: dict[str, dict[str, Any]] = {
    "duckdb, appended": {
        "gong_activity_schema": APPENDED,
        "gong_activity_tables": {stream: f"gong_{stream}" for stream in STREAMS},
    },
    "postgres, appended": {"gong_activity_schema": APPENDED},
}
"""Variables of the package where another project builds it."""


@pytest.fixture(scope="module")
def building(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Built]]]:
    """Build what the selected tests need, two at a time: dbt and the loaders take their time to start."""
    selected = [name for name in WAREHOUSES if any(f"[{name}]" in item.name for item in request.session.items)]
    with ExitStack() as resources, ThreadPoolExecutor(2) as pool:
        yield {
            name: pool.submit(load_and_build, name, tmp_path_factory.mktemp("warehouse"), resources)
            for name in selected
        }


@pytest.fixture(scope="module", params=WAREHOUSES)
def built(request: pytest.FixtureRequest, building: dict[str, Future[Built]]) -> Built:
    """A database with two nights of data and the models."""
    return building[request.param].result()


def load_and_build(name: str, folder: Path, resources: ExitStack) -> Built:
    """Load two nights, and build the models after each, or at the end by another project with its own variables."""
    warehouse = resources.enter_context(WAREHOUSES[name](folder))
    built = Built(name.partition(",")[0], warehouse, Returned(), folder / "target")
    state = None
    for night in NIGHTS:
        with Sandbox(company=COMPANY, today=night, calls_per_second=None) as sandbox:
            settings = unthrottled_settings(sandbox, start_date=str(START), end_date=str(night))
            if name == "postgres, appended":
                settings |= WITHOUT_KEYS
            state = warehouse.load(settings, STREAMS, state)
            built.returned.add(COMPANY, sandbox, night)
        if name not in VARIABLES:
            build(built, PACKAGE)
    if name in VARIABLES:
        tables = VARIABLES[name].get("gong_activity_tables", {})
        days = f"{APPENDED}.{tables.get('activity_by_day', 'activity_by_day')}"
        ((is_appended,),) = warehouse.query(
            f"select count(*) > count(distinct (user_id, period_start_date)) from {days}"  # noqa: S608 - the tests' own
        )
        assert is_appended
        build(built, other_project(folder / "project", VARIABLES[name]))
    return built


def other_project(folder: Path, variables: dict[str, Any]) -> Path:
    """Make a dbt project that installs the package, and has a time spine of its own instead of the package's."""
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "days.sql").write_text("select cast('2025-01-01' as date) as day", encoding="utf-8")
    spine = {
        "name": "days",
        "time_spine": {"standard_granularity_column": "day"},
        "columns": [{"name": "day", "granularity": "day"}],
    }
    files: dict[str, dict[str, Any]] = {
        "dbt_project.yml": {
            "name": "another",
            "profile": "gong_activity",
            "flags": {"send_anonymous_usage_stats": False},
            "vars": {"gong_activity": variables},
            "models": {
                "another": {"+schema": "own"},
                "gong_activity": {"metrics": {"gong_activity_time_spine": {"+enabled": False}}},
            },
        },
        "models/days.yml": {"models": [spine]},
        "packages.yml": {"packages": [{"local": str(PACKAGE)}]},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    run_dbt("deps", project=folder).check_returncode()
    return folder


def build(built: Built, project: Path) -> None:
    """Build and test every model, expecting a warning where Gong's own figures or managers call for one."""
    done = run_dbt(
        *("build", "--target", built.adapter, "--target-path", built.target, "--log-path", built.target),
        project=project,
        environment=built.warehouse.connection,
    )
    assert done.returncode == 0, done.stdout
    warnings = bool(disagreements(built.returned)) + bool(detours(built.returned.people))
    assert f"WARN={warnings} ERROR=0" in done.stdout


def run_dbt(
    *arguments: str | Path, project: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run dbt's command in a time zone that isn't the data's."""
    return subprocess.run(
        [DBT, *arguments],
        cwd=project,
        env={
            **os.environ,
            **(environment or {}),
            "DBT_PROFILES_DIR": str(PACKAGE),
            "TZ": "Asia/Kolkata",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_facts_hold_what_gong_returned(built: Built) -> None:
    """Each grain's facts are the newest figures of each user and period."""
    for grain, periods in built.returned.periods.items():
        rows = built.table(
            f"fct_gong_activity_by_{grain}",
            f"user_id, period_start_date, period_end_date, {', '.join(COUNTER_COLUMNS)}",
        )
        assert len(rows) == len(periods)
        assert {(user, start): (end, tuple(counters)) for user, start, end, *counters in rows} == {
            key: (period.end, period.counters) for key, period in periods.items()
        }


def test_facts_name_todays_manager(built: Built) -> None:
    """Whoever the user reports to after the last night is in every fact."""
    people = built.returned.people
    rows = set(built.table("fct_gong_activity_by_month", "user_id, manager_id"))

    assert rows == {(user, manager_of(user, people)) for user, _ in built.returned.periods["month"]}


def test_instants_are_utc(built: Built) -> None:
    """Neither the loader's types nor the session's time zone move an instant."""
    periods = built.returned.periods["month"]
    rows = built.table(
        "stg_gong_activity__by_month", "period_start_date, period_start_at, period_end_date, period_end_at"
    )
    created = dict(built.table("dim_gong_users", "user_id, created_at"))

    assert len(rows) == len(periods)
    for start, starts_at, end, ends_at in rows:
        assert (starts_at, ends_at) == tuple(
            COMPANY.midnight(day).astimezone(timezone.utc).replace(tzinfo=None) for day in (start, end)
        )
    for user, profile in built.returned.people.items():
        assert created[user] == profile.created.replace(tzinfo=None, microsecond=0)


def test_dimension_holds_everybody(built: Built) -> None:
    """Whoever Gong has listed or shown activity of is there once, with what is known of them."""
    people = built.returned.people
    seen = {
        user: period.email_address
        for periods in built.returned.periods.values()
        for (user, _), period in periods.items()
    }
    columns = "user_id, user_name, first_name, last_name, email_address, email_aliases, title, is_active, is_listed"
    rows = built.table("dim_gong_users", columns)

    assert len(rows) == len(people.keys() | seen.keys())
    assert {COMPANY.user_id(number) for number in NEVER_LISTED} <= seen.keys() - people.keys()
    for user, name, first, last, email, aliases, title, is_active, is_listed in rows:
        profile = people.get(user)
        assert is_listed == (profile is not None)
        if profile is None:
            assert (name, email, is_active) == (seen[user] or user, seen[user], None)
            continue
        address = profile.email_address or seen.get(user)
        assert (first, last, email, title, is_active) == (
            profile.first_name,
            profile.last_name,
            address,
            profile.title,
            profile.is_active,
        )
        assert tuple(json.loads(aliases)) == profile.email_aliases
        assert name == (f"{first} {last}" if first else address or user)


def test_paths_lead_to_the_top(built: Built) -> None:
    """Each user's path is the chain of managers as of the last night; a loop has no top."""
    people = built.returned.people
    rows = built.table(
        "dim_gong_users", "user_id, manager_id, manager_status, manager_path, top_manager_id, levels_below_top"
    )

    statuses = {}
    for user, manager, status, path, top, levels in rows:
        chain = chain_of(user, people)
        statuses[user] = chain.status
        assert (manager, status) == (manager_of(user, people), chain.status)
        assert path == f"/{'/'.join(reversed((user, *chain.managers)))}/"
        assert (top, levels) == (
            (None, None) if chain.status == "loop" else ((user, *chain.managers)[-1], len(chain.managers))
        )
    assert {COMPANY.user_id(number) for number in (*LOOP, BELOW_LOOP)} <= {
        user for user, status in statuses.items() if status == "loop"
    }
    assert statuses[COMPANY.user_id(OWN_MANAGER)] == "self"
    assert statuses[COMPANY.user_id(LOST_MANAGER)] == "not listed"
    assert len(chain_of(COMPANY.user_id(CHAIN[0]), people).managers) == len(CHAIN) - 1


def test_managers_reach_everybody_below_them(built: Built) -> None:
    """The bridge holds each step of each chain, and everybody themselves."""
    everybody = {user for (user,) in built.table("dim_gong_users", "user_id")}
    rows = built.table("bridge_gong_managers", "user_id, manager_id, levels_between")

    assert len(rows) == len(set(rows))
    assert set(rows) == {
        (user, manager, levels)
        for user in everybody
        for levels, manager in enumerate((user, *chain_of(user, built.returned.people).managers))
    }


def test_people_have_every_month_of_theirs(built: Built) -> None:
    """A person's months begin with the account, and end with the last activity of whoever has left."""
    expected = coaching(COMPANY, built.returned)
    rows = built.table("mart_gong_coaching_by_month", f"user_id, month, has_activity, {', '.join(SHOWN)}")

    assert len(rows) == len(expected)
    assert {(user, month): dict(zip(SHOWN, counters, strict=True)) for user, month, _, *counters in rows} == {
        key: {name: counters[name] for name in SHOWN} for key, counters in expected.items()
    }
    assert {(user, month) for user, month, has_activity, *_ in rows if has_activity} == {
        key for key, counters in expected.items() if any(counters.values())
    }
    latecomer = COMPANY.user_id(COMPANY.latecomer)
    assert min(month for user, month, *_ in rows if user == latecomer) == date(2025, 2, 1)


def test_teams_sum_up_their_members(built: Built) -> None:
    """A team's month is the sum over the manager's direct reports."""
    expected = team_coaching(coaching(COMPANY, built.returned), built.returned.people)
    columns = list(next(iter(expected.values())))
    rows = built.table("mart_gong_team_coaching_by_month", f"team_id, month, {', '.join(columns)}")

    assert len(rows) == len(expected)
    assert {(team, month): dict(zip(columns, sums, strict=True)) for team, month, *sums in rows} == expected
    assert {type(value) for _, _, *sums in rows for value in sums} == {int}


def test_warnings_name_what_disagrees(built: Built) -> None:
    """The reconciliation finds every week and month that its days contradict, and no other."""
    found = built.compiled_test("reconcile_grains")
    expected = disagreements(built.returned)

    assert {(grain, start, user, tuple(counters.split())) for grain, start, user, counters in found} == expected
    assert len(found) == len(expected)
    assert COMPANY.user_id(FEEDBACK_WITHDRAWN) in {user for _, _, user, _ in expected}


def test_warnings_name_whose_managers_lead_nowhere(built: Built) -> None:
    """Loops and managers whom Gong doesn't list are visible."""
    found = built.compiled_test("managers_reach_the_top")

    assert {user for user, *_ in found} == detours(built.returned.people)


def test_columns_are_described_in_the_warehouse(built: Built) -> None:
    """The schemas' descriptions are comments of the columns."""
    comments = {(table, column): comment for table, column, comment in built.warehouse.query(COMMENTS[built.adapter])}
    for schema, tables in {
        "activity": ["stg_gong_activity__by_day", "fct_gong_activity_by_month"],
        "users": ["stg_gong_activity__users", "dim_gong_users"],
    }.items():
        properties = json.loads((SCHEMAS / f"{schema}.json").read_text(encoding="utf-8"))["properties"]
        for table in tables:
            described = {column for name, column in comments if name == table} & properties.keys()
            assert len(described) >= 9
            for column in described - {"manager_id"}:
                assert comments[table, column] == properties[column]["description"]
    assert all(comment for (table, _), comment in comments.items() if not table.startswith("int_"))


def test_metrics_are_declared(built: Built) -> None:
    """The metrics are in the semantic manifest."""
    manifest = json.loads((built.target / "semantic_manifest.json").read_text(encoding="utf-8"))

    assert {metric["name"] for metric in manifest["metrics"]} == {
        "gong_calls_hosted",
        "gong_feedback_given",
        "gong_feedback_requested",
        "gong_feedback_received",
    }
    (model,) = manifest["semantic_models"]
    assert {dimension["name"] for dimension in model["dimensions"]} == {
        "activity_month",
        "user_name",
        "team_id",
        "team_name",
    }


@pytest.mark.parametrize("built", ["duckdb"], indirect=True)
def test_broken_data_fails_the_build(built: Built, tmp_path: Path) -> None:
    """A negative count, a table of another grain, keys that come twice, and no users are errors."""
    file = str(shutil.copy(built.warehouse.connection["GONG_ACTIVITY_DUCKDB"], tmp_path))
    with duckdb.connect(file) as connection:
        connection.execute("use gong_activity")
        connection.execute("update activity_by_day set calls_as_host = -1 where calls_as_host = 1")
        connection.execute("create or replace table activity_by_week as from activity_by_month")
        connection.execute(
            "create or replace table activity_by_month as from activity_by_month union all from activity_by_month"
        )
        connection.execute("truncate users")

    done = run_dbt(
        *("build", "--select", "staging", "users_are_loaded", "--vars", '{"gong_activity_extracted_at": ""}'),
        *("--target-path", tmp_path, "--log-path", tmp_path),
        project=PACKAGE,
        environment={"GONG_ACTIVITY_DUCKDB": file},
    )

    results = json.loads((tmp_path / "run_results.json").read_text(encoding="utf-8"))["results"]
    failed = {result["unique_id"].split(".")[2] for result in results if result["status"] in {"error", "fail"}}
    assert done.returncode == 1
    assert failed == {
        "gong_activity_valid_activity_stg_gong_activity__by_day_day",
        "gong_activity_valid_activity_stg_gong_activity__by_week_week",
        "gong_activity_unique_key_stg_gong_activity__by_month_user_id__period_start_date",
        "users_are_loaded",
    }


def test_models_compile_for_snowflake(tmp_path: Path) -> None:
    """Without an account, every model compiles: none asks the database anything first."""
    done = run_dbt(
        *("--no-populate-cache", "compile", "--no-introspect", "--target", "snowflake"),
        *("--target-path", tmp_path, "--log-path", tmp_path),
        project=PACKAGE,
    )
    models = {
        path.stem for path in PACKAGE.glob("models/*/*.sql") if "quarter" not in path.stem and "year" not in path.stem
    }

    assert done.returncode == 0, done.stdout
    assert {path.stem for path in tmp_path.glob("compiled/gong_activity/models/*/*.sql")} == models


SHOWN = (
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
)
COMMENTS = {
    "duckdb": """
        select table_name, column_name, comment from duckdb_columns() where schema_name = 'gong_activity_marts'
    """,
    "postgres": """
        select relname, attname, col_description(attrelid, attnum)
        from pg_attribute
        inner join pg_class on pg_class.oid = attrelid
        where relnamespace = 'gong_activity_marts'::regnamespace and relkind in ('r', 'v') and attnum > 0
    """,
}
