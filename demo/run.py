"""`make demo`: load a fictional company's activity into CSV files with Meltano, twice, and show the result."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chart import write_chart
from gong_sandbox import Company, Sandbox
from loads import compare, deduplicate, read_rows
from project import CHECKOUT, Project, RunFailedError
from report import print_busiest_hosts, print_loads

if TYPE_CHECKING:
    from pathlib import Path

    from loads import Load

JOB = "gong-activity-to-csv"
USERS = 150
DAYS = 400
GRAINS = ("day", "week")


def main() -> int:
    """Run the demo, and return 1 if a run fails or the files don't contain the rows that were sent."""
    project = Project(CHECKOUT / "output" / "demo")
    project.create()
    company = Company(USERS)
    start_date = company.today(datetime.now().astimezone()) - timedelta(days=DAYS)
    with Sandbox(company=company, request_log=project.folder / "requests.jsonl") as sandbox:
        print(f"The sandbox is at {sandbox.url}, with a company of {USERS} users.", flush=True)
        settings = {
            **sandbox.environment,
            "TAP_GONG_ACTIVITY_START_DATE": start_date.isoformat(),
            "TAP_GONG_ACTIVITY__SELECT": json.dumps([f"activity_by_{grain}.*" for grain in GRAINS]),
        }
        try:
            print(f"\nFirst run: everything since {start_date}, by {' and by '.join(GRAINS)}.", flush=True)
            first = run(project, sandbox, settings)
            print("\nSecond run: no new days yet, so only the lookback of 7 days.", flush=True)
            second = run(project, sandbox, settings)
        except RunFailedError as failure:
            print(f"{failure}\n\nMeltano failed; its log is {relative(project.log)}.", file=sys.stderr)
            return 1
    if any(load.rows_sent != load.rows_loaded for load in (*first, *second)):
        print("\nThe number of rows in the files differs from the number of rows sent.", file=sys.stderr)
        return 1
    rows = read_rows(project.csv_files())
    print()
    print_busiest_hosts(deduplicate(rows["activity_by_day"]))
    chart = project.folder / "activity-by-week.html"
    write_chart(deduplicate(rows["activity_by_week"]), chart)
    print(f"\nChart of all weeks:  {relative(chart)} (opens in a browser)")
    print(f"Loaded files:        {relative(project.csv_folder)}")
    print(f"Log of requests:     {relative(project.folder / 'requests.jsonl')}")
    print(f"Meltano's log:       {relative(project.log)}")
    return 0


def run(project: Project, sandbox: Sandbox, settings: dict[str, str]) -> list[Load]:
    """Run the job, and print and return its loads.

    Raises:
        RunFailedError: Meltano exited with another status than 0.
    """
    files_before, requests_before = project.csv_files(), len(sandbox.requests)
    start = time.monotonic()
    project.run(JOB, settings)
    loads = compare(sandbox.requests[requests_before:], read_rows(project.csv_files() - files_before))
    print_loads(loads)
    print(f"  {time.monotonic() - start:.0f} seconds, including Meltano's start-up.")
    return loads


def relative(path: Path) -> str:
    """Return a path relative to the current folder."""
    return os.path.relpath(path)


if __name__ == "__main__":
    sys.exit(main())
