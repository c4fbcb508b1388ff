"""Settings out of environment variables, where everything is text."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def settings_in_environment(
    schemas: Mapping[str, Mapping[str, Any]], prefix: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Read the settings that are in the environment, each as the type that its schema gives.

    A text that can't be read so is kept as it is, for the check of the settings to name it. An empty variable counts as
    absent, as that is what a pipeline passes on when its own variable is unset.
    """
    texts = {name: environment.get(prefix + name.upper(), "") for name in schemas}
    return {name: _typed(text, schemas[name]["type"]) for name, text in texts.items() if text.strip()}


def _typed(text: str, types: str | list[str]) -> Any:  # noqa: ANN401 - any of the types of JSON
    try:
        if "integer" in types:
            return int(text)
        if "number" in types:
            return Decimal(text)
        if "array" in types:
            return json.loads(text)
    except (ValueError, InvalidOperation, RecursionError):
        return text
    return WORDS.get(text.strip().lower(), text) if "boolean" in types else text
