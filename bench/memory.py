"""Peak memory, which should not grow with windows, users or a target that is slow to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.load import Load
from bench.programs import UNLIMITED, tap
from bench.run import run
from bench.server_process import serving
from bench.table import show

if TYPE_CHECKING:
    from pathlib import Path

SLOW_TARGET = 50_000_000
"""Bytes a second that a slow target reads, which is 80,000 rows."""

LOADS = (
    (Load(users=200, days=1, windows=10), None),
    (Load(users=200, days=1, windows=1_000), None),
    (Load(users=20_000, days=1, windows=10), None),
    (Load(users=200, days=90), None),
    (Load(users=20_000, days=90), None),
    (Load(users=2_000, days=90, windows=4), None),
    (Load(users=2_000, days=90, windows=4), SLOW_TARGET),
    (Load(users=1_000, days=365), None),
    (Load(users=500, days=365, windows=4), None),
)


def compare_memory(folder: Path) -> None:
    """Run the tap on each load, as fast as it can."""
    rows = []
    for load, bytes_per_second in LOADS:
        with serving(users=load.users) as server:
            done = run(tap(load, server.url, folder, requests_per_second=UNLIMITED), bytes_per_second=bytes_per_second)
        microseconds = done.processor_seconds / load.rows * 1e6
        rows.append(
            [
                f"{load}{', a slow target' if bytes_per_second else ''}",
                f"{done.peak_memory:.0f}",
                f"{done.processor_seconds:.2f}",
                f"{microseconds:.1f}",
            ]
        )
    show("Peak memory of the tap", ["", "MB", "processor seconds", "microseconds a row"], rows)
