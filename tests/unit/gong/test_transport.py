"""Connections give up on an answer whose head does not come whole, and tell when a request leaves."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest
import requests

from tap_gong_activity.gong.transport import ConnectionAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def serving(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Serve one connection with what `answer` does to it, which is told when the test is over; give the address."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                answer(connection, over)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def drip(connection: socket.socket, over: threading.Event) -> None:
    """Send a head without end, a byte at a time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not over.wait(0.01):
        connection.sendall(b"a")


def hold_back(connection: socket.socket, over: threading.Event) -> None:
    """Send half a head and nothing more, which looks whole once the connection has ended."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")
    over.wait()


@pytest.mark.parametrize("answer", [drip, hold_back])
def test_a_head_that_does_not_come_whole_ends_with_the_timeout(
    answer: Callable[[socket.socket, threading.Event], None],
) -> None:
    """However alive the connection is, and however whole the head looks when it is ended."""
    with serving(answer) as url, requests.Session() as session:
        session.mount("http://", ConnectionAdapter(lambda: None, 1))

        with pytest.raises(requests.ReadTimeout):
            session.get(url, timeout=0.2)


def test_each_request_is_told_right_before_it_leaves() -> None:
    """When its connection stands, be that a new one or a kept one."""
    told: list[str] = []

    def answer_twice(connection: socket.socket, over: threading.Event) -> None:
        for _ in range(2):
            connection.recv(65_536)
            told.append("arrived")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        over.wait()

    with serving(answer_twice) as url, requests.Session() as session:
        session.mount("http://", ConnectionAdapter(lambda: told.append("leaves"), 1))
        statuses = [session.get(url, timeout=60).status_code for _ in range(2)]

    assert statuses == [200, 200]
    assert told == ["leaves", "arrived"] * 2
