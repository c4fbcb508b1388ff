"""One request to Gong's endpoint: paced, tried again where that helps, and its answer whole.

Which answer means what stands in the contributors' guide, in the table of errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import requests
import urllib3

from tap_gong_activity.base.errors import GongError
from tap_gong_activity.base.redaction import redact
from tap_gong_activity.base.stats import Wait
from tap_gong_activity.gong.responses import NotJsonError, Page, decode_envelope, read_page
from tap_gong_activity.gong.retries import TryAgainError
from tap_gong_activity.gong.transport import ConnectionAdapter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_gong_activity.base.clock import Clock
    from tap_gong_activity.base.stats import Tally
    from tap_gong_activity.gong.rate_limit import RateLimiter
    from tap_gong_activity.gong.retries import Retries

LONGEST_WAIT_WITH_A_DATE = 366 * 86_400
"""Seconds of waiting for which a message still tells the end."""

LONGEST_TIMEOUT = 1_000_000.0
"""Seconds, beyond which a socket takes no timeout."""

CHUNK = 262_144
"""Bytes that are read of an answer at once."""

LONGEST_ERROR_BODY = 65_536
"""Bytes of an error's body that are looked at; Gong's envelope is far shorter."""


class Credentials(Protocol):
    """What signs requests, and can tell its secrets so that no message repeats them."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request."""

    def api_url(self) -> str | None:
        """The account's own host, where the credentials tell it."""

    def renew(self, refused: requests.PreparedRequest) -> bool:
        """Renew what `refused` was signed with, after a 401; false if there is nothing to renew."""

    def secrets(self) -> Iterable[str]:
        """Every text that must not be seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientOptions:
    """How a client talks to Gong.

    Attributes:
        api_url: The account's host, unless the credentials tell it.
        user_agent: How to name oneself.
        request_timeout: Seconds from sending a request to the last byte of its answer.
        max_retry_wait: Longest Retry-After to wait for, in seconds.
        connections: How many threads make requests at once.
    """

    api_url: str
    user_agent: str
    request_timeout: float
    max_retry_wait: float
    connections: int


class GongClient:
    """Asks the endpoint; safe to share between threads.

    Args:
        options: How to talk to Gong.
        credentials: What signs the requests.
        limiter: The run's pace.
        clock: Time, and the waits between tries.
        tally: Counts requests and waits.
        retries: Tries again.
    """

    def __init__(
        self,
        options: ClientOptions,
        *,
        credentials: Credentials,
        limiter: RateLimiter,
        clock: Clock,
        tally: Tally,
        retries: Retries,
    ) -> None:
        self._options = options
        self._credentials = credentials
        self._limiter = limiter
        self._clock = clock
        self._tally = tally
        self._refusal_of_all: GongError | None = None
        self._retries = retries
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, ConnectionAdapter(self._acquire, options.connections))
        self._session.headers["User-Agent"] = options.user_agent
        self._session.headers["Content-Type"] = "application/json"

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def ask(self, path: str, body: dict[str, Any], *, largest_answer: int) -> Page:
        """Send one body and give Gong's answer.

        Args:
            path: The endpoint, below the account's host.
            body: What to send, as JSON.
            largest_answer: Bytes that no answer to this body can exceed.

        Raises:
            GongError: If Gong refuses, or `max_retries` more tries did not help. `status` tells a refusal's status.
            UndocumentedError: If the answer is not what Gong documents.
            CancelledError: If the run is stopped meanwhile, or the answer is no longer needed.
        """
        content = msgspec.json.encode(body)
        return self._retries.call(lambda: self._try(path, content, largest_answer))

    def _try(self, path: str, content: bytes, largest_answer: int) -> Page:
        request, response = self._send(path, content)
        if response.status_code == HTTPStatus.UNAUTHORIZED and self._credentials.renew(request):
            response.close()
            _, response = self._send(path, content)
        with response:
            if response.status_code != HTTPStatus.OK:
                raise self._failure(response)
            body = self._read(response, largest_answer)
        if len(body) > largest_answer:
            message = f"Gong's answer is larger than {largest_answer:,} bytes, which no page of this window can be"
            raise GongError(message, response.status_code)
        try:
            page = read_page(body)
        except NotJsonError:
            reason = f"Gong's answer of {len(body):,} bytes is no JSON or was cut off"
            raise TryAgainError(reason, response.status_code) from None
        self._limiter.succeeded()
        return page

    def _send(self, path: str, content: bytes) -> tuple[requests.PreparedRequest, requests.Response]:
        url = self._credentials.api_url() or self._options.api_url
        self._raise_if_all_are_refused()
        self._tally.add(requests=1)
        try:
            # As `auth`, because requests would let a .netrc entry replace a header of our own.
            request = self._session.prepare_request(
                requests.Request("POST", url + path, data=content, auth=self._credentials)
            )
            environment = self._session.merge_environment_settings(
                url=request.url, proxies={}, stream=True, verify=None, cert=None
            )
            with self._tally.waiting(Wait.GONG):
                response = self._session.send(
                    request,
                    timeout=min(self._options.request_timeout, LONGEST_TIMEOUT),
                    allow_redirects=False,
                    **environment,
                )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise self._no_answer(error, url) from None
        return request, response

    def _acquire(self) -> None:
        """Wait for the limiter, on a connection that stands."""
        with self._tally.waiting(Wait.TURN):
            self._limiter.acquire()
        self._raise_if_all_are_refused()

    def _raise_if_all_are_refused(self) -> None:
        if self._refusal_of_all is not None:
            raise self._refusal_of_all

    def _no_answer(self, error: Exception, url: str) -> Exception:
        # The exceptions' own texts name hosts and, for a proxy, may hold its password.
        if isinstance(error, requests.Timeout):
            return TryAgainError(f"Gong gave no answer within {self._options.request_timeout:g} s")
        if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            return TryAgainError(f"No connection to {redact(url)} could be held ({_root_cause(error)})")
        return GongError(
            f"The request to {redact(url)} can't be made ({type(error).__name__}): check api_url and the proxy settings"
        )

    def _read(self, response: requests.Response, most: int) -> bytearray:
        """The body, or its first bytes above `most` where it is larger, within `request_timeout` as a whole."""
        body = bytearray()
        begun = self._clock.monotonic()
        seconds_left = self._options.request_timeout - response.elapsed.total_seconds()
        try:
            # As it comes: requests' own reading waits for whole chunks, and a timeout there is one for each byte.
            with self._tally.waiting(Wait.GONG):
                while chunk := response.raw.read1(CHUNK, decode_content=True):
                    body += chunk
                    if len(body) > most:
                        break
                    if self._clock.monotonic() - begun > seconds_left:
                        reason = f"Gong's answer did not come whole within {self._options.request_timeout:g} s"
                        raise TryAgainError(reason, response.status_code)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            reason = f"Gong's answer broke off ({_root_cause(error)})"
            raise TryAgainError(reason, response.status_code) from None
        return body

    def _failure(self, response: requests.Response) -> Exception:
        status = response.status_code
        try:
            envelope = decode_envelope(self._read(response, LONGEST_ERROR_BODY))
        except TryAgainError as broken_off:
            if status == HTTPStatus.NOT_FOUND:
                # What it means depends on the envelope.
                return broken_off
            envelope = None
        told = self._told(response, envelope)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return self._rate_limited(response, told)
        if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return TryAgainError(told, status)
        advice = _ADVICE.get(status)
        if status == HTTPStatus.NOT_FOUND and envelope is None:
            advice = "there is no such endpoint at that host, so check api_url"
        elif HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            advice = "redirects are not followed, so set api_url to the host that Gong gave the account"
        elif status == HTTPStatus.UNAUTHORIZED and envelope and any("permission" in e for e in envelope.errors or ()):
            advice = "give the key or the app that scope in Gong"
        told = f"{told}: {advice}" if advice else told
        if status == HTTPStatus.NOT_FOUND and envelope:
            return NothingFoundError(told, status)
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return self._refused_for_all(told, status)
        return GongError(told, status)

    def _refused_for_all(self, message: str, status: int) -> GongError:
        """What would refuse any other request of the run too, which is therefore not sent."""
        self._refusal_of_all = GongError(message, status)
        return self._refusal_of_all

    def _told(self, response: requests.Response, envelope: Any) -> str:  # noqa: ANN401 - an ErrorEnvelope or None
        reason = _reason(response.status_code)
        told = f"Gong answered {response.status_code}{f' {reason}' if reason else ''}"
        if envelope is None:
            return told
        errors = "; ".join(envelope.errors or ()) or "no reason given"
        secrets = self._credentials.secrets()
        request_id = f" (requestId {redact(envelope.request_id, secrets)})" if envelope.request_id else ""
        return f"{told}, saying {redact(errors, secrets)!r}{request_id}"

    def _rate_limited(self, response: requests.Response, told: str) -> Exception:
        wait = self._retry_after(response.headers.get("Retry-After"))
        if wait is None:
            self._limiter.refused(0.0)
            return TryAgainError(told, response.status_code)
        if wait > self._options.max_retry_wait:
            until = self._clock.now() + timedelta(seconds=min(wait, LONGEST_WAIT_WITH_A_DATE))
            return self._refused_for_all(
                f"{told} and asking to wait {wait:,.0f} s, until {until:%Y-%m-%d %H:%M} UTC, which is longer than "
                f"max_retry_wait ({self._options.max_retry_wait:g} s): run again after that",
                response.status_code,
            )
        self._limiter.refused(wait)
        return TryAgainError(f"{told} and asking to wait {wait:,.0f} s", response.status_code, is_held=True)

    def _retry_after(self, value: str | None) -> float | None:
        """Seconds that a Retry-After asks for, which RFC 9110 lets be a number or a date."""
        if value is None:
            return None
        try:
            wait = float(value)
        except ValueError:
            try:
                wait = (parsedate_to_datetime(value) - self._clock.now()).total_seconds()
            except (ValueError, TypeError, OverflowError):
                return None
        return max(wait, 0.0) if math.isfinite(wait) else None


class NothingFoundError(GongError):
    """Gong found nothing for the filters, which it tells with a 404."""


_ADVICE: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "check the access key and its secret, or the token",
    HTTPStatus.FORBIDDEN: (
        "the key has expired, or this machine's address is not on the list of trusted IP addresses in Gong"
    ),
}


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _root_cause(error: BaseException) -> str:
    """What lies at the bottom of an exception of requests, as the operating system names it."""
    seen: set[int] = set()
    deepest: BaseException = error
    while id(deepest) not in seen:
        seen.add(id(deepest))
        if isinstance(deepest, OSError) and deepest.strerror and not isinstance(deepest, requests.RequestException):
            return deepest.strerror
        reasons = [getattr(deepest, "reason", None), deepest.__cause__, deepest.__context__, *deepest.args]
        deepest = next((r for r in reasons if isinstance(r, BaseException)), deepest)
    return type(deepest).__name__
