"""Meltano's job for the marts extracts, loads and builds."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

import duckdb
from gong_sandbox import COUNTERS, Company, Sandbox
from support.meltano_project import MeltanoProject

if TYPE_CHECKING:
    from pathlib import Path

PLUGINS = ("tap-gong-activity-for-marts", "target-duckdb", "dbt-duckdb")
START, END = date(2025, 1, 1), date(2025, 3, 5)
NOWHERE = "http://127.0.0.1:9"


def test_job_fills_the_marts(tmp_path: Path) -> None:
    """One command on a clone leaves each month's coaching in the DuckDB file, as the company's figures have it."""
    environment = {
        "MELTANO_HUB_URL": NOWHERE,
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "TAP_GONG_ACTIVITY_START_DATE": str(START),
        "TAP_GONG_ACTIVITY_END_DATE": str(END),
    }
    project = MeltanoProject.clone(tmp_path, environment, ["dbt"])
    installed = project.meltano("install", *PLUGINS)
    assert installed.returncode == 0, installed.stdout
    company = Company()
    with Sandbox(company=company, today=END) as sandbox:
        ran = project.meltano("run", "gong-to-duckdb-marts", environment=sandbox.environment)
    assert ran.returncode == 0, ran.stdout

    hosted: Counter[tuple[str, date]] = Counter()
    for row in company.rows("MONTH", START, END.replace(day=1)):
        hosted[row.user_id, row.from_date] += row.counters[COUNTERS.index("callsAsHost")]
    with duckdb.connect(tmp_path / "gong.duckdb", read_only=True) as connection:
        rows = connection.execute(
            "select user_id, month, calls_as_host from gong_activity_marts.mart_gong_coaching_by_month"
        ).fetchall()
    assert {(user, month): calls for user, month, calls in rows if calls} == +hosted
