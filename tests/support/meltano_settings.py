"""The tap's settings as Meltano describes settings, made from what the tap says of itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TAP = Path(sys.executable).with_name("tap-gong-activity")
ABOUT: dict[str, Any] = json.loads(
    subprocess.run([TAP, "--about", "--format=json"], check=True, capture_output=True, text=True).stdout
)
CREDENTIALS = [["access_key", "access_key_secret"], ["access_token"], ["oauth_token_file"]]
KINDS = {
    "array": "array",
    "boolean": "boolean",
    "integer": "integer",
    # Meltano 4.4 ends with a traceback where an environment variable is of kind decimal.
    "number": "integer",
    "object": "object",
    "string": "string",
}


def setting(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a setting: name, label, kind, description, and whether it is a secret."""
    types = [type_ for type_ in schema.get("type", ["string"]) if type_ != "null"]
    is_date = schema.get("format") in {"date", "date-time"}
    return {
        "name": name,
        "label": schema["title"],
        "kind": "date_iso8601" if is_date else KINDS[types[0]],
        "description": schema["description"],
        **({"sensitive": True} if schema.get("secret") else {}),
    }


def nested(properties: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each setting that has a value of its own, those inside of others with a dotted name."""
    for name, schema in properties.items():
        is_map = isinstance(schema.get("additionalProperties"), dict)
        if schema.get("properties") and not is_map:
            yield from nested(schema["properties"], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", schema
