"""Who may call: an access key, a bearer token, and the scope that the endpoint needs."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

UNKNOWN_CALLER = "The access key, its secret or the token is missing, wrong or no longer valid"
# Recorded against Gong: a missing scope answers 401, not 403, in these words.
MISSING_SCOPE = "You don't have permission to use 'api:stats:user-actions' in your app."


@dataclass(frozen=True)
class Credentials:
    """What a caller has to present.

    Attributes:
        access_key: The user name of HTTP Basic.
        access_key_secret: The password of HTTP Basic.
        token_is_valid: Tells whether a bearer token is good now.
        has_scope: Whether good credentials come with the endpoint's scope.
    """

    access_key: str
    access_key_secret: str
    token_is_valid: Callable[[str], bool]
    has_scope: bool = True

    def objection(self, authorization: str | None) -> str | None:
        """Say what is wrong with the Authorization header, if something is."""
        scheme, _, presented = (authorization or "").partition(" ")
        if scheme.lower() == "basic":
            known = is_basic(presented, self.access_key, self.access_key_secret)
        else:
            known = scheme.lower() == "bearer" and self.token_is_valid(presented.strip())
        if not known:
            return UNKNOWN_CALLER
        return None if self.has_scope else MISSING_SCOPE


def is_basic(presented: str, name: str, password: str) -> bool:
    """Tell whether what follows `Basic` in a header is this name and password."""
    expected = base64.b64encode(f"{name}:{password}".encode())
    return hmac.compare_digest(presented.strip().encode(), expected)
