"""Effects of faults: what can go wrong with a response, whatever its content."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, ClassVar

from gong_sandbox.responses import Delivery, Response, error_response, web_page

if TYPE_CHECKING:
    from gong_sandbox.exchanges import Exchange

REDIRECT_HOST = "http://elsewhere.invalid"
SECONDS_LIST = re.compile(r"[0-9]+(?:\s*,\s*[0-9]+)*", re.ASCII)
SECONDS_UNTIL_DATE = re.compile(r"date:(-?[0-9]+)", re.ASCII)


class Effect:
    """An effect on a response.

    Attributes:
        replaces_response: Whether the response is replaced, so that the request isn't even parsed.
    """

    replaces_response: ClassVar[bool] = False

    def applies_to(self, exchange: Exchange) -> bool:  # noqa: ARG002 - most apply to every request
        """Return whether the effect can apply to a request."""
        return True

    def apply(self, response: Response, exchange: Exchange) -> Response:
        """Return the response with the effect."""
        raise NotImplementedError


@dataclass(frozen=True)
class Status(Effect):
    """Another status instead of the response.

    Attributes:
        status: HTTP status code.
        retry_after: The Retry-After header: `5` or `5, 60` (seconds), `date:5` (the HTTP date five seconds from now),
            or any other text. Requests sent before the first three allow are refused, and recorded as violations.
        envelope: Whether the body is Gong's `{"requestId": …, "errors": […]}` or a web page.
        error: The error in the envelope.
        location: The Location header; redirects have one by default.
    """

    replaces_response: ClassVar[bool] = True

    status: int
    retry_after: str | None = None
    envelope: bool = True
    error: str = "An error has occurred"
    location: str | None = None

    @property
    def wait(self) -> int | None:
        """Seconds that the client must wait, or None if the header doesn't say."""
        text = self.retry_after or ""
        if until := SECONDS_UNTIL_DATE.fullmatch(text):
            return max(0, int(until[1]))
        return max(map(int, text.split(","))) if SECONDS_LIST.fullmatch(text) else None

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - replaces any response
        """Return a response with the status."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = self._retry_after(self.retry_after, exchange.now)
        if self.location is not None or 300 <= self.status < 400:  # noqa: PLR2004 - the redirects
            headers["Location"] = self.location or REDIRECT_HOST + exchange.url.path
        if self.envelope:
            return error_response(self.status, self.error, headers=headers)
        return web_page(self.status, f"Status {self.status}", headers)

    def _retry_after(self, text: str, now: datetime) -> str:
        until = SECONDS_UNTIL_DATE.fullmatch(text)
        if until is None:
            return text
        # HTTP dates have whole seconds; rounded up, so that the date is never too early.
        seconds = math.ceil(now.timestamp()) + int(until[1])
        return format_datetime(datetime.fromtimestamp(seconds, timezone.utc), usegmt=True)


@dataclass(frozen=True)
class WebPage(Effect):
    """HTML with status 200 instead of the response."""

    replaces_response: ClassVar[bool] = True

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - replaces any response
        """Return HTML."""
        return web_page(200, "Maintenance")


@dataclass(frozen=True)
class CursorExpired(Effect):
    """The rejection of a valid cursor as expired."""

    replaces_response: ClassVar[bool] = True

    def applies_to(self, exchange: Exchange) -> bool:
        """Require a cursor."""
        return exchange.cursor is not None

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - replaces any response
        """Return the error for an expired cursor."""
        return error_response(400, "The cursor has expired")


@dataclass(frozen=True)
class DeliveredAs(Effect):
    """The response, delayed or delivered incompletely."""

    delivery: Delivery = Delivery.WHOLE
    interval: float = 1.0
    delay: float = 0.0

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - the same for all
        """Set the delivery."""
        delivery = response.delivery if self.delivery is Delivery.WHOLE else self.delivery
        delay = response.delay + self.delay
        return replace(response, delivery=delivery, delay=delay, drip_interval=self.interval)


@dataclass(frozen=True)
class Huge(Effect):
    """The response, padded with spaces to `size` bytes."""

    size: int = 64 * 1024 * 1024

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - the same for all
        """Pad the response."""
        return replace(response, padding=max(0, self.size - len(response.body())))


@dataclass(frozen=True)
class BrokenGzip(Effect):
    """The response, declared as gzip although it isn't."""

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - the same for all
        """Declare the response as gzip."""
        body = b"\x1f\x8b\x08\x00" + response.body()
        return replace(response, content=body, headers={**response.headers, "Content-Encoding": "gzip"})


@dataclass(frozen=True)
class Header(Effect):
    """The response with an added or replaced header."""

    name: str
    value: str

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - the same for all
        """Set the header."""
        others = {name: value for name, value in response.headers.items() if name.lower() != self.name.lower()}
        return replace(response, headers={**others, self.name: self.value})
