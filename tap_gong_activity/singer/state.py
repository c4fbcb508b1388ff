"""A stream's entry in the Singer state, and the validation of a state that may have been edited.

The entry records which days have been written, in the company's time zone: all days from `history_start_date` to the
bookmark, which is exclusive. `{"bookmarks": {"activity_by_day": {"replication_key": "period_end_date",
"replication_key_value": "2024-04-01", "history_start_date": "2023-01-01"}}}`.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

from tap_gong_activity.base.errors import StateError
from tap_gong_activity.base.redaction import redact
from tap_gong_activity.extract.plan import Written

if TYPE_CHECKING:
    from collections.abc import Iterable

REPLICATION_KEY = "period_end_date"
HISTORY_START = "history_start_date"

T = TypeVar("T", dict[str, Any], list[Any])


def check_state(state: object, streams: Iterable[str]) -> None:
    """Validate a state, as far as these streams use it.

    Raises:
        StateError: If it's invalid; the message names the stream and the value.
    """
    content = _checked(state, dict, "The state")
    wrapper = next((key for key in ("value", "singer_state", "completed") if key in content), None)
    if wrapper and "bookmarks" not in content:
        # It would count as an empty state, and everything would be read again.
        message = f"The state is wrapped in {wrapper!r}: pass only its value, the object with the bookmarks."
        raise StateError(message)
    bookmarks = content.get("bookmarks", {})
    # The SDK reads every entry, including those of other taps.
    for stream, entry in _checked(bookmarks, dict, "The state's bookmarks").items():
        name = f"The state's entry for {redact(repr(stream))[:60]}"
        partitions = _checked(entry, dict, name).get("partitions", [])
        for part in (entry, *_checked(partitions, list, f"{name}, in its partitions,")):
            markers = _checked(part, dict, f"{name}, in its partitions,").get("progress_markers", {})
            _checked(markers, dict, f"{name}, in its progress_markers,")
    for stream in streams:
        entry = bookmarks.get(stream, {})
        key = entry.get("replication_key", REPLICATION_KEY)
        if key != REPLICATION_KEY:
            message = (
                f"The state's bookmark for {stream} is for the replication key {redact(repr(key))[:60]}, not "
                f"{REPLICATION_KEY}: remove the stream's entry to sync from start_date again."
            )
            raise StateError(message)
        written_of(stream, entry, history_start=date.min)


def written_of(stream: str, entry: dict[str, Any], *, history_start: date) -> Written | None:
    """Return which days have been written according to a stream's entry, or None if it has no bookmark.

    Args:
        stream: The stream's name.
        entry: Its entry in the state.
        history_start: Start of the history for an entry of an older version, which doesn't record it.

    Raises:
        StateError: If a value in the entry isn't a date.
    """
    recorded = _date(stream, entry, HISTORY_START)
    bookmark = _date(stream, entry, "replication_key_value")
    return None if bookmark is None else Written(recorded or history_start, bookmark)


def set_written(entry: dict[str, Any], written: Written | None) -> None:
    """Record in a stream's entry which days have been written; None removes the bookmark."""
    entry.clear()
    if written is not None:
        entry["replication_key"] = REPLICATION_KEY
        entry["replication_key_value"] = str(written.bookmark)
        entry[HISTORY_START] = str(written.history_start)


def _date(stream: str, entry: dict[str, Any], name: str) -> date | None:
    value = entry.get(name)
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    message = (
        f"The state's {name} for {stream} is {redact(repr(value))[:60]}, which isn't a date (YYYY-MM-DD): "
        "correct it, or remove the stream's entry to sync from start_date again."
    )
    raise StateError(message)


def _checked(value: object, kind: type[T], name: str) -> T:
    if isinstance(value, kind):
        return value
    expected = "object" if kind is dict else "array"
    message = f"{name} must be a JSON {expected}, not {redact(repr(value))[:60]}: correct the state, or run without it."
    raise StateError(message)
