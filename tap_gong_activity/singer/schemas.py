"""Where the rows' schemas are: inside an installed package, at the top level of a checkout."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from singer_sdk import SchemaDirectory

_installed = files("tap_gong_activity") / "schemas"

SCHEMAS = SchemaDirectory(_installed if _installed.is_dir() else Path(__file__).parents[2] / "schemas")
"""One JSON Schema per kind of row; the activity streams share `activity`."""
