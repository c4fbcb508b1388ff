"""Instants: parsed from Gong's text, and formatted in UTC."""

from __future__ import annotations

from datetime import MAXYEAR, MINYEAR, datetime, timezone

import msgspec

YEARS_IN_EVERY_ZONE = range(MINYEAR + 1, MAXYEAR)
"""Years whose instants have a date in every zone; 0001-01-01T00:00:00Z often means no time at all."""


def read_instant(text: str) -> datetime | None:
    """Parse an instant, or return None if the text isn't a valid time with an offset."""
    try:
        instant = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None
    return instant if instant.tzinfo and instant.year in YEARS_IN_EVERY_ZONE else None


def in_utc(instant: datetime | None) -> str | None:
    """Format an instant in UTC, ending in `Z`."""
    return instant.astimezone(timezone.utc).isoformat().replace("+00:00", "Z") if instant else None
