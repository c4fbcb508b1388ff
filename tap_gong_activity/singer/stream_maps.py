"""Failures of stream maps on a row, as messages that name the stream and the property but never a value."""

from __future__ import annotations

import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from tap_gong_activity.base.errors import StreamMapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from singer_sdk.mapper import StreamMap


def guard(stream: str, stream_map: StreamMap) -> None:
    """Make a stream map raise StreamMapError, whatever its expressions raise."""
    for method in ("transform", "get_filter_result"):
        setattr(stream_map, method, partial(_guarded, stream, getattr(stream_map, method)))


def check_key(stream: str, row: dict[str, Any], key: Iterable[str]) -> None:
    """Check that a mapped row has its key.

    Raises:
        StreamMapError: If a column of the key is missing or null.
    """
    for name in key:
        if row.get(name) is None:
            message = f"{stream}: the stream map leaves a row without its key column {name}: correct stream_maps."
            raise StreamMapError(message)


def _guarded(stream: str, method: Callable[[dict[str, Any]], Any], record: dict[str, Any]) -> Any:  # noqa: ANN401 - the SDK's
    try:
        return method(record)
    except StreamMapError:
        raise
    except Exception as error:  # noqa: BLE001 - an expression can raise anything
        message = (
            f"{stream}: the stream map's {_expression(error)} failed on a row ({_kind(error)}): correct stream_maps."
        )
        # Not chained, because the original message can contain a value of the row.
        raise StreamMapError(message) from None


def _expression(error: BaseException) -> str:
    """Name the property that the SDK was evaluating, which only its stack frame knows."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "property_name" in frame.f_locals:
            name = frame.f_locals["property_name"]
            return "__filter__" if name is None else f"expression for {name}"
    return "expression"


def _kind(error: BaseException) -> str:
    """Name the type of the error and, if it's about a name in the expression, that name."""
    cause = error.__cause__ or error
    for attribute in ("name", "func_name", "attr"):
        name = getattr(cause, attribute, None)
        if isinstance(name, str) and type(cause).__module__.startswith("simpleeval"):
            return f"{type(cause).__name__}: {name}"
    return type(cause).__name__
