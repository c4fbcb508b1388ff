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
"""Seconds that connecting to an address may take, with the TLS handshake and the proxy."""

MAX_TIMEOUT = 1_000_000.0
"""Seconds beyond which a socket accepts no timeout."""

MAX_ERROR_BYTES = 2_097_152
"""Bytes that are read of the body of an error; Gong's envelope is far shorter."""

READ_BYTES = 262_144
"""Bytes that are read of a body at once."""


class Response(NamedTuple):
    """A response that has been read.

    Attributes:
        request: What was sent.
        status: The HTTP status.
        headers: The headers; names in any case.
        body: The decompressed body, all of it if the status is 200, else the first `MAX_ERROR_BYTES`.
        is_truncated: Whether the connection ended before the body did; with a status of 200 only if that's accepted.
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
        connect_timeout: Seconds to connect, for each address of the host.
        connections: How many threads send requests at once.
        before_send: Called in the sending thread, once the connection is established and before anything is sent.
        monotonic: The clock that deadlines are measured with.
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
        # Not the session's `send`, which reads a redirect's whole body and keeps cookies.
        self._adapter = BoundedAdapter(self._limits, connections)

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    def exchange(self, request: requests.Request, *, max_bytes: int, accept_truncated: bool = False) -> Response:
        """Send a request and return its response; redirects aren't followed.

        Args:
            request: What to send. Credentials belong into its `auth`, or a .netrc entry would replace them.
            max_bytes: Size of the largest body to accept with a status of 200.
            accept_truncated: Whether to return what has arrived of such a body if the rest doesn't.

        Raises:
            RetryableError: If there was no response, or not all of it.
            FatalError: If no request can succeed: TLS isn't trusted, or the proxy refuses the sign-in.
            GongError: If the request can't be made, or the body is larger than `max_bytes`.
        """
        url, proxy = request.url, None
        try:
            prepared = self._session.prepare_request(request)
            environment = self._session.merge_environment_settings(prepared.url, {}, True, None, None)  # noqa: FBT003 - its only form
            url, proxy = str(prepared.url), select_proxy(str(prepared.url), environment["proxies"])
            check_proxy(proxy)
            if url.startswith("https"):
                check_ca_bundle(environment["verify"])
            timeout = (self._limits.connect_timeout, self._limits.timeout)
            with self._adapter.send(prepared, timeout=timeout, **environment) as response:  # type: ignore[arg-type]
                if response.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                    raise FatalError(proxy_refusal(proxy))
                return self._read(prepared, response, max_bytes, accept_truncated=accept_truncated)
        except TooManyBytesError:
            message = f"The response of {origin(url)} has a head of more than {MAX_HEAD_BYTES:,} bytes: check api_url"
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
        # Chunks of a few bytes, or a compression that makes its input longer, are still accepted.
        bounds.bytes_left = 2 * max_bytes + MAX_HEAD_BYTES
        try:
            while len(body) <= max_bytes and (chunk := response.raw.read1(READ_BYTES, decode_content=True)):
                body += chunk
                bounds.seconds_left()
            is_too_large = len(body) > max_bytes
        except TooManyBytesError:
            # Of more bytes than it can become.
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
        if is_too_large and not is_error:
            message = (
                f"The response of {origin(request.url)} is larger than {max_bytes:,} bytes, the most that is accepted"
            )
            raise GongError(message, response.status_code)
        return Response(request, response.status_code, response.headers, body, is_truncated)
