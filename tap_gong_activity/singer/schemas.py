"""The schemas of rows: where they are, and how every loader accepts them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from singer_sdk import SchemaDirectory

_installed = files("tap_gong_activity") / "schemas"

SCHEMAS = SchemaDirectory(_installed if _installed.is_dir() else Path(__file__).parents[2] / "schemas")
"""JSON Schemas; all activity streams share `activity`."""


def portable(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Return a schema without `$schema` and with null first in every list of types.

    Loaders that validate with Draft 4 reject any other `$schema`, and some use the last type in a list. Stream maps and
    catalogs can introduce both, so this applies to each schema when it's written.
    """
    if isinstance(schema, list):
        return [portable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: portable(part) for name, part in schema.items() if name != "$schema"}
    if isinstance(types := parts.get("type"), list):
        parts["type"] = sorted(types, key=lambda name: name != "null")
    return parts
