"""The command line: `python -m bench` runs all benchmarks in half an hour, `python -m bench rows pace` only these."""

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

BENCHMARKS = {
    "start": compare_start,
    "rows": compare_rows,
    "memory": compare_memory,
    "pace": compare_pace,
    "neighbors": compare_neighbors,
    "batch": compare_batch,
    "pipelines": compare_pipelines,
}


def main() -> None:
    """Run the named benchmarks, or all."""
    options = argparse.ArgumentParser("python -m bench", description="Compare the tap with plain programs.")
    options.add_argument("names", nargs="*", metavar="BENCHMARK", help=f"{', '.join(BENCHMARKS)}; all by default")
    names = options.parse_args().names or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        options.error(f"unknown benchmark: {', '.join(sorted(unknown))}")
    print(
        f"{os.cpu_count()} cores, {platform.system()} on {platform.machine()}, Python {platform.python_version()}, "
        f"singer-sdk {version('singer-sdk')}, msgspec {version('msgspec')}. "
        "Each figure is the median (min to max)."
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            BENCHMARKS[name](Path(folder))


if __name__ == "__main__":
    main()
