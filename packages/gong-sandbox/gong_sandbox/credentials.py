"""Credentials: an access key, bearer tokens, and the scope that each endpoint requires."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

SCOPES = {"activity": "api:stats:user-actions", "users": "api:users:read"}
"""The scope that each endpoint requires."""

INVALID_CREDENTIALS = "The access key, its secret or the token is missing, wrong or no longer valid"


@dataclass(frozen=True)
class Credentials:
    """The credentials that the sandbox accepts.

    Attributes:
        access_key: The user name of HTTP Basic.
        access_key_secret: The password of HTTP Basic.
        token_is_valid: Function that returns whether a bearer token is valid.
        endpoints: Endpoints whose scope the credentials have.
    """

    access_key: str
    access_key_secret: str
    token_is_valid: Callable[[str], bool]
    endpoints: Collection[str]

    def error(self, authorization: str | None, endpoint: str) -> str | None:
        """Return why a request with this Authorization header is refused, or None if it isn't."""
        scheme, _, presented = (authorization or "").partition(" ")
        if scheme.lower() == "basic":
            known = matches_basic(presented, self.access_key, self.access_key_secret)
        else:
            known = scheme.lower() == "bearer" and self.token_is_valid(presented.strip())
        if not known:
            return INVALID_CREDENTIALS
        if endpoint in self.endpoints:
            return None
        # As recorded against Gong: a missing scope is a 401, not a 403.
        return f"You don't have permission to use '{SCOPES[endpoint]}' in your app."


def matches_basic(presented: str, name: str, password: str) -> bool:
    """Return whether the value after `Basic` encodes this name and password."""
    expected = base64.b64encode(f"{name}:{password}".encode())
    return hmac.compare_digest(presented.strip().encode(), expected)
