"""The bookmarks in a Singer state, and the checks of a state that somebody may have edited.

A stream's bookmark is the exclusive end of the days that have been written, as YYYY-MM-DD in the company's time zone:
`{"bookmarks": {"activity_by_day": {"replication_key": "period_end_date", "replication_key_value": "2024-04-01"}}}`.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

from tap_gong_activity.base.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterable

REPLICATION_KEY = "period_end_date"

T = TypeVar("T", dict[str, Any], list[Any])


def check_state(state: object, streams: Iterable[str]) -> None:
    """Check that a state can be read, as far as these streams go.

    Raises:
        StateError: If it can't; the sentence names the stream and the value.
    """
    content = _checked(state, dict, "The state")
    if "bookmarks" not in content and "value" in content:
        message = "The state is a whole STATE message: pass on its value only, which is what a target prints."
        raise StateError(message)
    bookmarks = content.get("bookmarks", {})
    # The SDK walks over every stream's entry, also over those of other taps.
    for stream, entry in _checked(bookmarks, dict, "The state's bookmarks").items():
        name = f"The state's entry for {stream!r:.60}"
        partitions = _checked(entry, dict, name).get("partitions", [])
        for part in (entry, *_checked(partitions, list, f"{name}, in its partitions,")):
            markers = _checked(part, dict, f"{name}, in its partitions,").get("progress_markers", {})
            _checked(markers, dict, f"{name}, in its progress_markers,")
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


def _checked(value: object, kind: type[T], name: str) -> T:
    if isinstance(value, kind):
        return value
    wanted = "object" if kind is dict else "array"
    message = f"{name} must be a JSON {wanted}, not {value!r:.60}: correct the state, or run without it."
    raise StateError(message)
