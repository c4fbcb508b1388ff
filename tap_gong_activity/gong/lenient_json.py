"""JSON that msgspec rejects but Gong may send: nested too deeply, or with lone surrogates."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

MAX_DEPTH = 32
"""Levels of nesting to read; Gong documents five."""


def decode(decoder: msgspec.json.Decoder[T], text: Any) -> T:  # noqa: ANN401 - bytes of any kind
    """Decode JSON; where it exceeds msgspec's recursion limit, values deeper than `MAX_DEPTH` become null.

    Raises:
        msgspec.DecodeError: If it isn't valid JSON or has the wrong shape.
    """
    try:
        return decoder.decode(text)
    except RecursionError:
        return decoder.decode(without_deep_values(bytes(text)))


def decode_or_none(raw: msgspec.Raw, kind: type[T]) -> T | None:
    """Decode a value, or return None if it has another type; values deeper than `MAX_DEPTH` become null."""
    try:
        return msgspec.json.decode(without_deep_values(bytes(raw)), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


_RAW_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def without_lone_surrogates(body: bytes | bytearray) -> bytes | bytearray:
    r"""Replace lone surrogates, escaped (`\ud800`) or raw, with U+FFFD; return `body` itself if there are none.

    Raises:
        UnicodeDecodeError: If the body isn't UTF-8 for another reason.
    """
    text = body
    if not body.isascii():
        # msgspec doesn't validate the UTF-8 of values that it skips.
        try:
            body.decode()
        except UnicodeDecodeError:
            text = _RAW_SURROGATE.sub("\ufffd".encode(), body)
            text.decode()
    # Searching for one byte is 50 times as fast as for three, and few pages contain it.
    if b"\\" in text and (b"\\ud" in text or b"\\uD" in text):
        replaced = _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], text)
        text = text if replaced == text else replaced
    return text


_STRUCTURE = re.compile(rb'\\.|["\[\]{}]', re.DOTALL)


def without_deep_values(text: bytes) -> bytearray:
    """Replace arrays and objects nested deeper than `MAX_DEPTH` with null, without parsing them.

    On Python 3.13, a parser recurses up to 10,000 levels, which overflows the 1 MB stack of a read-ahead thread.
    """
    kept, copied, depth, in_string = bytearray(), 0, 0, False
    for token in _STRUCTURE.finditer(text):
        match token[0]:
            case b'"':
                in_string = not in_string
            case b"[" | b"{" if not in_string:
                depth += 1
                if depth == MAX_DEPTH + 1:
                    kept += text[copied : token.start()] + b"null"
            case b"]" | b"}" if not in_string:
                depth -= 1
                if depth == MAX_DEPTH:
                    copied = token.end()
    return kept + text[copied:] if depth <= MAX_DEPTH else kept
