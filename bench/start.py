"""How long a start takes, beside that of the SDK alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bench.load import Load
from bench.programs import tap
from bench.run import run
from bench.table import show, spread

if TYPE_CHECKING:
    from pathlib import Path

TIMES = 15


def compare_start(folder: Path) -> None:
    """Run the tap where there is nothing to read, and Python with the SDK's import alone."""
    # A range that has not begun, so that the server is never asked.
    nothing = tap(Load(users=0, days=1), "http://127.0.0.1", folder, start_date="2999-01-01", end_date=None)
    commands = {
        "python -c 'import singer_sdk'": [sys.executable, "-c", "import singer_sdk"],
        "tap-gong-activity --version": [sys.executable, "-m", "tap_gong_activity", "--version"],
        "tap-gong-activity --discover": [*nothing, "--discover"],
        "a run with nothing to read": nothing,
    }
    turns = [{name: run(command) for name, command in commands.items()} for _ in range(TIMES)]
    show(
        f"Start-up, {TIMES} times",
        ["", "seconds", "processor seconds"],
        [
            [
                name,
                spread([turn[name].seconds for turn in turns]),
                spread([turn[name].processor_seconds for turn in turns]),
            ]
            for name in commands
        ],
    )
