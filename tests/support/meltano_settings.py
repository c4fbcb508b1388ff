"""The tap's settings in Meltano's format, derived from `--about`."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from support.child_processes import TAP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ABOUT: dict[str, Any] = json.loads(
    subprocess.run([TAP, "--about", "--format=json"], check=True, capture_output=True, text=True).stdout
)
CREDENTIALS = [["access_key", "access_key_secret"], ["access_token"], ["oauth_token_file"]]
KINDS = {
    "array": "array",
    "boolean": "boolean",
    "integer": "integer",
    # Meltano 4.4 fails with a traceback if an environment variable is of kind decimal.
    "number": "integer",
    "object": "object",
    "string": "string",
}


def setting(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a setting's name, label, kind and description, and whether it's a secret."""
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
    """Yield each setting that has its own value; those within others have dotted names."""
    for name, schema in properties.items():
        is_map = isinstance(schema.get("additionalProperties"), dict)
        if schema.get("properties") and not is_map:
            yield from nested(schema["properties"], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", schema
