"""OAuth tokens: single-use refresh tokens, and access tokens that expire."""

from __future__ import annotations

import hmac
import secrets
from threading import Lock
from typing import TYPE_CHECKING, Any

from gong_sandbox.credentials import SCOPES

if TYPE_CHECKING:
    from gong_sandbox.clocks import Clock

TOKEN_PATH = "/oauth2/generate-customer-token"  # noqa: S105 - a path


class InvalidGrantError(ValueError):
    """A refresh token that is unknown or has been used."""


class Tokens:
    """Issues and validates tokens.

    Attributes:
        client_id: The app's ID, which is the user name of HTTP Basic at the token endpoint.
        client_secret: The app's secret, which is the password.
        refresh_token: The only valid refresh token, which changes with each use.
    """

    def __init__(self, clock: Clock, lifetime: float, access_token: str | None) -> None:
        """Issue access tokens that are valid for `lifetime` seconds of `clock`; `access_token` never expires."""
        self.client_id = "sandbox-client"
        self.client_secret = secrets.token_urlsafe(16)
        self.refresh_token = secrets.token_urlsafe(24)
        self._clock = clock
        self._lifetime = lifetime
        self._fixed_token = access_token
        self._expiries: dict[str, float] = {}
        self._lock = Lock()

    def refresh(self, refresh_token: str, api_url: str) -> dict[str, Any]:
        """Exchange a refresh token, and return the response, with `api_url` as the customer's API.

        Raises:
            InvalidGrantError: The refresh token is unknown or has been used.
        """
        with self._lock:
            if not _same(refresh_token, self.refresh_token):
                raise InvalidGrantError
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
        if self._fixed_token is not None and _same(access_token, self._fixed_token):
            return True
        return self._clock.seconds() < self._expiries.get(access_token, 0.0)


def _same(presented: str, expected: str) -> bool:
    return hmac.compare_digest(presented.encode(errors="replace"), expected.encode())
