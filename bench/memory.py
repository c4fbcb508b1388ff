"""Peak memory, which shouldn't grow with windows, users or a slow target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.load import Load
from bench.programs import UNLIMITED, tap
from bench.run import run
from bench.server_process import serving
from bench.table import show

if TYPE_CHECKING:
    from pathlib import Path

SLOW_TARGET_BYTES_PER_SECOND = 50_000_000
"""About 80,000 rows a second."""

LOADS = (
    (Load(users=200, days=1, windows=10), None),
    (Load(users=200, days=1, windows=1_000), None),
    (Load(users=20_000, days=1, windows=10), None),
    (Load(users=200, days=90), None),
    (Load(users=20_000, days=90), None),
    (Load(users=2_000, days=90, windows=4), None),
    (Load(users=2_000, days=90, windows=4), SLOW_TARGET_BYTES_PER_SECOND),
    (Load(users=1_000, days=365), None),
    (Load(users=500, days=365, windows=4), None),
)


def compare_memory(folder: Path) -> None:
    """Run the tap on each load without a rate limit."""
    rows = []
    for load, bytes_per_second in LOADS:
        with serving(users=load.users) as server:
            result = run(
                tap(load, server.url, folder, requests_per_second=UNLIMITED), bytes_per_second=bytes_per_second
            )
        microseconds = result.cpu_seconds / load.rows * 1e6
        rows.append(
            [
                f"{load}{', a slow target' if bytes_per_second else ''}",
                f"{result.peak_memory:.0f}",
                f"{result.cpu_seconds:.2f}",
                f"{microseconds:.1f}",
            ]
        )
    show("Peak memory of the tap", ["", "MB", "CPU seconds", "microseconds per row"], rows)
