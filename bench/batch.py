"""BATCH files compared with RECORD messages of the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.load import Load
from bench.programs import UNLIMITED, tap
from bench.run import run
from bench.server_process import serving
from bench.table import show, spread

if TYPE_CHECKING:
    from pathlib import Path

LOAD = Load(users=2_000, days=90)
RUNS = 5


def compare_batch(folder: Path) -> None:
    """Run the tap alternately with and without `batch_config`."""
    files = folder / "batches"
    files.mkdir()
    batch_config = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": files.as_uri()},
    }
    records, batches = [], []
    with serving(users=LOAD.users) as server:
        for _ in range(RUNS):
            records.append(run(tap(LOAD, server.url, folder, requests_per_second=UNLIMITED)))
            batches.append(run(tap(LOAD, server.url, folder, requests_per_second=UNLIMITED, batch_config=batch_config)))
    show(
        f"{LOAD}, {RUNS} runs",
        ["", "seconds", "CPU seconds", "MB"],
        [
            [
                name,
                spread([each.seconds for each in runs]),
                spread([each.cpu_seconds for each in runs]),
                f"{max(each.peak_memory for each in runs):.0f}",
            ]
            for name, runs in (("RECORD", records), ("BATCH, gzip", batches))
        ],
    )
