"""Redaction: makes foreign text safe for messages, without secrets or email addresses, short and on one line."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARK = "[hidden]"

MAX_INPUT_LENGTH = 2_000
"""Characters to process, which bounds the time."""

MAX_LENGTH = 500
"""Maximum length of the result."""

_EMAIL_ADDRESS = re.compile(r"""[^\s"<>,;:()\[\]]+""")
"""A word, which is an email address if it contains an @; matches in linear time."""

_ORDINARY_WORD = re.compile(r"[A-Za-z]?[a-z]{0,7}|\w{1,3}")
"""A secret that is likely to occur in ordinary sentences, such as a key of `wrong`."""


_URL_ENCODINGS = ((quote, "/"), (quote, ""), (quote_plus, ""))
"""Functions and the characters that they leave as they are."""


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` as one line of at most `MAX_LENGTH` characters, with `MARK` for secrets and email addresses.

    For text that isn't the tap's own. A secret that is an ordinary word is hidden only where it's quoted or assigned,
    as in `key="wrong"`.
    """
    # First, because joining lines could create a secret that wasn't found before.
    text = _one_line(_cut(text))
    shown = bytearray(b"+" * len(text))
    for start, end in _places(text, secrets):
        shown[start:end] = b"-" * (end - start)
    parts = re.finditer(rb"-+|\++", shown)
    text = "".join(MARK if part[0][:1] == b"-" else text[part.start() : part.end()] for part in parts)
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…"


def _cut(text: str) -> str:
    if len(text) <= MAX_INPUT_LENGTH:
        return text
    cut = text[: MAX_INPUT_LENGTH + 1]
    if not cut[-1].isspace():
        # Half a word may be half a secret.
        cut = cut[: -len(cut.split()[-1])]
    return f"{cut} …"


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _places(text: str, secrets: Iterable[str]) -> Iterator[tuple[int, int]]:
    for found in _EMAIL_ADDRESS.finditer(text):
        if len(found[0]) > 1 and ("@" in found[0] or "%40" in found[0]):
            yield found.span()
    for form in {form for secret in secrets for form in _forms(secret)}:
        if _ORDINARY_WORD.fullmatch(form):
            word = re.escape(form)
            yield from (found.span() for found in re.finditer(rf"(?<=[\"'=:/]){word}\b|\b{word}(?=[\"'=])", text))
            continue
        start = text.find(form)
        while start >= 0:
            yield start, start + len(form)
            start = text.find(form, start + 1)


@lru_cache(64)
def _forms(secret: str) -> frozenset[str]:
    """Return the forms in which a secret may appear: plain, encoded for a URL, or escaped in JSON or by `repr`."""
    # JSON can hold a lone surrogate, which UTF-8 can't.
    forms = {secret, *(encode(secret, safe, errors="surrogatepass") for encode, safe in _URL_ENCODINGS)}
    forms |= {re.sub("%..", lambda code: code[0].lower(), form) for form in forms}
    escaped = {written for form in forms for written in (form, json.dumps(form)[1:-1], repr(form)[1:-1])}
    return frozenset(filter(None, map(_one_line, escaped)))
