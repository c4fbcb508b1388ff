"""OAuth: single-use refresh tokens, each stored before its access token is used."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import resource
import socket
import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import requests
from gong_sandbox import Fault, Mutation, Sandbox
from support import raw_server
from support.default_config import settings_with
from support.fake_clock import TODAY, FakeClock
from support.raw_server import serve_response
from support.sandbox_clients import COMPANY, make_retries, sandbox_client

from tap_gong_activity.base.cancellation import CancelledError
from tap_gong_activity.base.errors import GongError, TapError
from tap_gong_activity.base.stats import Tally
from tap_gong_activity.gong import oauth
from tap_gong_activity.gong.oauth import OAuthCredentials
from tap_gong_activity.gong.token_file import ROOM_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.sandbox_clients import SandboxClient

    from tap_gong_activity.gong.retries import Retries
    from tap_gong_activity.settings import Settings

NO_KEY: dict[str, Any] = {"access_key": None, "access_key_secret": None}


@pytest.fixture(autouse=True)
def _restored_log_filters() -> Iterator[None]:
    logger = logging.getLogger("urllib3.connectionpool")
    filters = list(logger.filters)
    yield
    logger.filters[:] = filters


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path of the token file."""
    return tmp_path / "tokens.json"


def write(path: Path, sandbox: Sandbox | None = None, **content: Any) -> None:  # noqa: ANN401 - any JSON
    """Write a token file as a user would."""
    members: dict[str, Any] = {"client_id": "client", "client_secret": "hunter2", "refresh_token": "refresh-token"}
    if sandbox is not None:
        tokens = sandbox.tokens
        members = {
            "client_id": tokens.client_id,
            "client_secret": tokens.client_secret,
            "refresh_token": tokens.refresh_token,
        }
    path.touch(mode=0o600)
    path.write_text(json.dumps({**members, **content}))


def read(path: Path) -> dict[str, Any]:
    """Return the content of a token file."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def oauth_credentials(
    path: Path, settings: Settings, clock: FakeClock, retries: Retries, log: Callable[[str], None] = lambda _: None
) -> OAuthCredentials:
    """Return credentials with these settings."""
    return OAuthCredentials(
        path,
        api_url=settings.api_url,
        api_url_is_set=settings.api_url_is_set,
        user_agent=settings.user_agent,
        request_timeout=settings.request_timeout,
        clock=clock,
        retries=retries,
        log=log,
    )


def make_credentials(path: Path, url: str, clock: FakeClock | None = None, **settings: Any) -> OAuthCredentials:  # noqa: ANN401 - those of the tap
    """Return credentials as another process would create them."""
    clock = clock or FakeClock()
    all_settings = settings_with(**{**NO_KEY, "oauth_token_file": str(path), "api_url": url, **settings})
    retries = make_retries(all_settings, clock=clock, tally=Tally(), log=lambda _: None)
    return oauth_credentials(path, all_settings, clock, retries)


def signing_token(credentials: OAuthCredentials) -> str:
    """Return the token that signs a request."""
    request = requests.Request("POST", "http://127.0.0.1/").prepare()
    return credentials(request).headers["Authorization"].removeprefix("Bearer ")


@contextmanager
def oauth_client(path: Path, *faults: str | Fault, is_written: bool = True, **options: Any) -> Iterator[SandboxClient]:  # noqa: ANN401 - those of `sandbox_client`
    """Yield a client that authenticates with a token file."""

    def credentials(sandbox: Sandbox, settings: Settings, clock: FakeClock, retries: Retries) -> OAuthCredentials:
        if is_written:
            write(path, sandbox)
        return oauth_credentials(path, settings, clock, retries)

    settings = {**NO_KEY, "oauth_token_file": str(path), **options.pop("settings", {})}
    with sandbox_client(*faults, credentials=credentials, settings=settings, **options) as client:
        yield client


@contextmanager
def serve_oauth_sandbox(path: Path, *faults: str, **options: Any) -> Iterator[Sandbox]:  # noqa: ANN401 - those of Sandbox
    """Yield a sandbox, and write a token file for it."""
    with Sandbox(company=COMPANY, today=TODAY, faults=faults, **options) as sandbox:
        write(path, sandbox)
        yield sandbox


def refresh_statuses(sandbox: Sandbox) -> list[int | None]:
    """Return the statuses of the token endpoint's responses."""
    return [record.status for record in sandbox.requests if "token" in record.path]


def auth_error(credentials: OAuthCredentials) -> str:
    """Return the error message of a failed authentication."""
    with pytest.raises(TapError) as error:
        signing_token(credentials)
    return str(error.value)


# Refreshing


def test_new_token_is_on_disk_before_the_access_token_is_used(path: Path) -> None:
    """The new refresh token is on disk at the first request with its access token."""
    on_disk: list[dict[str, Any]] = []
    on_request = Fault(Mutation(lambda _: on_disk.append(read(path))))
    with oauth_client(path, on_request) as client:
        old = client.sandbox.tokens.refresh_token
        assert client.request_page().body
        tokens = client.sandbox.tokens
        (content,) = on_disk
        assert content == {
            "client_id": tokens.client_id,
            "client_secret": tokens.client_secret,
            "refresh_token": tokens.refresh_token,
            "access_token": content["access_token"],
            "expires_at": "2025-03-13T20:00:00Z",
            "api_base_url_for_customer": client.sandbox.url,
        }
        assert old != tokens.refresh_token
        assert tokens.is_valid(content["access_token"])
        assert refresh_statuses(client.sandbox) == [200]
        assert client.statuses == [200]


def test_file_stays_readable_by_its_owner_only(path: Path) -> None:
    """The file stays readable by its owner only, whatever the umask, and keeps its other members."""
    mask = os.umask(0)
    try:
        with serve_oauth_sandbox(path) as sandbox:
            write(path, sandbox, note="of the data team")
            signing_token(make_credentials(path, sandbox.url))
    finally:
        os.umask(mask)
    assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {"tokens.json": 0o600}
    assert read(path)["note"] == "of the data team"


def test_symlink_to_the_file_stays_a_symlink(path: Path, tmp_path: Path) -> None:
    """A symlink to the token file stays one, because secrets are often mounted that way."""
    link = tmp_path / "elsewhere" / "link.json"
    link.parent.mkdir()
    with serve_oauth_sandbox(path) as sandbox:
        link.symlink_to(path)
        signing_token(make_credentials(link, sandbox.url))
        assert link.is_symlink()
        assert read(path)["refresh_token"] == sandbox.tokens.refresh_token


def test_valid_token_is_reused(path: Path) -> None:
    """The next run reuses an access token that is still valid."""
    clock = FakeClock()
    with serve_oauth_sandbox(path, clock=clock.hand) as sandbox:
        first = signing_token(make_credentials(path, sandbox.url, clock))
        clock.advance(80_000)
        assert signing_token(make_credentials(path, sandbox.url, clock)) == first
        assert refresh_statuses(sandbox) == [200]


@pytest.mark.parametrize(("lifetime", "margin"), [(86_400, 60), (600, 60), (100, 10), (10, 1)])
def test_refresh_happens_before_the_token_expires(path: Path, lifetime: int, margin: int) -> None:
    """A token is refreshed shortly before it expires, with the refresh token of the previous refresh."""
    clock = FakeClock()
    with serve_oauth_sandbox(path, clock=clock.hand, token_lifetime=lifetime) as sandbox:
        credentials = make_credentials(path, sandbox.url, clock)
        used = [signing_token(credentials)]
        for number in range(2, 4):
            clock.advance(lifetime - margin - 0.5)
            assert signing_token(credentials) == used[-1]
            assert len(refresh_statuses(sandbox)) == number - 1
            clock.advance(1)
            used.append(signing_token(credentials))
            assert refresh_statuses(sandbox) == [200] * number
        assert len(set(used)) == 3
        assert read(path)["refresh_token"] == sandbox.tokens.refresh_token


def test_threads_refresh_once(path: Path) -> None:
    """Threads that need a token at the same time refresh it once."""
    clock = FakeClock()
    with serve_oauth_sandbox(path, clock=clock.hand) as sandbox:
        credentials = make_credentials(path, sandbox.url, clock)
        for number in range(1, 4):
            together = threading.Barrier(8, timeout=30)
            with ThreadPoolExecutor(8) as threads:
                tokens = set(threads.map(lambda _: (together.wait(), signing_token(credentials))[1], range(8)))  # noqa: B023 - all are done before the next
            assert len(tokens) == 1
            assert refresh_statuses(sandbox) == [200] * number
            clock.advance(86_400)


def test_parallel_runs_refresh_once(path: Path) -> None:
    """Two runs that find the token expired refresh it once, and the second uses the first one's."""
    clock = FakeClock()
    with serve_oauth_sandbox(path, clock=clock.hand) as sandbox:
        runs = [make_credentials(path, sandbox.url, clock) for _ in range(2)]
        for number in range(1, 4):
            together = threading.Barrier(2, timeout=30)
            with ThreadPoolExecutor(2) as threads:
                tokens = set(threads.map(lambda run: (together.wait(), signing_token(run))[1], runs))  # noqa: B023 - both are done before the next
            assert len(tokens) == 1
            assert refresh_statuses(sandbox) == [200] * number
            clock.advance(86_400)


def test_rejected_token_is_refreshed_once(path: Path) -> None:
    """An access token that is rejected early is refreshed, and the request is sent again."""
    with oauth_client(path) as client:
        write(path, client.sandbox, access_token="revoked", expires_at="2025-03-13T20:00:00Z")
        assert client.request_page().body
        assert client.statuses == [401, 200]
        assert refresh_statuses(client.sandbox) == [200]


def test_missing_scope_causes_no_refresh(path: Path) -> None:
    """A missing scope causes no refresh, because a new token wouldn't have it either."""
    with oauth_client(path, has_scope=False) as client:
        assert "permission" in client.failure()
        assert client.statuses == [401]
        assert refresh_statuses(client.sandbox) == [200]


def test_threads_whose_token_was_rejected_refresh_once(path: Path) -> None:
    """Threads whose token was rejected at the same time refresh it once."""
    with serve_oauth_sandbox(path) as sandbox:
        credentials = make_credentials(path, sandbox.url)
        refused = [credentials(requests.Request("POST", "http://127.0.0.1/").prepare()) for _ in range(4)]
        with ThreadPoolExecutor(4) as threads:
            assert all(threads.map(credentials.renew, refused))
        assert refresh_statuses(sandbox) == [200, 200]


# Failures of the token endpoint


@pytest.mark.parametrize("fault", ["status=500", "status=408"])
def test_token_endpoint_is_retried(path: Path, fault: str) -> None:
    """The token endpoint is retried like the API."""
    with oauth_client(path, f"{fault},on=token,at=1-2") as client:
        assert client.request_page().body
        assert len(refresh_statuses(client.sandbox)) == 3
        assert len(client.clock.waits) == 2
        assert all("The OAuth token endpoint" in line for line in client.log)
        assert read(path)["refresh_token"] == client.sandbox.tokens.refresh_token


def test_token_endpoint_gets_the_user_agent(path: Path) -> None:
    """Requests to the token endpoint have the user_agent."""
    write(path)
    received: list[bytes] = []

    def respond(connection: socket.socket, _is_over: threading.Event) -> None:
        received.append(connection.recv(65_536))
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with raw_server.serve_connections(respond) as url:
        auth_error(make_credentials(path, url, user_agent="an-agent/1"))
    assert b"\r\nUser-Agent: an-agent/1\r\n" in received[0]


def test_request_timeout_applies_to_the_token_endpoint(path: Path) -> None:
    """request_timeout applies to the token endpoint, and the error says that it was a refresh."""
    with serve_oauth_sandbox(path, "hang,on=token") as sandbox:
        assert auth_error(make_credentials(path, sandbox.url, request_timeout=0.05, max_retries=0)) == (
            f"OAuth token refresh: {sandbox.url} didn't respond within 0.05 s; giving up after 1 attempt, as "
            "max_retries is 0"
        )


def test_429_of_the_token_endpoint_does_not_count_as_a_retry(path: Path) -> None:
    """A 429 of the token endpoint doesn't count as a retry, and its Retry-After is honored."""
    with oauth_client(path, "status=429,retry_after=30,on=token,at=1-2", settings={"max_retries": 0}) as client:
        assert client.request_page().body
        assert client.clock.waits == [30, 30]


def test_truncated_error_of_the_token_endpoint_is_retried(path: Path) -> None:
    """A truncated error of the token endpoint is retried, and a 429 still doesn't count as a retry."""
    write(path)
    with serve_response("400 Bad Request", b'{"error": "inv', Content_Length="99") as url:
        assert auth_error(make_credentials(path, url, max_retries=1)) == (
            f"The OAuth token endpoint {url} returned 400, but its response was truncated; giving up after 2 attempts"
        )
    with serve_response("429 Too Many Requests", b"{", Content_Length="99") as url:
        assert "has refused this request for" in auth_error(make_credentials(path, url, max_retries=0))


def test_lost_response_is_retried(path: Path) -> None:
    """A lost response is retried; if the refresh token was used, the error says what to do."""
    with serve_oauth_sandbox(path, "close,on=token,at=1") as sandbox:
        assert "authorize the app in Gong again" in auth_error(make_credentials(path, sandbox.url))
        assert refresh_statuses(sandbox) == [None, 400]


def test_failing_token_endpoint_ends_the_run(path: Path) -> None:
    """A token endpoint that always fails ends the run after max_retries retries."""
    with oauth_client(path, "status=503,on=token", settings={"max_retries": 2}) as client:
        old = read(path)
        assert client.failure() == (
            f"The OAuth token endpoint {client.sandbox.url} returned 503; giving up after 3 attempts"
        )
        assert len(refresh_statuses(client.sandbox)) == 3
        assert client.requests == []
        assert read(path) == old


def test_used_refresh_token_is_explained(path: Path) -> None:
    """A used refresh token isn't retried, and the error says where to put a new one."""
    with serve_oauth_sandbox(path) as sandbox:
        write(path, sandbox, refresh_token="used-before")
        credentials = make_credentials(path, sandbox.url)
        text = auth_error(credentials)
        assert "returned 400 (invalid_grant)" in text
        assert "has been used before or was revoked" in text
        assert str(path) in text
        assert "used-before" not in text
        assert auth_error(credentials) == text
        assert refresh_statuses(sandbox) == [400]


@pytest.mark.parametrize("fault", ["status=404,envelope=no", "status=302,location=https://example.com"])
def test_response_of_another_server_does_not_blame_the_token(path: Path, fault: str) -> None:
    """A web page or a redirect in place of the token endpoint is an error about api_url, not the token."""
    with serve_oauth_sandbox(path, f"{fault},on=token") as sandbox:
        text = auth_error(make_credentials(path, sandbox.url))
        assert "The OAuth token endpoint" in text
        assert "check api_url" in text
        assert "used before" not in text
        assert len(sandbox.requests) == 1


class StoppingClock(FakeClock):
    """A clock that ends the run in its first wait."""

    def wait(self, seconds: float) -> None:
        """End the run."""
        super().wait(seconds)
        raise CancelledError


def test_stop_ends_the_wait_for_another_refresh(path: Path) -> None:
    """The end of the run ends the wait for another run's refresh."""
    with serve_oauth_sandbox(path) as sandbox, path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        credentials = make_credentials(path, sandbox.url, StoppingClock())
        with pytest.raises(CancelledError):
            signing_token(credentials)
        assert refresh_statuses(sandbox) == []


def test_wrong_client_secret_is_named_without_its_value(path: Path) -> None:
    """A wrong client secret is named in the error, without its value."""
    with serve_oauth_sandbox(path) as sandbox:
        write(path, sandbox, client_secret="hunter2")
        text = auth_error(make_credentials(path, sandbox.url))
        assert "401 (invalid_client): check client_id and client_secret" in text
        assert "hunter2" not in text


@pytest.mark.parametrize(
    ("status", "error"), [("401 Unauthorized", None), ("401 Unauthorized", 7), ("400 Bad Request", "invalid_client")]
)
def test_401_or_invalid_client_means_wrong_client_credentials(path: Path, status: str, error: object) -> None:
    """A 401 or the error invalid_client means that the client's credentials are wrong."""
    write(path)
    with serve_response(status, json.dumps({"error": error}).encode()) as url:
        assert ": check client_id and client_secret in " in auth_error(make_credentials(path, url))


@pytest.mark.parametrize(
    "body",
    [b'{"access_token": "a", "refresh_token": ""}', b'{"refresh_token": 5}', b'{"refresh_token": "\\q"}', b"[]"],
    ids=["empty", "number", "invalid escape", "array"],
)
def test_response_without_a_refresh_token_changes_nothing(path: Path, body: bytes) -> None:
    """A response without a refresh token is an error, and the file keeps the old one."""
    write(path)
    with serve_response("200 OK", body) as url:
        assert " returned 200: the response has no refresh_token" in auth_error(make_credentials(path, url))
    assert read(path)["refresh_token"] == "refresh-token"


@pytest.mark.parametrize("token", ["", 5, "line\nbreak", "non-äscii"])
def test_refresh_token_is_stored_if_the_access_token_is_invalid(
    path: Path, caplog: pytest.LogCaptureFixture, token: object
) -> None:
    """A refresh token is stored even if its access token is invalid, so that the next run can continue."""
    write(path)
    with serve_response("200 OK", json.dumps({"access_token": token, "refresh_token": "next"}).encode()) as url:
        text = auth_error(make_credentials(path, url))
    assert "no access_token that can be sent in a header" in text
    assert not (isinstance(token, str) and len(token) > 1 and token in text + caplog.text)
    assert read(path)["refresh_token"] == "next"
    with serve_response("200 OK", b'{"access_token": "good", "refresh_token": "third"}') as url:
        assert signing_token(make_credentials(path, url)) == "good"


@pytest.mark.parametrize(
    "around",
    [
        b'"expires_in": "soon"',
        b'"expires_in": 1e999',
        b'"expires_in": NaN',
        b'"expires_in": {}, "api_base_url_for_customer": 5',
        b'"api_base_url_for_customer": "http://[::1"',
        b'"other": ' + b"[" * 5_000 + b"]" * 5_000,
        b'"other": ' + b"9" * 5_000,
        b'"other": "\xff\xfe"',
        b"other: not JSON",
    ],
    ids=[
        "lifetime in words",
        "infinite lifetime",
        "NaN lifetime",
        "other types",
        "invalid URL",
        "deep nesting",
        "long number",
        "invalid UTF-8",
        "invalid JSON",
    ],
)
def test_invalid_members_beside_the_tokens_are_ignored(path: Path, around: bytes) -> None:
    """Invalid members beside the tokens are ignored, because the old refresh token can't be used again."""
    write(path)
    body = b'{%s, "access_token": "new", "refresh_token": "ne\\u0078t"}' % around
    with serve_response("200 OK", body) as url:
        credentials = make_credentials(path, url, api_url=url)
        assert signing_token(credentials) == "new"
        assert signing_token(credentials) == "new"
    assert read(path)["refresh_token"] == "next"
    assert read(path)["expires_at"] == "2025-03-13T20:00:00Z"


@pytest.mark.parametrize(
    ("status", "headers", "refresh_token"),
    [
        ("203 Not Quite", {}, "next"),
        ("200 OK", {"Content_Length": "9999"}, "next token"),
        ("200 OK", {"Content_Length": "9999"}, "n\u00e9xt"),
    ],
    ids=["203", "truncated", "truncated, not ASCII"],
)
def test_received_tokens_are_used_whatever_the_response(
    path: Path, status: str, headers: dict[str, str], refresh_token: str
) -> None:
    """Received tokens are used with any 2xx, after a truncated response, and with any characters."""
    write(path)
    body = json.dumps({"access_token": "good", "refresh_token": refresh_token}).encode()
    with serve_response(status, body, **headers) as url:
        assert signing_token(make_credentials(path, url)) == "good"
    assert read(path)["refresh_token"] == refresh_token
    path.write_text(json.dumps(read(path) | {"access_token": None}))
    with serve_response("200 OK", b'{"access_token": "better", "refresh_token": "last"}') as url:
        assert signing_token(make_credentials(path, url)) == "better"


def test_too_long_access_token_is_not_stored(path: Path) -> None:
    """An access token that is too long to be sent isn't stored, but its refresh token is."""
    write(path)
    body = json.dumps({"access_token": "x" * 60_000, "refresh_token": "next"}).encode()
    with serve_response("200 OK", body) as url:
        assert "no access_token that can be sent" in auth_error(make_credentials(path, url))
    assert read(path)["refresh_token"] == "next"
    assert path.stat().st_size < 20_000


def test_deep_values_beside_tokens_are_ignored(path: Path) -> None:
    """In a response and in the file, values nested too deeply to parse don't affect the members beside them."""
    deep = b'"other": ' + b"[" * 50_000 + b"]" * 50_000
    write(path)
    path.write_bytes(path.read_bytes()[:-1] + b", " + deep + b"}")
    body = b'{%s, "access_token": "good", "refresh_token": "next", "expires_in": 3600}' % deep
    with serve_response("200 OK", body) as url:
        assert signing_token(make_credentials(path, url)) == "good"
    assert read(path)["refresh_token"] == "next"
    assert read(path)["expires_at"] == "2025-03-12T21:00:00Z"


def test_only_the_beginning_of_a_large_token_response_is_read(path: Path) -> None:
    """Of a response above the maximum size, the tokens at the beginning count, and the rest isn't read."""
    write(path)
    tokens, padding = b'"access_token": "good", "refresh_token": "next"', b" " * 2_000_000
    with serve_response("200 OK", b"{" + padding + tokens + b"}") as url:
        assert "has no refresh_token" in auth_error(make_credentials(path, url))
    with serve_response("200 OK", b"{" + tokens + padding + b"}") as url:
        assert signing_token(make_credentials(path, url)) == "good"
    assert read(path)["refresh_token"] == "next"


@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [
        (3_600, 3_600),
        ("3600", 3_600),
        (None, 86_400),
        (-5, 0),
        (1e12, 366 * 86_400),
        (10**400, 366 * 86_400),
    ],
)
def test_lifetime_is_limited(path: Path, expires_in: object, lifetime: float) -> None:
    """Tokens are stored with a lifetime of at most a year, and of a day if it's missing."""
    write(path)
    body = json.dumps({"access_token": "new", "refresh_token": "next", "expires_in": expires_in}).encode()
    clock = FakeClock()
    with serve_response("200 OK", body) as url:
        assert signing_token(make_credentials(path, url, clock)) == "new"
    ends = (clock.now() + timedelta(seconds=lifetime)).isoformat().replace("+00:00", "Z")
    assert read(path) == {
        "client_id": "client",
        "client_secret": "hunter2",
        "refresh_token": "next",
        "access_token": "new",
        "expires_at": ends,
    }


# The account's host


def test_requests_use_the_host_of_the_token(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless api_url is set, requests use the host that comes with the token."""
    with oauth_client(path, settings={"api_url": None}) as client:
        monkeypatch.setattr(oauth, "GONG_TOKEN_HOST", client.sandbox.url)
        assert client.request_page().body
        assert client.statuses == [200]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://us-1.api.gong.io/", "https://us-1.api.gong.io"),
        ("http://gong.test:8080", "http://gong.test:8080"),
        ("ftp://gong.test", None),
        ("https://", None),
        ("https://gong test", None),
        ("http://[::1", None),
        (5, None),
    ],
)
def test_invalid_host_of_the_token_is_ignored(
    path: Path, monkeypatch: pytest.MonkeyPatch, url: object, expected: str | None
) -> None:
    """A host of the token that isn't a valid URL is neither used nor stored."""
    write(path)
    content = {"access_token": "a", "refresh_token": "b", "api_base_url_for_customer": url}
    with serve_response("200 OK", json.dumps(content).encode()) as token_host:
        monkeypatch.setattr(oauth, "GONG_TOKEN_HOST", token_host)
        assert make_credentials(path, "", api_url=None).api_url() == expected
    assert read(path).get("api_base_url_for_customer") == expected


def test_api_url_takes_precedence(path: Path) -> None:
    """api_url takes precedence over the host of the token."""
    write(path)
    body = b'{"access_token": "a", "refresh_token": "b", "api_base_url_for_customer": "http://127.0.0.1:1"}'
    with serve_response("200 OK", body) as url:
        assert make_credentials(path, url).api_url() is None
        assert signing_token(make_credentials(path, url)) == "a"


@pytest.mark.parametrize("url", ["https://api.gong.io", "https://us-12345.api.gong.io", "https://gong.io"])
def test_token_endpoint_of_gong_accounts(path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Every account's tokens come from Gong's token host."""
    with serve_oauth_sandbox(path) as sandbox:
        monkeypatch.setattr(oauth, "GONG_TOKEN_HOST", sandbox.url)
        assert signing_token(make_credentials(path, url))
        assert refresh_statuses(sandbox) == [200]


def test_token_endpoint_of_similar_hosts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens of a host that only looks like Gong's come from that host."""

    def no_such_host(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror

    write(path)
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", no_such_host)
        for url in ("http://notgong.io.invalid", "http://gong.io.invalid", "http://evil..invalid"):
            text = auth_error(make_credentials(path, url, max_retries=0))
            assert text.startswith("OAuth token refresh: ")
            assert url in text


# The file


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601])
def test_file_with_permissions_for_others_is_rejected(path: Path, mode: int) -> None:
    """A file that others can access is an error with what to do, before any request."""
    with serve_oauth_sandbox(path) as sandbox:
        path.chmod(mode)
        text = auth_error(make_credentials(path, sandbox.url))
        assert f"(mode {mode:04o})" in text
        assert "chmod 600" in text
        assert sandbox.requests == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("client_id", 3), ("client_secret", "two words"), ("refresh_token", ""), ("refresh_token", 3)],
)
def test_missing_or_invalid_member_is_named(path: Path, name: str, value: object) -> None:
    """A missing or invalid member of the file is named in the error, before any request."""
    with serve_oauth_sandbox(path) as sandbox:
        content = {**read(path), name: value}
        path.write_text(json.dumps(content))
        assert f"has no {name}, which must be a string" in auth_error(make_credentials(path, sandbox.url))
        del content[name]
        path.write_text(json.dumps(content))
        assert f"has no {name}, which must be a string" in auth_error(make_credentials(path, sandbox.url))
        assert sandbox.requests == []


@pytest.mark.parametrize(
    "content",
    [b"", b'"hunter2"', b"\xff{}", b'{"client_id": "hunter2"', b"[" * 100_000],
    ids=["empty", "text", "invalid UTF-8", "truncated", "deep nesting"],
)
def test_file_that_is_not_a_json_object_is_rejected(path: Path, content: bytes) -> None:
    """A file that isn't a JSON object is an error that doesn't contain its content."""
    path.touch(mode=0o600)
    path.write_bytes(content)
    text = auth_error(make_credentials(path, "http://127.0.0.1:1"))
    assert f"The OAuth token file {path} isn't a JSON object" in text
    assert "hunter2" not in text


def test_missing_file_is_named(path: Path) -> None:
    """A missing file is an error with its path."""
    assert (
        f"The OAuth token file {path} can't be opened for reading and writing (No such file or directory)"
        in auth_error(make_credentials(path, "http://127.0.0.1:1"))
    )


@pytest.mark.parametrize(
    ("token", "expires_at"),
    [
        (5, "2999-01-01T00:00:00Z"),
        ("line\nbreak", "2999-01-01T00:00:00Z"),
        ("token", "2999-01-01T00:00:00"),
        ("token", "tomorrow"),
    ],
)
def test_invalid_access_token_in_the_file_is_refreshed(path: Path, token: object, expires_at: str) -> None:
    """An access token in the file is refreshed if it or its expiry is invalid."""
    with serve_oauth_sandbox(path) as sandbox:
        write(path, sandbox, access_token=token, expires_at=expires_at)
        assert sandbox.tokens.is_valid(signing_token(make_credentials(path, sandbox.url)))


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Limit the size of files, which fails like a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("size", [0, 4_096, ROOM_BYTES])
def test_full_disk_is_noticed_before_the_token_is_used(path: Path, size: int) -> None:
    """A full disk is noticed before the refresh token is used, so the next run can continue."""
    with serve_oauth_sandbox(path) as sandbox:
        before = read(path)
        with full_disk(size):
            assert "can't be updated (File too large)" in auth_error(make_credentials(path, sandbox.url))
        assert sandbox.requests == []
        assert read(path) == before
        assert signing_token(make_credentials(path, sandbox.url))


def test_reserved_room_suffices_for_new_tokens(path: Path) -> None:
    """The reserved room suffices for new tokens, and the file doesn't grow from run to run."""
    write(path)
    tokens = {"access_token": "a" * 7_000, "refresh_token": "r" * 7_000}
    sizes = set()
    for _ in range(3):
        with serve_response("200 OK", json.dumps({**tokens, "expires_in": 0}).encode()) as url:
            assert signing_token(make_credentials(path, url)) == tokens["access_token"]
        assert read(path)["refresh_token"] == tokens["refresh_token"]
        sizes.add(path.stat().st_size)
    assert max(sizes) < 2 * ROOM_BYTES


def test_no_other_file_is_created(path: Path) -> None:
    """The file is overwritten in place, so that it can be mounted alone into a container."""
    with serve_oauth_sandbox(path) as sandbox:
        number = path.stat().st_ino
        path.parent.chmod(0o500)
        try:
            assert signing_token(make_credentials(path, sandbox.url))
        finally:
            path.parent.chmod(0o700)
        assert path.stat().st_ino == number
        assert list(path.parent.iterdir()) == [path]


def test_wait_for_another_process_is_logged_once(path: Path) -> None:
    """A wait for another process is logged once, after ten seconds."""
    clock, log = FakeClock(), list[str]()
    with serve_oauth_sandbox(path) as sandbox, path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        lines_at: list[float] = []

        def on_wait(_: float) -> None:
            lines_at.append(len(log))
            if len(clock.waits) > 300:
                fcntl.flock(other, fcntl.LOCK_UN)

        clock.on_wait = on_wait
        settings = settings_with(**{**NO_KEY, "oauth_token_file": str(path), "api_url": sandbox.url})
        retries = make_retries(settings, clock=clock, tally=Tally(), log=log.append)
        assert signing_token(oauth_credentials(path, settings, clock, retries, log.append))
    assert log == [f"Waiting for another process to release the OAuth token file {path}"]
    assert 95 <= lines_at.index(1) <= 105


def test_file_replaced_during_the_wait_is_read_again(path: Path) -> None:
    """A file that is replaced during the wait for its lock is read again."""
    clock = FakeClock()
    with serve_oauth_sandbox(path) as sandbox, path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def replace(_: float) -> None:
            new = path.with_name("new.json")
            write(new, sandbox)
            new.rename(path)
            fcntl.flock(other, fcntl.LOCK_UN)

        clock.on_wait = replace
        write(path, sandbox, refresh_token="used-before")
        assert signing_token(make_credentials(path, sandbox.url, clock))
        assert refresh_statuses(sandbox) == [200]
        assert read(path)["refresh_token"] == sandbox.tokens.refresh_token


# Secrets


def test_no_secret_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No secret is logged, even at level DEBUG and if the refresh fails."""
    caplog.set_level(logging.DEBUG)
    seen: set[str] = set()
    for fault in ("status=503,on=token,at=1", "close,on=token,at=1", "status=401,at=1", "status=302,on=token"):
        with oauth_client(path, fault, settings={"max_retries": 1}) as client:
            tokens = client.sandbox.tokens
            seen |= {tokens.client_secret, tokens.refresh_token}
            try:
                client.request_page()
            except GongError as error:
                caplog.records.append(logging.makeLogRecord({"msg": str(error)}))
            except TapError as error:
                caplog.records.append(logging.makeLogRecord({"msg": str(error)}))
            seen |= {tokens.refresh_token, read(path).get("access_token", tokens.refresh_token)}
            seen.add(b64encode(f"{tokens.client_id}:{tokens.client_secret}".encode()).decode())
    lines = [record.getMessage() for record in caplog.records]
    assert any("generate-customer-token" in line for line in lines)
    assert len(seen) > 10
    assert not any(secret in line for secret in seen for line in lines)


def test_secrets_include_old_and_new_tokens(path: Path) -> None:
    """The secrets to redact include old and new tokens."""
    with serve_oauth_sandbox(path) as sandbox:
        credentials = make_credentials(path, sandbox.url)
        old = sandbox.tokens.refresh_token
        token = signing_token(credentials)
        expected = {old, sandbox.tokens.refresh_token, sandbox.tokens.client_secret, token}
        assert expected <= set(credentials.secrets())


def test_error_of_the_token_endpoint_is_redacted(path: Path) -> None:
    """The token endpoint's error is part of the message, without secrets and email addresses."""
    write(path)
    body = b'{"error": "refresh-token of hunter2 and someone@example.com is\\nunknown"}'
    with serve_response("400 Bad Request", body) as url:
        text = auth_error(make_credentials(path, url))
    assert "of [hidden] and [hidden] is unknown" in text
    assert "refresh-token" not in text
