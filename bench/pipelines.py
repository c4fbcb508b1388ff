"""Whole pipelines: the tap into each loader, and the scripts in `examples/`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg.conninfo import make_conninfo
from support.loaders import definition, install
from support.postgres_server import postgres_database

from bench.load import Load
from bench.programs import UNLIMITED, tap
from bench.run import Run, run
from bench.server_process import serving
from bench.table import show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.server_process import ServerProcess

EXAMPLES = Path(__file__).parents[1] / "examples"
LOAD = Load(users=2_000, days=90)
BASELINE = "examples/duckdb"


def compare_pipelines(folder: Path) -> None:
    """Load the same rows with each pipeline once, and compare it with the DuckDB script."""
    with serving(users=LOAD.users) as server, postgres_database() as conninfo:
        runs = {
            name: run(["bash", "-c", f"set -o pipefail; {command}"])
            for name, command in _pipelines(folder, server, conninfo)
        }
    show(
        f"{LOAD}, loaded once, including the tap",
        ["", "seconds", "CPU seconds", f"CPU time relative to {BASELINE}"],
        [_figures(name, result, runs[BASELINE]) for name, result in runs.items()],
    )


def _figures(name: str, result: Run, baseline: Run) -> list[str]:
    ratio = result.cpu_seconds / baseline.cpu_seconds
    return [name, f"{result.seconds:.1f}", f"{result.cpu_seconds:.1f}", f"{ratio:.1f}"]


def _pipelines(folder: Path, server: ServerProcess, conninfo: dict[str, Any]) -> Iterator[tuple[str, str]]:
    source = tap(LOAD, server.url, folder, requests_per_second=UNLIMITED)
    arguments = shlex.join(source[3:])
    # The scripts look the tap up on the PATH.
    path = shlex.quote(f"{Path(sys.executable).parent}")
    yield "/dev/null", f"{shlex.join(source)} > /dev/null"
    for name, database in ((BASELINE, str(folder / "script.duckdb")), ("examples/postgres", make_conninfo(**conninfo))):
        script = EXAMPLES.parent / name / "load.py"
        command = shlex.join([sys.executable, str(script), database])
        yield name, f"PATH={path}:$PATH {command} {arguments}"
    configurations: dict[str, dict[str, Any]] = {
        "target-csv": {"output_path": str(folder / "csv")},
        "target-jsonl": {"destination_path": str(folder / "jsonl")},
        "target-duckdb": {"filepath": str(folder / "gong.duckdb")},
        "target-postgres": {
            "host": conninfo["host"],
            "port": int(conninfo["port"]),
            "user": conninfo["user"],
            "password": conninfo["password"],
            "database": conninfo["dbname"],
        },
    }
    for name in ("csv", "jsonl"):
        (folder / name).mkdir()
    for name, configuration in configurations.items():
        config = folder / f"{name}.json"
        config.write_text(json.dumps({**definition(name)["config"], **configuration}), encoding="utf-8")
        loader = shlex.join([str(install(name, folder / f"{name}-environment")), "--config", str(config)])
        yield name, f"{shlex.join(source)} | PGTZ=UTC {loader} > /dev/null"
