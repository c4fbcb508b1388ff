"""Foreign text made fit for a log: no secret, no email address, one line, not too long."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARK = "[hidden]"

MAX_INPUT_LENGTH = 2_000
"""Characters that are looked at, so that no text costs more than a moment."""

MAX_LENGTH = 500
"""Characters that are left."""

_EMAIL_ADDRESS = re.compile(r"""[^\s"<>,;:()\[\]]+""")
"""A word that may be an email address, which it is if an @ is in it; matches in linear time."""

_ORDINARY_WORD = re.compile(r"[A-Za-z]?[a-z]{0,7}|\w{1,3}")
"""A secret that many sentences hold by chance: somebody tries `wrong` as a key."""


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` as one line of at most 500 characters, with secrets and email addresses replaced by a mark.

    Only for text that the tap didn't write: an ordinary word that happens to be a secret is hidden where it's quoted or
    assigned, as in `key="wrong"`, but not within a sentence.
    """
    # Before anything is looked for, so that what looks like one line later can't hold what wasn't found.
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
        # A word that is split may be half a secret.
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


def _forms(secret: str) -> Iterator[str]:
    """Yield the ways in which a secret may be written: as it is, in a URL, and in JSON or as Python shows it."""
    for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret)):
        for written in (form, re.sub("%..", lambda code: code[0].lower(), form)):
            for escaped in (written, json.dumps(written)[1:-1], repr(written)[1:-1]):
                if line := _one_line(escaped):
                    yield line
