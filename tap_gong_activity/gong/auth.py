"""Fixed credentials: an access key, or a bearer token obtained elsewhere."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from requests import PreparedRequest


class FixedCredentials:
    """Signs every request with the same header.

    Args:
        header: The value of `Authorization`.
        secrets: Every text that no message may contain.
    """

    def __init__(self, header: str, secrets: Iterable[str]) -> None:
        self._header = header
        self._secrets = (header, *secrets)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign a request."""
        request.headers["Authorization"] = self._header
        return request

    def api_url(self) -> None:
        """Return None: neither a key nor a token comes with the account's host."""

    def renew(self, refused: PreparedRequest) -> bool:  # noqa: ARG002 - there's nothing to renew
        """Return False: there's nothing to renew."""
        return False

    def secrets(self) -> Iterable[str]:
        """Return every text that no message may contain."""
        return self._secrets


def access_key_credentials(access_key: str, access_key_secret: str) -> FixedCredentials:
    """Return credentials for HTTP Basic, which Gong documents for an access key and its secret."""
    encoded = b64encode(f"{access_key}:{access_key_secret}".encode()).decode()
    return FixedCredentials(f"Basic {encoded}", (encoded, access_key, access_key_secret))


def bearer_credentials(access_token: str) -> FixedCredentials:
    """Return credentials with a bearer token, which is never refreshed."""
    return FixedCredentials(f"Bearer {access_token}", (access_token,))
