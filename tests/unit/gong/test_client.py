"""The client's requests: responses, attempts and error messages."""

from __future__ import annotations

import gzip
import json
import logging
import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from gong_sandbox import Fault, Mutation, Status
from support.default_config import ACCESS_KEY, ACCESS_KEY_SECRET
from support.raw_server import serve_response
from support.sandbox_clients import MAX_BYTES, sandbox_client

from tap_gong_activity.base.cancellation import Cancellation, CancelledError
from tap_gong_activity.base.errors import GongError, MissingScopeError, UnexpectedResponseError
from tap_gong_activity.base.stats import Wait
from tap_gong_activity.gong.auth import bearer_credentials
from tap_gong_activity.gong.failures import NothingFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from tap_gong_activity.gong.responses import Page

ENCODED_KEY = b64encode(f"{ACCESS_KEY}:{ACCESS_KEY_SECRET}".encode()).decode()
TWO_RETRIES = {"max_retries": 2}


# Whole responses


def test_response_takes_one_request() -> None:
    """A successful request is sent once, signed with the access key, and counted."""
    with sandbox_client() as client:
        page = client.request_page()
        assert json.loads(page.body)["usersAggregateActivity"]
        assert page.cursor is None
        assert client.statuses == [200]
        assert (client.tally.requests, client.tally.retries) == (1, 0)
        assert client.clock.waits == []


def test_bearer_token_signs_requests() -> None:
    """Requests can be signed with an access token."""
    with sandbox_client(access_token="a-token", credentials=lambda *_: bearer_credentials("a-token")) as client:
        assert client.request_page().body
        assert client.statuses == [200]


def test_compressed_response_is_decompressed() -> None:
    """A gzipped response is decompressed."""
    body = gzip.compress(b'{"records": {"cursor": "next"}}')
    with (
        serve_response("200 OK", body, Content_Encoding="gzip") as url,
        sandbox_client(settings={"api_url": url}) as client,
    ):
        assert client.request_page().cursor == "next"


def test_response_up_to_the_maximum_size_is_read() -> None:
    """A response of exactly the maximum size is read, and a larger one is an error."""
    with sandbox_client("huge=300000") as client:
        assert len(client.request_page(max_bytes=300_000).body) == 300_000
        assert "larger than the maximum of 299,999 bytes" in client.failure(max_bytes=299_999)


# Responses that are retried


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("status=408", "Gong returned 408 Request Timeout, saying 'An error has occurred'"),
        ("status=500", "Gong returned 500 Internal Server Error, saying 'An error has occurred'"),
        ("status=502,envelope=no", "Gong returned 502 Bad Gateway; "),
        ("status=599", "Gong returned 599, saying"),
        ("html", "isn't valid JSON"),
        ("cut", "was truncated"),
        ("cut_chunked", "was truncated"),
        ("broken_gzip", "can't be decompressed"),
        ("close", "Connection to http://127.0.0.1:"),
        ("reset", "(Connection reset by peer)"),
    ],
)
def test_failure_is_retried_until_an_attempt_succeeds(fault: str, expected: str) -> None:
    """A failure is logged and retried until an attempt succeeds, or the error names the last failure."""
    with sandbox_client(f"{fault},at=1-2", settings=TWO_RETRIES) as client:
        assert client.request_page().body
        assert len(client.requests) == 3
        assert (client.tally.requests, client.tally.retries) == (3, 2)
        assert len(client.clock.waits) == 2
        assert all(expected.removesuffix("; ") in line for line in client.log)
    with sandbox_client(fault, settings=TWO_RETRIES) as client:
        failure = client.failure()
        assert expected in failure
        assert failure.endswith("; giving up after 3 attempts")
        assert len(client.requests) == 3


def test_refused_connection_is_retried() -> None:
    """A refused connection is retried, and the error has the address and the system's error."""
    with sandbox_client(settings={"api_url": "http://127.0.0.1:1", **TWO_RETRIES}) as client:
        assert client.failure() == (
            "Connection to http://127.0.0.1:1 failed (Connection refused); giving up after 3 attempts"
        )
        assert client.tally.requests == 3


def test_hanging_response_is_retried() -> None:
    """A request without a response is retried after the timeout, which the error states."""
    with sandbox_client("hang", settings={"request_timeout": 0.05, "max_retries": 1}) as client:
        assert client.failure() == f"{client.sandbox.url} didn't respond within 0.05 s; giving up after 2 attempts"
        assert client.tally.requests == 2


def test_truncated_error_is_reported_by_its_status() -> None:
    """A truncated error response is reported by its status."""
    with (
        serve_response("400 Bad Request", b'{"requestId": "4al', Content_Length="1000") as url,
        sandbox_client(settings={"api_url": url}) as client,
    ):
        assert client.failure() == "Gong returned 400 Bad Request"


def test_truncated_404_is_retried() -> None:
    """A truncated 404 is retried, because its envelope distinguishes an empty window from a wrong host."""
    with (
        serve_response("404 Not Found", b'{"requestId": "4al', Content_Length="1000") as url,
        sandbox_client(settings={"api_url": url, "max_retries": 1}) as client,
    ):
        assert client.failure() == "Gong's response with status 404 was truncated; giving up after 2 attempts"
        assert client.tally.requests == 2


def test_truncated_gzip_stream_is_retried() -> None:
    """A truncated gzip stream is retried, even if the response has its full Content-Length."""
    body = gzip.compress(json.dumps({"requestId": "x" * 5_000, "records": {"cursor": None}}).encode())[:-12]
    with (
        serve_response("200 OK", body, Content_Encoding="gzip") as url,
        sandbox_client(settings={"api_url": url, "max_retries": 1}) as client,
    ):
        assert client.failure().endswith("; giving up after 2 attempts")


def test_huge_timeout_works() -> None:
    """A timeout that is longer than sockets accept works."""
    with sandbox_client(settings={"request_timeout": 1e300}) as client:
        assert client.request_page().body


@pytest.mark.parametrize(
    ("fault", "status"), [("cut", 200), ("html", 200), ("huge=2000000", 200), ("status=503", 503), ("close", None)]
)
def test_error_has_the_status_of_the_last_response(fault: str, status: int | None) -> None:
    """An error has the status of the last response, or None if there was no response."""
    with sandbox_client(fault, settings={"max_retries": 0}) as client:
        with pytest.raises(GongError) as error:
            client.request_page()
        assert error.value.status == status


# Responses that end the run


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("status=400,error=filter is wrong", "Gong returned 400 Bad Request, saying 'filter is wrong' (requestId "),
        ("status=405,envelope=no", "Gong returned 405 Method Not Allowed"),
        ("status=422", "Gong returned 422"),
        ("status=204,envelope=no", "Gong returned 204 No Content"),
        ("status=401", "check the access key and secret or the token"),
        ("status=403", "trusted IP addresses"),
        ("status=404,envelope=no", "check api_url"),
        ("status=300", "redirects aren't followed, so set api_url"),
        ("status=399", "redirects aren't followed, so set api_url"),
    ],
)
def test_refusal_is_not_retried(fault: str, expected: str) -> None:
    """A response that another request can't change is an error without a retry."""
    with sandbox_client(fault) as client:
        assert expected in client.failure()
        assert len(client.requests) == 1
        assert client.clock.waits == []


@pytest.mark.parametrize("status", [302, 307])
def test_redirect_is_not_followed(status: int) -> None:
    """A redirect isn't followed, so that no other host gets the credentials."""
    with sandbox_client() as other, sandbox_client(f"status={status},location={other.sandbox.url}/") as client:
        assert "redirects aren't followed" in client.failure()
        assert (len(client.requests), len(other.requests)) == (1, 0)


def test_nothing_found_differs_from_a_wrong_host() -> None:
    """A 404 with Gong's envelope means that nothing was found, and without it that the host is wrong."""
    with sandbox_client("status=404,at=1", "status=404,envelope=no,at=2") as client:
        with pytest.raises(NothingFoundError, match="An error has occurred"):
            client.request_page()
        with pytest.raises(GongError, match="no such endpoint") as error:
            client.request_page()
        assert not isinstance(error.value, NothingFoundError)
        assert len(client.requests) == 2


def test_missing_scope_is_reported_with_gongs_message() -> None:
    """A missing scope is reported with Gong's message and what to do about it."""
    with sandbox_client(has_scope=False) as client:
        failure = client.failure()
        assert "You don't have permission to use 'api:stats:user-actions' in your app." in failure
        assert "add that scope to the key or the app" in failure
        assert len(client.requests) == 1


@pytest.mark.parametrize("fault", ["set=records.cursor:3", "set=usersAggregateActivity.0:3"])
def test_undocumented_json_is_not_retried(fault: str) -> None:
    """JSON that contradicts Gong's documentation is an error that names the field, without a retry."""
    with sandbox_client(fault) as client:
        with pytest.raises(UnexpectedResponseError, match=r"records\.cursor|usersAggregateActivity"):
            client.request_page()
        assert len(client.requests) == 1


def test_too_large_response_is_not_retried() -> None:
    """A response above the maximum size is neither read completely nor retried."""
    with sandbox_client("huge=1000000000000000") as client:
        assert client.failure() == (
            f"The response of {client.sandbox.url} is larger than the maximum of {MAX_BYTES:,} bytes"
        )
        assert len(client.requests) == 1


@pytest.mark.parametrize("url", ["http://api..gong.io", f"http://{'a' * 70}.io", "http://.gong.io"])
def test_invalid_host_is_not_retried(url: str) -> None:
    """A host that can't exist is an error that names the setting, without a retry."""
    with sandbox_client(settings={"api_url": url, **TWO_RETRIES}) as client:
        assert "check api_url" in client.failure()
        assert client.tally.requests == 1


@pytest.mark.parametrize("fault", ["status=401", "status=403", "status=429,retry_after=7200"])
def test_fatal_error_stops_every_other_request(fault: str) -> None:
    """After a fatal error, every other request fails with the same message, unsent."""
    with sandbox_client(f"{fault},at=1") as client:
        failure = client.failure()
        with ThreadPoolExecutor(4) as threads:
            assert set(threads.map(lambda _: client.failure(), range(8))) == {failure}
        assert len(client.requests) == 1
        assert client.tally.requests == 1


@pytest.mark.parametrize("fault", ["status=400", "status=404", "set=records.cursor:3"])
def test_other_errors_stop_no_other_request(fault: str) -> None:
    """After any other error, other requests are sent."""
    with sandbox_client(f"{fault},at=1") as client:
        assert client.failure()
        assert client.request_page().body


# Waits


@pytest.mark.parametrize(("retry_after", "wait"), [("5", 5.0), ("date:90", 90.0)])
def test_retry_after_is_honored(retry_after: str, wait: float) -> None:
    """A Retry-After in seconds or as a date is waited for exactly."""
    with sandbox_client(Fault(Status(429, retry_after=retry_after), at=1)) as client:
        assert client.request_page().body
        assert client.statuses == [429, 200]
        assert sum(client.clock.waits) == pytest.approx(wait)
        assert client.sandbox.violations == []
        assert client.log[0].endswith(f"; retrying in {wait:.1f} s")


def test_retry_after_date_without_a_date_header() -> None:
    """A Retry-After date is relative to the tap's clock if the response has no Date."""
    with (
        serve_response("503 Oops", b"", Retry_After="Wed, 12 Mar 2025 20:01:30 GMT") as url,
        sandbox_client(settings={"api_url": url, "max_retries": 1}) as client,
    ):
        client.failure()
        assert client.clock.waits == [90]


def test_429_without_retry_after_has_a_backoff() -> None:
    """A 429 without Retry-After is retried after at least half of the backoff, and doesn't count as a retry."""
    with sandbox_client("status=429,at=1-5", settings={"max_retries": 0}) as client:
        assert client.request_page().body
        assert client.statuses == [429] * 5 + [200]
        assert len(client.clock.waits) == 5
        assert all(
            backoff / 2 <= wait <= backoff for wait, backoff in zip(client.clock.waits, (1, 2, 4, 8, 16), strict=True)
        )


def test_retry_after_of_a_503_is_honored() -> None:
    """A Retry-After of a 503 is honored, the 503 counts as a retry, and the warning names stream and window."""
    with sandbox_client("status=503,retry_after=30,at=1", settings={"max_retries": 1}) as client:
        assert client.request_page().body
        assert sum(client.clock.waits) == pytest.approx(30)
        assert client.log[0].startswith("activity_by_day, 2025-03-03 to 2025-03-05: Gong returned 503")
        assert client.log[0].endswith("; retrying in 30.0 s (attempt 2 of 2)")


@pytest.mark.parametrize(("max_retry_wait", "requests"), [(0, 2), (100, 11)])
def test_429_for_max_retry_wait_is_fatal(max_retry_wait: int, requests: int) -> None:
    """A request that is refused with 429 for max_retry_wait fails, and no other request is sent."""
    with sandbox_client("status=429,retry_after=10", settings={"max_retry_wait": max_retry_wait or 10}) as client:
        assert "refused this request for" in client.failure()
    with sandbox_client("status=429,retry_after=0", settings={"max_retry_wait": max_retry_wait}) as client:
        failure = client.failure()
        assert f"max_retry_wait is {max_retry_wait} s" in failure
        assert len(client.requests) <= requests
        sent = len(client.requests)
        assert client.failure() == failure
        assert len(client.requests) == sent


@pytest.mark.parametrize(
    ("retry_after", "wait", "until"),
    [
        ("601", "601 s", "2025-03-12 20:10 UTC"),
        ("date:7200", "7,200 s", "2025-03-12 22:00 UTC"),
    ],
)
def test_retry_after_above_max_retry_wait_is_fatal(retry_after: str, wait: str, until: str) -> None:
    """A Retry-After above max_retry_wait is an error with the wait, its end and the setting."""
    with sandbox_client(f"status=429,retry_after={retry_after}") as client:
        failure = client.failure()
        assert wait in failure
        assert until in failure
        assert "max_retry_wait (600 s)" in failure
        assert len(client.requests) == 1
        assert client.clock.waits == []


def test_max_retry_wait_includes_its_own_value() -> None:
    """A Retry-After of exactly max_retry_wait is honored, and a second more is an error."""
    with sandbox_client("status=429,retry_after=20,at=1", settings={"max_retry_wait": 20}) as client:
        assert client.request_page().body
    with sandbox_client("status=429,retry_after=21,at=1", settings={"max_retry_wait": 20}) as client:
        assert "max_retry_wait (20 s)" in client.failure()


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_pauses_every_request(status: int) -> None:
    """A Retry-After pauses the requests of every thread."""
    with sandbox_client(f"status={status},retry_after=600,at=1") as client:

        def request_meanwhile(_: float) -> None:
            client.clock.on_wait = lambda _: None
            assert client.request_page().body

        client.clock.on_wait = request_meanwhile
        assert client.request_page().body
        assert client.sandbox.violations == []
        assert client.statuses == [status, 200, 200]


def test_rate_limit_is_never_exceeded() -> None:
    """Requests never exceed the rate limit of the sandbox."""
    with sandbox_client(settings={"requests_per_second": 3}, calls_per_second=3) as client:
        assert all(client.request_page().body for _ in range(20))
        assert client.statuses == [200] * 20


def test_tally_distinguishes_waits_for_the_rate_limit_and_for_gong() -> None:
    """Waits for slots and after a 429 count for the rate limit, and responses and other retries for Gong."""
    with sandbox_client(settings={"requests_per_second": 0.1}) as client, client.tally.waiting(Wait.PAGE):
        client.sandbox.inject(Fault(Mutation(lambda _: client.clock.advance(4))))
        client.request_page()
        assert (client.tally.seconds_for_limit, client.tally.seconds_for_gong) == (0, 4)
        client.request_page()
        assert client.tally.seconds_for_limit == pytest.approx(6.5)
        assert client.tally.seconds_for_gong == 8
    for status, waits in ((429, (30, 0)), (503, (0, 30))):
        with sandbox_client(f"status={status},retry_after=30,at=1") as client, client.tally.waiting(Wait.PAGE):
            client.request_page()
            assert (client.tally.seconds_for_limit, client.tally.seconds_for_gong) == waits


# Requests that aren't sent


def test_cancelled_request_is_not_sent() -> None:
    """A request that is cancelled while it waits for its slot isn't sent."""
    with sandbox_client(settings={"requests_per_second": 1}) as client:
        client.request_page()
        window = Cancellation()
        client.clock.on_wait = lambda _: window.cancel()
        with window.bound(), pytest.raises(CancelledError):
            client.request_page()
        assert len(client.requests) == 1
        assert client.clock.waits == []


def test_stop_ends_the_wait_for_a_retry() -> None:
    """The end of the run ends the wait for a retry, and no further request is sent."""
    with sandbox_client("status=503") as client:
        client.clock.on_wait = lambda _: client.clock.stop()
        with pytest.raises(CancelledError):
            client.request_page()
        assert len(client.requests) == 1


# Secrets


def test_messages_contain_no_secret_or_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages contain no secret or email address, even if Gong's errors and request IDs do."""
    echo = f"{ACCESS_KEY} {ACCESS_KEY_SECRET} Basic {ENCODED_KEY} someone@example.com"
    monkeypatch.setattr("gong_sandbox.responses.new_request_id", lambda: f"id-{ENCODED_KEY}-{ACCESS_KEY_SECRET}")
    for status in (400, 401, 403, 404, 422, 429, 503):
        with sandbox_client(f"status={status},error=Refused: {echo}", settings={"max_retries": 1}) as client:
            messages = "\n".join([client.failure(), *client.log])
            assert "Refused: " in messages
            assert f"Gong returned {status}" in messages
            for secret in (ACCESS_KEY, ACCESS_KEY_SECRET, ENCODED_KEY, "someone"):
                assert secret not in messages
            assert "\n" not in client.failure()
            assert client.gong.redact(echo) == "[hidden] [hidden] [hidden] [hidden]"
    with (
        serve_response("400 Oops", b"", x_traceid=f"id-{ENCODED_KEY}") as url,
        sandbox_client(settings={"api_url": url}) as client,
    ):
        assert client.failure() == "Gong returned 400 Bad Request (x-traceid id-[hidden])"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"requestId": "4al", "errors": ["one", "two"]}', ", saying 'one; two' (requestId 4al)"),
        (b'{"requestId": "4al"}', ", saying 'no reason given' (requestId 4al)"),
        (b'{"errors": ["one"]}', ", saying 'one' (x-traceid 8nb)"),
        (b"<html>", " (x-traceid 8nb)"),
    ],
)
def test_message_has_gongs_errors_and_an_id(body: bytes, expected: str) -> None:
    """An error has Gong's errors and the request ID, or else the trace ID."""
    with serve_response("400 Oops", body, x_traceid="8nb") as url, sandbox_client(settings={"api_url": url}) as client:
        assert client.failure() == f"Gong returned 400 Bad Request{expected}"


def test_missing_scope_stops_no_other_request() -> None:
    """A missing scope stops no other request, unlike a wrong key."""
    with sandbox_client("status=401,error=No Permission for 'api:users:read',at=1", "status=401,at=3") as client:
        with pytest.raises(MissingScopeError, match="api:users:read"):
            client.request_page()
        assert client.request_page().body
        assert "api_url" in client.failure()
        client.failure()
        assert len(client.requests) == 3


@pytest.mark.usefixtures("no_proxies")
def test_credentials_sent_unencrypted_cause_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that are sent unencrypted cause a warning, except to a loopback address."""
    with sandbox_client() as client:
        assert client.request_page().body
        assert client.warnings == {}
        monkeypatch.setenv("http_proxy", client.sandbox.url)
        with sandbox_client(settings={"api_url": "http://gong.invalid"}) as other:
            assert other.request_page().body
        assert list(other.warnings.values()) == [
            "The credentials are sent unencrypted, because api_url (http://gong.invalid) uses http."
        ]


def test_messages_contain_no_body() -> None:
    """Errors contain no part of a page or a web page."""
    for fault in ("html", "cut", "cut_chunked", "set=records:3", "status=400,envelope=no", "status=502,envelope=no"):
        with sandbox_client(fault, settings={"max_retries": 0}) as client:
            failure = client.failure()
            assert not {"<", "userId", "@", "Maintenance"} & set(failure.replace("(", " ").split()), failure
            assert "<html" not in failure


@pytest.mark.usefixtures("no_proxies")
def test_netrc_entry_does_not_replace_the_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An entry in .netrc doesn't replace the credentials."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\ndefault login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with sandbox_client() as client:
        assert client.request_page().body
        assert client.statuses == [200]


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without proxies."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.usefixtures("no_proxies")
def test_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is used."""
    with sandbox_client() as proxy, sandbox_client(settings={"api_url": "http://gong.invalid"}) as client:
        monkeypatch.setenv("http_proxy", proxy.sandbox.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert client.request_page().body
        assert (len(client.requests), len(proxy.requests)) == (0, 1)


@pytest.mark.usefixtures("no_proxies")
def test_no_proxy_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to a host in no_proxy don't use the proxy."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with sandbox_client() as client:
        assert client.request_page().body


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("proxy", ["http://somebody:hunter2@127.0.0.1:1", "socks9://hunter2"])
def test_messages_contain_no_proxy_password(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """Errors contain no password of a proxy, whether it refuses connections or its URL is invalid."""
    monkeypatch.setenv("http_proxy", proxy)
    with sandbox_client(settings={"max_retries": 1}) as client:
        failure = "\n".join([client.failure(), *client.log])
        assert "hunter2" not in failure
        assert "somebody" not in failure


# Threads


def test_pool_keeps_a_connection_for_each_thread(caplog: pytest.LogCaptureFixture) -> None:
    """The pool has a connection for each thread, so urllib3 logs no warning about discarded ones."""
    threads = 16
    together = threading.Barrier(threads, timeout=30)

    def request(_: int) -> Page:
        together.wait()
        return client.request_page()

    settings = {"max_parallel_windows": threads, "requests_per_second": 1_000_000}
    with sandbox_client(settings=settings, latency=0.1) as client, ThreadPoolExecutor(threads) as pool:
        for _ in range(2):
            assert all(pool.map(request, range(threads)))
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in warnings if record.name.startswith("urllib3")] == []
