"""The programs that are compared: the tap, the plain tap and the two bare scripts, each told to read the same."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bench.load import Load

PATH = "/v2/stats/activity/aggregate-by-period"

UNLIMITED = 1_000_000
"""Requests a second that no program reaches."""


def tap(load: Load, url: str, folder: Path, **settings: object) -> list[str]:
    """The tap's command to read a load from the server at `url`, with all but these settings at their defaults."""
    return _module("tap_gong_activity", "--config", _config(load, url, folder / "tap.json", **settings))


def plain_tap(load: Load, url: str, folder: Path) -> list[str]:
    """The plain tap's command."""
    return _module("bench.plain_tap", "--config", _config(load, url, folder / "plain_tap.json"))


def bare_script(name: str, load: Load, url: str) -> list[str]:
    """A bare script's command."""
    return _module(f"bench.{name}", url + PATH, str(load.start), str(load.end), str(load.days))


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def _config(load: Load, url: str, path: Path, **settings: object) -> str:
    read = {"start_date": str(load.start), "end_date": str(load.end), "periods_per_window": load.days}
    path.write_text(
        json.dumps({"access_key": "key", "access_key_secret": "secret", "api_url": url, **read, **settings})
    )
    return str(path)
