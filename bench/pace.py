"""How close the tap gets to Gong's rate limit, with a server that takes a second per response."""

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

LATENCY_SECONDS = 1.0
CALLS_PER_SECOND = 3

LOADS = {
    **{Load(users=100 * pages, days=1, windows=60 // pages): 3 for pages in (1, 3, 12, 15, 20)},
    Load(users=300, days=90, windows=8): 5,
    Load(users=5_000, days=1, windows=3): 1,
    Load(users=100, days=90): 3,
}
"""Each load and its number of runs; first, 60 pages in several shapes."""

BACKFILL = Load(users=300, days=1, windows=60)
"""The load beside a neighbor."""

NEIGHBOR_RATES = (0.0, 0.5, 1.0, 2.0)
"""Calls per second of the neighbor."""


def compare_pace(folder: Path) -> None:
    """Run the tap on each load with default settings."""
    rows = []
    for load, runs in LOADS.items():
        results, logs = zip(*(_run(load, folder) for _ in range(runs)), strict=True)
        rows.append(
            [
                f"{load}, {runs} runs",
                f"{_min_seconds(load):.1f}",
                spread([requests[-1].arrived - requests[0].arrived for requests in logs], ".1f"),
                spread([each.seconds for each in results], ".1f"),
                str(sum(request.status == HTTPStatus.TOO_MANY_REQUESTS for requests in logs for request in requests)),
                f"{max(each.peak_memory for each in results):.0f}",
            ]
        )
    headings = ["", "minimum, s", "first to last request, s", "whole process, s", "429s", "MB"]
    title = f"{CALLS_PER_SECOND} calls per second, {LATENCY_SECONDS:g} s per response"
    show(f"{title} (load {os.getloadavg()[0]:.1f})", headings, rows)


def compare_neighbors(folder: Path) -> None:
    """Run a backfill alone and beside another client of the same account."""
    rows: list[list[str]] = []
    alone = 0.0
    for calls_per_second in NEIGHBOR_RATES:
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
                f"{calls_per_second:g} calls per second" if calls_per_second else "none",
                f"{seconds:.1f}",
                f"{seconds / alone:.2f}",
                f"{CALLS_PER_SECOND / (CALLS_PER_SECOND - calls_per_second):.2f}",
                f"{sum(others)} of {len(others)}" if others else "",
            ]
        )
    headings = [
        "neighbor",
        "first to last request, s",
        "relative to no neighbor",
        "minimum",
        "neighbor's successes",
    ]
    show(f"Beside a neighbor, {BACKFILL} (load {os.getloadavg()[0]:.1f})", headings, rows)


def _run(load: Load, folder: Path, neighbor_calls_per_second: float = 0.0) -> tuple[Run, list[Request]]:
    with serving(users=load.users, latency=LATENCY_SECONDS, calls_per_second=CALLS_PER_SECOND) as server:
        with neighbor(server.url, neighbor_calls_per_second):
            result = run(tap(load, server.url, folder))
        return result, sorted(server.requests())


def _min_seconds(load: Load) -> float:
    """Return the minimum for any client: the rate limit, and one response per page of a window in sequence."""
    return max((load.pages - 1) // CALLS_PER_SECOND, (load.pages / load.windows - 1) * LATENCY_SECONDS)
