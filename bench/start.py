"""Start-up time, compared with importing the SDK alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bench.load import Load
from bench.programs import tap
from bench.run import run
from bench.table import show, spread

if TYPE_CHECKING:
    from pathlib import Path

RUNS = 15


def compare_start(folder: Path) -> None:
    """Run the tap with nothing to read, and Python with an import of the SDK."""
    # The range is in the future, so no request is made.
    nothing = tap(Load(users=0, days=1), "http://127.0.0.1", folder, start_date="2999-01-01", end_date=None)
    commands = {
        "python -c 'import singer_sdk'": [sys.executable, "-c", "import singer_sdk"],
        "tap-gong-activity --version": [sys.executable, "-m", "tap_gong_activity", "--version"],
        "tap-gong-activity --discover": [*nothing, "--discover"],
        "a run with nothing to read": nothing,
    }
    turns = [{name: run(command) for name, command in commands.items()} for _ in range(RUNS)]
    show(
        f"Start-up, {RUNS} runs",
        ["", "seconds", "CPU seconds"],
        [
            [
                name,
                spread([turn[name].seconds for turn in turns]),
                spread([turn[name].cpu_seconds for turn in turns]),
            ]
            for name in commands
        ],
    )
