"""`python -m bench` measures everything, which takes half an hour; `python -m bench rows pace` only those."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

from bench.batch import compare_batch
from bench.memory import compare_memory
from bench.pace import compare_neighbors, compare_pace
from bench.pipelines import compare_pipelines
from bench.rows import compare_rows
from bench.start import compare_start

PARTS = {
    "start": compare_start,
    "rows": compare_rows,
    "memory": compare_memory,
    "pace": compare_pace,
    "neighbors": compare_neighbors,
    "batch": compare_batch,
    "pipelines": compare_pipelines,
}


def main() -> None:
    """Measure the parts that are named."""
    options = argparse.ArgumentParser(description="Measure the tap beside a plain tap and two bare scripts.")
    options.add_argument("parts", nargs="*", help=f"what to measure, of {', '.join(PARTS)}; everything by default")
    parts = options.parse_args().parts or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        options.error(f"there is no part {', '.join(sorted(unknown))}")
    print(
        f"{os.cpu_count()} cores, {platform.system()} on {platform.machine()}, Python {platform.python_version()}, "
        f"singer-sdk {version('singer-sdk')}, msgspec {version('msgspec')}. "
        "Each figure is the median (min to max)."
    )
    with tempfile.TemporaryDirectory() as folder:
        for part in parts:
            PARTS[part](Path(folder))


if __name__ == "__main__":
    main()
