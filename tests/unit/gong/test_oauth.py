"""OAuth: single-use refresh tokens, each stored before the access token that came with it is used."""

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
from support.raw_server import answering
from support.sandbox_clients import COMPANY, asking, retries_of

from tap_gong_activity.base.cancellation import CancelledError
from tap_gong_activity.base.errors import GongError, TapError
from tap_gong_activity.base.stats import Tally
from tap_gong_activity.gong import oauth
from tap_gong_activity.gong.oauth import OAuthCredentials
from tap_gong_activity.gong.token_file import ROOM_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.sandbox_clients import Asking

    from tap_gong_activity.gong.retries import Retries
    from tap_gong_activity.settings import Settings

NO_KEY: dict[str, Any] = {"access_key": None, "access_key_secret": None}


@pytest.fixture(autouse=True)
def _no_filter_is_left() -> Iterator[None]:
    logger = logging.getLogger("urllib3.connectionpool")
    filters = list(logger.filters)
    yield
    logger.filters[:] = filters


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path of the token file."""
    return tmp_path / "tokens.json"


def write(path: Path, sandbox: Sandbox | None = None, **content: Any) -> None:  # noqa: ANN401 - its members
    """Write a token file as a user would."""
    held: dict[str, Any] = {"client_id": "client", "client_secret": "hunter2", "refresh_token": "refresh-token"}
    if sandbox is not None:
        tokens = sandbox.tokens
        held = {
            "client_id": tokens.client_id,
            "client_secret": tokens.client_secret,
            "refresh_token": tokens.refresh_token,
        }
    path.touch(mode=0o600)
    path.write_text(json.dumps({**held, **content}))


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


def credentials_of(path: Path, url: str, clock: FakeClock | None = None, **given: Any) -> OAuthCredentials:  # noqa: ANN401 (settings)
    """Return credentials like those of another process."""
    clock = clock or FakeClock()
    settings = settings_with(**{**NO_KEY, "oauth_token_file": str(path), "api_url": url, **given})
    retries = retries_of(settings, clock=clock, tally=Tally(), log=lambda _: None)
    return oauth_credentials(path, settings, clock, retries)


def signed(credentials: OAuthCredentials) -> str:
    """Return the token that signs a request."""
    request = requests.Request("POST", "http://127.0.0.1/").prepare()
    return credentials(request).headers["Authorization"].removeprefix("Bearer ")


@contextmanager
def asking_with(path: Path, *faults: str | Fault, is_written: bool = True, **options: Any) -> Iterator[Asking]:  # noqa: ANN401 (those of `asking`)
    """Yield a client that authenticates with a token file."""

    def credentials(sandbox: Sandbox, settings: Settings, clock: FakeClock, retries: Retries) -> OAuthCredentials:
        if is_written:
            write(path, sandbox)
        return oauth_credentials(path, settings, clock, retries)

    given = {**NO_KEY, "oauth_token_file": str(path), **options.pop("given", {})}
    with asking(*faults, credentials=credentials, given=given, **options) as found:
        yield found


@contextmanager
def serving(path: Path, *faults: str, **options: Any) -> Iterator[Sandbox]:  # noqa: ANN401 (those of Sandbox)
    """Yield a sandbox, with a token file for it."""
    with Sandbox(company=COMPANY, today=TODAY, faults=faults, **options) as sandbox:
        write(path, sandbox)
        yield sandbox


def refreshes(sandbox: Sandbox) -> list[int | None]:
    """Return the statuses of the token endpoint's responses."""
    return [record.status for record in sandbox.requests if "token" in record.path]


def refusal(credentials: OAuthCredentials) -> str:
    """Return the message with which authentication fails."""
    with pytest.raises(TapError) as caught:
        signed(credentials)
    return str(caught.value)


# Refreshing


def test_the_new_token_is_on_disk_before_the_access_token_is_used(path: Path) -> None:
    """It's there at the first request, so that a kill from then on loses nothing."""
    on_disk: list[dict[str, Any]] = []
    look = Fault(Mutation(lambda _: on_disk.append(read(path))))
    with asking_with(path, look) as found:
        old = found.sandbox.tokens.refresh_token
        assert found.ask().body
        tokens = found.sandbox.tokens
        (content,) = on_disk
        assert content == {
            "client_id": tokens.client_id,
            "client_secret": tokens.client_secret,
            "refresh_token": tokens.refresh_token,
            "access_token": content["access_token"],
            "expires_at": "2025-03-13T20:00:00Z",
            "api_base_url_for_customer": found.sandbox.url,
        }
        assert old != tokens.refresh_token
        assert tokens.is_valid(content["access_token"])
        assert refreshes(found.sandbox) == [200]
        assert found.statuses == [200]


def test_the_file_stays_readable_by_its_owner_only(path: Path) -> None:
    """That doesn't depend on the umask; other members of the file are kept."""
    mask = os.umask(0)
    try:
        with serving(path) as sandbox:
            write(path, sandbox, note="of the data team")
            signed(credentials_of(path, sandbox.url))
    finally:
        os.umask(mask)
    assert {found.name: found.stat().st_mode & 0o777 for found in path.parent.iterdir()} == {"tokens.json": 0o600}
    assert read(path)["note"] == "of the data team"


def test_a_link_to_the_file_stays_one(path: Path, tmp_path: Path) -> None:
    """Secrets are often mounted that way."""
    link = tmp_path / "elsewhere" / "link.json"
    link.parent.mkdir()
    with serving(path) as sandbox:
        link.symlink_to(path)
        signed(credentials_of(link, sandbox.url))
        assert link.is_symlink()
        assert read(path)["refresh_token"] == sandbox.tokens.refresh_token


def test_a_valid_token_is_used_again(path: Path) -> None:
    """The next run doesn't refresh it."""
    clock = FakeClock()
    with serving(path, clock=clock.hand) as sandbox:
        first = signed(credentials_of(path, sandbox.url, clock))
        clock.pass_by(80_000)
        assert signed(credentials_of(path, sandbox.url, clock)) == first
        assert refreshes(sandbox) == [200]


@pytest.mark.parametrize(("lifetime", "margin"), [(86_400, 60), (600, 60), (100, 10), (10, 1)])
def test_each_refresh_uses_the_token_of_the_one_before(path: Path, lifetime: int, margin: int) -> None:
    """Refreshes happen shortly before the token expires, because a request takes time."""
    clock = FakeClock()
    with serving(path, clock=clock.hand, token_lifetime=lifetime) as sandbox:
        credentials = credentials_of(path, sandbox.url, clock)
        used = [signed(credentials)]
        for number in range(2, 4):
            clock.pass_by(lifetime - margin - 0.5)
            assert signed(credentials) == used[-1]
            assert len(refreshes(sandbox)) == number - 1
            clock.pass_by(1)
            used.append(signed(credentials))
            assert refreshes(sandbox) == [200] * number
        assert len(set(used)) == 3
        assert read(path)["refresh_token"] == sandbox.tokens.refresh_token


def test_threads_refresh_once(path: Path) -> None:
    """Any number of threads can need a token at the same time, and again when it has expired."""
    clock = FakeClock()
    with serving(path, clock=clock.hand) as sandbox:
        credentials = credentials_of(path, sandbox.url, clock)
        for number in range(1, 4):
            together = threading.Barrier(8, timeout=30)
            with ThreadPoolExecutor(8) as threads:
                found = set(threads.map(lambda _: (together.wait(), signed(credentials))[1], range(8)))  # noqa: B023 (all are done before the next)
            assert len(found) == 1
            assert refreshes(sandbox) == [200] * number
            clock.pass_by(86_400)


def test_two_runs_refresh_once(path: Path) -> None:
    """Both find the token expired; the second waits for the first, and uses its token."""
    clock = FakeClock()
    with serving(path, clock=clock.hand) as sandbox:
        runs = [credentials_of(path, sandbox.url, clock) for _ in range(2)]
        for number in range(1, 4):
            together = threading.Barrier(2, timeout=30)
            with ThreadPoolExecutor(2) as threads:
                found = set(threads.map(lambda run: (together.wait(), signed(run))[1], runs))  # noqa: B023 (both are done before the next)
            assert len(found) == 1
            assert refreshes(sandbox) == [200] * number
            clock.pass_by(86_400)


def test_a_refused_token_is_renewed_once(path: Path) -> None:
    """It may have been revoked early; the request is then sent again."""
    with asking_with(path) as found:
        write(path, found.sandbox, access_token="revoked", expires_at="2025-03-13T20:00:00Z")
        assert found.ask().body
        assert found.statuses == [401, 200]
        assert refreshes(found.sandbox) == [200]


def test_a_missing_scope_causes_no_refresh(path: Path) -> None:
    """The next token wouldn't have it, either."""
    with asking_with(path, has_scope=False) as found:
        assert "permission" in found.failure()
        assert found.statuses == [401]
        assert refreshes(found.sandbox) == [200]


def test_threads_that_were_refused_together_renew_once(path: Path) -> None:
    """The first one's renewal serves the others."""
    with serving(path) as sandbox:
        credentials = credentials_of(path, sandbox.url)
        refused = [credentials(requests.Request("POST", "http://127.0.0.1/").prepare()) for _ in range(4)]
        with ThreadPoolExecutor(4) as threads:
            assert all(threads.map(credentials.renew, refused))
        assert refreshes(sandbox) == [200, 200]


# Failures of the token endpoint


@pytest.mark.parametrize("fault", ["status=500", "status=408"])
def test_the_token_endpoint_is_retried(path: Path, fault: str) -> None:
    """Like the API."""
    with asking_with(path, f"{fault},on=token,at=1-2") as found:
        assert found.ask().body
        assert len(refreshes(found.sandbox)) == 3
        assert len(found.clock.waits) == 2
        assert all("The OAuth token endpoint" in line for line in found.log)
        assert read(path)["refresh_token"] == found.sandbox.tokens.refresh_token


def test_the_token_endpoint_gets_the_user_agent(path: Path) -> None:
    """It's the same as for the API."""
    write(path)
    received: list[bytes] = []

    def respond(connection: socket.socket, _over: threading.Event) -> None:
        received.append(connection.recv(65_536))
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with raw_server.serving(respond) as url:
        refusal(credentials_of(path, url, user_agent="an-agent/1"))
    assert b"\r\nUser-Agent: an-agent/1\r\n" in received[0]


def test_request_timeout_applies_to_the_token_endpoint(path: Path) -> None:
    """The message says that it was a refresh."""
    with serving(path, "hang,on=token") as sandbox:
        assert refusal(credentials_of(path, sandbox.url, request_timeout=0.05, max_retries=0)) == (
            f"OAuth token refresh: {sandbox.url} didn't respond within 0.05 s; giving up after 1 attempt, as "
            "max_retries is 0"
        )


def test_a_429_of_the_token_endpoint_does_not_count_as_a_retry(path: Path) -> None:
    """Its Retry-After is honored."""
    with asking_with(path, "status=429,retry_after=30,on=token,at=1-2", given={"max_retries": 0}) as found:
        assert found.ask().body
        assert found.clock.waits == [30, 30]


def test_a_truncated_error_of_the_token_endpoint_is_retried(path: Path) -> None:
    """Its meaning depends on the whole of it; a 429 still doesn't count as a retry."""
    write(path)
    with answering("400 Bad Request", b'{"error": "inv', Content_Length="99") as url:
        assert refusal(credentials_of(path, url, max_retries=1)) == (
            f"The OAuth token endpoint {url} returned 400, but its response was truncated; giving up after 2 attempts"
        )
    with answering("429 Too Many Requests", b"{", Content_Length="99") as url:
        assert "has refused this request for" in refusal(credentials_of(path, url, max_retries=0))


def test_a_lost_response_is_retried(path: Path) -> None:
    """The token may not have been used; if it has, the message says what to do."""
    with serving(path, "close,on=token,at=1") as sandbox:
        assert "authorize the app in Gong again" in refusal(credentials_of(path, sandbox.url))
        assert refreshes(sandbox) == [None, 400]


def test_a_token_endpoint_that_always_fails_ends_the_run(path: Path) -> None:
    """There are as many attempts as the setting allows."""
    with asking_with(path, "status=503,on=token", given={"max_retries": 2}) as found:
        old = read(path)
        assert found.failure() == (
            f"The OAuth token endpoint {found.sandbox.url} returned 503; giving up after 3 attempts"
        )
        assert len(refreshes(found.sandbox)) == 3
        assert found.requests == []
        assert read(path) == old


def test_a_refresh_token_that_was_used_before_is_explained(path: Path) -> None:
    """The message says where the new one belongs; nothing is retried."""
    with serving(path) as sandbox:
        write(path, sandbox, refresh_token="used-before")
        credentials = credentials_of(path, sandbox.url)
        text = refusal(credentials)
        assert "returned 400 (invalid_grant)" in text
        assert "has been used before or was revoked" in text
        assert str(path) in text
        assert "used-before" not in text
        assert refusal(credentials) == text
        assert refreshes(sandbox) == [400]


@pytest.mark.parametrize("fault", ["status=404,envelope=no", "status=302,location=https://example.com"])
def test_a_response_from_elsewhere_blames_no_token(path: Path, fault: str) -> None:
    """Gong's token endpoint returns neither a web page nor a redirect, which isn't followed."""
    with serving(path, f"{fault},on=token") as sandbox:
        text = refusal(credentials_of(path, sandbox.url))
        assert "The OAuth token endpoint" in text
        assert "check api_url" in text
        assert "used before" not in text
        assert len(sandbox.requests) == 1


class EndingClock(FakeClock):
    """A clock in whose first wait the run ends."""

    def wait(self, seconds: float) -> None:
        """End the run."""
        super().wait(seconds)
        raise CancelledError


def test_the_end_of_the_run_ends_the_wait_for_another_runs_refresh(path: Path) -> None:
    """That run may hold the lock for long."""
    with serving(path) as sandbox, path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        credentials = credentials_of(path, sandbox.url, EndingClock())
        with pytest.raises(CancelledError):
            signed(credentials)
        assert refreshes(sandbox) == []


def test_the_message_names_a_wrong_client_secret(path: Path) -> None:
    """It doesn't repeat its value."""
    with serving(path) as sandbox:
        write(path, sandbox, client_secret="hunter2")
        text = refusal(credentials_of(path, sandbox.url))
        assert "401 (invalid_client): check client_id and client_secret" in text
        assert "hunter2" not in text


@pytest.mark.parametrize(
    ("status", "error"), [("401 Unauthorized", None), ("401 Unauthorized", 7), ("400 Bad Request", "invalid_client")]
)
def test_either_a_401_or_invalid_client_means_wrong_client_credentials(path: Path, status: str, error: object) -> None:
    """OAuth allows both statuses, and the error can be missing."""
    write(path)
    with answering(status, json.dumps({"error": error}).encode()) as url:
        assert ": check client_id and client_secret in " in refusal(credentials_of(path, url))


@pytest.mark.parametrize(
    "body",
    [b'{"access_token": "a", "refresh_token": ""}', b'{"refresh_token": 5}', b'{"refresh_token": "\\q"}', b"[]"],
    ids=["empty", "number", "invalid escape", "array"],
)
def test_a_response_without_a_refresh_token_changes_nothing(path: Path, body: bytes) -> None:
    """The file keeps the old one."""
    write(path)
    with answering("200 OK", body) as url:
        assert "its response has no refresh_token" in refusal(credentials_of(path, url))
    assert read(path)["refresh_token"] == "refresh-token"


@pytest.mark.parametrize("token", ["", 5, "line\nbreak", "non-äscii"])
def test_a_refresh_token_is_stored_although_the_access_token_is_unusable(
    path: Path, caplog: pytest.LogCaptureFixture, token: object
) -> None:
    """The message doesn't repeat it, and the next run can continue."""
    write(path)
    with answering("200 OK", json.dumps({"access_token": token, "refresh_token": "next"}).encode()) as url:
        text = refusal(credentials_of(path, url))
    assert "no access_token that can be sent in a header" in text
    assert not (isinstance(token, str) and len(token) > 1 and token in text + caplog.text)
    assert read(path)["refresh_token"] == "next"
    with answering("200 OK", b'{"access_token": "good", "refresh_token": "third"}') as url:
        assert signed(credentials_of(path, url)) == "good"


@pytest.mark.parametrize(
    "around",
    [
        b'"expires_in": "soon"',
        b'"expires_in": 1e999',
        b'"expires_in": NaN',
        b'"expires_in": {}, "api_base_url_for_customer": 5',
        b'"api_base_url_for_customer": "http://[::1"',
        b'"odd": ' + b"[" * 5_000 + b"]" * 5_000,
        b'"odd": ' + b"9" * 5_000,
        b'"odd": "\xff\xfe"',
        b"odd: nothing that JSON allows",
    ],
    ids=[
        "lifetime in words",
        "infinite lifetime",
        "lifetime that is no number",
        "other types",
        "invalid URL",
        "deep nesting",
        "long number",
        "invalid UTF-8",
        "invalid JSON",
    ],
)
def test_whatever_is_odd_around_the_tokens_is_ignored(path: Path, around: bytes) -> None:
    """The old refresh token can't be used again, so the new one must be stored in any case."""
    write(path)
    body = b'{%s, "access_token": "new", "refresh_token": "ne\\u0078t"}' % around
    with answering("200 OK", body) as url:
        credentials = credentials_of(path, url, api_url=url)
        assert signed(credentials) == "new"
        assert signed(credentials) == "new"
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
def test_tokens_that_have_arrived_are_kept_and_can_be_used(
    path: Path, status: str, headers: dict[str, str], refresh_token: str
) -> None:
    """That holds for any 2xx, for a truncated response, and for a refresh token with any characters."""
    write(path)
    body = json.dumps({"access_token": "good", "refresh_token": refresh_token}).encode()
    with answering(status, body, **headers) as url:
        assert signed(credentials_of(path, url)) == "good"
    assert read(path)["refresh_token"] == refresh_token
    path.write_text(json.dumps(read(path) | {"access_token": None}))
    with answering("200 OK", b'{"access_token": "better", "refresh_token": "last"}') as url:
        assert signed(credentials_of(path, url)) == "better"


def test_an_access_token_too_long_to_send_is_not_stored(path: Path) -> None:
    """It would need more room than has been proven; the refresh token is stored."""
    write(path)
    body = json.dumps({"access_token": "x" * 60_000, "refresh_token": "next"}).encode()
    with answering("200 OK", body) as url:
        assert "no access_token that can be sent" in refusal(credentials_of(path, url))
    assert read(path)["refresh_token"] == "next"
    assert path.stat().st_size < 20_000


def test_a_response_is_bounded(path: Path) -> None:
    """A token endpoint that sends a gigabyte isn't Gong's."""
    write(path)
    with answering("200 OK", b" " * 2_000_000) as url:
        assert "larger than" in refusal(credentials_of(path, url))


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
def test_the_new_tokens_are_stored_whatever_their_lifetime(path: Path, expires_in: object, lifetime: float) -> None:
    """Without a usable one it's a day, and it's never longer than a year."""
    write(path)
    body = json.dumps({"access_token": "new", "refresh_token": "next", "expires_in": expires_in}).encode()
    clock = FakeClock()
    with answering("200 OK", body) as url:
        assert signed(credentials_of(path, url, clock)) == "new"
    ends = (clock.now() + timedelta(seconds=lifetime)).isoformat().replace("+00:00", "Z")
    assert read(path) == {
        "client_id": "client",
        "client_secret": "hunter2",
        "refresh_token": "next",
        "access_token": "new",
        "expires_at": ends,
    }


# The account's host


def test_requests_go_to_the_host_that_comes_with_the_token(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless api_url is set; the tokens come from Gong's own host."""
    with asking_with(path, given={"api_url": None}) as found:
        monkeypatch.setattr(oauth, "GONG_TOKEN_HOST", found.sandbox.url)
        assert found.ask().body
        assert found.statuses == [200]


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
def test_what_is_not_a_url_is_not_used_as_the_host(
    path: Path, monkeypatch: pytest.MonkeyPatch, url: object, expected: str | None
) -> None:
    """Nor is it stored."""
    write(path)
    content = {"access_token": "a", "refresh_token": "b", "api_base_url_for_customer": url}
    with answering("200 OK", json.dumps(content).encode()) as token_host:
        monkeypatch.setattr(oauth, "GONG_TOKEN_HOST", token_host)
        assert credentials_of(path, "", api_url=None).api_url() == expected
    assert read(path).get("api_base_url_for_customer") == expected


def test_api_url_takes_precedence(path: Path) -> None:
    """The host that comes with the token is ignored."""
    write(path)
    body = b'{"access_token": "a", "refresh_token": "b", "api_base_url_for_customer": "http://127.0.0.1:1"}'
    with answering("200 OK", body) as url:
        assert credentials_of(path, url).api_url() is None
        assert signed(credentials_of(path, url)) == "a"


@pytest.mark.parametrize("url", ["https://api.gong.io", "https://us-12345.api.gong.io", "https://gong.io"])
def test_gongs_accounts_get_their_tokens_from_gongs_host(path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """It's the same for every account's API host."""
    with serving(path) as sandbox:
        monkeypatch.setattr(oauth, "GONG_TOKEN_HOST", sandbox.url)
        assert signed(credentials_of(path, url))
        assert refreshes(sandbox) == [200]


def test_a_host_that_only_looks_like_gongs_is_not_gongs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tokens come from itself."""

    def no_such_host(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror

    write(path)
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", no_such_host)
        for url in ("http://notgong.io.invalid", "http://gong.io.invalid", "http://evil..invalid"):
            text = refusal(credentials_of(path, url, max_retries=0))
            assert text.startswith("OAuth token refresh: ")
            assert url in text


# The file


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601])
def test_a_file_that_others_can_read_is_refused(path: Path, mode: int) -> None:
    """No request is sent, and the message says what to do."""
    with serving(path) as sandbox:
        path.chmod(mode)
        text = refusal(credentials_of(path, sandbox.url))
        assert f"(mode {mode:04o})" in text
        assert "chmod 600" in text
        assert sandbox.requests == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("client_id", 3), ("client_secret", "two words"), ("refresh_token", ""), ("refresh_token", 3)],
)
def test_a_missing_or_unusable_member_is_named(path: Path, name: str, value: object) -> None:
    """No request is sent."""
    with serving(path) as sandbox:
        content = {**read(path), name: value}
        path.write_text(json.dumps(content))
        assert f"has no {name}, which must be a string" in refusal(credentials_of(path, sandbox.url))
        del content[name]
        path.write_text(json.dumps(content))
        assert f"has no {name}, which must be a string" in refusal(credentials_of(path, sandbox.url))
        assert sandbox.requests == []


@pytest.mark.parametrize(
    "content",
    [b"", b'"hunter2"', b"\xff{}", b'{"client_id": "hunter2"', b"[" * 100_000],
    ids=["empty", "text", "invalid UTF-8", "truncated", "deep nesting"],
)
def test_a_file_that_is_not_a_json_object_is_refused(path: Path, content: bytes) -> None:
    """The message doesn't repeat its content."""
    path.touch(mode=0o600)
    path.write_bytes(content)
    text = refusal(credentials_of(path, "http://127.0.0.1:1"))
    assert f"The OAuth token file {path} isn't a JSON object" in text
    assert "hunter2" not in text


def test_a_file_that_does_not_exist_is_named(path: Path) -> None:
    """The message has its path."""
    assert (
        f"The OAuth token file {path} can't be opened for reading and writing (No such file or directory)"
        in refusal(credentials_of(path, "http://127.0.0.1:1"))
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
def test_an_unusable_access_token_in_the_file_is_refreshed(path: Path, token: object, expires_at: str) -> None:
    """So is one without a valid time of expiry."""
    with serving(path) as sandbox:
        write(path, sandbox, access_token=token, expires_at=expires_at)
        assert sandbox.tokens.is_valid(signed(credentials_of(path, sandbox.url)))


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, which fails like a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("size", [0, 4_096, ROOM_BYTES])
def test_a_full_disk_is_noticed_before_the_token_is_used(path: Path, size: int) -> None:
    """The file doesn't change, so that the next run can continue."""
    with serving(path) as sandbox:
        before = read(path)
        with full_disk(size):
            assert "can't be updated (File too large)" in refusal(credentials_of(path, sandbox.url))
        assert sandbox.requests == []
        assert read(path) == before
        assert signed(credentials_of(path, sandbox.url))


def test_what_has_been_proven_is_enough_for_the_next_tokens(path: Path) -> None:
    """The file is overwritten in place and doesn't grow from run to run."""
    write(path)
    tokens = {"access_token": "a" * 7_000, "refresh_token": "r" * 7_000}
    sizes = set()
    for _ in range(3):
        with answering("200 OK", json.dumps({**tokens, "expires_in": 0}).encode()) as url:
            assert signed(credentials_of(path, url)) == tokens["access_token"]
        assert read(path)["refresh_token"] == tokens["refresh_token"]
        sizes.add(path.stat().st_size)
    assert max(sizes) < 2 * ROOM_BYTES


def test_no_other_file_is_created(path: Path) -> None:
    """The file can be mounted alone into a container; it stays the same file."""
    with serving(path) as sandbox:
        number = path.stat().st_ino
        path.parent.chmod(0o500)
        try:
            assert signed(credentials_of(path, sandbox.url))
        finally:
            path.parent.chmod(0o700)
        assert path.stat().st_ino == number
        assert list(path.parent.iterdir()) == [path]


def test_a_wait_for_another_process_is_announced_once(path: Path) -> None:
    """It is after ten seconds; the refresh follows once the lock is free."""
    clock, log = FakeClock(), list[str]()
    with serving(path) as sandbox, path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        said_at: list[float] = []

        def on_wait(_: float) -> None:
            said_at.append(len(log))
            if len(clock.waits) > 300:
                fcntl.flock(other, fcntl.LOCK_UN)

        clock.on_wait = on_wait
        settings = settings_with(**{**NO_KEY, "oauth_token_file": str(path), "api_url": sandbox.url})
        retries = retries_of(settings, clock=clock, tally=Tally(), log=log.append)
        assert signed(oauth_credentials(path, settings, clock, retries, log.append))
    assert log == [f"Waiting for another process to release the OAuth token file {path}"]
    assert 95 <= said_at.index(1) <= 105


def test_a_file_that_was_replaced_during_the_wait_is_read_again(path: Path) -> None:
    """Another tool may replace the file, whose old tokens can no longer be used then."""
    clock = FakeClock()
    with serving(path) as sandbox, path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def replace(_: float) -> None:
            new = path.with_name("new.json")
            write(new, sandbox)
            new.rename(path)
            fcntl.flock(other, fcntl.LOCK_UN)

        clock.on_wait = replace
        write(path, sandbox, refresh_token="used-before")
        assert signed(credentials_of(path, sandbox.url, clock))
        assert refreshes(sandbox) == [200]
        assert read(path)["refresh_token"] == sandbox.tokens.refresh_token


# Secrets


def test_no_secret_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not even at level DEBUG, where urllib3 logs every query, and not if the refresh fails."""
    caplog.set_level(logging.DEBUG)
    seen: set[str] = set()
    for fault in ("status=503,on=token,at=1", "close,on=token,at=1", "status=401,at=1", "status=302,on=token"):
        with asking_with(path, fault, given={"max_retries": 1}) as found:
            tokens = found.sandbox.tokens
            seen |= {tokens.client_secret, tokens.refresh_token}
            try:
                found.ask()
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


def test_every_secret_of_the_run_is_known(path: Path) -> None:
    """No message of Gong's can repeat one, old or new."""
    with serving(path) as sandbox:
        credentials = credentials_of(path, sandbox.url)
        old = sandbox.tokens.refresh_token
        token = signed(credentials)
        expected = {old, sandbox.tokens.refresh_token, sandbox.tokens.client_secret, token}
        assert expected <= set(credentials.secrets())


def test_an_error_of_the_token_endpoint_is_repeated_without_secrets(path: Path) -> None:
    """It can contain what was sent."""
    write(path)
    body = b'{"error": "refresh-token of hunter2 and someone@example.com is\\nunknown"}'
    with answering("400 Bad Request", body) as url:
        text = refusal(credentials_of(path, url))
    assert "of [hidden] and [hidden] is unknown" in text
    assert "refresh-token" not in text
