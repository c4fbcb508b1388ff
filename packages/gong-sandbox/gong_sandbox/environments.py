"""The environment variables that point a Gong integration to the sandbox."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gong_sandbox.server import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIXES = ("GONG_", "TAP_GONG_ACTIVITY_")
"""Prefixes of the variables: neutral ones for any integration, and those of tap-gong-activity."""


def variables(values: Mapping[str, str]) -> dict[str, str]:
    """Return variables with `values` by their names without prefix, which win over a `.env` file and a proxy."""
    # Empty rather than absent: a .env file doesn't replace variables that exist.
    other_credentials = {"ACCESS_TOKEN": "", "OAUTH_TOKEN_FILE": ""}
    prefixed = {prefix + name: value for prefix in PREFIXES for name, value in {**values, **other_credentials}.items()}
    lower, upper = os.environ.get("no_proxy", ""), os.environ.get("NO_PROXY", "")
    # Some clients read one, some the other first.
    return {**prefixed, "no_proxy": _with_loopback(lower or upper), "NO_PROXY": _with_loopback(upper or lower)}


def _with_loopback(no_proxy: str) -> str:
    hosts = [host for host in no_proxy.split(",") if host]
    # Only a star on its own stands for every host.
    return no_proxy if no_proxy.strip() == "*" or LOOPBACK in hosts else ",".join([*hosts, LOOPBACK])
