"""The SDK's settings, validated before the SDK reads them: it would quote their values or fail with a traceback."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from tap_gong_activity.base.errors import SettingsError
from tap_gong_activity.base.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

REMOVED = (None, "__NULL__")
"""Values in a stream map that remove a stream or a property."""

_STRICTER: dict[str, dict[str, Any]] = {
    "batch_config": {
        "required": ["encoding", "storage"],
        "properties": {
            "encoding": {
                "type": "object",
                "required": ["format"],
                "properties": {"format": {"enum": ["jsonl", "parquet"]}, "compression": {}},
                "additionalProperties": False,
            },
            "storage": {
                "type": "object",
                "required": ["root"],
                "properties": {"root": {"type": "string", "minLength": 1}, "prefix": {}, "params": {"type": "object"}},
                "additionalProperties": False,
            },
            "batch_size": {"type": ["integer", "null"], "minimum": 1},
        },
        "additionalProperties": False,
    },
    "flattening_max_depth": {"minimum": 0},
    "flattening_max_key_length": {"minimum": 1},
}
"""What the SDK relies on in addition to its own schemas."""


def check_sdk_settings(config: Mapping[str, Any], schemas: Mapping[str, Mapping[str, Any]]) -> None:
    """Validate the SDK's settings by their schemas.

    Raises:
        SettingsError: If one is invalid; the message names it and never contains a value.
    """
    # First, because the SDK's own schema for __else__ is invalid, and a validator fails on it.
    maps = config.get("stream_maps")
    for place, mapping in [("", maps), *(maps.items() if isinstance(maps, dict) else ())]:
        if isinstance(mapping, dict) and mapping.get("__else__") not in REMOVED:
            message = f"The setting {'.'.join(filter(None, ('stream_maps', place, '__else__')))} must be null."
            raise SettingsError(redact(message))
    for name, schema in schemas.items():
        if name in config:
            _check(name, config[name], schema)
            _check(name, config[name], _STRICTER.get(name, {}) if config[name] else {})
    if config.get("flattening_enabled") and "flattening_max_depth" not in config:
        message = "The setting flattening_max_depth is missing: flattening_enabled needs it."
        raise SettingsError(message)
    for stream, definition in config.get("stream_maps", {}).items():
        if stream.startswith("__") and stream != "__else__":
            option = redact(repr(stream))[:60]
            message = f"The setting stream_maps has an unknown option {option}: use a stream's name or __else__."
            raise SettingsError(message)
        for name, expression in definition.items() if isinstance(definition, dict) else ():
            if name == "__filter__" or not (name.startswith("__") or expression in REMOVED):
                _check_expression(f"stream_maps.{stream}.{name}", expression)


def unknown_mapped_streams(stream_maps: Mapping[str, Any], streams: Collection[str]) -> list[str]:
    """Return the streams in the stream maps that the tap doesn't have; glob patterns don't count."""
    named = (
        definition.get("__source__", stream) if isinstance(definition, dict) else stream
        for stream, definition in stream_maps.items()
    )
    return [name for name in named if name not in {*streams, "__else__"} and not set(name) & set("*?[")]


def _check(name: str, value: Any, schema: Mapping[str, Any]) -> None:  # noqa: ANN401 - any JSON
    error = next(DEFAULT_JSONSCHEMA_VALIDATOR(schema).iter_errors(value), None)
    if error is None:
        return
    error = _deepest(error)
    place = ".".join([name, *(f"{part!s:.60}" for part in error.absolute_path)])
    message = f"The setting {place} {_problem(error)}."
    raise SettingsError(redact(message))


def _problem(error: Any) -> str:  # noqa: ANN401 - jsonschema has no types
    found = _NOUNS.get(type(error.instance).__name__, "a number")
    expected = error.validator_value
    names = [str(one) for one in expected if one not in (None, "null")] if isinstance(expected, list) else [expected]
    if error.validator == "type":
        return f"must be {' or '.join(_NOUNS[name] for name in names)}, not {found}"
    if error.validator == "enum":
        return f"must be {' or '.join(names)}"
    if error.validator == "minimum":
        return f"must be {expected} or more"
    if error.validator == "required":
        return f"needs {' and '.join(name for name in names if name not in error.instance)}"
    if error.validator == "additionalProperties":
        return f"can only contain {', '.join(error.schema['properties'])}"
    return f"has an invalid value ({found})"


_NOUNS = {
    "object": "an object",
    "dict": "an object",
    "array": "an array",
    "list": "an array",
    "string": "a string",
    "str": "a string",
    "boolean": "true or false",
    "bool": "a boolean",
    "integer": "a whole number",
    "number": "a number",
    "null": "null",
    "NoneType": "null",
}
"""Names of types in messages, by their names in JSON Schema and in Python."""


def _deepest(error: Any) -> Any:  # noqa: ANN401 - jsonschema has no types
    """Return the most deeply nested error of all alternatives, which belongs to the one the user meant."""
    inner = max(map(_deepest, error.context), key=lambda one: len(one.absolute_path), default=error)
    return inner if len(inner.absolute_path) > len(error.absolute_path) else error


def _check_expression(place: str, expression: str) -> None:
    try:
        body = ast.parse(expression).body
        problem = "isn't an expression" if not body or not isinstance(body[0], ast.Expr) else ""
    except SyntaxError as error:
        problem = f"isn't a valid expression ({error.msg})"
    except (ValueError, RecursionError, MemoryError) as error:
        problem = f"isn't a valid expression ({type(error).__name__})"
    if problem:
        message = f"The setting {place} {problem}."
        raise SettingsError(message)
