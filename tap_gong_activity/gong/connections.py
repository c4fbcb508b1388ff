"""Connections with bounds: deadlines for connecting and for a response, and a maximum size of a response.

The timeout of requests applies to each read, so a response that arrives one byte at a time would never time out. Here
each read and write gets the time that is left until one deadline, without a thread that watches it. A response's
deadline starts when its request is sent on an established connection.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from http.client import HTTPResponse as HTTPClientResponse
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from urllib3 import HTTPConnectionPool, HTTPResponse, PoolManager

MAX_CONNECTIONS = 1_000
"""Maximum size of the pool, which allocates all its slots in advance."""

MAX_HEAD_BYTES = 1_048_576
"""Maximum size of a response's headers, including any `100 Continue` before them."""

SEND_BYTES = 16_384
"""Bytes to send at once: one TLS record, because `sendall` applies the timeout to each."""


class ResponseTimeoutError(TimeoutError):
    """The response's headers weren't complete by its deadline."""


class TooManyBytesError(Exception):
    """A response exceeds its maximum size."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of all connections of a `Transport`, which documents them."""

    timeout: float
    connect_timeout: float
    before_send: Callable[[], None]
    monotonic: Callable[[], float]

    def bounds(self, seconds: float) -> Bounds:
        """Return bounds that start now."""
        return Bounds(self.monotonic() + seconds, self.monotonic)


class Bounds:
    """The time and bytes that a connection has left for its current operation."""

    def __init__(self, deadline: float, monotonic: Callable[[], float]) -> None:
        self._deadline = deadline
        self._monotonic = monotonic
        self.bytes_left = MAX_HEAD_BYTES

    def seconds_left(self) -> float:
        """Return the time left until the deadline.

        Raises:
            TimeoutError: If the deadline has passed.
        """
        seconds = self._deadline - self._monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    def count(self, size: int) -> None:
        """Subtract the bytes that were read.

        Raises:
            TooManyBytesError: If none are left.
        """
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise TooManyBytesError


class _BoundedReader(io.RawIOBase):
    """A socket's reader with bounds, from which `http.client` reads a response."""

    def __init__(self, sock: socket.socket, bounds: Bounds) -> None:
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
    """A connection whose every read and write has a deadline.

    Attributes:
        limits: Limits of the transport.
        bounds: Bounds of the current operation: connecting, or a request and its response.
    """

    limits: Limits
    bounds: Bounds
    _has_been_used = False

    @override
    def _new_conn(self) -> socket.socket:
        start, timeout = self.limits.monotonic(), self.limits.connect_timeout
        sock = super()._new_conn()
        # Each address tried before was either refused immediately or took the whole timeout.
        self.bounds = self.limits.bounds(timeout - (self.limits.monotonic() - start) % timeout)
        self._has_been_used = False
        return sock

    def _tunnel(self) -> None:
        # Private to http.client, which has no public way.
        super()._tunnel()
        # The TLS handshake that follows uses the socket's timeout.
        self.sock.settimeout(self.bounds.seconds_left())

    @override
    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.is_closed:
            self.connect()
        self.limits.before_send()
        # The server may have closed an idle connection during the wait.
        if self._has_been_used and not self.proxy_is_tunneling and not self.is_connected:
            self.close()
            self.connect()
        self.bounds = self.limits.bounds(self.limits.timeout)
        self._has_been_used = True
        try:
            super().request(*args, **kwargs)
        except TimeoutError as error:
            raise ResponseTimeoutError from error

    @override
    def send(self, data: Any) -> None:
        for start in range(0, len(data), SEND_BYTES):
            self.sock.settimeout(self.bounds.seconds_left())
            super().send(data[start : start + SEND_BYTES])

    @override
    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # urllib3's own return type
        try:
            return super().getresponse()
        except TimeoutError as error:
            raise ResponseTimeoutError from error

    def response_class(self, sock: socket.socket, *, method: str) -> HTTPClientResponse:  # type: ignore[override] # a class attribute in http.client
        # http.client calls it for a response, and for a proxy's response to CONNECT.
        return HTTPClientResponse(_BoundedReader(sock, self.bounds), method=method)  # type: ignore[arg-type] # all it uses of a socket is makefile


class BoundedAdapter(HTTPAdapter):
    """The adapter of requests, with bounded connections for every kind of proxy."""

    poolmanager: PoolManager

    def __init__(self, limits: Limits, connections: int) -> None:
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
