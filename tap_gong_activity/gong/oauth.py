"""OAuth credentials: an access token, refreshed with Gong's single-use refresh tokens in a transaction.

A refresh token can be used only once, and the response contains the next one. So before the request, the token file is
tested for room; the next refresh token is on disk before the new access token is used; and only one process refreshes
at a time. Gong doesn't document its token endpoint; as other connectors do, the refresh token is sent in the query and
the client's ID and secret with HTTP Basic, and `invalid_grant` means that a refresh token was used before.
"""

from __future__ import annotations

import json
import logging
import math
import re
import threading
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import urlsplit

import msgspec
import requests

from tap_gong_activity.base.errors import GongError, TapError
from tap_gong_activity.base.redaction import redact
from tap_gong_activity.base.signals import deferred
from tap_gong_activity.gong.lenient_json import without_deep_values
from tap_gong_activity.gong.retries import RetryableError, retry_after
from tap_gong_activity.gong.token_file import TokenFile, locked_token_file
from tap_gong_activity.gong.transport import Response, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tap_gong_activity.base.clock import Clock
    from tap_gong_activity.gong.retries import Retries

TOKEN_PATH = "/oauth2/generate-customer-token"  # noqa: S105 - a path
"""Path of the token endpoint."""

GONG_TOKEN_HOST = "https://app.gong.io"  # noqa: S105 - a host
"""Gong's host for tokens, regardless of the account's API host."""

MAX_MARGIN = timedelta(seconds=60)
"""How long before its expiry an access token is refreshed, but at most a tenth of its lifetime."""

DEFAULT_LIFETIME_SECONDS = 86_400.0
"""Lifetime of an access token if the response doesn't contain it."""

MAX_LIFETIME_SECONDS = 366 * DEFAULT_LIFETIME_SECONDS
"""Maximum lifetime of an access token."""

TOKEN_TIMEOUT_SECONDS = 30.0
"""Timeout of the token endpoint; not a setting, because the end of a run waits for a refresh."""

STORE_SECONDS = 5.0
"""Time to store the response."""

MAX_HEADER_VALUE_LENGTH = 8_000
"""Maximum length of an access token: servers reject longer headers, and the file needs room for both tokens."""

MAX_RESPONSE_BYTES = 1_048_576
"""Maximum size of a response of the token endpoint."""


class OAuthCredentials:
    """Signs requests with an access token that is refreshed when it expires, once for all threads and processes.

    Args:
        path: The token file, which only its owner may be able to read.
        api_url: The API's host, which also serves tokens unless it's one of Gong's own.
        api_url_is_set: Whether `api_url` takes precedence over the host that comes with a token.
        user_agent: The `User-Agent` header.
        request_timeout: Timeout of the token endpoint in seconds, at most `TOKEN_TIMEOUT_SECONDS`.
        clock: The clock of the run.
        retries: Retries failed refreshes.
        log: Called with a sentence if another process keeps the file locked.
    """

    def __init__(
        self,
        path: Path,
        *,
        api_url: str,
        api_url_is_set: bool,
        user_agent: str,
        request_timeout: float,
        clock: Clock,
        retries: Retries,
        log: Callable[[str], None],
    ) -> None:
        self._path = path
        self._api_url = api_url
        self._api_url_is_set = api_url_is_set
        self._user_agent = user_agent
        self._timeout = min(TOKEN_TIMEOUT_SECONDS, request_timeout)
        self._clock = clock
        self._retries = retries
        self._log = log
        self._lock = threading.Lock()
        self._failure: TapError | None = None
        self._access_token: str | None = None
        self._expires_at: datetime | None = None
        self._customer_url: str | None = None
        self._secrets: set[str] = set()
        # urllib3 logs the query, which contains the refresh token, at level DEBUG.
        logging.getLogger("urllib3.connectionpool").addFilter(self._hide_secrets)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request; refresh an expired token first."""
        request.headers["Authorization"] = f"Bearer {self._current_token()}"
        return request

    def api_url(self) -> str | None:
        """Return the host that came with the token, unless `api_url` is set."""
        if self._api_url_is_set:
            return None
        self._current_token()
        return self._customer_url

    def renew(self, refused: requests.PreparedRequest) -> bool:
        """Refresh the token after a 401, unless another thread has done so."""
        with self._lock:
            if refused.headers["Authorization"] == f"Bearer {self._access_token}":
                self._refresh()
        return True

    def secrets(self) -> Iterable[str]:
        """Return every token and client secret that this run has seen."""
        return frozenset(self._secrets)

    def _current_token(self) -> str:
        with self._lock:
            if self._access_token is None or (self._expires_at and self._clock.now() >= self._expires_at):
                self._refresh()
            return self._access_token or ""

    def _refresh(self) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            with locked_token_file(self._path, self._clock, self._log) as file:
                content = self._read(file)
                if not self._has_another_valid_token(content):
                    file.prove_room()
                    content = self._retries.call(lambda: self._exchange(file, content))
                self._use(content)
        except TapError as error:
            # Other threads would fail in the same way, each after another request.
            self._failure = error
            raise

    def _read(self, file: TokenFile) -> dict[str, Any]:
        content = file.read()
        for name in ("client_id", "client_secret", "refresh_token"):
            value = content.get(name)
            # A query can contain any refresh token that Gong issues; a header can't contain any text.
            if not (isinstance(value, str) and value if name == "refresh_token" else _is_printable(value)):
                message = (
                    f"The OAuth token file {self._path} has no {name}, which must be a string of printable ASCII "
                    "characters without spaces."
                )
                raise TapError(message)
        self._secrets |= {content["client_secret"], content["refresh_token"]}
        return content

    def _has_another_valid_token(self, content: dict[str, Any]) -> bool:
        """Return whether another thread or process has stored a token that hasn't expired."""
        token, expires_at = content.get("access_token"), _instant(content.get("expires_at"))
        return (
            _is_printable(token)
            and token != self._access_token
            and expires_at is not None
            and expires_at > self._clock.now()
        )

    def _use(self, content: dict[str, Any]) -> None:
        token, now = content.get("access_token"), self._clock.now()
        if not _is_printable(token):
            message = (
                f"The OAuth token endpoint {self._token_host()} returned no access_token that can be sent in a header; "
                f"the new refresh_token is stored in {self._path}, so run the tap again."
            )
            raise TapError(message)
        expires_at = _instant(content.get("expires_at")) or now
        self._secrets |= {token, f"Bearer {token}"}
        self._access_token = token
        self._expires_at = expires_at - min(MAX_MARGIN, (expires_at - now) / 10)
        self._customer_url = _url(content.get("api_base_url_for_customer"))

    def _exchange(self, file: TokenFile, content: dict[str, Any]) -> dict[str, Any]:
        """Exchange the refresh token, store the new ones, and return the new content of the file.

        Once the request is sent, signals and the end of the process wait until that's done.
        """
        with ExitStack() as stack:
            transport = Transport(
                user_agent=self._user_agent,
                timeout=self._timeout,
                before_send=lambda: stack.enter_context(deferred(self._timeout + STORE_SECONDS)),
            )
            stack.callback(transport.close)
            request = requests.Request(
                "POST",
                self._token_host() + TOKEN_PATH,
                params={"grant_type": "refresh_token", "refresh_token": content["refresh_token"]},
                auth=(content["client_id"], content["client_secret"]),
            )
            try:
                response = transport.exchange(request, max_bytes=MAX_RESPONSE_BYTES, accept_truncated=True)
            except RetryableError as error:
                reason = f"OAuth token refresh: {error.reason}"
                raise RetryableError(reason) from None
            except GongError as error:
                message = f"OAuth token refresh: {error}"
                raise type(error)(message) from None
            renewed = {**content, **self._renewed(response)}
            file.write(renewed)
            return renewed

    def _renewed(self, response: Response) -> dict[str, Any]:
        """Return the new values from a response.

        Even if the response is invalid in other ways, its refresh token must be kept, because the old one is used up.
        """
        fields = _fields(response.body)
        refresh_token = fields.get("refresh_token")
        is_success = HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES
        if not (is_success and isinstance(refresh_token, str) and refresh_token):
            raise self._failure_of(response, fields)
        access_token = fields.get("access_token")
        self._secrets |= {token for token in (access_token, refresh_token) if isinstance(token, str)}
        expires_at = self._clock.now() + timedelta(seconds=_lifetime_seconds(fields.get("expires_in")))
        renewed = {
            "refresh_token": refresh_token,
            "access_token": access_token if _is_printable(access_token) else None,
            "expires_at": expires_at.isoformat().replace("+00:00", "Z"),
        }
        if url := _url(fields.get("api_base_url_for_customer")):
            renewed["api_base_url_for_customer"] = url
        return renewed

    def _failure_of(self, response: Response, fields: dict[str, Any]) -> TapError | RetryableError:
        status, error = response.status, fields.get("error")
        returned = f"The OAuth token endpoint {self._token_host()} returned {status}"
        if isinstance(error, str) and error:
            returned += f" ({redact(error, self._secrets)})"
        if response.is_truncated:
            return RetryableError(f"{returned}, but its response was truncated", status)
        if status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS} or (
            status >= HTTPStatus.INTERNAL_SERVER_ERROR
        ):
            return RetryableError(returned, status, retry_after=retry_after(response.headers, self._clock.now()))
        if status == HTTPStatus.UNAUTHORIZED or error == "invalid_client":
            advice = f"check client_id and client_secret in {self._path}"
        elif status == HTTPStatus.OK:
            advice = "the response has no refresh_token"
        elif status != HTTPStatus.BAD_REQUEST:
            advice = "the response isn't Gong's, so check api_url and any proxy on the way"
        else:
            advice = (
                f"the refresh_token in {self._path} has been used before or was revoked, so authorize the app in Gong "
                "again and put the new refresh_token there"
            )
        return TapError(f"{returned}: {advice}.")

    def _token_host(self) -> str:
        # A stand-in for Gong serves its own tokens.
        host = urlsplit(self._api_url).hostname or ""
        return GONG_TOKEN_HOST if host == "gong.io" or host.endswith(".gong.io") else self._api_url

    def _hide_secrets(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage(), self._secrets), ()
        return True


def _fields(body: bytes | bytearray) -> dict[str, Any]:
    """Return the fields of a response; in invalid JSON, at least the tokens."""
    text = bytes(body).decode(errors="replace")
    with suppress(ValueError):
        fields = json.loads(without_deep_values(text.encode()))
        return fields if isinstance(fields, dict) else {}
    found: dict[str, Any] = {}
    for name, value in re.findall(r'"(access_token|refresh_token|error)"\s*:\s*("(?:[^"\\]|\\.)*")', text):
        with suppress(ValueError):
            found[name] = json.loads(value)
    return found


def _lifetime_seconds(expires_in: object) -> float:
    try:
        seconds = float(expires_in)  # type: ignore[arg-type] # any JSON
    except OverflowError:
        return MAX_LIFETIME_SECONDS
    except (TypeError, ValueError):
        return DEFAULT_LIFETIME_SECONDS
    return min(max(seconds, 0.0), MAX_LIFETIME_SECONDS) if math.isfinite(seconds) else DEFAULT_LIFETIME_SECONDS


def _is_printable(value: object) -> TypeGuard[str]:
    """Return whether a value can be sent in a header."""
    return isinstance(value, str) and re.fullmatch(rf"[!-~]{{1,{MAX_HEADER_VALUE_LENGTH}}}", value) is not None


def _url(value: object) -> str | None:
    with suppress(ValueError):
        if _is_printable(value) and urlsplit(value).scheme in {"http", "https"} and urlsplit(value).hostname:
            return value.rstrip("/")
    return None


def _instant(text: object) -> datetime | None:
    try:
        instant = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None
    return instant if instant.tzinfo else None
