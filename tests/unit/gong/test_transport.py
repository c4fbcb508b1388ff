"""Exchanges over real sockets: whatever the server does, each ends by its deadline and within its maximum size."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.raw_server import SELF_SIGNED, serving, serving_tls

from tap_gong_activity.base.errors import GongError
from tap_gong_activity.gong.retries import RetryableError
from tap_gong_activity.gong.transport import MAX_ERROR_BYTES, Transport
from tap_gong_activity.gong.urls import is_unencrypted, origin

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GZIPPED = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
DEFLATED = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: deflate\r\n\r\n")
MAX_BYTES = 100_000


def chunk(data: bytes) -> bytes:
    """Frame data as a chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


EMPTY_DEFLATE_BLOCK = b"\0\0\0\xff\xff"


ENDLESS = {
    "head": (HEAD + b"X-Long: ", itertools.repeat(b"a")),
    "headers": (HEAD, itertools.repeat(b"\r")),
    "continue": (b"", itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n")),
    "body": (HEAD + b"Content-Length: 90000\r\n\r\n", itertools.repeat(b"a")),
    "chunks": (CHUNKED, itertools.repeat(chunk(b"a"))),
    "chunk extension": (CHUNKED + b"1;", itertools.repeat(b"a")),
    "trailers": (CHUNKED + b"0\r\n", itertools.repeat(b"X-Trailer: a\r\n")),
    "gzip header": (GZIPPED + chunk(b"\x1f\x8b\x08\x08\0\0\0\0\0\x03"), itertools.repeat(chunk(b"name"))),
    "deflate blocks": (DEFLATED + chunk(b"\x78\x9c"), itertools.repeat(chunk(EMPTY_DEFLATE_BLOCK))),
}


@contextlib.contextmanager
def exchanging(**options: Any) -> Iterator[Transport]:  # noqa: ANN401 - those of Transport
    """A transport, closed at the end."""
    transport = Transport(**{"user_agent": "test", "timeout": 30, **options})
    try:
        yield transport
    finally:
        transport.close()


def failure(url: str, **options: Any) -> str:  # noqa: ANN401 - those of Transport
    """Send a request and return the message that it fails with, preceded by the kind of the error."""
    with exchanging(**options) as transport, pytest.raises((GongError, RetryableError)) as caught:
        transport.exchange(requests.Request("POST", url, data=b"{}"), max_bytes=MAX_BYTES)
    return f"{type(caught.value).__name__}: {caught.value}"


def receive(connection: socket.socket) -> None:
    """Receive the request of `failure` to its end."""
    while not connection.recv(65_536).endswith(b"{}"):
        pass


# Time


@pytest.mark.parametrize("endless", ENDLESS)
def test_a_response_that_drips_ends_with_its_timeout(endless: str) -> None:
    """The connection stays alive, and the drops can be part of anything."""
    start, drops = ENDLESS[endless]
    ticking = itertools.count(0, 0.5)

    def drip(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(start)
        for drop in drops:
            connection.sendall(drop)
            if over.wait(0.0005):
                return

    with serving(drip) as url:
        message = failure(url, monotonic=lambda: next(ticking))
    assert message.startswith("RetryableError: ")
    assert message.endswith(" within 30 s")


def test_a_response_that_stops_ends_with_its_timeout() -> None:
    """Its head would look complete if the connection ended."""

    def stop(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(HEAD + b"Content-Length: 0\r\n")
        over.wait()

    with serving(stop) as url:
        assert failure(url, timeout=0.1) == f"RetryableError: {url} didn't respond within 0.1 s"


def test_a_peer_that_does_not_read_ends_with_the_timeout() -> None:
    """A request with many user IDs is larger than a socket's buffer."""

    def ignore(_connection: socket.socket, over: threading.Event) -> None:
        over.wait()

    with (
        serving(ignore) as url,
        exchanging(timeout=0.1) as transport,
        pytest.raises(RetryableError, match=r"didn't respond within 0\.1 s"),
    ):
        transport.exchange(requests.Request("POST", url, data=b" " * 20_000_000), max_bytes=MAX_BYTES)


def test_sending_is_part_of_the_time() -> None:
    """A peer that reads steadily doesn't extend it."""
    ticking = itertools.count(0, 0.5)

    def read_all(connection: socket.socket, _over: threading.Event) -> None:
        with connection.makefile("rb") as received:
            received.read(2_000_000)
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    with (
        serving(read_all) as url,
        exchanging(monotonic=lambda: next(ticking)) as transport,
        pytest.raises(RetryableError, match=r"didn't respond within 30 s"),
    ):
        transport.exchange(requests.Request("POST", url, data=b" " * 2_000_000), max_bytes=MAX_BYTES)


def test_head_and_body_share_the_time() -> None:
    """A head that arrives late leaves less of it."""
    now, is_read = [0.0], threading.Event()

    def monotonic() -> float:
        is_read.set()
        return now[0]

    def respond_slowly(connection: socket.socket, _over: threading.Event) -> None:
        receive(connection)
        now[0] = 20.0
        is_read.clear()
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n")
        is_read.wait(30)
        now[0] = 40.0
        connection.sendall(b"{}")

    with serving(respond_slowly) as url:
        assert failure(url, monotonic=monotonic) == f"RetryableError: The response of {url} didn't arrive within 30 s"


def test_no_thread_watches_a_response() -> None:
    """A limit on threads must not end a run."""
    threads: list[int] = []

    def count(connection: socket.socket, _over: threading.Event) -> None:
        threads.append(threading.active_count())
        connection.recv(65_536)
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    before = threading.active_count() + 1
    with serving(count) as url, exchanging() as transport:
        assert transport.exchange(requests.Request("GET", url), max_bytes=MAX_BYTES).body == b"{}"
    assert threads == [before]


def test_an_address_that_is_a_black_hole_takes_no_time_from_the_response(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host may have two addresses, of which the first doesn't respond."""
    hole = socket.create_server(("127.0.0.1", 0), backlog=0)
    filler = socket.create_connection(hole.getsockname())
    resolve = socket.getaddrinfo

    def both(host: str, port: int, *args: Any) -> Any:  # noqa: ANN401 - as the socket module
        found = resolve("127.0.0.1", port, *args)
        return [(*found[0][:4], hole.getsockname()), *found] if host == "gong.test" else found

    def late(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65_536)
        over.wait(0.6)
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    monkeypatch.setattr("urllib3.util.connection.socket.getaddrinfo", both)
    with hole, filler, serving(late) as url, exchanging(timeout=1.05, connect_timeout=0.5) as transport:
        request = requests.Request("GET", url.replace("127.0.0.1", "gong.test"))
        assert transport.exchange(request, max_bytes=MAX_BYTES).body == b"{}"


def test_connecting_has_a_timeout_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy can drip its response to CONNECT."""
    ticking = itertools.count(0, 0.5)

    def drip(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(HEAD)
        while not over.wait(0.0005):
            connection.sendall(b"a")

    with serving(drip) as url:
        monkeypatch.setenv("https_proxy", url)
        message = failure("https://gong.test", connect_timeout=10, monotonic=lambda: next(ticking))
        assert message == f"RetryableError: Connection to https://gong.test through the proxy {url} failed (timed out)"


def test_the_tls_handshake_gets_what_the_proxy_has_left_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are part of connecting."""
    now = [0.0]

    def take_the_time(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65_536)
        now[0] = 29.9
        connection.sendall(HEAD + b"\r\n")
        over.wait()

    with serving(take_the_time) as url:
        monkeypatch.setenv("https_proxy", url)
        began = time.monotonic()
        assert failure("https://gong.test", connect_timeout=30, monotonic=lambda: now[0]).endswith("failed (timed out)")
        assert time.monotonic() - began < 20


def test_a_request_is_announced_right_before_it_is_sent() -> None:
    """The connection, new or kept, is established by then."""
    seen: list[str] = []

    def answer_twice(connection: socket.socket, over: threading.Event) -> None:
        for _ in range(2):
            connection.recv(65_536)
            seen.append("arrived")
            connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
        over.wait()

    with serving(answer_twice) as url, exchanging(before_send=lambda: seen.append("sent")) as transport:
        for _ in range(2):
            transport.exchange(requests.Request("GET", url), max_bytes=MAX_BYTES)
    assert seen == ["sent", "arrived"] * 2


def test_a_connection_that_the_server_closes_during_a_wait_is_replaced() -> None:
    """That happens before the request is sent, so that it costs no retry."""
    waiting, closed = threading.Event(), threading.Event()
    calls: list[None] = []

    def answer_once(connection: socket.socket, _over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
        waiting.wait(30)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    def wait() -> None:
        calls.append(None)
        if len(calls) == 2:
            waiting.set()
            closed.wait(30)

    with serving(answer_once) as url, exchanging(before_send=wait) as transport:
        for _ in range(2):
            assert transport.exchange(requests.Request("GET", url), max_bytes=MAX_BYTES).body == b"{}"


# Size


def bomb(size: int) -> bytes:
    """Return a small gzip stream that decompresses to that many bytes."""
    return gzip.compress(bytes(size))


@pytest.mark.parametrize(
    ("start", "drops"),
    [
        (HEAD + b"Content-Length: 1000000000\r\n\r\n", itertools.repeat(bytes(65_536))),
        (CHUNKED, itertools.repeat(chunk(bytes(65_536)))),
        (CHUNKED + chunk(bytes(MAX_BYTES)), itertools.repeat(chunk(b"x"))),
        (GZIPPED + chunk(bomb(50_000_000)), itertools.repeat(chunk(b""))),
        (CHUNKED, itertools.repeat(b"1;" + b"x" * 60_000 + b"\r\na\r\n")),
        (CHUNKED + b"0\r\n", itertools.repeat(b"X-Trailer: " + b"x" * 60_000 + b"\r\n")),
        (DEFLATED + chunk(b"\x78\x9c"), itertools.repeat(chunk(EMPTY_DEFLATE_BLOCK * 5_000))),
    ],
    ids=["length", "chunks", "one byte more", "gzip", "chunk extensions", "trailers", "deflate blocks"],
)
def test_a_response_that_is_too_large_is_not_read_to_its_end(start: bytes, drops: Iterator[bytes]) -> None:
    """It can be too large before or after decompression."""

    def flood(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(start)
        for drop in drops:
            connection.sendall(drop)
            if over.is_set():
                return

    with serving(flood) as url:
        assert failure(url) == (f"GongError: The response of {url} is larger than the maximum of {MAX_BYTES:,} bytes")


def test_a_head_that_is_too_large_is_not_read_to_its_end() -> None:
    """It can begin with any number of `100 Continue` responses."""

    def announce(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65_536)
        while not over.is_set():
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    with serving(announce) as url:
        assert failure(url).startswith(f"GongError: The response of {url} has more than")


@pytest.mark.parametrize("status", [301, 500])
def test_only_the_first_part_of_the_body_of_an_error_is_read(status: int) -> None:
    """Its status is what counts."""

    def refuse(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 %d No\r\nLocation: /\r\nContent-Length: 1000000000\r\n\r\n" % status)
        while not over.is_set():
            connection.sendall(bytes(65_536))

    with serving(refuse) as url, exchanging() as transport:
        response = transport.exchange(requests.Request("GET", url), max_bytes=MAX_BYTES)
    assert (response.status, response.is_truncated) == (status, False)
    assert len(response.body) <= MAX_ERROR_BYTES + 262_144


def test_no_cookie_is_kept() -> None:
    """They could pile up."""
    received: list[bytes] = []

    def set_cookie(connection: socket.socket, _over: threading.Event) -> None:
        received.append(connection.recv(65_536))
        connection.sendall(HEAD + b"Set-Cookie: a=b\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")

    with serving(set_cookie) as url, exchanging() as transport:
        for _ in range(2):
            transport.exchange(requests.Request("GET", url), max_bytes=MAX_BYTES)
    assert len(received) == 2
    assert b"Cookie" not in b"".join(received)


# Proxies


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_the_sign_in_is_named(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is retried, and the message has no password."""

    def refuse(connection: socket.socket, _over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    with serving(refuse) as url:
        monkeypatch.setenv(f"{scheme}_proxy", url.replace("://", "://somebody:hunter2@"))
        message = failure(f"{scheme}://gong.test")
    assert message.startswith(f"FatalError: The proxy {url} refuses the sign-in (407")


def test_a_proxy_that_cannot_connect_is_named_with_its_response(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another attempt may succeed."""

    def refuse(connection: socket.socket, _over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    with serving(refuse) as url:
        monkeypatch.setenv("https_proxy", url)
        assert failure("https://gong.test") == (
            f"RetryableError: Connection to https://gong.test through the proxy {url} failed "
            "(Tunnel connection failed: 502 Bad Gateway)"
        )


def test_a_connection_that_is_closed_without_a_response_is_named_by_its_error() -> None:
    """The operating system has no words for it."""

    def close(connection: socket.socket, _over: threading.Event) -> None:
        receive(connection)

    with serving(close) as url:
        assert failure(url) == f"RetryableError: Connection to {url} failed (RemoteDisconnected)"


@pytest.mark.parametrize(
    "proxy",
    ["http://:8080", "http://", "http://u:p@", "ftp://proxy:21", "socks9://hunter2", "http://[::1", "http://p:x"],
)
def test_a_proxy_url_that_cannot_be_used_is_one_sentence(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the variables, not the URL, which can contain a password."""
    monkeypatch.setenv("https_proxy", proxy)
    message = failure("https://gong.test")
    assert message.startswith("FatalError: The proxy URL in the environment variable https_proxy")
    assert "hunter2" not in message


def test_a_socks_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the bounds of any other connection, and resolves the host's name."""
    received: list[bytes] = []

    def proxy(connection: socket.socket, _over: threading.Event) -> None:
        received.append(connection.recv(65_536))
        connection.sendall(b"\x05\x00")
        received.append(connection.recv(65_536))
        connection.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50")
        received.append(connection.recv(65_536))
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    sent: list[str] = []
    with serving(proxy) as url, exchanging(before_send=lambda: sent.append("sent")) as transport:
        monkeypatch.setenv("http_proxy", url.replace("http", "socks5h"))
        assert transport.exchange(requests.Request("GET", "http://gong.test/"), max_bytes=MAX_BYTES).body == b"{}"
    assert b"gong.test" in received[1]
    assert received[2].startswith(b"GET / HTTP/1.1")
    assert sent == ["sent"]


def test_a_socks_proxy_that_refuses_the_sign_in_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails like an HTTP proxy's 407."""

    def refuse(connection: socket.socket, _over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(b"\x05\xff")

    with serving(refuse) as url:
        monkeypatch.setenv("http_proxy", url.replace("http", "socks5"))
        assert failure("http://gong.test").startswith(
            f"FatalError: The proxy {url.replace('http', 'socks5')} refuses the sign-in (407"
        )


def test_a_socks_proxy_without_its_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the package."""
    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", _missing_dependencies)
    monkeypatch.setenv("https_proxy", "socks5://somebody:hunter2@proxy:1080")
    assert failure("https://gong.test").startswith(
        "FatalError: The proxy socks5://proxy:1080 needs the Python package PySocks"
    )


def _missing_dependencies(*_args: Any, **_options: Any) -> Any:  # noqa: ANN401 - as in requests
    message = "Missing dependencies for SOCKS support."
    raise requests.exceptions.InvalidSchema(message)


def test_a_ca_bundle_that_cannot_be_read_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:  # noqa: ANN401 - a Path
    """It may not exist or not be one."""
    for name in ("none.pem", "bad.pem"):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / name))
        with serving(lambda _connection, _over: None) as url:
            message = failure(url.replace("http", "https"))
            assert "REQUESTS_CA_BUNDLE" not in failure(url)
        assert message.startswith("FatalError: The CA bundle named by the environment variable REQUESTS_CA_BUNDLE"), (
            message
        )
        (tmp_path / "bad.pem").write_text("no certificate")


# TLS


def respond(connection: socket.socket, _over: threading.Event) -> None:
    """Respond to one request with an empty object."""
    connection.recv(65_536)
    connection.sendall(HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}")


def test_an_untrusted_certificate_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable that makes it trusted; it stays untrusted for other hosts."""
    with serving_tls(respond) as url:
        assert failure(url).startswith(
            f"FatalError: The TLS certificate of {url} isn't trusted (self-signed certificate)"
        )
        assert "REQUESTS_CA_BUNDLE" in failure(url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(SELF_SIGNED))
        with exchanging() as transport:
            assert transport.exchange(requests.Request("GET", url), max_bytes=MAX_BYTES).body == b"{}"
        assert "FatalError: The TLS certificate of https://localhost" in failure(url.replace("127.0.0.1", "localhost"))


def test_other_tls_errors_are_retried() -> None:
    """The port may speak plain HTTP, for example."""
    with serving(respond) as url:
        assert failure(url.replace("http", "https")).startswith(
            f"RetryableError: Connection to {url.replace('http', 'https')}"
        )


def test_a_response_over_tls_that_drips_ends_with_its_timeout() -> None:
    """Each TLS record holds one byte."""
    ticking = itertools.count(0, 0.5)

    def drip(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(HEAD + b"Content-Length: 90000\r\n\r\n")
        while not over.wait(0.0005):
            connection.sendall(b"a")

    with serving_tls(drip) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(SELF_SIGNED))
        assert failure(url, monotonic=lambda: next(ticking)).endswith(" within 30 s")


# URLs


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.gong.io", False),
        ("http://api.gong.io", True),
        ("http://127.0.0.1:8080", False),
        ("http://127.8.0.1", False),
        ("http://[::1]:80", False),
        ("http://localhost", False),
        ("http://gong.localhost", False),
        ("http://10.0.0.1", True),
        ("http://localhost.example", True),
    ],
)
def test_plain_http_is_safe_for_loopback_only(url: str, expected: bool) -> None:  # noqa: FBT001 - a parameter
    """Others can read requests to any other host."""
    assert is_unencrypted(url) is expected


def test_an_origin_contains_nothing_private() -> None:
    """A URL can contain a password or a token."""
    assert origin("https://somebody:hunter2@gong.test:8443/path?refresh_token=abc") == "https://gong.test:8443"
    assert origin("hunter2") == origin(None) == ""
