"""Connections to Gong: they take a slot of the rate limit once they stand, and a response's head has a deadline.

A TLS handshake takes a few tenths of a second, which would make requests reach Gong less evenly than they leave. And a
timeout of requests is one for each byte, so a head that comes a byte a second would never end.
"""

from __future__ import annotations

import socket
import sys
from contextlib import contextmanager, suppress
from threading import Timer
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from urllib3 import HTTPResponse, PoolManager, ProxyManager


MOST_KEPT = 1_000
"""Connections that are kept at most, since the pool makes room for all of them in advance."""


class ConnectionAdapter(HTTPAdapter):
    """The transport of requests, with such connections.

    Args:
        leaves: Called in the thread that makes a request, when its connection stands and nothing has been sent yet.
        threads: How many threads make requests at once; a connection is kept for each, up to `MOST_KEPT`.
    """

    poolmanager: PoolManager

    def __init__(self, leaves: Callable[[], None], threads: int) -> None:
        self._pools = _pools(leaves)
        super().__init__(pool_maxsize=min(threads, MOST_KEPT))

    @override
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    @override
    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(leaves: Callable[[], None]) -> dict[str, type[HTTPConnectionPool]]:
    class Connection(HTTPConnection):
        @override
        def request(self, *args: Any, **kwargs: Any) -> None:
            if self.is_closed:
                self.connect()
            leaves()
            super().request(*args, **kwargs)

        @override
        def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as urllib3's own
            with _deadline(self):
                return super().getresponse()

    class SecureConnection(Connection, HTTPSConnection):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}


@contextmanager
def _deadline(connection: HTTPConnection) -> Iterator[None]:
    """Let the connection's timeout be one for all of what happens inside, not for each byte of it.

    Raises:
        TimeoutError: If it was reached.
    """
    reached = False

    def end() -> None:
        nonlocal reached
        reached = True
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = Timer(float(connection.timeout or 0), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        # Whatever the sudden end looked like to whoever was reading: a head may seem to be whole.
        if reached:
            message = "The head of the answer did not come whole in time"
            raise TimeoutError(message)
