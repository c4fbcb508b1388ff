"""Settings from environment variables and a .env file, converted from text to their types."""

from __future__ import annotations

import io
import stat
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dotenv

from tap_gong_activity.base.documents import parse_json
from tap_gong_activity.base.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = "TAP_GONG_ACTIVITY_"

WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def load_dotenv_file() -> None:
    """Add the variables of the current folder's .env file to the environment, except those that are already set.

    Raises:
        SettingsError: If there is a .env that can't be read.
    """
    path = Path(".env")
    try:
        # Reading from a FIFO could block forever.
        if not stat.S_ISREG(path.stat().st_mode):
            message = "The .env in the current folder isn't a regular file: rename it, or don't use --config ENV here."
            raise SettingsError(message)
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't UTF-8 text"
        message = f"The .env file in the current folder can't be read: {reason}."
        raise SettingsError(message) from None
    try:
        dotenv.load_dotenv(stream=io.StringIO(text), override=False)
    except ValueError:
        # A null character, an equals sign in a name, or a character that the locale can't encode.
        message = "The .env file in the current folder contains a variable that can't be set in the environment."
        raise SettingsError(message) from None


def settings_in_environment(schemas: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str]) -> dict[str, Any]:
    """Read settings from environment variables, each converted to the type in its schema.

    Text that can't be converted stays text and fails validation later. A blank variable counts as absent, because
    pipelines pass one for a variable that isn't set.
    """
    texts = {name: environment.get(PREFIX + name.upper(), "") for name in schemas}
    return {name: _typed(text, schemas[name]["type"]) for name, text in texts.items() if text.strip()}


def unknown_variables(schemas: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str]) -> list[str]:
    """Return the variables with the tap's prefix that set nothing, sorted.

    Known ones are settings, parts of object settings, the log level, and Meltano's extras, which have two underscores
    (`TAP_GONG_ACTIVITY__SELECT`).
    """
    objects = tuple(f"{name.upper()}_" for name, schema in schemas.items() if "object" in schema["type"])
    known = {"LOGLEVEL", *(name.upper() for name in schemas)}
    rests = (name.removeprefix(PREFIX) for name, text in environment.items() if name.startswith(PREFIX) and text)
    return _sorted_variables(rest for rest in rests if rest not in known and not rest.startswith(("_", *objects)))


def _sorted_variables(rests: Iterable[str]) -> list[str]:
    return sorted(PREFIX + rest for rest in rests)


def _typed(text: str, types: str | list[str]) -> Any:  # noqa: ANN401 - any JSON type
    try:
        if "integer" in types:
            return int(text)
        if "number" in types:
            return Decimal(text)
        if "array" in types or "object" in types:
            return parse_json(text, Decimal)
    except (ValueError, InvalidOperation):
        return text
    return WORDS.get(text.strip().lower(), text) if "boolean" in types else text
