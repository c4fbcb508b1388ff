"""What stream maps must not do to a row, as sentences that name the stream and the property, and never a value."""

from __future__ import annotations

import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from tap_gong_activity.base.errors import StreamMapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from singer_sdk.mapper import StreamMap


def guard(stream: str, stream_map: StreamMap) -> None:
    """Have a map raise StreamMapError, whatever one of its expressions raises on a row."""
    for method in ("transform", "get_filter_result"):
        setattr(stream_map, method, partial(_guarded, stream, getattr(stream_map, method)))


def check_key(stream: str, row: dict[str, Any], key: Iterable[str]) -> None:
    """Check that a mapped row still has its key.

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
        # Not chained, as the error's own text may hold a value of the row.
        raise StreamMapError(message) from None


def _expression(error: BaseException) -> str:
    """Name the expression by the property that the SDK was evaluating, which its error doesn't say."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "property_name" in frame.f_locals:
            name = frame.f_locals["property_name"]
            return "__filter__" if name is None else f"expression for {name}"
    return "expression"


def _kind(error: BaseException) -> str:
    """Name the kind of error, and the name in the expression that it's about, if any."""
    cause = error.__cause__ or error
    for attribute in ("name", "func_name", "attr"):
        name = getattr(cause, attribute, None)
        if isinstance(name, str) and type(cause).__module__.startswith("simpleeval"):
            return f"{type(cause).__name__}: {name}"
    return type(cause).__name__
