"""Runs of the tap's command, piped into a loader."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from support.catalogs import catalog_selecting
from support.child_processes import TAP, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gong_sandbox import Sandbox

TIMEOUT = 60


def unthrottled_settings(sandbox: Sandbox, **settings: object) -> dict[str, Any]:
    """Return settings for a run against the sandbox without a rate limit."""
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
    """Run the tap into a loader, and return the last state that the loader prints, as JSON.

    Args:
        loader: The loader's command.
        folder: Folder for the tap's files.
        settings: The tap's configuration.
        streams: The streams to select.
        state: The state that the loader printed last time.
        loader_environment: Environment variables of the loader alone.
    """
    command: list[str | Path] = [TAP]
    files = {"config": json.dumps(settings), "catalog": json.dumps(catalog_selecting(*streams)), "state": state}
    for option, text in files.items():
        if text is not None:
            path = folder / f"{option}.json"
            path.write_text(text, encoding="utf-8")
            command += [f"--{option}", path]
    log = folder / "tap.log"
    with (
        log.open("w", encoding="utf-8") as log_file,
        subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, stderr=log_file) as tap,
        subprocess.Popen(
            loader,
            env={**clean_environment(), **(loader_environment or {})},
            stdin=tap.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as target,
    ):
        # Only the loader must keep the pipe open, so that the tap gets SIGPIPE if the loader ends.
        if tap.stdout:
            tap.stdout.close()
        try:
            states, errors = target.communicate(timeout=TIMEOUT)
            tap.wait(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            tap.kill()
            target.kill()
            raise
    assert target.returncode == 0, errors
    assert tap.returncode == 0, log.read_text(encoding="utf-8")
    return states.splitlines()[-1]
