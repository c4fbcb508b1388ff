"""Runs of the tap's own command, into a loader over a pipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gong_sandbox import Sandbox

TAP = Path(sys.executable).with_name("tap-gong-activity")
PATIENCE = 60


def settings_for(sandbox: Sandbox, **settings: object) -> dict[str, Any]:
    """Give a configuration for the sandbox, at the speed of a test."""
    return {
        "api_url": sandbox.url,
        "access_key": sandbox.access_key,
        "access_key_secret": sandbox.access_key_secret,
        "company_timezone": sandbox.company.zone.key,
        "requests_per_second": 1_000_000,
        **settings,
    }


def load(
    loader: Sequence[str | Path],
    folder: Path,
    settings: Mapping[str, Any],
    *,
    streams: Sequence[str],
    state: str | None = None,
    loader_environment: Mapping[str, str] | None = None,
) -> str:
    """Run the tap into a loader, and give the last state that the loader prints, as it prints it.

    Args:
        loader: The loader's command.
        folder: Where the tap's files are written.
        settings: The tap's configuration.
        streams: The streams to select.
        state: What the loader printed last time.
        loader_environment: Environment variables for the loader alone.
    """
    command: list[str | Path] = [TAP]
    files = {"config": json.dumps(settings), "catalog": select(streams), "state": state}
    for option, text in files.items():
        if text is not None:
            path = folder / f"{option}.json"
            path.write_text(text, encoding="utf-8")
            command += [f"--{option}", path]
    log = folder / "tap.log"
    with (
        log.open("w", encoding="utf-8") as log_file,
        subprocess.Popen(command, env=surroundings(), stdout=subprocess.PIPE, stderr=log_file) as tap,
        subprocess.Popen(
            loader,
            env={**surroundings(), **(loader_environment or {})},
            stdin=tap.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as target,
    ):
        # The loader's alone, so that the tap hears of it if the loader ends.
        if tap.stdout:
            tap.stdout.close()
        try:
            printed, said = target.communicate(timeout=PATIENCE)
            tap.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            tap.kill()
            target.kill()
            raise
    assert target.returncode == 0, said
    assert tap.returncode == 0, log.read_text(encoding="utf-8")
    return printed.splitlines()[-1]


def bookmarks(state: str) -> dict[str, str]:
    """Read each stream's bookmark out of a state."""
    return {stream: bookmark["replication_key_value"] for stream, bookmark in json.loads(state)["bookmarks"].items()}


def select(streams: Sequence[str]) -> str:
    """Give a catalog that selects these streams alone."""
    catalog = json.loads(discovered())
    for stream in catalog["streams"]:
        (itself,) = (entry["metadata"] for entry in stream["metadata"] if entry["breadcrumb"] == [])
        itself["selected"] = stream["tap_stream_id"] in streams
    return json.dumps(catalog)


@cache
def discovered() -> str:
    """Give the catalog that the tap discovers."""
    return subprocess.run([TAP, "--discover"], check=True, env=surroundings(), capture_output=True, text=True).stdout


def surroundings() -> dict[str, str]:
    """Give the environment without what would change Python, Meltano, the tap or a loader."""
    lent = ("MELTANO_", "PYTHON", "TAP_GONG_ACTIVITY_", "TARGET_")
    return {name: value for name, value in os.environ.items() if not name.startswith(lent)}
