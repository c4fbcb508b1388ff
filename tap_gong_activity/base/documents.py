"""JSON that a user passes in, as a file or as the text of an environment variable."""

from __future__ import annotations

import json
import os
import select
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_WRITER_WAIT = 30.0
"""Seconds for which a FIFO may stay empty."""

MAX_DEPTH = 100
"""Deeper nesting is no setting, catalog or state, and would exceed Python's recursion limit somewhere later on."""


def read_json_object(path: str, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Read a JSON object from a file, or from stdin if the path is `-`.

    Raises:
        ValueError: If it can't be read; the text says why and quotes nothing of the file.
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
        message = "it must hold a JSON object"
        raise ValueError(message)  # noqa: TRY004 - the file's fault, not the caller's
    return content


def _read(path: str) -> bytes:
    # Without O_NONBLOCK, opening a FIFO waits for a writer, if there never is one for good.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123 - of a descriptor
        is_fifo = stat.S_ISFIFO(os.fstat(file.fileno()).st_mode)
        if is_fifo and not any(select.select([file], [], [], MAX_WRITER_WAIT)):
            message = f"nothing was written to it within {MAX_WRITER_WAIT:g} s"
            raise ValueError(message)
        os.set_blocking(file.fileno(), True)
        return file.read()


def parse_json(text: str | bytes, parse_float: Callable[[str], Any] = float) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON that can be written again; bytes may be in any of JSON's encodings, with a byte order mark or without.

    Raises:
        ValueError: If it's invalid, nested too deeply, or holds half of a surrogate pair; nothing of it is quoted.
    """
    message = "it's nested too deeply"
    try:
        content = json.loads(text, parse_float=parse_float)
    except RecursionError:
        raise ValueError(message) from None
    except ArithmeticError:
        message = "it holds a number out of range"
        raise ValueError(message) from None
    if _is_nested_deeper(content, MAX_DEPTH):
        raise ValueError(message)
    try:
        json.dumps(content, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        message = "it holds a lone surrogate, which isn't valid Unicode"
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
