"""A server that answers with bytes of the test's choice, where the sandbox is too well-behaved."""

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
def serving(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Serve one connection after another with what `answer` does to it, and give the address.

    The event that `answer` takes is set when the test is over.
    """
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(30)
                answer(connection, over)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, name="raw-server")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextlib.contextmanager
def answering(status: str, body: bytes, **headers: str) -> Iterator[str]:
    """Serve one answer for every request, each over a connection of its own, and give the address."""
    named = {"Content_Length": str(len(body)), **headers, "Connection": "close"}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    whole = f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body

    def answer(connection: socket.socket, _over: threading.Event) -> None:
        with connection.makefile("rb") as received:
            length = 0
            while (line := received.readline()).strip():
                length = int(found[1]) if (found := re.match(rb"Content-Length: (\d+)", line)) else length
            received.read(length)
            connection.sendall(whole)

    with serving(answer) as url:
        yield url


@contextlib.contextmanager
def serving_tls(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Serve like `serving`, over TLS with a certificate for 127.0.0.1 that only `SELF_SIGNED` itself trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SELF_SIGNED)

    def answer_in_tls(connection: socket.socket, over: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            answer(secured, over)

    with serving(answer_in_tls) as url:
        yield url.replace("http", "https")
