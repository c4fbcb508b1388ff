"""How near the tap comes to Gong's limit, on a server that takes a second for an answer and allows three a second."""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import TYPE_CHECKING

from bench.load import Load
from bench.neighbor import PATH, neighbor
from bench.programs import tap
from bench.run import Run, run
from bench.server_process import Request, serving
from bench.table import show, spread

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 1.0
CALLS_PER_SECOND = 3

LOADS = {
    **{Load(users=100 * pages, days=1, windows=60 // pages): 3 for pages in (1, 3, 12, 15, 20)},
    Load(users=300, days=90, windows=8): 5,
    Load(users=5_000, days=1, windows=3): 1,
    Load(users=100, days=90): 3,
}
"""What is read, and how often: 60 pages in several shapes first."""

BACKFILL = Load(users=300, days=1, windows=60)
"""What is read beside a neighbor."""

NEIGHBORS = (0.0, 0.5, 1.0, 2.0)
"""Calls a second of a neighbor."""


def compare_pace(folder: Path) -> None:
    """Run the tap on each load, with all settings at their defaults."""
    rows = []
    for load, times in LOADS.items():
        runs, asked = zip(*(_run(load, folder) for _ in range(times)), strict=True)
        rows.append(
            [
                f"{load}, {times} times",
                f"{_least_seconds(load):.1f}",
                spread([requests[-1].arrived - requests[0].arrived for requests in asked], ".1f"),
                spread([each.seconds for each in runs], ".1f"),
                str(sum(request.status == HTTPStatus.TOO_MANY_REQUESTS for requests in asked for request in requests)),
                f"{max(each.peak_memory for each in runs):.0f}",
            ]
        )
    headings = ["", "s that the limit allows", "s, first to last request", "s, the whole process", "429s", "MB"]
    title = f"At {CALLS_PER_SECOND} calls a second and {SECONDS:g} s for an answer"
    show(f"{title} (load {os.getloadavg()[0]:.1f})", headings, rows)


def compare_neighbors(folder: Path) -> None:
    """Run a backfill alone and beside another client of the same account."""
    rows: list[list[str]] = []
    alone = 0.0
    for calls_per_second in NEIGHBORS:
        _, requests = _run(BACKFILL, folder, calls_per_second)
        own = [request.arrived for request in requests if request.path != PATH]
        seconds = own[-1] - own[0]
        alone = alone or seconds
        others = [
            request.status == HTTPStatus.OK
            for request in requests
            if request.path == PATH and own[0] <= request.arrived <= own[-1]
        ]
        rows.append(
            [
                f"{calls_per_second:g} calls a second" if calls_per_second else "nobody",
                f"{seconds:.1f}",
                f"{seconds / alone:.2f}",
                f"{CALLS_PER_SECOND / (CALLS_PER_SECOND - calls_per_second):.2f}",
                f"{sum(others)} of {len(others)}" if others else "",
            ]
        )
    headings = ["beside", "s, first to last request", "times alone", "least possible", "neighbor served"]
    show(f"Beside a neighbor: {BACKFILL} (load {os.getloadavg()[0]:.1f})", headings, rows)


def _run(load: Load, folder: Path, neighbor_calls_per_second: float = 0.0) -> tuple[Run, list[Request]]:
    with serving(users=load.users, seconds=SECONDS, calls_per_second=CALLS_PER_SECOND) as server:
        with neighbor(server.url, neighbor_calls_per_second):
            done = run(tap(load, server.url, folder))
        return done, sorted(server.requests())


def _least_seconds(load: Load) -> float:
    """What no client can beat: calls in threes, and within a window one after another."""
    return max((load.pages - 1) // CALLS_PER_SECOND, (load.pages / load.windows - 1) * SECONDS)
