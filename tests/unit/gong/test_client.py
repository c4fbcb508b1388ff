"""A request of the client: what each response leads to, in how many attempts, and with which message."""

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
from support.raw_server import answering
from support.sandbox_clients import LARGEST_ANSWER, asking

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


def test_a_response_takes_one_request() -> None:
    """It's signed with the access key, and counted."""
    with asking() as found:
        page = found.ask()
        assert json.loads(page.body)["usersAggregateActivity"]
        assert page.cursor is None
        assert found.statuses == [200]
        assert (found.tally.requests, found.tally.retries) == (1, 0)
        assert found.clock.waits == []


def test_a_bearer_token_signs_as_well() -> None:
    """It was obtained elsewhere."""
    with asking(access_token="a-token", credentials=lambda *_: bearer_credentials("a-token")) as found:
        assert found.ask().body
        assert found.statuses == [200]


def test_a_compressed_response_is_read() -> None:
    """Requests accepts gzip by default."""
    body = gzip.compress(b'{"records": {"cursor": "next"}}')
    with answering("200 OK", body, Content_Encoding="gzip") as url, asking(given={"api_url": url}) as found:
        assert found.ask().cursor == "next"


def test_a_large_response_is_read() -> None:
    """Its maximum size counts to the byte."""
    with asking("huge=300000") as found:
        assert len(found.ask(largest_answer=300_000).body) == 300_000
        assert "larger than the maximum of 299,999 bytes" in found.failure(largest_answer=299_999)


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
def test_a_failure_is_retried_until_an_attempt_succeeds(fault: str, expected: str) -> None:
    """The log names each failure; if no attempt succeeds, the error names the last one."""
    with asking(f"{fault},at=1-2", given=TWO_RETRIES) as found:
        assert found.ask().body
        assert len(found.requests) == 3
        assert (found.tally.requests, found.tally.retries) == (3, 2)
        assert len(found.clock.waits) == 2
        assert all(expected.removesuffix("; ") in line for line in found.log)
    with asking(fault, given=TWO_RETRIES) as found:
        failure = found.failure()
        assert expected in failure
        assert failure.endswith("; giving up after 3 attempts")
        assert len(found.requests) == 3


def test_a_host_that_refuses_connections_is_retried() -> None:
    """The message has its address, and the operating system's error."""
    with asking(given={"api_url": "http://127.0.0.1:1", **TWO_RETRIES}) as found:
        assert found.failure() == (
            "Connection to http://127.0.0.1:1 failed (Connection refused); giving up after 3 attempts"
        )
        assert found.tally.requests == 3


def test_a_response_that_never_comes_is_retried() -> None:
    """The message has the timeout."""
    with asking("hang", given={"request_timeout": 0.05, "max_retries": 1}) as found:
        assert found.failure() == f"{found.sandbox.url} didn't respond within 0.05 s; giving up after 2 attempts"
        assert found.tally.requests == 2


def test_a_truncated_error_is_reported_by_its_status() -> None:
    """Its envelope can't be read."""
    with (
        answering("400 Bad Request", b'{"requestId": "4al', Content_Length="1000") as url,
        asking(given={"api_url": url}) as found,
    ):
        assert found.failure() == "Gong returned 400 Bad Request"


def test_a_truncated_404_is_retried() -> None:
    """Without its envelope, an empty window can't be told from a wrong host."""
    with (
        answering("404 Not Found", b'{"requestId": "4al', Content_Length="1000") as url,
        asking(given={"api_url": url, "max_retries": 1}) as found,
    ):
        assert found.failure() == "Gong's response with status 404 was truncated; giving up after 2 attempts"
        assert found.tally.requests == 2


def test_a_truncated_gzip_stream_is_retried() -> None:
    """Even if the response has its full Content-Length."""
    body = gzip.compress(json.dumps({"requestId": "x" * 5_000, "records": {"cursor": None}}).encode())[:-12]
    with (
        answering("200 OK", body, Content_Encoding="gzip") as url,
        asking(given={"api_url": url, "max_retries": 1}) as found,
    ):
        assert found.failure().endswith("; giving up after 2 attempts")


def test_the_longest_timeout_works() -> None:
    """A socket accepts less than the setting does."""
    with asking(given={"request_timeout": 1e300}) as found:
        assert found.ask().body


@pytest.mark.parametrize(
    ("fault", "status"), [("cut", 200), ("html", 200), ("huge=2000000", 200), ("status=503", 503), ("close", None)]
)
def test_an_error_has_the_status_of_the_last_response(fault: str, status: int | None) -> None:
    """It has none if there was no response."""
    with asking(fault, given={"max_retries": 0}) as found:
        with pytest.raises(GongError) as caught:
            found.ask()
        assert caught.value.status == status


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
def test_a_refusal_is_not_retried(fault: str, expected: str) -> None:
    """Another request would get the same response."""
    with asking(fault) as found:
        assert expected in found.failure()
        assert len(found.requests) == 1
        assert found.clock.waits == []


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_is_not_followed(status: int) -> None:
    """The next host might get the credentials."""
    with asking() as elsewhere, asking(f"status={status},location={elsewhere.sandbox.url}/") as found:
        assert "redirects aren't followed" in found.failure()
        assert (len(found.requests), len(elsewhere.requests)) == (1, 0)


def test_nothing_found_differs_from_a_wrong_host() -> None:
    """Both are a 404, but only the first has Gong's envelope."""
    with asking("status=404,at=1", "status=404,envelope=no,at=2") as found:
        with pytest.raises(NothingFoundError, match="An error has occurred"):
            found.ask()
        with pytest.raises(GongError, match="no such endpoint") as caught:
            found.ask()
        assert not isinstance(caught.value, NothingFoundError)
        assert len(found.requests) == 2


def test_a_missing_scope_is_reported_in_gongs_words() -> None:
    """The message says what to do about it."""
    with asking(has_scope=False) as found:
        failure = found.failure()
        assert "You don't have permission to use 'api:stats:user-actions' in your app." in failure
        assert "add that scope to the key or the app" in failure
        assert len(found.requests) == 1


@pytest.mark.parametrize("fault", ["set=records.cursor:3", "set=usersAggregateActivity.0:3"])
def test_undocumented_json_is_not_retried(fault: str) -> None:
    """The error names the field."""
    with asking(fault) as found:
        with pytest.raises(UnexpectedResponseError, match=r"records\.cursor|usersAggregateActivity"):
            found.ask()
        assert len(found.requests) == 1


def test_a_response_that_is_too_large_is_neither_read_to_its_end_nor_retried() -> None:
    """The error has the maximum size."""
    with asking("huge=1000000000000000") as found:
        assert found.failure() == (
            f"The response of {found.sandbox.url} is larger than the maximum of {LARGEST_ANSWER:,} bytes"
        )
        assert len(found.requests) == 1


@pytest.mark.parametrize("url", ["http://api..gong.io", f"http://{'a' * 70}.io", "http://.gong.io"])
def test_a_host_that_cannot_exist_ends_the_run(url: str) -> None:
    """The error names the setting."""
    with asking(given={"api_url": url, **TWO_RETRIES}) as found:
        assert "check api_url" in found.failure()
        assert found.tally.requests == 1


@pytest.mark.parametrize("fault", ["status=401", "status=403", "status=429,retry_after=7200"])
def test_a_fatal_error_stops_every_other_request(fault: str) -> None:
    """Each fails with the same message, unsent."""
    with asking(f"{fault},at=1") as found:
        failure = found.failure()
        with ThreadPoolExecutor(4) as threads:
            assert set(threads.map(lambda _: found.failure(), range(8))) == {failure}
        assert len(found.requests) == 1
        assert found.tally.requests == 1


@pytest.mark.parametrize("fault", ["status=400", "status=404", "set=records.cursor:3"])
def test_other_errors_stop_no_other_request(fault: str) -> None:
    """The next window may be accepted."""
    with asking(f"{fault},at=1") as found:
        assert found.failure()
        assert found.ask().body


# Waits


@pytest.mark.parametrize(("retry_after", "wait"), [("5", 5.0), ("date:90", 90.0)])
def test_a_retry_after_is_honored(retry_after: str, wait: float) -> None:
    """The sandbox records no violation."""
    with asking(Fault(Status(429, retry_after=retry_after), at=1)) as found:
        assert found.ask().body
        assert found.statuses == [429, 200]
        assert sum(found.clock.waits) == pytest.approx(wait)
        assert found.sandbox.violations == []
        assert found.log[0].endswith(f"; retrying in {wait:.1f} s")


def test_a_date_to_retry_after_needs_no_date_of_the_response() -> None:
    """It's measured against the tap's clock then."""
    with (
        answering("503 Oops", b"", Retry_After="Wed, 12 Mar 2025 20:01:30 GMT") as url,
        asking(given={"api_url": url, "max_retries": 1}) as found,
    ):
        found.failure()
        assert found.clock.waits == [90]


def test_a_429_without_retry_after_is_backed_off_from() -> None:
    """The first wait is at least half a second; no 429 counts as a retry."""
    with asking("status=429,at=1-5", given={"max_retries": 0}) as found:
        assert found.ask().body
        assert found.statuses == [429] * 5 + [200]
        assert len(found.clock.waits) == 5
        assert all(most / 2 <= wait <= most for wait, most in zip(found.clock.waits, (1, 2, 4, 8, 16), strict=True))


def test_a_retry_after_of_a_503_is_honored() -> None:
    """The 503 counts as a retry."""
    with asking("status=503,retry_after=30,at=1", given={"max_retries": 1}) as found:
        assert found.ask().body
        assert sum(found.clock.waits) == pytest.approx(30)
        assert found.log[0].endswith("; retrying in 30.0 s (attempt 2 of 2)")


@pytest.mark.parametrize(("max_retry_wait", "requests"), [(0, 2), (100, 11)])
def test_a_request_that_429_refuses_for_max_retry_wait_ends_the_run(max_retry_wait: int, requests: int) -> None:
    """No other request is sent after that."""
    with asking("status=429,retry_after=10", given={"max_retry_wait": max_retry_wait or 10}) as found:
        assert "refused this request for" in found.failure()
    with asking("status=429,retry_after=0", given={"max_retry_wait": max_retry_wait}) as found:
        failure = found.failure()
        assert f"max_retry_wait ({max_retry_wait} s)" in failure
        assert len(found.requests) <= requests
        sent = len(found.requests)
        assert found.failure() == failure
        assert len(found.requests) == sent


@pytest.mark.parametrize(
    ("retry_after", "wait", "until"),
    [
        ("601", "601 s", "2025-03-12 20:10 UTC"),
        ("date:7200", "7,200 s", "2025-03-12 22:00 UTC"),
    ],
)
def test_a_wait_that_is_too_long_ends_the_run(retry_after: str, wait: str, until: str) -> None:
    """The message has the wait, its end, and the setting that allows more."""
    with asking(f"status=429,retry_after={retry_after}") as found:
        failure = found.failure()
        assert wait in failure
        assert until in failure
        assert "max_retry_wait (600 s)" in failure
        assert len(found.requests) == 1
        assert found.clock.waits == []


def test_max_retry_wait_includes_its_own_value() -> None:
    """A second more ends the run."""
    with asking("status=429,retry_after=20,at=1", given={"max_retry_wait": 20}) as found:
        assert found.ask().body
    with asking("status=429,retry_after=21,at=1", given={"max_retry_wait": 20}) as found:
        assert "max_retry_wait (20 s)" in found.failure()


@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_pauses_every_request(status: int) -> None:
    """Those of other threads are not sent before it has passed."""
    with asking(f"status={status},retry_after=600,at=1") as found:

        def request_meanwhile(_: float) -> None:
            found.clock.on_wait = lambda _: None
            assert found.ask().body

        found.clock.on_wait = request_meanwhile
        assert found.ask().body
        assert found.sandbox.violations == []
        assert found.statuses == [status, 200, 200]


def test_the_pace_stays_within_gongs_limit() -> None:
    """A sandbox that allows three requests a second refuses none of twenty."""
    with asking(given={"requests_per_second": 3}, calls_per_second=3) as found:
        assert all(found.ask().body for _ in range(20))
        assert found.statuses == [200] * 20


def test_the_tally_knows_whether_the_run_waits_for_the_rate_limit_or_for_gong() -> None:
    """The pace and a 429 are the rate limit's; a slow response and any other retry are Gong's."""
    with asking(given={"requests_per_second": 0.1}) as found, found.tally.waiting(Wait.PAGE):
        found.sandbox.inject(Fault(Mutation(lambda _: found.clock.pass_by(4))))
        found.ask()
        assert (found.tally.seconds_for_limit, found.tally.seconds_for_gong) == (0, 4)
        found.ask()
        assert found.tally.seconds_for_limit == pytest.approx(6.5)
        assert found.tally.seconds_for_gong == 8
    for status, waits in ((429, (30, 0)), (503, (0, 30))):
        with asking(f"status={status},retry_after=30,at=1") as found, found.tally.waiting(Wait.PAGE):
            found.ask()
            assert (found.tally.seconds_for_limit, found.tally.seconds_for_gong) == waits


# Requests that aren't sent


def test_a_request_that_is_no_longer_needed_is_not_sent() -> None:
    """A window after one that failed may be waiting for its slot."""
    with asking(given={"requests_per_second": 1}) as found:
        found.ask()
        window = Cancellation()
        found.clock.on_wait = lambda _: window.cancel()
        with window.bound(), pytest.raises(CancelledError):
            found.ask()
        assert len(found.requests) == 1
        assert found.clock.waits == []


def test_the_end_of_the_run_ends_the_wait_for_a_retry() -> None:
    """No further request is sent."""
    with asking("status=503") as found:
        found.clock.on_wait = lambda _: found.clock.stop()
        with pytest.raises(CancelledError):
            found.ask()
        assert len(found.requests) == 1


# Secrets


def test_no_message_repeats_a_secret_or_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gong's errors and request IDs may contain them."""
    echo = f"{ACCESS_KEY} {ACCESS_KEY_SECRET} Basic {ENCODED_KEY} someone@example.com"
    monkeypatch.setattr("gong_sandbox.responses.new_request_id", lambda: f"id-{ENCODED_KEY}-{ACCESS_KEY_SECRET}")
    for status in (400, 401, 403, 404, 422, 429, 503):
        with asking(f"status={status},error=Refused: {echo}", given={"max_retries": 1}) as found:
            messages = "\n".join([found.failure(), *found.log])
            assert "Refused: " in messages
            assert f"Gong returned {status}" in messages
            for secret in (ACCESS_KEY, ACCESS_KEY_SECRET, ENCODED_KEY, "someone"):
                assert secret not in messages
            assert "\n" not in found.failure()
            assert found.client.redact(echo) == "[hidden] [hidden] [hidden] [hidden]"
    with answering("400 Oops", b"", x_traceid=f"id-{ENCODED_KEY}") as url, asking(given={"api_url": url}) as found:
        assert found.failure() == "Gong returned 400 Bad Request (x-traceid id-[hidden])"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"requestId": "4al", "errors": ["one", "two"]}', ", saying 'one; two' (requestId 4al)"),
        (b'{"requestId": "4al"}', ", saying 'no reason given' (requestId 4al)"),
        (b'{"errors": ["one"]}', ", saying 'one' (x-traceid 8nb)"),
        (b"<html>", " (x-traceid 8nb)"),
    ],
)
def test_a_message_has_gongs_errors_and_an_id_for_gongs_support(body: bytes, expected: str) -> None:
    """The trace ID stands in for a request ID that's missing."""
    with answering("400 Oops", body, x_traceid="8nb") as url, asking(given={"api_url": url}) as found:
        assert found.failure() == f"Gong returned 400 Bad Request{expected}"


def test_a_missing_scope_stops_no_other_request() -> None:
    """A wrong key does."""
    with asking("status=401,error=No Permission for 'api:users:read',at=1", "status=401,at=3") as found:
        with pytest.raises(MissingScopeError, match="api:users:read"):
            found.ask()
        assert found.ask().body
        assert "api_url" in found.failure()
        found.failure()
        assert len(found.requests) == 3


@pytest.mark.usefixtures("no_proxies")
def test_credentials_sent_unencrypted_cause_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those sent to a loopback address don't."""
    with asking() as found:
        assert found.ask().body
        assert found.warnings == {}
        monkeypatch.setenv("http_proxy", found.sandbox.url)
        with asking(given={"api_url": "http://gong.invalid"}) as other:
            assert other.ask().body
        assert list(other.warnings.values()) == [
            "The credentials are sent unencrypted, because api_url (http://gong.invalid) uses http."
        ]


def test_no_message_repeats_a_body() -> None:
    """Neither a page nor a web page."""
    for fault in ("html", "cut", "cut_chunked", "set=records:3", "status=400,envelope=no", "status=502,envelope=no"):
        with asking(fault, given={"max_retries": 0}) as found:
            failure = found.failure()
            assert not {"<", "userId", "@", "Maintenance"} & set(failure.replace("(", " ").split()), failure
            assert "<html" not in failure


@pytest.mark.usefixtures("no_proxies")
def test_a_netrc_entry_does_not_replace_the_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Requests would use it for any host that it names."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\ndefault login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with asking() as found:
        assert found.ask().body
        assert found.statuses == [200]


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.usefixtures("no_proxies")
def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox can be one, because it responds for any host."""
    with asking() as proxy, asking(given={"api_url": "http://gong.invalid"}) as found:
        monkeypatch.setenv("http_proxy", proxy.sandbox.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert found.ask().body
        assert (len(found.requests), len(proxy.requests)) == (0, 1)


@pytest.mark.usefixtures("no_proxies")
def test_no_proxy_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to a host that it names are sent directly."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with asking() as found:
        assert found.ask().body


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("proxy", ["http://somebody:hunter2@127.0.0.1:1", "socks9://hunter2"])
def test_no_message_repeats_a_proxys_password(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """Neither if it refuses connections nor if its URL is invalid."""
    monkeypatch.setenv("http_proxy", proxy)
    with asking(given={"max_retries": 1}) as found:
        failure = "\n".join([found.failure(), *found.log])
        assert "hunter2" not in failure
        assert "somebody" not in failure


# Threads


def test_the_pool_keeps_a_connection_for_each_thread(caplog: pytest.LogCaptureFixture) -> None:
    """With fewer, urllib3 closes connections and logs a warning for each."""
    threads = 16
    together = threading.Barrier(threads, timeout=30)

    def request(_: int) -> Page:
        together.wait()
        return found.ask()

    given = {"max_parallel_windows": threads, "requests_per_second": 1_000_000}
    with asking(given=given, latency=0.1) as found, ThreadPoolExecutor(threads) as pool:
        for _ in range(2):
            assert all(pool.map(request, range(threads)))
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in warnings if record.name.startswith("urllib3")] == []
