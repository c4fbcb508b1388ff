"""The rows' schemas: where they are, and the form in which every loader accepts them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from singer_sdk import SchemaDirectory

_installed = files("tap_gong_activity") / "schemas"

SCHEMAS = SchemaDirectory(_installed if _installed.is_dir() else Path(__file__).parents[2] / "schemas")
"""One JSON Schema per kind of row; the activity streams share `activity`."""


def portable(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Return a schema without `$schema`, and with null first in each list of types.

    Loaders that validate by Draft 4 refuse any other `$schema`, and some read a column's type as the last of its list.
    Stream maps and a catalog can bring both, so this is done to each schema as it's written.
    """
    if isinstance(schema, list):
        return [portable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: portable(part) for name, part in schema.items() if name != "$schema"}
    if isinstance(types := parts.get("type"), list):
        parts["type"] = sorted(types, key=lambda name: name != "null")
    return parts
