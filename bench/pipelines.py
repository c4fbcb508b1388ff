"""How long whole pipelines take: the tap into each loader, and the load scripts of `examples/`."""

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
    """Load the same rows once by each way, and show its time beside that of the DuckDB script."""
    with serving(users=LOAD.users) as server, postgres_database() as conninfo:
        runs = {
            name: run(["bash", "-c", f"set -o pipefail; {command}"])
            for name, command in _pipelines(folder, server, conninfo)
        }
    show(
        f"{LOAD}, loaded once, tap included",
        ["", "seconds", "processor seconds", f"times the processor time of {BASELINE}"],
        [_figures(name, done, runs[BASELINE]) for name, done in runs.items()],
    )


def _figures(name: str, done: Run, baseline: Run) -> list[str]:
    ratio = done.processor_seconds / baseline.processor_seconds
    return [name, f"{done.seconds:.1f}", f"{done.processor_seconds:.1f}", f"{ratio:.1f}"]


def _pipelines(folder: Path, server: ServerProcess, conninfo: dict[str, Any]) -> Iterator[tuple[str, str]]:
    source = tap(LOAD, server.url, folder, requests_per_second=UNLIMITED)
    arguments = shlex.join(source[3:])
    # The scripts start the command by its name.
    path = shlex.quote(f"{Path(sys.executable).parent}")
    yield "into nothing", f"{shlex.join(source)} > /dev/null"
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
