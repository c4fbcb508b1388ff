"""Cursors, which are signed, expire, and are valid for one request only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gong_sandbox.clocks import Clock

ALGORITHM = {"alg": "HS256"}


class InvalidCursorError(ValueError):
    """A cursor that is refused; the message says why."""


class Cursors:
    """Issues and validates cursors."""

    def __init__(self, clock: Clock, lifetime: float) -> None:
        """Issue cursors that are valid for `lifetime` seconds of `clock`."""
        self._clock = clock
        self._lifetime = lifetime
        self._key = secrets.token_bytes(32)
        self._numbers = itertools.count()
        self._origins: dict[str, str] = {}

    def issue(self, page: int, request: dict[str, Any]) -> str:
        """Return a new, unique cursor to page `page` (from 0) of `request`, a body or a query."""
        claims = {
            "page": page,
            "exp": self._clock.seconds() + self._lifetime,
            "request": _digest(request),
            "jti": next(self._numbers),
        }
        signed = f"{_encode(ALGORITHM)}.{_encode(claims)}"
        cursor = f"{signed}.{self._signature(signed)}"
        if "cursor" in request:
            self._origins[cursor] = request["cursor"]
        return cursor

    def read(self, cursor: str, request: dict[str, Any]) -> int:
        """Return the page (from 0) that `cursor` points to.

        Raises:
            InvalidCursorError: The cursor is forged, has expired, or belongs to another request.
        """
        claims = self._claims(cursor)
        if claims["exp"] <= self._clock.seconds():
            message = "The cursor has expired"
            raise InvalidCursorError(message)
        if claims["request"] != _digest(request):
            message = "The cursor belongs to another request: repeat the same request with it"
            raise InvalidCursorError(message)
        return int(claims["page"])

    def page(self, cursor: object) -> int | None:
        """Return the page that `cursor` points to, even if it has expired, or None if it wasn't issued here."""
        try:
            return int(self._claims(str(cursor))["page"])
        except InvalidCursorError:
            return None

    def origin(self, cursor: object) -> str | None:
        """Return the cursor of the request whose response contained `cursor`, or None."""
        return self._origins.get(str(cursor))

    def _claims(self, cursor: str) -> dict[str, Any]:
        signed, _, signature = cursor.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode(errors="replace")):
            message = "The cursor is invalid"
            raise InvalidCursorError(message)
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
        return claims

    def _signature(self, signed: str) -> str:
        return _base64(hmac.digest(self._key, signed.encode(errors="replace"), "sha256"))


def _digest(request: dict[str, Any]) -> str:
    without_cursor = {name: value for name, value in request.items() if name != "cursor"}
    return hashlib.sha256(json.dumps(without_cursor, sort_keys=True).encode()).hexdigest()


def _encode(claims: dict[str, Any]) -> str:
    return _base64(json.dumps(claims, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
