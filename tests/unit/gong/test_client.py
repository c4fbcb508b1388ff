"""One request: what each answer leads to, how many requests are made of it, and what is told."""

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
from support.given_settings import ACCESS_KEY, ACCESS_KEY_SECRET
from support.raw_server import answering
from support.sandbox_asking import LARGEST_ANSWER, asking

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


# Answers of use


def test_an_answer_is_given_as_it_came() -> None:
    """One request, signed with the key, of which the tally knows."""
    with asking() as found:
        page = found.ask()
        assert json.loads(page.body)["usersAggregateActivity"]
        assert page.cursor is None
        assert found.statuses == [200]
        assert (found.tally.requests, found.tally.retries) == (1, 0)
        assert found.clock.waits == []


def test_a_bearer_token_signs_as_well() -> None:
    """One that was obtained elsewhere."""
    with asking(access_token="a-token", credentials=lambda *_: bearer_credentials("a-token")) as found:
        assert found.ask().body
        assert found.statuses == [200]


@pytest.mark.parametrize("field", ["usersAggregateActivity", "records", "requestId"])
@pytest.mark.parametrize("how", ["null", "drop"])
def test_a_null_or_missing_field_is_no_reason_to_try_again(field: str, how: str) -> None:
    """Gong documents none of them as required."""
    with asking(f"{how}={field}") as found:
        assert found.ask().cursor is None
        assert found.statuses == [200]


def test_a_compressed_answer_is_read() -> None:
    """As it comes with requests' own headers."""
    body = gzip.compress(b'{"records": {"cursor": "next"}}')
    with answering("200 OK", body, Content_Encoding="gzip") as url, asking(given={"api_url": url}) as found:
        assert found.ask().cursor == "next"


def test_a_large_answer_that_a_page_can_have_is_read() -> None:
    """Up to the last byte that is allowed."""
    with asking("huge=300000") as found:
        assert len(found.ask(largest_answer=300_000).body) == 300_000
        assert "larger than the maximum of 299,999 bytes" in found.failure(largest_answer=299_999)


# Answers that another try may mend


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("status=408", "Gong returned 408 Request Timeout, saying 'An error has occurred'"),
        ("status=500", "Gong returned 500 Internal Server Error, saying 'An error has occurred'"),
        ("status=502,envelope=no", "Gong returned 502 Bad Gateway; "),
        ("status=503", "Gong returned 503 Service Unavailable, saying 'An error has occurred'"),
        ("status=504", "Gong returned 504 Gateway Timeout"),
        ("status=599", "Gong returned 599, saying"),
        ("html", "isn't valid JSON"),
        ("cut", "was truncated"),
        ("cut_chunked", "was truncated"),
        ("broken_gzip", "can't be decompressed"),
        ("close", "Connection to http://127.0.0.1:"),
        ("reset", "(Connection reset by peer)"),
    ],
)
def test_it_is_tried_again_until_it_helps(fault: str, told: str) -> None:
    """With waits between the tries, which the log announces; when it never helps the last answer is told."""
    with asking(f"{fault},at=1-2", given=TWO_RETRIES) as found:
        assert found.ask().body
        assert len(found.requests) == 3
        assert (found.tally.requests, found.tally.retries) == (3, 2)
        assert len(found.clock.waits) == 2
        assert all(told.removesuffix("; ") in line for line in found.log)
    with asking(fault, given=TWO_RETRIES) as found:
        failure = found.failure()
        assert told in failure
        assert failure.endswith("; giving up after 3 attempts")
        assert len(found.requests) == 3


@pytest.mark.parametrize("status", [408, 500, 503])
def test_the_last_failure_is_told_with_gongs_request_id(status: int) -> None:
    """It is what Gong's support asks for."""
    with asking(f"status={status}", given={"max_retries": 0}) as found:
        failure = found.failure()
        assert "(requestId " in failure
        assert failure.endswith("; giving up after 1 attempt, as max_retries is 0")
        assert len(found.requests) == 1


def test_a_host_that_is_not_there_is_tried_again() -> None:
    """Its address is told, and what the operating system says."""
    with asking(given={"api_url": "http://127.0.0.1:1", **TWO_RETRIES}) as found:
        assert found.failure() == (
            "Connection to http://127.0.0.1:1 failed (Connection refused); giving up after 3 attempts"
        )
        assert found.tally.requests == 3


def test_an_answer_that_never_comes_is_tried_again() -> None:
    """After the timeout, of which the message tells the length."""
    with asking("hang", given={"request_timeout": 0.05, "max_retries": 1}) as found:
        assert found.failure() == f"{found.sandbox.url} didn't respond within 0.05 s; giving up after 2 attempts"
        assert found.tally.requests == 2


def test_an_error_that_is_cut_off_is_told_without_its_words() -> None:
    """Its status is enough to go on."""
    with (
        answering("400 Bad Request", b'{"requestId": "4al', Content_Length="1000") as url,
        asking(given={"api_url": url}) as found,
    ):
        assert found.failure() == "Gong returned 400 Bad Request"


def test_a_404_that_is_cut_off_is_tried_again() -> None:
    """Whether it is an empty window or a wrong host, only the whole of it can tell."""
    with (
        answering("404 Not Found", b'{"requestId": "4al', Content_Length="1000") as url,
        asking(given={"api_url": url, "max_retries": 1}) as found,
    ):
        assert found.failure().endswith("giving up after 2 attempts")
        assert found.tally.requests == 2


def test_a_truncated_gzip_stream_is_no_whole_answer() -> None:
    """Also where the connection ended as announced."""
    body = gzip.compress(json.dumps({"requestId": "x" * 5_000, "records": {"cursor": None}}).encode())[:-12]
    with (
        answering("200 OK", body, Content_Encoding="gzip") as url,
        asking(given={"api_url": url, "max_retries": 1}) as found,
    ):
        assert found.failure().endswith("; giving up after 2 attempts")


def test_the_longest_timeout_is_no_trouble() -> None:
    """A socket takes less than a setting may hold."""
    with asking(given={"request_timeout": 1e300}) as found:
        assert found.ask().body


# Answers that end the run


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("status=400,error=filter is wrong", "Gong returned 400 Bad Request, saying 'filter is wrong' (requestId "),
        ("status=405,envelope=no", "Gong returned 405 Method Not Allowed"),
        ("status=413", "Gong returned 413"),
        ("status=422", "Gong returned 422"),
        ("status=451", "Gong returned 451"),
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


def test_nothing_found_can_be_told_from_a_wrong_host() -> None:
    """Both are a 404; only one is in Gong's envelope."""
    with asking("status=404,at=1", "status=404,envelope=no,at=2") as found:
        with pytest.raises(NothingFoundError, match="An error has occurred"):
            found.ask()
        with pytest.raises(GongError, match="no such endpoint") as caught:
            found.ask()
        assert not isinstance(caught.value, NothingFoundError)
        assert len(found.requests) == 2


def test_a_missing_scope_is_told_in_gongs_words() -> None:
    """With 401, and with what to do about it."""
    with asking(has_scope=False) as found:
        failure = found.failure()
        assert "You don't have permission to use 'api:stats:user-actions' in your app." in failure
        assert "add that scope to the key or the app" in failure
        assert len(found.requests) == 1


@pytest.mark.parametrize("fault", ["set=records.cursor:3", "set=usersAggregateActivity.0:3"])
def test_undocumented_json_is_not_tried_again(fault: str) -> None:
    """It names the field."""
    with asking(fault) as found:
        with pytest.raises(UnexpectedResponseError, match=r"records\.cursor|usersAggregateActivity"):
            found.ask()
        assert len(found.requests) == 1


def test_an_answer_that_is_too_large_is_not_read_to_its_end() -> None:
    """Nor asked for again."""
    with asking("huge=1000000000000000") as found:
        assert found.failure() == (
            f"The response of {found.sandbox.url} is larger than the maximum of {LARGEST_ANSWER:,} bytes"
        )
        assert len(found.requests) == 1


@pytest.mark.parametrize("url", ["http://api..gong.io", f"http://{'a' * 70}.io", "http://.gong.io"])
def test_a_host_that_can_have_no_address_ends_the_run(url: str) -> None:
    """The setting is named."""
    with asking(given={"api_url": url, **TWO_RETRIES}) as found:
        assert "check api_url" in found.failure()
        assert found.tally.requests == 1


@pytest.mark.parametrize("fault", ["status=401", "status=403", "status=429,retry_after=7200"])
def test_what_refuses_one_request_refuses_all(fault: str) -> None:
    """No other request of the run is made, and each is told the same."""
    with asking(f"{fault},at=1") as found:
        failure = found.failure()
        with ThreadPoolExecutor(4) as threads:
            assert set(threads.map(lambda _: found.failure(), range(8))) == {failure}
        assert len(found.requests) == 1
        assert found.tally.requests == 1


@pytest.mark.parametrize("fault", ["status=400", "status=404", "status=422", "set=records.cursor:3"])
def test_what_refuses_one_window_refuses_no_other(fault: str) -> None:
    """The next one may be answered."""
    with asking(f"{fault},at=1") as found:
        assert found.failure()
        assert found.ask().body


# Waiting as long as Gong says


@pytest.mark.parametrize(
    ("retry_after", "wait"), [("5", 5.0), ("2.5", 2.5), ("2,30", 30.0), ("date:90", 90.0), ("600", 600.0)]
)
def test_the_wait_is_as_long_as_gong_says(retry_after: str, wait: float) -> None:
    """In seconds or as a date, and not a violation of it is recorded."""
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


def test_a_429_that_names_no_wait_is_backed_off_from() -> None:
    """For half a second at least, and as often as it takes, as it doesn't count as a retry."""
    with asking("status=429,at=1-5", given={"max_retries": 0}) as found:
        assert found.ask().body
        assert found.statuses == [429] * 5 + [200]
        assert len(found.clock.waits) == 5
        assert all(most / 2 <= wait <= most for wait, most in zip(found.clock.waits, (1, 2, 4, 8, 16), strict=True))


def test_a_503_asks_for_a_wait_like_a_429() -> None:
    """Of every thread, and it counts as a retry."""
    with asking("status=503,retry_after=30,at=1", given={"max_retries": 1}) as found:
        assert found.ask().body
        assert sum(found.clock.waits) == pytest.approx(30)
        assert found.log[0].endswith("; retrying in 30.0 s (attempt 2 of 2)")


@pytest.mark.parametrize(("max_retry_wait", "requests"), [(0, 2), (100, 11)])
def test_a_request_that_429_refuses_for_max_retry_wait_ends_the_run(max_retry_wait: int, requests: int) -> None:
    """However short each wait was; no other request is made after that."""
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
        ("7200", "7,200 s", "2025-03-12 22:00 UTC"),
        ("date:7200", "7,200 s", "2025-03-12 22:00 UTC"),
    ],
)
def test_a_wait_that_is_too_long_ends_the_run(retry_after: str, wait: str, until: str) -> None:
    """The message tells how long, until when, and which setting allows more."""
    with asking(f"status=429,retry_after={retry_after}") as found:
        failure = found.failure()
        assert wait in failure
        assert until in failure
        assert "max_retry_wait (600 s)" in failure
        assert len(found.requests) == 1
        assert found.clock.waits == []


def test_max_retry_wait_is_the_users() -> None:
    """To the second."""
    with asking("status=429,retry_after=20,at=1", given={"max_retry_wait": 20}) as found:
        assert found.ask().body
    with asking("status=429,retry_after=21,at=1", given={"max_retry_wait": 20}) as found:
        assert "max_retry_wait (20 s)" in found.failure()


def test_one_retry_after_holds_every_thread() -> None:
    """Whoever asks next waits too, and nobody is told twice."""
    with asking("status=429,retry_after=30,at=1") as found:
        assert found.ask().body
        began = found.clock.hand.seconds()
        assert began == pytest.approx(30)
        with ThreadPoolExecutor(4) as threads:
            assert all(threads.map(lambda _: found.ask().body, range(4)))
        assert found.sandbox.violations == []
        assert found.statuses == [429, *[200] * 5]


def test_the_pace_keeps_gongs_limit() -> None:
    """Twenty requests, and not a single 429 of a sandbox that allows three a second."""
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


# Requests that are not made


def test_a_request_that_is_no_longer_needed_is_not_sent() -> None:
    """A window behind a failure may be waiting for its slot, or for another try."""
    with asking(given={"requests_per_second": 1}) as found:
        found.ask()
        window = Cancellation()
        found.clock.on_wait = lambda _: window.cancel()
        with window.bound(), pytest.raises(CancelledError):
            found.ask()
        assert len(found.requests) == 1
        assert found.clock.waits == []


def test_the_end_of_the_run_ends_the_wait_for_another_try() -> None:
    """At once, without a further request."""
    with asking("status=503") as found:
        found.clock.on_wait = lambda _: found.clock.stop()
        with pytest.raises(CancelledError):
            found.ask()
        assert len(found.requests) == 1


# Secrets


def test_no_message_repeats_a_secret_or_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where Gong's errors or its request id do."""
    echo = f"{ACCESS_KEY} {ACCESS_KEY_SECRET} Basic {ENCODED_KEY} someone@example.com"
    monkeypatch.setattr("gong_sandbox.responses.new_request_id", lambda: f"id-{ENCODED_KEY}-{ACCESS_KEY_SECRET}")
    for status in (400, 401, 403, 404, 422, 429, 503):
        with asking(f"status={status},error=Refused: {echo}", given={"max_retries": 1}) as found:
            told = "\n".join([found.failure(), *found.log])
            assert "Refused: " in told
            assert f"Gong returned {status}" in told
            for secret in (ACCESS_KEY, ACCESS_KEY_SECRET, ENCODED_KEY, "someone"):
                assert secret not in told
            assert "\n" not in found.failure()


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


def test_a_missing_scope_is_an_error_of_its_own() -> None:
    """Which doesn't refuse the requests of other streams, as a wrong key does."""
    with asking("status=401,error=No Permission for 'api:users:read',at=1", "status=401,at=3") as found:
        with pytest.raises(MissingScopeError, match="api:users:read"):
            found.ask()
        assert found.ask().body
        assert "api_url" in found.failure()
        found.failure()
        assert len(found.requests) == 3


@pytest.mark.usefixtures("no_proxies")
def test_credentials_that_are_sent_unencrypted_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless nobody is on the way."""
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
    """Neither a page's nor a web page's."""
    for fault in ("html", "cut", "cut_chunked", "set=records:3", "status=400,envelope=no", "status=502,envelope=no"):
        with asking(fault, given={"max_retries": 0}) as found:
            failure = found.failure()
            assert not {"<", "userId", "@", "Maintenance"} & set(failure.replace("(", " ").split()), failure
            assert "<html" not in failure


@pytest.mark.usefixtures("no_proxies")
def test_a_netrc_entry_does_not_replace_the_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Requests would take it for any host that it names."""
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
    """The sandbox stands in for it, as it answers for every host that it is asked for."""
    with asking() as proxy, asking(given={"api_url": "http://gong.invalid"}) as found:
        monkeypatch.setenv("http_proxy", proxy.sandbox.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert found.ask().body
        assert (len(found.requests), len(proxy.requests)) == (0, 1)


@pytest.mark.usefixtures("no_proxies")
def test_no_proxy_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that it names is asked directly."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with asking() as found:
        assert found.ask().body


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("proxy", ["http://somebody:hunter2@127.0.0.1:1", "socks9://hunter2"])
def test_no_message_repeats_a_proxys_password(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """Neither where the proxy is not there nor where its address is none."""
    monkeypatch.setenv("http_proxy", proxy)
    with asking(given={"max_retries": 1}) as found:
        failure = "\n".join([found.failure(), *found.log])
        assert "hunter2" not in failure
        assert "somebody" not in failure


# Threads


def test_as_many_connections_are_kept_as_threads_read(caplog: pytest.LogCaptureFixture) -> None:
    """Beyond its pool urllib3 throws connections away, and warns of each."""
    threads = 16
    together = threading.Barrier(threads, timeout=30)

    def ask(_: int) -> Page:
        together.wait()
        return found.ask()

    given = {"max_parallel_windows": threads, "requests_per_second": 1_000_000}
    with asking(given=given, latency=0.1) as found, ThreadPoolExecutor(threads) as pool:
        for _ in range(2):
            assert all(pool.map(ask, range(threads)))
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in warnings if record.name.startswith("urllib3")] == []
