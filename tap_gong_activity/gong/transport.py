"""HTTP exchanges within bounds: connecting, sending and receiving have deadlines, and every response a maximum size.

A timeout of requests applies to each read, so a response that arrives one byte at a time would never end, and a body
that is decompressed could be of any size. Here each read and write gets the time that is left of one deadline, so no
thread has to watch it. The deadline of a response starts when its request is sent, on a connection that is established.
"""

from __future__ import annotations

import io
import os
import ssl
import sys
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPResponse as HTTPClientResponse
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import prepend_scheme_if_needed, select_proxy
from urllib3.connection import HTTPConnection

from tap_gong_activity.base.errors import GongError
from tap_gong_activity.base.redaction import redact
from tap_gong_activity.gong.retries import FatalError, RetryableError

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from urllib3 import HTTPConnectionPool, HTTPResponse, PoolManager

CONNECT_TIMEOUT = 10.0
"""Seconds that connecting to an address may take, with the TLS handshake and the proxy."""

MAX_TIMEOUT = 1_000_000.0
"""Seconds beyond which a socket accepts no timeout."""

MAX_CONNECTIONS = 1_000
"""Connections that are kept, since the pool makes room for all of them in advance."""

MAX_HEAD_BYTES = 1_048_576
"""Bytes of a response's head, any number of `100 Continue` before it included."""

MAX_ERROR_BYTES = 2_097_152
"""Bytes that are read of the body of an error; Gong's envelope is far shorter."""

READ_BYTES = 262_144
"""Bytes that are read of a body at once."""

SEND_BYTES = 16_384
"""Bytes that are sent at once: one TLS record, as `sendall` takes the whole timeout for each."""

PROXY_SCHEMES = frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"})


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
        self._limits = _Limits(min(timeout, MAX_TIMEOUT), connect_timeout, before_send, monotonic)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = user_agent
        # Not the session's `send`, which reads a redirect's whole body and keeps cookies.
        self._adapter = _Adapter(self._limits, connections)

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
            _check_proxy(proxy)
            if url.startswith("https"):
                _check_ca_bundle(environment["verify"])
            timeout = (self._limits.connect_timeout, self._limits.timeout)
            with self._adapter.send(prepared, timeout=timeout, **environment) as response:  # type: ignore[arg-type]
                if response.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                    raise FatalError(_proxy_refusal(proxy))
                return self._read(prepared, response, max_bytes, accept_truncated=accept_truncated)
        except _TooManyBytesError:
            message = f"The response of {origin(url)} has a head of more than {MAX_HEAD_BYTES:,} bytes: check api_url"
            raise GongError(message) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise self._failure(error, url, proxy) from None

    def _read(
        self, request: requests.PreparedRequest, response: requests.Response, max_bytes: int, *, accept_truncated: bool
    ) -> Response:
        body, is_truncated, is_too_large = bytearray(), False, False
        is_error = response.status_code != HTTPStatus.OK
        max_bytes = MAX_ERROR_BYTES if is_error else max_bytes
        bounds: _Bounds = response.raw.connection.bounds  # type: ignore[union-attr] # as the adapter makes it
        # Chunks of a few bytes, or a compression that makes its input longer, are still accepted.
        bounds.bytes_left = 2 * max_bytes + MAX_HEAD_BYTES
        try:
            while len(body) <= max_bytes and (chunk := response.raw.read1(READ_BYTES, decode_content=True)):
                body += chunk
                bounds.seconds_left()
            is_too_large = len(body) > max_bytes
        except _TooManyBytesError:
            # Of more bytes than it can become.
            is_too_large = True
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if not (is_error or accept_truncated):
                if any(isinstance(cause, TimeoutError) for cause in _causes(error)):
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

    def _failure(self, error: Exception, url: str, proxy: str | None) -> GongError | RetryableError:
        """What to raise if there's no response.

        The texts of these exceptions aren't repeated, as they hold queries and the passwords of proxies.
        """
        causes = list(_causes(error))
        if problem := _configuration_problem(causes, url, proxy):
            return FatalError(problem)
        if any(isinstance(cause, _ResponseTimeoutError) for cause in causes):
            return RetryableError(f"{origin(url)} didn't respond within {self._limits.timeout:g} s")
        if isinstance(error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError):
            through = f" through the proxy {origin(proxy)}" if proxy else ""
            return RetryableError(f"Connection to {origin(url)}{through} failed ({_root_cause(causes)})")
        return GongError(
            f"The request to {origin(url)} can't be made ({type(error).__name__}): check api_url and the proxy settings"
        )


class _ResponseTimeoutError(TimeoutError):
    """The deadline of a response passed before its head was complete."""


class _TooManyBytesError(Exception):
    """A response is larger than its bounds."""


@dataclass(frozen=True, slots=True)
class _Limits:
    """What all connections of a transport keep to; see there."""

    timeout: float
    connect_timeout: float
    before_send: Callable[[], None]
    monotonic: Callable[[], float]

    def bounds(self, seconds: float) -> _Bounds:
        return _Bounds(self.monotonic() + seconds, self.monotonic)


class _Bounds:
    """The time and the bytes that are left for what a connection is doing."""

    def __init__(self, deadline: float, monotonic: Callable[[], float]) -> None:
        self._deadline = deadline
        self._monotonic = monotonic
        self.bytes_left = MAX_HEAD_BYTES

    def seconds_left(self) -> float:
        """Return how long the next operation may take.

        Raises:
            TimeoutError: If the deadline has passed.
        """
        seconds = self._deadline - self._monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    def count(self, size: int) -> None:
        """Count bytes that have been read.

        Raises:
            _TooManyBytesError: If they are too many.
        """
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise _TooManyBytesError


class _BoundedReader(io.RawIOBase):
    """What `http.client` reads a response from: a socket, within bounds."""

    def __init__(self, sock: socket.socket, bounds: _Bounds) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._bounds = bounds

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - a socket's signature
        return io.BufferedReader(self)

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._bounds.seconds_left())
        size = self._raw.readinto(buffer) or 0
        self._bounds.count(size)
        return size

    @override
    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedConnection(HTTPConnection):
    """A connection whose every read and write ends by a deadline.

    Attributes:
        limits: Those of the transport.
        bounds: Those of what is being done: connecting, or sending a request and reading its response.
    """

    limits: _Limits
    bounds: _Bounds
    _has_been_used = False

    @override
    def _new_conn(self) -> socket.socket:
        start, timeout = self.limits.monotonic(), self.limits.connect_timeout
        sock = super()._new_conn()
        # Addresses tried before this one were refused at once or took the whole timeout.
        self.bounds = self.limits.bounds(timeout - (self.limits.monotonic() - start) % timeout)
        self._has_been_used = False
        return sock

    def _tunnel(self) -> None:
        # Of http.client, which has no public name for it.
        super()._tunnel()
        # The TLS handshake that follows takes the socket's timeout.
        self.sock.settimeout(self.bounds.seconds_left())

    @override
    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.is_closed:
            self.connect()
        self.limits.before_send()
        # The wait may have been longer than the server keeps idle connections.
        if self._has_been_used and not self.proxy_is_tunneling and not self.is_connected:
            self.close()
            self.connect()
        self.bounds = self.limits.bounds(self.limits.timeout)
        self._has_been_used = True
        try:
            super().request(*args, **kwargs)
        except TimeoutError as error:
            raise _ResponseTimeoutError from error

    @override
    def send(self, data: Any) -> None:
        for start in range(0, len(data), SEND_BYTES):
            self.sock.settimeout(self.bounds.seconds_left())
            super().send(data[start : start + SEND_BYTES])

    @override
    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as urllib3's own
        try:
            return super().getresponse()
        except TimeoutError as error:
            raise _ResponseTimeoutError from error

    def response_class(self, sock: socket.socket, *, method: str) -> HTTPClientResponse:  # type: ignore[override]
        # Called by http.client for a response and for a proxy's response to CONNECT.
        return HTTPClientResponse(_BoundedReader(sock, self.bounds), method=method)  # type: ignore[arg-type]


class _Adapter(HTTPAdapter):
    """The transport of requests, with such connections, whatever kind of proxy is used."""

    poolmanager: PoolManager

    def __init__(self, limits: _Limits, connections: int) -> None:
        self._limits = limits
        super().__init__(pool_maxsize=min(connections, MAX_CONNECTIONS))

    @override
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._bound(self.poolmanager)

    @override
    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:
        is_new = proxy not in self.proxy_manager
        manager: PoolManager = super().proxy_manager_for(proxy, **kwargs)
        if is_new:
            self._bound(manager)
        return manager

    def _bound(self, manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = {
            scheme: self._bounded(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
        }

    def _bounded(self, pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
        connection = type("BoundedConnection", (_BoundedConnection, pool.ConnectionCls), {"limits": self._limits})
        return type("BoundedConnectionPool", (pool,), {"ConnectionCls": connection})


def is_unencrypted(url: str) -> bool:
    """Return whether whoever is on the way to this URL can read what is sent."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True


def origin(url: str | None) -> str:
    """Return the scheme, host and port of a URL, without what may be private."""
    parts = urlsplit(url or "")
    return redact(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else "")


_PROXY_VARIABLES = "the environment variable https_proxy, http_proxy or all_proxy"
_BAD_CA_BUNDLE = (
    "The CA bundle named by the environment variable REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE can't be read: it must be a "
    "file of CA certificates in PEM format"
)


def _check_ca_bundle(verify: object) -> None:
    if isinstance(verify, str) and not os.access(verify, os.R_OK):
        raise FatalError(_BAD_CA_BUNDLE)


def _check_proxy(proxy: str | None) -> None:
    if proxy is None:
        return
    try:
        parts = urllib3.util.parse_url(prepend_scheme_if_needed(proxy, "http"))  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        # A TypeError of requests, if there's a user but no host.
        parts = urllib3.util.Url()
    if not parts.host or parts.scheme not in PROXY_SCHEMES:
        message = (
            f"The proxy URL in {_PROXY_VARIABLES} can't be used: it must be like http://HOST:PORT, or begin with "
            "https, socks4 or socks5"
        )
        raise FatalError(message)


def _proxy_refusal(proxy: str | None) -> str:
    return (
        f"The proxy {origin(proxy)} refuses the sign-in (407 Proxy Authentication Required): check the user name and "
        f"password in {_PROXY_VARIABLES}"
    )


def _configuration_problem(causes: list[BaseException], url: str, proxy: str | None) -> str | None:
    """Return what's wrong with the user's TLS or proxy configuration, so that no other attempt can succeed."""
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"The TLS certificate of {origin(url)} isn't trusted ({redact(cause.verify_message)}): if a proxy or "
                "firewall intercepts TLS, set the environment variable REQUESTS_CA_BUNDLE to a file with its CA "
                "certificate"
            )
        if isinstance(cause, ssl.SSLError) and cause.library in {"PEM", "X509"}:
            return _BAD_CA_BUNDLE
        if str(cause).startswith("Tunnel connection failed: 407") or type(cause).__name__ == "SOCKS5AuthError":
            return _proxy_refusal(proxy)
        if isinstance(cause, requests.exceptions.InvalidSchema) and proxy:
            return (
                f"The proxy {origin(proxy)} needs the Python package PySocks: install it beside the tap, or use a "
                "proxy that speaks HTTP"
            )
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and everything that lies behind it, in the various ways that libraries keep it."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [getattr(cause, "reason", None), cause.__cause__, cause.__context__, *cause.args]


def _root_cause(causes: list[BaseException]) -> str:
    """Return what the operating system or OpenSSL names as the cause, or the kind of the last exception."""
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, requests.RequestException):
            return redact(cause.strerror)
        if isinstance(cause, OSError) and str(cause).startswith("Tunnel connection failed"):
            return redact(str(cause))
    return "timed out" if any(isinstance(cause, TimeoutError) for cause in causes) else type(causes[-1]).__name__
