"""Where the rows' schemas are: beside the modules in an installed package, at the top level in a checkout."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from singer_sdk import SchemaDirectory

_installed = files("tap_gong_activity") / "schemas"

SCHEMAS = SchemaDirectory(_installed if _installed.is_dir() else Path(__file__).parent.parent / "schemas")
"""One JSON Schema for each stream, named like it."""
