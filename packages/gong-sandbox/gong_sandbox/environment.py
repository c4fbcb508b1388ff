"""The environment variables that point a Gong integration to the sandbox."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gong_sandbox.server import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIXES = ("GONG_", "TAP_GONG_ACTIVITY_")
"""Prefixes of the variables for any integration, and for tap-gong-activity."""


def variables(values: Mapping[str, str]) -> dict[str, str]:
    """Return `values`, keyed by names without prefix, as variables that win over a `.env` file and a proxy."""
    # Empty rather than unset, because a .env file doesn't replace variables that are set.
    other_credentials = {"ACCESS_TOKEN": "", "OAUTH_TOKEN_FILE": ""}
    prefixed = {prefix + name: value for prefix in PREFIXES for name, value in {**values, **other_credentials}.items()}
    lower, upper = os.environ.get("no_proxy", ""), os.environ.get("NO_PROXY", "")
    # Clients differ in which of the two they read first.
    return {**prefixed, "no_proxy": _with_loopback(lower or upper), "NO_PROXY": _with_loopback(upper or lower)}


def _with_loopback(no_proxy: str) -> str:
    hosts = [host for host in no_proxy.split(",") if host]
    # An asterisk matches every host only if it's the whole value.
    return no_proxy if no_proxy.strip() == "*" or LOOPBACK in hosts else ",".join([*hosts, LOOPBACK])
