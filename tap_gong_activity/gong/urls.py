"""URLs: the part of one that a message may show, and whether it's encrypted."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from tap_gong_activity.base.redaction import redact


def origin(url: str | None) -> str:
    """Return the scheme, host and port of a URL: what a message may show of it."""
    parts = urlsplit(url or "")
    return redact(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else "")


def is_unencrypted(url: str) -> bool:
    """Return whether a request to this URL leaves the machine in plain text."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True
