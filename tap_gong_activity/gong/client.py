"""The client: sends requests within the rate limit, signed and with retries, and returns parsed responses.

`transport.py` sends, `failures.py` interprets statuses, and `responses.py` parses pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec
import requests

from tap_gong_activity.base.errors import MissingScopeError
from tap_gong_activity.base.redaction import redact
from tap_gong_activity.base.stats import Wait
from tap_gong_activity.gong.failures import describe, failure_of
from tap_gong_activity.gong.responses import FailedResponseError, decode_envelope
from tap_gong_activity.gong.retries import FatalError, RetryableError
from tap_gong_activity.gong.transport import Transport
from tap_gong_activity.gong.urls import is_unencrypted, origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_gong_activity.base.clock import Clock
    from tap_gong_activity.base.errors import GongError
    from tap_gong_activity.base.stats import Tally
    from tap_gong_activity.gong.endpoints import Endpoint
    from tap_gong_activity.gong.rate_limit import RateLimiter
    from tap_gong_activity.gong.retries import Retries
    from tap_gong_activity.gong.transport import Response

T = TypeVar("T")


class Credentials(Protocol):
    """Signs requests, and knows its secrets so that no message contains them."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request."""

    def api_url(self) -> str | None:
        """Return the account's host if the credentials come with it."""

    def renew(self, refused: requests.PreparedRequest) -> bool:
        """Renew the credentials after a 401 for `refused`; return False if there's nothing to renew."""

    def secrets(self) -> Iterable[str]:
        """Return every text that no message may contain."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientOptions:
    """Options of a client.

    Attributes:
        api_url: The account's host, unless the credentials come with it.
        user_agent: The `User-Agent` header.
        request_timeout: Seconds from sending a request to the last byte of its response.
        max_retry_wait: Longest Retry-After to honor, in seconds.
        connections: Number of threads that send requests at once.
    """

    api_url: str
    user_agent: str
    request_timeout: float
    max_retry_wait: float
    connections: int


class GongClient:
    """Sends requests to Gong; safe to share between threads.

    Args:
        options: Options of the client.
        credentials: Signs the requests.
        limiter: Spaces the requests of the run.
        clock: The clock of the run.
        tally: Counts requests and measures waits.
        retries: Retries failed attempts.
        warn: Called with the kind and the text of a warning; logs each kind once.
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
        warn: Callable[[str, str], None],
    ) -> None:
        self._options = options
        self._credentials = credentials
        self._limiter = limiter
        self._clock = clock
        self._tally = tally
        self._retries = retries
        self._warn = warn
        self._fatal_error: FatalError | None = None
        self._transport = Transport(
            user_agent=options.user_agent,
            timeout=options.request_timeout,
            connections=options.connections,
            before_send=self._acquire,
        )

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def redact(self, text: str) -> str:
        """Remove secrets and email addresses from foreign text, so that a message can contain it."""
        return redact(text, self._credentials.secrets())

    def request(
        self,
        endpoint: Endpoint,
        parameters: dict[str, Any],
        read: Callable[[bytes | bytearray], T],
        *,
        name: str,
        max_bytes: int,
    ) -> T:
        """Send a request, and return its response as parsed by `read`.

        Args:
            endpoint: The endpoint.
            parameters: Parameters, sent as JSON in the body of a POST or in the query string of a GET.
            read: Parses the body of a 200; raises FailedResponseError if a retry may fix it.
            name: Name of the request in messages.
            max_bytes: Maximum size of the response.

        Raises:
            GongError: If Gong rejects the request, or every retry fails. `status` is that of the last response.
            CancelledError: If the run stops, or the response is no longer needed.
        """
        content: dict[str, Any] = {"params": parameters}
        if endpoint.method == "POST":
            content = {"data": msgspec.json.encode(parameters), "headers": {"Content-Type": "application/json"}}
        try:
            return self._retries.call(lambda: self._attempt(endpoint, content, read, max_bytes), name)
        except FatalError as error:
            # Every other request of the run would fail in the same way, so none is sent.
            self._fatal_error = error
            raise

    def _attempt(
        self, endpoint: Endpoint, content: dict[str, Any], read: Callable[[bytes | bytearray], T], max_bytes: int
    ) -> T:
        response = self._send(endpoint, content, max_bytes)
        failure = self._failure(response)
        # A renewed token has the same scopes.
        if (
            response.status == HTTPStatus.UNAUTHORIZED
            and not isinstance(failure, MissingScopeError)
            and self._credentials.renew(response.request)
        ):
            response = self._send(endpoint, content, max_bytes)
            failure = self._failure(response)
        if failure is not None:
            raise failure
        try:
            result = read(response.body)
        except FailedResponseError as failed:
            secrets = list(self._credentials.secrets())
            message = describe(response.status, response.headers, failed.envelope, secrets, failed.problem)
            raise RetryableError(message, response.status) from None
        self._limiter.succeeded()
        return result

    def _send(self, endpoint: Endpoint, content: dict[str, Any], max_bytes: int) -> Response:
        url = self._credentials.api_url() or self._options.api_url
        if is_unencrypted(url):
            self._warn("http", f"The credentials are sent unencrypted, because api_url ({origin(url)}) uses http.")
        self._raise_fatal_error()
        self._tally.add(requests=1)
        request = requests.Request(endpoint.method, url + endpoint.path, auth=self._credentials, **content)
        with self._tally.waiting(Wait.GONG):
            return self._transport.exchange(request, max_bytes=max_bytes)

    def _acquire(self) -> None:
        """Wait for a slot of the rate limit; the connection is already established."""
        with self._tally.waiting(Wait.SLOT):
            self._limiter.acquire()
        self._raise_fatal_error()

    def _raise_fatal_error(self) -> None:
        if self._fatal_error is not None:
            raise self._fatal_error

    def _failure(self, response: Response) -> GongError | RetryableError | None:
        if response.status == HTTPStatus.OK:
            return None
        envelope = decode_envelope(response.body)
        if response.status == HTTPStatus.NOT_FOUND and response.is_truncated:
            # Its meaning depends on the envelope, which may be cut off.
            return RetryableError("Gong's response with status 404 was truncated", response.status)
        failure = failure_of(
            response.status, response.headers, envelope, secrets=self._credentials.secrets(), now=self._clock.now()
        )
        if isinstance(failure, RetryableError):
            retry_after = failure.retry_after or 0.0
            wait = retry_after if retry_after <= self._options.max_retry_wait else 0.0
            if response.status == HTTPStatus.TOO_MANY_REQUESTS:
                self._limiter.refused(wait)
            else:
                self._limiter.pause(wait)
        return failure
