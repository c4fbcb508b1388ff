"""OAuth: single-use refresh tokens, and access tokens that expire."""

from __future__ import annotations

import hmac
import secrets
from threading import Lock
from typing import TYPE_CHECKING, Any

from gong_sandbox.credentials import SCOPES

if TYPE_CHECKING:
    from gong_sandbox.clocks import Clock

TOKEN_PATH = "/oauth2/generate-customer-token"  # noqa: S105 - a path


class GrantRefusedError(ValueError):
    """A refresh token that was never issued or has been used."""


class Tokens:
    """Issues and verifies tokens.

    Attributes:
        client_id: The app's id, the user name of HTTP Basic at the token endpoint.
        client_secret: Its secret, the password there.
        refresh_token: The only valid refresh token; it changes with each use.
    """

    def __init__(self, clock: Clock, lifetime: float, access_token: str | None) -> None:
        """Issue access tokens for `lifetime` seconds of `clock`; `access_token`, if given, never expires."""
        self.client_id = "sandbox-client"
        self.client_secret = secrets.token_urlsafe(16)
        self.refresh_token = secrets.token_urlsafe(24)
        self._clock = clock
        self._lifetime = lifetime
        self._fixed = access_token
        self._expiries: dict[str, float] = {}
        self._refreshing = Lock()

    def refresh(self, refresh_token: str, api_url: str) -> dict[str, Any]:
        """Exchange a refresh token, and return Gong's response, with the host of the account's API.

        Raises:
            GrantRefusedError: The refresh token is unknown or has been used.
        """
        with self._refreshing:
            if not _same(refresh_token, self.refresh_token):
                raise GrantRefusedError
            self.refresh_token = secrets.token_urlsafe(24)
            access_token = secrets.token_urlsafe(24)
            self._expiries[access_token] = self._clock.seconds() + self._lifetime
            return {
                "access_token": access_token,
                "refresh_token": self.refresh_token,
                "expires_in": int(self._lifetime),
                "token_type": "bearer",
                "scope": " ".join(SCOPES.values()),
                "api_base_url_for_customer": api_url,
            }

    def is_valid(self, access_token: str) -> bool:
        """Return whether an access token is valid now."""
        if self._fixed is not None and _same(access_token, self._fixed):
            return True
        return self._clock.seconds() < self._expiries.get(access_token, 0.0)


def _same(presented: str, expected: str) -> bool:
    return hmac.compare_digest(presented.encode(errors="replace"), expected.encode())
