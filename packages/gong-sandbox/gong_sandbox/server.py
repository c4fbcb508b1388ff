"""The HTTP server: reads requests from sockets, and delivers responses."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import sys
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from gong_sandbox.responses import SILENT, Delivery, Response, web_page

if TYPE_CHECKING:
    from gong_sandbox.api import Api

LOOPBACK = "127.0.0.1"
MAX_BODY_BYTES = 4 * 1024 * 1024
PADDING = b" " * 65_536
NO_LINGER = struct.pack("ii", 1, 0)
"""Socket option that makes closing a connection reset it."""


class Server(ThreadingMixIn, TCPServer):
    """A loopback server with a thread per connection; no thread outlives `close`."""

    allow_reuse_address = True
    # Threads are joined after their connections have been shut down, so none waits for a client.
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, port: int, api: Api, latency: float) -> None:
        """Listen on `port` (0 for any free port), and delay each response by `latency` seconds.

        Raises:
            OSError: The port is in use or forbidden.
        """
        self.api = api
        self.latency = latency
        self.closing = Event()
        self.connection_numbers = itertools.count()
        self._connections: set[socket.socket] = set()
        self._pending_resets: set[socket.socket] = set()
        self._lock = Lock()
        self._thread = Thread(target=self._accept, name="gong-sandbox")
        super().__init__((LOOPBACK, port), Handler)

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start accepting connections."""
        self._thread.start()

    def close(self) -> None:
        """Close all connections, even in the middle of a response, and join the threads."""
        self.closing.set()
        # Wakes the accepting thread, so that it notices that the server is closing.
        with contextlib.suppress(OSError):
            socket.create_connection((LOOPBACK, self.port)).close()
        self._thread.join()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def _accept(self) -> None:
        while not self.closing.is_set():
            self.handle_request()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        """Register the connection."""
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def reset(self, connection: socket.socket) -> None:
        """Reset the connection when it's closed."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        with self._lock:
            self._pending_resets.add(connection)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as in the base class
        """Unregister the connection and close it."""
        with self._lock:
            self._connections.discard(request)
            to_reset = request in self._pending_resets
            self._pending_resets.discard(request)
        if to_reset:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        """Ignore clients that disconnect; report any other error, which is a bug."""
        if not isinstance(sys.exc_info()[1], OSError if self.closing.is_set() else ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """The handler of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        """Assign a number to the connection."""
        super().setup()
        self._number = next(self.server.connection_numbers)

    def respond(self) -> None:
        """Respond to a request."""
        body = self._read_body()
        if body is None:
            self.close_connection = True
            self._send(web_page(411, "Content-Length is missing or too large"))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        response = self.server.api.respond(self.command, self.path, headers, body, self._number)
        if delay := self.server.latency + response.delay:
            self.server.closing.wait(delay)
        self._send(response)

    # The API checks the method.
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = respond  # noqa: N815 - as in the base class

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as in the base class
        """Log nothing."""

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return None
        return self.rfile.read(int(length))

    def _send(self, response: Response) -> None:
        if response.delivery in SILENT:
            self._send_nothing(response.delivery)
            return
        body = response.body()
        length = len(body) + response.padding
        if response.delivery is Delivery.CUT_CHUNKED:
            self.wfile.write(self._head(response, "Transfer-Encoding: chunked"))
            self.wfile.write(b"%x\r\n%s" % (len(body), body[: len(body) // 2]))
            self.close_connection = True
            return
        self.wfile.write(self._head(response, f"Content-Length: {length}"))
        if self.command == "HEAD":
            return
        if response.delivery is Delivery.CUT:
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif response.delivery is Delivery.DRIP:
            self._drip(body, response.drip_interval)
        else:
            self.wfile.write(body)
            for sent in range(0, response.padding, len(PADDING)):
                self.wfile.write(PADDING[: response.padding - sent])

    def _send_nothing(self, delivery: Delivery) -> None:
        self.close_connection = True
        if delivery is Delivery.HANG:
            # Returns when the client disconnects or the server closes.
            self.rfile.read(1)
        elif delivery is Delivery.RESET:
            self.server.reset(self.connection)

    def _drip(self, body: bytes, interval: float) -> None:
        for number in range(len(body)):
            self.wfile.write(body[number : number + 1])
            if self.server.closing.wait(interval):
                self.close_connection = True
                return

    def _head(self, response: Response, framing: str) -> bytes:
        try:
            reason = HTTPStatus(response.status).phrase
        except ValueError:
            reason = ""
        headers = {
            "Date": format_datetime(self.server.api.clock.now(), usegmt=True),
            "Content-Type": "application/json;charset=UTF-8",
        }
        overridden = {name.lower() for name in response.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in overridden} | response.headers
        lines = [f"HTTP/1.1 {response.status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
        if self.close_connection:
            lines.append("Connection: close")
        return "\r\n".join([*lines, framing, "", ""]).encode("latin-1")
