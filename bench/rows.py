"""Rows per second of each program, limited by one core only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.load import Load
from bench.programs import UNLIMITED, bare_script, plain_tap, tap
from bench.run import Run, run
from bench.server_process import serving
from bench.table import show, spread

if TYPE_CHECKING:
    from pathlib import Path

LOADS = {
    Load(users=2_000, days=90): 5,
    Load(users=10_000, days=90): 3,
    Load(users=100, days=90, windows=20): 5,
    Load(users=1_000, days=365): 3,
}
"""Each load and its number of runs."""


def compare_rows(folder: Path) -> None:
    """Run the four programs in turn, and compare each with the tap in the same turn."""
    for load, runs in LOADS.items():
        with serving(users=load.users) as server:
            commands = {
                "tap-gong-activity": tap(load, server.url, folder, requests_per_second=UNLIMITED),
                "requests, msgspec": bare_script("bare_msgspec", load, server.url),
                "requests, json, print": bare_script("bare_json", load, server.url),
                "plain SDK tap": plain_tap(load, server.url, folder),
            }
            turns = [{name: _checked(run(command), load) for name, command in commands.items()} for _ in range(runs)]
        show(
            f"{load}, {runs} runs",
            ["", "seconds", "rows per second", "time relative to the tap", "CPU time relative to the tap", "MB"],
            [_figures(name, turns, load) for name in commands],
        )


def _checked(result: Run, load: Load) -> Run:
    if result.lines < load.rows:
        message = f"{result.lines:,} lines written, expected at least {load.rows:,}"
        raise RuntimeError(message)
    return result


def _figures(name: str, turns: list[dict[str, Run]], load: Load) -> list[str]:
    tap_runs, runs = [turn["tap-gong-activity"] for turn in turns], [turn[name] for turn in turns]
    return [
        name,
        spread([each.seconds for each in runs]),
        spread([load.rows / each.seconds for each in runs], ",.0f"),
        spread([each.seconds / tap_run.seconds for each, tap_run in zip(runs, tap_runs, strict=True)]),
        spread([each.cpu_seconds / tap_run.cpu_seconds for each, tap_run in zip(runs, tap_runs, strict=True)]),
        f"{max(each.peak_memory for each in runs):.0f}",
    ]
