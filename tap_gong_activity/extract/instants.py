"""Instants as Gong writes them, and in UTC."""

from __future__ import annotations

from datetime import MAXYEAR, MINYEAR, datetime, timezone

import msgspec

YEARS_IN_EVERY_ZONE = range(MINYEAR + 1, MAXYEAR)
"""Years whose instants have a date in every zone; others stand for no time, as 0001-01-01T00:00:00Z often does."""


def read_instant(text: str) -> datetime | None:
    """Return the instant, or None if the text isn't a valid time with an offset."""
    try:
        instant = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None
    return instant if instant.tzinfo and instant.year in YEARS_IN_EVERY_ZONE else None


def in_utc(instant: datetime | None) -> str | None:
    """Return the instant in UTC, ending in `Z`."""
    return instant.astimezone(timezone.utc).isoformat().replace("+00:00", "Z") if instant else None
