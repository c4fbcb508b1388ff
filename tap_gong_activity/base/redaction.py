"""Foreign text made fit for a log: no secret, no e-mail address, one line, not too long."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

MARK = "[hidden]"

_LONGEST = 500
_EMAIL_ADDRESS = re.compile(r"[^\s@\"'<>,;:()\[\]]+@[^\s@\"'<>,;:()\[\]]+")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Give `text` as one line of 500 characters at most, with secrets and e-mail addresses replaced by a mark."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret)):
            text = text.replace(form, MARK)
    text = _EMAIL_ADDRESS.sub(MARK, text)
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
