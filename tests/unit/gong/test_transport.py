"""Exchanges over real sockets: each ends by its deadline and within its maximum size, whatever the server does."""

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
from support.raw_server import SELF_SIGNED, serve_connections, serve_tls_connections

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
def open_transport(**options: Any) -> Iterator[Transport]:  # noqa: ANN401 - those of Transport
    """Yield a transport, and close it."""
    transport = Transport(**{"user_agent": "test", "timeout": 30, **options})
    try:
        yield transport
    finally:
        transport.close()


def failure(url: str, **options: Any) -> str:  # noqa: ANN401 - those of Transport
    """Send a request, and return the type and the message of the error."""
    with open_transport(**options) as transport, pytest.raises((GongError, RetryableError)) as error:
        transport.exchange(requests.Request("POST", url, data=b"{}"), max_bytes=MAX_BYTES)
    return f"{type(error.value).__name__}: {error.value}"


def receive(connection: socket.socket) -> None:
    """Receive the whole request of `failure`."""
    while not connection.recv(65_536).endswith(b"{}"):
        pass


# Time


@pytest.mark.parametrize("endless", ENDLESS)
def test_dripping_response_times_out(endless: str) -> None:
    """A response that drips times out, whichever part of it drips."""
    start, drops = ENDLESS[endless]
    ticking = itertools.count(0, 0.5)

    def drip(connection: socket.socket, is_over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(start)
        for drop in drops:
            connection.sendall(drop)
            if is_over.wait(0.0005):
                return

    with serve_connections(drip) as url:
        message = failure(url, monotonic=lambda: next(ticking))
    assert message.startswith("RetryableError: ")
    assert message.endswith(" within 30 s")


def test_stalled_response_times_out() -> None:
    """A response that stalls times out."""

    def stop(connection: socket.socket, is_over: threading.Event) -> None:
        connection.sendall(HEAD + b"Content-Length: 0\r\n")
        is_over.wait()

    with serve_connections(stop) as url:
        assert failure(url, timeout=0.1) == f"RetryableError: {url} didn't respond within 0.1 s"


def test_peer_that_does_not_read_times_out() -> None:
    """A request that the peer doesn't read times out."""

    def ignore(_connection: socket.socket, is_over: threading.Event) -> None:
        is_over.wait()

    with (
        serve_connections(ignore) as url,
        open_transport(timeout=0.1) as transport,
        pytest.raises(RetryableError, match=r"didn't respond within 0\.1 s"),
    ):
        transport.exchange(requests.Request("POST", url, data=b" " * 20_000_000), max_bytes=MAX_BYTES)


def test_timeout_includes_sending() -> None:
    """The timeout includes sending, even if the peer reads steadily."""
    ticking = itertools.count(0, 0.5)

    def read_all(connection: socket.socket, _is_over: threading.Event) -> None:
        with connection.makefile("rb") as received:
            received.read(2_000_000)
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    with (
        serve_connections(read_all) as url,
        open_transport(monotonic=lambda: next(ticking)) as transport,
        pytest.raises(RetryableError, match=r"didn't respond within 30 s"),
    ):
        transport.exchange(requests.Request("POST", url, data=b" " * 2_000_000), max_bytes=MAX_BYTES)


def test_head_and_body_share_the_timeout() -> None:
    """Head and body share one timeout."""
    now, is_read = [0.0], threading.Event()

    def monotonic() -> float:
        is_read.set()
        return now[0]

    def respond_slowly(connection: socket.socket, _is_over: threading.Event) -> None:
        receive(connection)
        now[0] = 20.0
        is_read.clear()
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n")
        is_read.wait(30)
        now[0] = 40.0
        connection.sendall(b"{}")

    with serve_connections(respond_slowly) as url:
        assert failure(url, monotonic=monotonic) == f"RetryableError: The response of {url} didn't arrive within 30 s"


def test_no_thread_watches_a_response() -> None:
    """A timeout needs no thread."""
    threads: list[int] = []

    def count(connection: socket.socket, _is_over: threading.Event) -> None:
        threads.append(threading.active_count())
        connection.recv(65_536)
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    before = threading.active_count() + 1
    with serve_connections(count) as url, open_transport() as transport:
        assert transport.exchange(requests.Request("GET", url), max_bytes=MAX_BYTES).body == b"{}"
    assert threads == [before]


def test_unreachable_address_does_not_shorten_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time to connect to an unreachable address doesn't count towards the timeout of the response."""
    hole = socket.create_server(("127.0.0.1", 0), backlog=0)
    filler = socket.create_connection(hole.getsockname())
    resolve = socket.getaddrinfo

    def both(host: str, port: int, *args: Any) -> Any:  # noqa: ANN401 - as the socket module
        addresses = resolve("127.0.0.1", port, *args)
        return [(*addresses[0][:4], hole.getsockname()), *addresses] if host == "gong.test" else addresses

    def late(connection: socket.socket, is_over: threading.Event) -> None:
        connection.recv(65_536)
        is_over.wait(0.6)
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    monkeypatch.setattr("urllib3.util.connection.socket.getaddrinfo", both)
    with hole, filler, serve_connections(late) as url, open_transport(timeout=1.05, connect_timeout=0.5) as transport:
        request = requests.Request("GET", url.replace("127.0.0.1", "gong.test"))
        assert transport.exchange(request, max_bytes=MAX_BYTES).body == b"{}"


def test_connecting_has_its_own_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting has its own timeout, which includes a proxy's response to CONNECT."""
    ticking = itertools.count(0, 0.5)

    def drip(connection: socket.socket, is_over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(HEAD)
        while not is_over.wait(0.0005):
            connection.sendall(b"a")

    with serve_connections(drip) as url:
        monkeypatch.setenv("https_proxy", url)
        message = failure("https://gong.test", connect_timeout=10, monotonic=lambda: next(ticking))
        assert message == f"RetryableError: Connection to https://gong.test through the proxy {url} failed (timed out)"


def test_proxy_and_tls_handshake_share_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy's response and the TLS handshake share the timeout for connecting."""
    now = [0.0]

    def take_the_time(connection: socket.socket, is_over: threading.Event) -> None:
        connection.recv(65_536)
        now[0] = 29.9
        connection.sendall(HEAD + b"\r\n")
        is_over.wait()

    with serve_connections(take_the_time) as url:
        monkeypatch.setenv("https_proxy", url)
        start = time.monotonic()
        assert failure("https://gong.test", connect_timeout=30, monotonic=lambda: now[0]).endswith("failed (timed out)")
        assert time.monotonic() - start < 20


def test_before_send_is_called_right_before_sending() -> None:
    """`before_send` is called once the connection is established, right before a request is sent."""
    seen: list[str] = []

    def respond_twice(connection: socket.socket, is_over: threading.Event) -> None:
        for _ in range(2):
            connection.recv(65_536)
            seen.append("arrived")
            connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
        is_over.wait()

    with serve_connections(respond_twice) as url, open_transport(before_send=lambda: seen.append("sent")) as transport:
        for _ in range(2):
            transport.exchange(requests.Request("GET", url), max_bytes=MAX_BYTES)
    assert seen == ["sent", "arrived"] * 2


def test_connection_that_the_server_closes_during_a_wait_is_replaced() -> None:
    """A connection that the server closes during `before_send` is replaced without a retry."""
    waiting, closed = threading.Event(), threading.Event()
    calls: list[None] = []

    def respond_once(connection: socket.socket, _is_over: threading.Event) -> None:
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

    with serve_connections(respond_once) as url, open_transport(before_send=wait) as transport:
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
def test_too_large_response_is_not_read_completely(start: bytes, drops: Iterator[bytes]) -> None:
    """A response that is too large, before or after decompression, isn't read completely."""

    def flood(connection: socket.socket, is_over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(start)
        for drop in drops:
            connection.sendall(drop)
            if is_over.is_set():
                return

    with serve_connections(flood) as url:
        assert failure(url) == (f"GongError: The response of {url} is larger than the maximum of {MAX_BYTES:,} bytes")


def test_too_large_head_is_not_read_completely() -> None:
    """A head that is too large isn't read completely, including `100 Continue` responses."""

    def announce(connection: socket.socket, is_over: threading.Event) -> None:
        connection.recv(65_536)
        while not is_over.is_set():
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    with serve_connections(announce) as url:
        assert failure(url).startswith(f"GongError: The response of {url} has more than")


@pytest.mark.parametrize("status", [301, 500])
def test_body_of_an_error_is_read_partly(status: int) -> None:
    """Only the first part of an error's body is read."""

    def refuse(connection: socket.socket, is_over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 %d No\r\nLocation: /\r\nContent-Length: 1000000000\r\n\r\n" % status)
        while not is_over.is_set():
            connection.sendall(bytes(65_536))

    with serve_connections(refuse) as url, open_transport() as transport:
        response = transport.exchange(requests.Request("GET", url), max_bytes=MAX_BYTES)
    assert (response.status, response.is_truncated) == (status, False)
    assert len(response.body) <= MAX_ERROR_BYTES + 262_144


def test_no_cookie_is_kept() -> None:
    """Cookies aren't sent back."""
    received: list[bytes] = []

    def set_cookie(connection: socket.socket, _is_over: threading.Event) -> None:
        received.append(connection.recv(65_536))
        connection.sendall(HEAD + b"Set-Cookie: a=b\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")

    with serve_connections(set_cookie) as url, open_transport() as transport:
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
def test_proxy_that_refuses_the_sign_in_is_named(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 407 of a proxy is a fatal error with the proxy's URL, without its password."""

    def refuse(connection: socket.socket, _is_over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    with serve_connections(refuse) as url:
        monkeypatch.setenv(f"{scheme}_proxy", url.replace("://", "://somebody:hunter2@"))
        message = failure(f"{scheme}://gong.test")
    assert message.startswith(f"FatalError: The proxy {url} refuses the sign-in (407")


def test_proxy_that_cannot_connect_is_named_with_its_response(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that can't connect is a retryable error with the proxy's URL and response."""

    def refuse(connection: socket.socket, _is_over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    with serve_connections(refuse) as url:
        monkeypatch.setenv("https_proxy", url)
        assert failure("https://gong.test") == (
            f"RetryableError: Connection to https://gong.test through the proxy {url} failed "
            "(Tunnel connection failed: 502 Bad Gateway)"
        )


def test_connection_closed_without_a_response_is_named() -> None:
    """A connection that is closed without a response is a retryable error with the name of the exception."""

    def close(connection: socket.socket, _is_over: threading.Event) -> None:
        receive(connection)

    with serve_connections(close) as url:
        assert failure(url) == f"RetryableError: Connection to {url} failed (RemoteDisconnected)"


@pytest.mark.parametrize(
    "proxy",
    ["http://:8080", "http://", "http://u:p@", "ftp://proxy:21", "socks9://hunter2", "http://[::1", "http://p:x"],
)
def test_invalid_proxy_url_is_one_error(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid proxy URL is an error with the variable, but not the URL, which can contain a password."""
    monkeypatch.setenv("https_proxy", proxy)
    message = failure("https://gong.test")
    assert message.startswith("FatalError: The proxy URL in the environment variable https_proxy")
    assert "hunter2" not in message


def test_socks_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy is used like any other, and can resolve the host's name."""
    received: list[bytes] = []

    def proxy(connection: socket.socket, _is_over: threading.Event) -> None:
        received.append(connection.recv(65_536))
        connection.sendall(b"\x05\x00")
        received.append(connection.recv(65_536))
        connection.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50")
        received.append(connection.recv(65_536))
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    sent: list[str] = []
    with serve_connections(proxy) as url, open_transport(before_send=lambda: sent.append("sent")) as transport:
        monkeypatch.setenv("http_proxy", url.replace("http", "socks5h"))
        assert transport.exchange(requests.Request("GET", "http://gong.test/"), max_bytes=MAX_BYTES).body == b"{}"
    assert b"gong.test" in received[1]
    assert received[2].startswith(b"GET / HTTP/1.1")
    assert sent == ["sent"]


def test_socks_proxy_that_refuses_the_sign_in_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy that refuses the sign-in fails like an HTTP proxy with 407."""

    def refuse(connection: socket.socket, _is_over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(b"\x05\xff")

    with serve_connections(refuse) as url:
        monkeypatch.setenv("http_proxy", url.replace("http", "socks5"))
        assert failure("http://gong.test").startswith(
            f"FatalError: The proxy {url.replace('http', 'socks5')} refuses the sign-in (407"
        )


def test_socks_proxy_without_its_package_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy without its Python package is an error that names the package."""
    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", _missing_dependencies)
    monkeypatch.setenv("https_proxy", "socks5://somebody:hunter2@proxy:1080")
    assert failure("https://gong.test").startswith(
        "FatalError: The proxy socks5://proxy:1080 needs the Python package PySocks"
    )


def _missing_dependencies(*_args: Any, **_options: Any) -> Any:  # noqa: ANN401 - as in requests
    message = "Missing dependencies for SOCKS support."
    raise requests.exceptions.InvalidSchema(message)


def test_unreadable_ca_bundle_is_one_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:  # noqa: ANN401 - a Path
    """A CA bundle that is missing or invalid is an error that names its variable."""
    for name in ("none.pem", "bad.pem"):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / name))
        with serve_connections(lambda _connection, _is_over: None) as url:
            message = failure(url.replace("http", "https"))
            assert "REQUESTS_CA_BUNDLE" not in failure(url)
        assert message.startswith("FatalError: The CA bundle named by the environment variable REQUESTS_CA_BUNDLE"), (
            message
        )
        (tmp_path / "bad.pem").write_text("no certificate")


# TLS


def respond(connection: socket.socket, _is_over: threading.Event) -> None:
    """Respond to one request with an empty object."""
    connection.recv(65_536)
    connection.sendall(HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}")


def test_untrusted_certificate_is_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrusted certificate is a fatal error that names the variable with which to trust it."""
    with serve_tls_connections(respond) as url:
        assert failure(url).startswith(
            f"FatalError: The TLS certificate of {url} isn't trusted (self-signed certificate)"
        )
        assert "REQUESTS_CA_BUNDLE" in failure(url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(SELF_SIGNED))
        with open_transport() as transport:
            assert transport.exchange(requests.Request("GET", url), max_bytes=MAX_BYTES).body == b"{}"
        assert "FatalError: The TLS certificate of https://localhost" in failure(url.replace("127.0.0.1", "localhost"))


def test_other_tls_errors_are_retried() -> None:
    """Other TLS errors, as from a port with plain HTTP, are retried."""
    with serve_connections(respond) as url:
        assert failure(url.replace("http", "https")).startswith(
            f"RetryableError: Connection to {url.replace('http', 'https')}"
        )


def test_dripping_response_over_tls_times_out() -> None:
    """A response over TLS times out, even if each TLS record has one byte."""
    ticking = itertools.count(0, 0.5)

    def drip(connection: socket.socket, is_over: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(HEAD + b"Content-Length: 90000\r\n\r\n")
        while not is_over.wait(0.0005):
            connection.sendall(b"a")

    with serve_tls_connections(drip) as url, pytest.MonkeyPatch.context() as patch:
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
    """Plain HTTP counts as unencrypted, except to a loopback address."""
    assert is_unencrypted(url) is expected


def test_origin_contains_nothing_private() -> None:
    """An origin contains no credentials, path or query of its URL."""
    assert origin("https://somebody:hunter2@gong.test:8443/path?refresh_token=abc") == "https://gong.test:8443"
    assert origin("hunter2") == origin(None) == ""
