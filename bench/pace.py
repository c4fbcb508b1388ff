"""How near the tap comes to Gong's limit, on a server that takes a second for an answer and allows three a second."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from bench.load import Load
from bench.programs import tap
from bench.run import Run, run
from bench.server_process import Request, serving
from bench.table import show, spread

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 1.0
CALLS_PER_SECOND = 3

LOADS = {
    Load(users=300, days=7, windows=8): 5,
    Load(users=300, days=90, windows=8): 5,
    Load(users=5_000, days=1, windows=3): 1,
    Load(users=100, days=90): 3,
}
"""What is read, and how often."""


def compare_pace(folder: Path) -> None:
    """Run the tap on each load, with all settings at their defaults."""
    rows = []
    for load, times in LOADS.items():
        runs, asked = zip(*(_run(load, folder) for _ in range(times)), strict=True)
        rows.append(
            [
                str(load),
                f"{_least_seconds(load):.0f}",
                spread([each.seconds for each in runs], ".1f"),
                spread([requests[-1].arrived - requests[0].arrived + SECONDS for requests in asked], ".1f"),
                str(sum(request.status == HTTPStatus.TOO_MANY_REQUESTS for requests in asked for request in requests)),
                f"{max(each.peak_memory for each in runs):.0f}",
            ]
        )
    headings = ["", "s that the limit allows", "s, the whole process", "s, from the first request", "429s", "MB"]
    show(f"At {CALLS_PER_SECOND} calls a second and {SECONDS:g} s for an answer", headings, rows)


def _run(load: Load, folder: Path) -> tuple[Run, list[Request]]:
    with serving(users=load.users, seconds=SECONDS, calls_per_second=CALLS_PER_SECOND) as server:
        return run(tap(load, server.url, folder)), sorted(server.requests())


def _least_seconds(load: Load) -> float:
    """What no client can beat: calls in threes, and within a window one after another."""
    return max(-(-load.pages // CALLS_PER_SECOND) - 1 + SECONDS, load.pages / load.windows * SECONDS)
