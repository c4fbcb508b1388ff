"""A server that answers every request with bytes of the test's choice, where the sandbox is too well-behaved."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def answering(status: str, body: bytes, **headers: str) -> Iterator[str]:
    """Serve one answer for every request, each over a connection of its own, and give the address."""
    named = {"Content_Length": str(len(body)), **headers, "Connection": "close"}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    answer = f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, answer), name="raw-server")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, answer: bytes) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as received:
            length = 0
            while (line := received.readline()).strip():
                length = int(found[1]) if (found := re.match(rb"Content-Length: (\d+)", line)) else length
            received.read(length)
            connection.sendall(answer)
