"""Cursors: signed, short-lived, and good for one body only."""

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


class CursorRefusedError(ValueError):
    """A cursor cannot be used; the message says why."""


class Cursors:
    """Issues cursors and reads them again."""

    def __init__(self, clock: Clock, lifetime: float) -> None:
        """Issue cursors that are good for `lifetime` seconds of `clock`."""
        self._clock = clock
        self._lifetime = lifetime
        self._key = secrets.token_bytes(32)
        self._numbers = itertools.count()
        self._origins: dict[str, str] = {}

    def issue(self, page: int, body: dict[str, Any]) -> str:
        """Give a cursor, never the same twice, to page `page` (from 0) of what `body` asks for."""
        claims = {
            "page": page,
            "exp": self._clock.seconds() + self._lifetime,
            "body": _digest(body),
            "jti": next(self._numbers),
        }
        signed = f"{_encode(ALGORITHM)}.{_encode(claims)}"
        cursor = f"{signed}.{self._signature(signed)}"
        if "cursor" in body:
            self._origins[cursor] = body["cursor"]
        return cursor

    def read(self, cursor: str, body: dict[str, Any]) -> int:
        """Give the page (from 0) that `cursor` leads to.

        Raises:
            CursorRefusedError: It is forged, has expired, or belongs to another body.
        """
        claims = self._claims(cursor)
        if claims["exp"] <= self._clock.seconds():
            msg = "The cursor has expired"
            raise CursorRefusedError(msg)
        if claims["body"] != _digest(body):
            msg = "The cursor belongs to another request: repeat the same body with it"
            raise CursorRefusedError(msg)
        return int(claims["page"])

    def page(self, cursor: object) -> int | None:
        """Give the page that `cursor` was issued for, expired or not, or None if it was never issued here."""
        try:
            return int(self._claims(str(cursor))["page"])
        except CursorRefusedError:
            return None

    def origin(self, cursor: object) -> str | None:
        """Give the cursor that was sent to get `cursor`, if there was one."""
        return self._origins.get(str(cursor))

    def _claims(self, cursor: str) -> dict[str, Any]:
        signed, _, signature = cursor.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode(errors="replace")):
            msg = "The cursor is invalid"
            raise CursorRefusedError(msg)
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
        return claims

    def _signature(self, signed: str) -> str:
        return _base64(hmac.digest(self._key, signed.encode(errors="replace"), "sha256"))


def _digest(body: dict[str, Any]) -> str:
    asked = {name: value for name, value in body.items() if name != "cursor"}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _encode(claims: dict[str, Any]) -> str:
    return _base64(json.dumps(claims, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
