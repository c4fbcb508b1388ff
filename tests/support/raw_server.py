"""A server that answers with bytes of the test's choice, where the sandbox is too well-behaved."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
