"""The bookmarks in a Singer state, and the checks of a state that somebody may have edited.

A stream's bookmark is the exclusive end of the days that have been written, as YYYY-MM-DD in the company's time zone:
`{"bookmarks": {"activity_by_day": {"replication_key": "period_end_date", "replication_key_value": "2024-04-01"}}}`.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from tap_gong_activity.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterable

REPLICATION_KEY = "period_end_date"


def check_state(state: object, streams: Iterable[str]) -> None:
    """Check that a state can be read, as far as these streams go.

    Raises:
        StateError: If it can't; the sentence names the stream and the value.
    """
    bookmarks = _object(state, "The state").get("bookmarks", {})
    # The SDK walks over every stream's entry, also over those of other taps.
    for stream, entry in _object(bookmarks, "The state's bookmarks").items():
        name = f"The state's entry for {stream}"
        _object(_object(entry, name).get("progress_markers", {}), f"{name}, in its progress_markers,")
        partitions = entry.get("partitions", [])
        for partition in partitions if isinstance(partitions, list) else [partitions]:
            _object(partition, f"{name}, in its partitions,")
    for stream in streams:
        entry = bookmarks.get(stream, {})
        key = entry.get("replication_key", REPLICATION_KEY)
        if key != REPLICATION_KEY:
            message = (
                f"The state's bookmark for {stream} is one of {key!r}, not of {REPLICATION_KEY}: "
                "take it out of the state to read from start_date again."
            )
            raise StateError(message)
        bookmark_of(stream, entry)


def bookmark_of(stream: str, entry: dict[str, Any]) -> date | None:
    """The bookmark in a stream's entry of the state, or None if it has none.

    Raises:
        StateError: If it is no date.
    """
    value = entry.get("replication_key_value")
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    message = (
        f"The state's bookmark for {stream} is {value!r}, which is no date (YYYY-MM-DD): "
        "correct it, or take it out of the state to read from start_date again."
    )
    raise StateError(message)


def _object(value: object, name: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    message = f"{name} must be a JSON object, not {value!r:.60}: correct the state, or run without it."
    raise StateError(message)
