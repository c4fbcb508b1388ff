"""JSON from the user: in a file or in an environment variable."""

from __future__ import annotations

import json
import os
import select
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_WRITER_WAIT = 30.0
"""Seconds to wait for the writer of a FIFO."""

MAX_DEPTH = 100
"""Maximum nesting; no setting, catalog or state is deeper, and more would exceed Python's recursion limit later."""


def read_json_object(path: str, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Read a JSON object from a file, or from stdin if the path is `-`.

    Raises:
        ValueError: If it can't be read; the message says why and quotes nothing from the file.
    """
    try:
        data = _read("/dev/stdin" if path == "-" else path)
    except OSError as error:
        raise ValueError(error.strerror) from None
    if not data.strip():
        message = "it's empty"
        raise ValueError(message)
    content = parse_json(data, parse_float)
    if not isinstance(content, dict):
        message = "it must contain a JSON object"
        raise ValueError(message)  # noqa: TRY004 - the file is wrong, not the caller
    return content


def _read(path: str) -> bytes:
    # Without O_NONBLOCK, opening a FIFO blocks until it has a writer, possibly forever.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123 - of a descriptor
        is_fifo = stat.S_ISFIFO(os.fstat(file.fileno()).st_mode)
        if is_fifo and not any(select.select([file], [], [], MAX_WRITER_WAIT)):
            message = f"nothing was written to it within {MAX_WRITER_WAIT:g} s"
            raise ValueError(message)
        os.set_blocking(file.fileno(), True)
        return file.read()


def parse_json(text: str | bytes, parse_float: Callable[[str], Any] = float) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON; bytes can be in any of JSON's encodings, with or without a byte order mark.

    Raises:
        ValueError: If it's invalid, nested too deeply, or contains a lone surrogate; the message quotes nothing.
    """
    message = "it's nested too deeply"
    try:
        content = json.loads(text, parse_float=parse_float)
    except RecursionError:
        raise ValueError(message) from None
    except ValueError as error:
        message = f"it isn't valid JSON ({error})"
        raise ValueError(message) from None
    except ArithmeticError:
        message = "it contains a number out of range"
        raise ValueError(message) from None
    if _is_nested_deeper(content, MAX_DEPTH):
        raise ValueError(message)
    try:
        json.dumps(content, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        message = "it contains a lone surrogate, which isn't valid Unicode"
        raise ValueError(message) from None
    return content


def _is_nested_deeper(content: object, levels: int) -> bool:
    layer = [content]
    for _ in range(levels):
        containers = [value for value in layer if isinstance(value, (dict, list))]
        layer = [inner for value in containers for inner in (value.values() if isinstance(value, dict) else value)]
        if not layer:
            return False
    return True
