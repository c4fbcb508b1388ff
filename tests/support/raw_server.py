"""A server that responds with any bytes, for responses that the sandbox can't send."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SELF_SIGNED = Path(__file__).with_name("self_signed.pem")
"""A certificate for 127.0.0.1 and its key."""


@contextlib.contextmanager
def serve_connections(handle: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Serve connections one at a time by calling `handle`, and yield the URL.

    The event passed to `handle` is set at the end of the test.
    """
    is_over = threading.Event()

    def serve() -> None:
        while not is_over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(30)
                handle(connection, is_over)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, name="raw-server")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            is_over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextlib.contextmanager
def serve_response(status: str, body: bytes, **headers: str) -> Iterator[str]:
    """Serve the same response to every request, each over its own connection, and yield the URL."""
    named = {"Content_Length": str(len(body)), **headers, "Connection": "close"}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    response = f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body

    def handle(connection: socket.socket, _is_over: threading.Event) -> None:
        with connection.makefile("rb") as received:
            length = 0
            while (line := received.readline()).strip():
                length = int(match[1]) if (match := re.match(rb"Content-Length: (\d+)", line)) else length
            received.read(length)
            connection.sendall(response)

    with serve_connections(handle) as url:
        yield url


@contextlib.contextmanager
def serve_tls_connections(handle: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Serve connections over TLS, with a certificate for 127.0.0.1 that only `SELF_SIGNED` trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SELF_SIGNED)

    def handle_tls(connection: socket.socket, is_over: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            handle(secured, is_over)

    with serve_connections(handle_tls) as url:
        yield url.replace("http", "https")
