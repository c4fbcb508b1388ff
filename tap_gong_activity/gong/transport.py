"""HTTP exchanges: send a request, and return its whole response or why there is none."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import requests
import urllib3
from requests.utils import select_proxy

from tap_gong_activity.base.errors import GongError
from tap_gong_activity.gong.connection_failures import (
    causes_of,
    check_ca_bundle,
    check_proxy,
    connection_failure,
    proxy_refusal,
)
from tap_gong_activity.gong.connections import MAX_HEAD_BYTES, BoundedAdapter, Bounds, Limits, TooManyBytesError
from tap_gong_activity.gong.retries import FatalError, RetryableError
from tap_gong_activity.gong.urls import origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONNECT_TIMEOUT = 10.0
"""Seconds to connect to an address, including the TLS handshake and the proxy."""

MAX_TIMEOUT = 1_000_000.0
"""The longest timeout in seconds that every socket accepts."""

MAX_ERROR_BYTES = 2_097_152
"""Bytes to read of an error's body; Gong's envelope is far shorter."""

READ_BYTES = 262_144
"""Bytes of a body to read at once."""


class Response(NamedTuple):
    """A response, with its body.

    Attributes:
        request: The request as sent.
        status: The HTTP status.
        headers: The headers; names are case-insensitive.
        body: The decompressed body; for statuses other than 200, at most `MAX_ERROR_BYTES` of it.
        is_truncated: Whether the body is incomplete; for a 200, only if the caller accepts that.
    """

    request: requests.PreparedRequest
    status: int
    headers: Mapping[str, str]
    body: bytearray
    is_truncated: bool


class Transport:
    """Sends requests and reads their responses; safe to share between threads.

    Args:
        user_agent: The `User-Agent` header.
        timeout: Seconds from sending a request to the last byte of its response.
        connect_timeout: Seconds to connect, per address of the host.
        connections: Number of threads that send requests at once.
        before_send: Called in the sending thread when the connection is established, before anything is sent.
        monotonic: Clock for deadlines.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        timeout: float,
        connect_timeout: float = CONNECT_TIMEOUT,
        connections: int = 1,
        before_send: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = Limits(min(timeout, MAX_TIMEOUT), connect_timeout, before_send, monotonic)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = user_agent
        # Instead of the session's `send`, which reads the body of redirects and keeps cookies.
        self._adapter = BoundedAdapter(self._limits, connections)

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    def exchange(self, request: requests.Request, *, max_bytes: int, accept_truncated: bool = False) -> Response:
        """Send a request and return its response; redirects aren't followed.

        Args:
            request: The request. Its credentials must be in `auth`, or a .netrc entry replaces them.
            max_bytes: Maximum size of the body of a 200.
            accept_truncated: Whether to accept an incomplete body of a 200, also one cut at `max_bytes`.

        Raises:
            RetryableError: If there's no response, or it's incomplete.
            FatalError: If no request can succeed, because of the user's TLS or proxy configuration.
            GongError: If the request can't be sent, or the body is larger than `max_bytes`.
        """
        url, proxy = request.url, None
        try:
            prepared = self._session.prepare_request(request)
            environment = self._session.merge_environment_settings(prepared.url, {}, True, None, None)  # noqa: FBT003 - positional in requests
            url, proxy = str(prepared.url), select_proxy(str(prepared.url), environment["proxies"])
            check_proxy(proxy)
            if url.startswith("https"):
                check_ca_bundle(environment["verify"])
            timeout = (self._limits.connect_timeout, self._limits.timeout)
            with self._adapter.send(prepared, timeout=timeout, **environment) as response:  # type: ignore[arg-type] # untyped in requests
                if response.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                    raise FatalError(proxy_refusal(proxy))
                return self._read(prepared, response, max_bytes, accept_truncated=accept_truncated)
        except TooManyBytesError:
            message = f"The response of {origin(url)} has more than {MAX_HEAD_BYTES:,} bytes of headers: check api_url"
            raise GongError(message) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise connection_failure(error, url, proxy, self._limits.timeout) from None

    def _read(
        self, request: requests.PreparedRequest, response: requests.Response, max_bytes: int, *, accept_truncated: bool
    ) -> Response:
        body, is_truncated, is_too_large = bytearray(), False, False
        is_error = response.status_code != HTTPStatus.OK
        max_bytes = MAX_ERROR_BYTES if is_error else max_bytes
        bounds: Bounds = response.raw.connection.bounds  # type: ignore[union-attr] # as the adapter makes it
        # Allows for tiny chunks and for compression that makes the input longer.
        bounds.bytes_left = 2 * max_bytes + MAX_HEAD_BYTES
        try:
            while len(body) <= max_bytes and (chunk := response.raw.read1(READ_BYTES, decode_content=True)):
                body += chunk
                bounds.seconds_left()
            is_too_large = len(body) > max_bytes
        except TooManyBytesError:
            is_too_large = True
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if not (is_error or accept_truncated):
                if any(isinstance(cause, TimeoutError) for cause in causes_of(error)):
                    problem = f"didn't arrive within {self._limits.timeout:g} s"
                elif isinstance(error, urllib3.exceptions.DecodeError):
                    problem = "can't be decompressed"
                else:
                    problem = "was truncated"
                reason = f"The response of {origin(request.url)} {problem}"
                raise RetryableError(reason, response.status_code) from None
            is_truncated = True
        if is_too_large and not (is_error or accept_truncated):
            message = f"The response of {origin(request.url)} is larger than the maximum of {max_bytes:,} bytes"
            raise GongError(message, response.status_code)
        return Response(request, response.status_code, response.headers, body, is_truncated)
