"""Commands of the compared programs: the tap, the plain tap and the two bare scripts."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bench.load import Load

PATH = "/v2/stats/activity/aggregate-by-period"

UNLIMITED = 1_000_000
"""Requests per second that no program reaches."""


def tap(load: Load, url: str, folder: Path, **settings: object) -> list[str]:
    """Return the tap's command for a load from the server at `url`, with `settings` instead of the defaults."""
    return _module("tap_gong_activity", "--config", _config(load, url, folder / "tap.json", **settings))


def plain_tap(load: Load, url: str, folder: Path) -> list[str]:
    """Return the plain tap's command."""
    return _module("bench.plain_tap", "--config", _config(load, url, folder / "plain_tap.json"))


def bare_script(name: str, load: Load, url: str) -> list[str]:
    """Return a bare script's command."""
    return _module(f"bench.{name}", url + PATH, str(load.start), str(load.end), str(load.days))


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def _config(load: Load, url: str, path: Path, **settings: object) -> str:
    range_settings = {"start_date": str(load.start), "end_date": str(load.end), "periods_per_window": load.days}
    path.write_text(
        json.dumps({"access_key": "key", "access_key_secret": "secret", "api_url": url, **range_settings, **settings})
    )
    return str(path)
