"""OAuth with Gong's single-use refresh tokens, kept in a file that survives kills, runs side by side, and Meltano.

A refresh token can be used once, and the answer to it holds the next. So the next is on disk before the access token of
the same answer is used, and only one process at a time refreshes. The facts about Gong's token endpoint, which its
documentation leaves out, are those that other connectors rely on: the refresh token in the query, the client's id and
secret by HTTP Basic, `invalid_grant` for a token that was used before.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3
from filelock import FileLock, Timeout

from tap_gong_activity.base.errors import TapError
from tap_gong_activity.base.redaction import redact
from tap_gong_activity.gong.retries import RetryableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tap_gong_activity.base.clock import Clock
    from tap_gong_activity.gong.retries import Retries

TOKEN_PATH = "/oauth2/generate-customer-token"  # noqa: S105 - a path
"""The token endpoint, below its host."""

GONG_TOKEN_HOST = "https://app.gong.io"  # noqa: S105 - a host
"""Gong's host for tokens, whatever host the account's API has."""

LONGEST_MARGIN = timedelta(seconds=60)
"""How long before its end an access token is no longer used; a tenth of its life, if that is less."""

USUAL_LIFETIME = 86_400.0
"""Seconds for which an access token is good, where its answer does not say."""

LONGEST_LIFETIME = 366 * USUAL_LIFETIME
"""Seconds after which an access token is renewed in any case."""

LOCK_INTERVAL = 0.1
"""Seconds after which a lock that another process holds is tried again."""

TOKEN_TIMEOUT = 30.0
"""Seconds that the token endpoint may take; the end of the run waits for a refresh, so this is no setting."""


class OAuthCredentials:
    """Signs requests with an access token that is refreshed when it ends, once for all threads and processes.

    Args:
        path: The token file. It must be readable by its owner only.
        api_url: The host to use, also for tokens unless it is one of Gong's own.
        api_url_is_given: Whether `api_url` goes before the host that comes with a token.
        user_agent: How to name oneself.
        request_timeout: Seconds that the token endpoint may take, below `TOKEN_TIMEOUT`.
        clock: Time.
        retries: Tries the token endpoint again.
    """

    def __init__(
        self,
        path: Path,
        *,
        api_url: str,
        api_url_is_given: bool,
        user_agent: str,
        request_timeout: float,
        clock: Clock,
        retries: Retries,
    ) -> None:
        self._path = path.resolve()
        self._lock_path = self._path.with_name(f"{self._path.name}.lock")
        self._next_path = self._path.with_name(f"{self._path.name}.next")
        self._api_url = api_url
        self._api_url_is_given = api_url_is_given
        self._user_agent = user_agent
        self._timeout = min(TOKEN_TIMEOUT, request_timeout)
        self._clock = clock
        self._retries = retries
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._access_token: str | None = None
        self._good_until: datetime | None = None
        self._customer_url: str | None = None
        self._secrets: set[str] = set()
        # The refresh token travels in a query, which urllib3 writes into its log at level DEBUG.
        logging.getLogger("urllib3.connectionpool").addFilter(self._hide_secrets)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request, after a refresh if the token has ended."""
        request.headers["Authorization"] = f"Bearer {self._current_token()}"
        return request

    def api_url(self) -> str | None:
        """The host that Gong told together with the token, unless `api_url` is set."""
        if self._api_url_is_given:
            return None
        self._current_token()
        return self._customer_url

    def renew(self, refused: requests.PreparedRequest) -> bool:
        """Refresh the token that a 401 refused, unless another thread has done so."""
        with self._lock:
            if refused.headers["Authorization"] == f"Bearer {self._access_token}":
                self._refresh_in_a_thread_of_its_own()
        return True

    def secrets(self) -> Iterable[str]:
        """Every token and client secret that this run has seen."""
        return frozenset(self._secrets)

    def _current_token(self) -> str:
        with self._lock:
            if self._access_token is None or (self._good_until and self._clock.now() >= self._good_until):
                self._refresh_in_a_thread_of_its_own()
            return self._access_token or ""

    def _refresh_in_a_thread_of_its_own(self) -> None:
        """Refresh where no signal can end it halfway: the process waits for this thread, as it is no daemon."""

        def refresh() -> None:
            try:
                self._refresh()
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                self._failure = error

        if self._failure is not None:
            raise self._failure
        thread = threading.Thread(target=refresh, name="oauth-refresh", daemon=False)
        thread.start()
        thread.join()
        if self._failure is not None:
            raise self._failure

    def _refresh(self) -> None:
        self._check_file()
        try:
            with self._only_one_process():
                self._finish_what_a_kill_left()
                content = self._read_file()
                if not self._has_another_good_token(content):
                    content = {**content, **self._retries.call(lambda: self._ask(content))}
                    self._write_file(content)
                self._use(content)
        except OSError as error:
            message = (
                f"The OAuth token file {self._path} can't be kept current ({error.strerror or error}): "
                "the tap must be able to write it and its folder."
            )
            raise TapError(message) from None

    @contextmanager
    def _only_one_process(self) -> Iterator[None]:
        lock = FileLock(self._lock_path, mode=0o600)
        while True:
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                # The clock's wait, which the end of the run ends: another run may take its time.
                self._clock.wait(LOCK_INTERVAL)
        try:
            yield
        finally:
            lock.release()

    def _has_another_good_token(self, content: dict[str, Any]) -> bool:
        """Whether another thread's or process's refresh has left a token that has not ended."""
        ends = _instant(content.get("expires_at"))
        return (
            bool(content.get("access_token"))
            and content["access_token"] != self._access_token
            and ends is not None
            and ends > self._clock.now()
        )

    def _use(self, content: dict[str, Any]) -> None:
        token, now = str(content["access_token"]), self._clock.now()
        ends = _instant(content["expires_at"]) or now
        self._access_token = token
        self._good_until = ends - min(LONGEST_MARGIN, (ends - now) / 10)
        self._customer_url = str(content.get("api_base_url_for_customer") or "").rstrip("/") or None
        self._secrets |= {token, f"Bearer {token}"}

    def _ask(self, content: dict[str, Any]) -> dict[str, Any]:
        """Exchange the refresh token, and give what the file has to hold from now on."""
        try:
            response = requests.post(
                self._token_host() + TOKEN_PATH,
                params={"grant_type": "refresh_token", "refresh_token": content["refresh_token"]},
                auth=(content["client_id"], content["client_secret"]),
                headers={"User-Agent": self._user_agent},
                timeout=self._timeout,
                allow_redirects=False,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # Its text holds the query, and with it the refresh token.
            reason = f"The OAuth token endpoint {self._token_host()} gave no answer ({type(error).__name__})"
            raise RetryableError(reason) from None
        answered = f"The OAuth token endpoint {self._token_host()} answered {response.status_code}"
        if response.status_code in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS} or (
            response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        ):
            raise RetryableError(answered, response.status_code)
        try:
            answer = msgspec.json.decode(response.content, type=_TokenAnswer, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError):
            answer = _TokenAnswer()
        if response.status_code != HTTPStatus.OK or not answer.access_token or not answer.refresh_token:
            raise self._refused(answered, response.status_code, answer)
        self._secrets |= {answer.refresh_token}
        # Whatever it says, the new refresh token has to reach the disk.
        expires_in = USUAL_LIFETIME if answer.expires_in is None else answer.expires_in
        lifetime = timedelta(seconds=min(max(expires_in, 0.0), LONGEST_LIFETIME))
        renewed = {
            "refresh_token": answer.refresh_token,
            "access_token": answer.access_token,
            "expires_at": (self._clock.now() + lifetime).isoformat().replace("+00:00", "Z"),
        }
        if answer.api_base_url_for_customer:
            renewed["api_base_url_for_customer"] = answer.api_base_url_for_customer
        return renewed

    def _refused(self, answered: str, status: int, answer: _TokenAnswer) -> TapError:
        error = f" ({redact(answer.error, self._secrets)})" if answer.error else ""
        if status == HTTPStatus.UNAUTHORIZED or answer.error == "invalid_client":
            advice = f"check client_id and client_secret in {self._path}"
        elif status == HTTPStatus.OK:
            advice = "which holds no access_token or no refresh_token"
        elif status != HTTPStatus.BAD_REQUEST:
            advice = "that is no answer of Gong's, so check api_url and what is between here and Gong"
        else:
            advice = (
                f"the refresh_token in {self._path} has been used before or was revoked, so authorize the app in Gong "
                "again and put the new refresh_token there"
            )
        return TapError(f"{answered}{error}: {advice}.")

    def _token_host(self) -> str:
        # Whoever turns the tap to a stand-in for Gong has its tokens there too.
        host = urlsplit(self._api_url).hostname or ""
        return GONG_TOKEN_HOST if host == "gong.io" or host.endswith(".gong.io") else self._api_url

    # The file

    def _check_file(self) -> None:
        try:
            status = self._path.stat()
        except OSError as error:
            message = f"The OAuth token file {self._path} can't be read ({error.strerror})."
            raise TapError(message) from None
        if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
            message = (
                f"The OAuth token file {self._path} can be read by others than its owner "
                f"(mode {stat.S_IMODE(status.st_mode):04o}): run chmod 600 on it."
            )
            raise TapError(message)

    def _read_file(self) -> dict[str, Any]:
        try:
            content = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            message = f"The OAuth token file {self._path} is no JSON object."
            raise TapError(message) from None
        for name in ("client_id", "client_secret", "refresh_token"):
            # Whatever can't stand in a header or a query would fail there, in words that repeat it.
            if not (isinstance(content.get(name), str) and re.fullmatch(r"[!-~]+", content[name])):
                message = (
                    f"The OAuth token file {self._path} has no {name}, which must be a string of printable ASCII "
                    "characters without spaces."
                )
                raise TapError(message)
        self._secrets |= {content["client_secret"], content["refresh_token"]}
        return content

    def _write_file(self, content: dict[str, Any]) -> None:
        descriptor = os.open(self._next_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._rename()

    def _rename(self) -> None:
        self._next_path.replace(self._path)

    def _finish_what_a_kill_left(self) -> None:
        """Rename a file that was written whole, but not renamed, as the token in the other one has been used.

        Unless that one is newer, for which somebody must have authorized the app again.
        """
        try:
            if self._next_path.stat().st_mtime_ns < self._path.stat().st_mtime_ns:
                self._next_path.unlink()
                return
            msgspec.json.decode(self._next_path.read_bytes(), type=dict[str, Any])
        except FileNotFoundError:
            return
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._next_path.unlink()
            return
        self._rename()

    def _hide_secrets(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage(), self._secrets), ()
        return True


def _instant(text: object) -> datetime | None:
    try:
        instant = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None
    return instant if instant.tzinfo else None


class _TokenAnswer(msgspec.Struct):
    access_token: str | None = None
    refresh_token: str | None = None
    expires_in: float | None = None
    api_base_url_for_customer: str | None = None
    error: str | None = None
