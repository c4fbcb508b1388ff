"""What can go wrong with a response."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, ClassVar

from gong_sandbox.responses import Delivery, Response, error_response, web_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gong_sandbox.exchanges import Exchange
    from gong_sandbox.pages import Listing

ELSEWHERE = "http://elsewhere.invalid"
SECONDS_LIST = re.compile(r"[0-9]+(?:\s*,\s*[0-9]+)*", re.ASCII)
SECONDS_UNTIL_DATE = re.compile(r"date:(-?[0-9]+)", re.ASCII)


class Effect:
    """Something that happens to a response.

    Attributes:
        instead: Whether it replaces the response, so that the request isn't even parsed.
    """

    instead: ClassVar[bool] = False

    def concerns(self, exchange: Exchange) -> bool:  # noqa: ARG002 - most apply to every request
        """Return whether the effect can apply to this request."""
        return True

    def apply(self, response: Response, exchange: Exchange) -> Response:
        """Return the response with the effect."""
        raise NotImplementedError


@dataclass(frozen=True)
class Status(Effect):
    """A status instead of the response.

    Attributes:
        status: HTTP status code.
        retry_after: The Retry-After header: `5` or `5, 60` (seconds), `date:5` (the HTTP date in five seconds), or any
            other text. Clients that don't wait as long as the first three require are refused and recorded.
        envelope: Whether the body is Gong's `{"requestId": …, "errors": […]}` or a web page.
        error: The sentence in the envelope.
        location: The Location header; redirects have one by default.
    """

    instead: ClassVar[bool] = True

    status: int
    retry_after: str | None = None
    envelope: bool = True
    error: str = "An error has occurred"
    location: str | None = None

    @property
    def wait(self) -> int | None:
        """The seconds that the client must wait, if the header says so."""
        text = self.retry_after or ""
        if until := SECONDS_UNTIL_DATE.fullmatch(text):
            return max(0, int(until[1]))
        return max(map(int, text.split(","))) if SECONDS_LIST.fullmatch(text) else None

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - replaces any response
        """Return the status."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = self._retry_after(self.retry_after, exchange.now)
        if self.location is not None or 300 <= self.status < 400:  # noqa: PLR2004 - the redirects
            headers["Location"] = self.location or ELSEWHERE + exchange.url.path
        if self.envelope:
            return error_response(self.status, self.error, headers=headers)
        return web_page(self.status, f"Status {self.status}", headers)

    def _retry_after(self, text: str, now: datetime) -> str:
        until = SECONDS_UNTIL_DATE.fullmatch(text)
        if until is None:
            return text
        # HTTP dates have no fractions: rounded up, so that it's never too early.
        seconds = math.ceil(now.timestamp()) + int(until[1])
        return format_datetime(datetime.fromtimestamp(seconds, timezone.utc), usegmt=True)


@dataclass(frozen=True)
class WebPage(Effect):
    """HTML with status 200 instead of the response."""

    instead: ClassVar[bool] = True

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - replaces any response
        """Return HTML."""
        return web_page(200, "Maintenance")


@dataclass(frozen=True)
class CursorExpired(Effect):
    """The refusal of a valid cursor."""

    instead: ClassVar[bool] = True

    def concerns(self, exchange: Exchange) -> bool:
        """Require a cursor."""
        return exchange.cursor is not None

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - replaces any response
        """Refuse the cursor."""
        return error_response(400, "The cursor has expired")


@dataclass(frozen=True)
class Sent(Effect):
    """The response, sent in another way than whole and at once."""

    delivery: Delivery = Delivery.WHOLE
    interval: float = 1.0
    delay: float = 0.0

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - the same for all
        """Change how the response is sent."""
        delivery = response.delivery if self.delivery is Delivery.WHOLE else self.delivery
        delay = response.delay + self.delay
        return replace(response, delivery=delivery, delay=delay, drip_interval=self.interval)


@dataclass(frozen=True)
class Huge(Effect):
    """The response, padded with spaces to this many bytes."""

    size: int = 64 * 1024 * 1024

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - the same for all
        """Pad the response."""
        return replace(response, padding=max(0, self.size - len(response.body())))


@dataclass(frozen=True)
class BrokenGzip(Effect):
    """The response, declared as compressed although it isn't."""

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - the same for all
        """Declare the response as compressed."""
        body = b"\x1f\x8b\x08\x00" + response.body()
        return replace(response, content=body, headers={**response.headers, "Content-Encoding": "gzip"})


@dataclass(frozen=True)
class Header(Effect):
    """The response with another header, or with another value for one that it has."""

    name: str
    value: str

    def apply(self, response: Response, exchange: Exchange) -> Response:  # noqa: ARG002 - the same for all
        """Set the header."""
        others = {name: value for name, value in response.headers.items() if name.lower() != self.name.lower()}
        return replace(response, headers={**others, self.name: self.value})


class PageEffect(Effect):
    """Something that happens to a page, and to no other response."""

    def apply(self, response: Response, exchange: Exchange) -> Response:
        """Change the page, if the response is one."""
        if response.page is not None and exchange.listing is not None:
            self.change(response.page, exchange, exchange.listing)
        return response

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:
        """Change a page in place."""
        raise NotImplementedError


@dataclass(frozen=True)
class CursorLoop(PageEffect):
    """A page with a new cursor to itself."""

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:
        """Replace the cursor."""
        page["records"]["cursor"] = listing.cursor(exchange.page_number or 0)


@dataclass(frozen=True)
class EmptyPage(CursorLoop):
    """A page without users, with a cursor to the requested page."""

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:
        """Put the page off."""
        super().change(page, exchange, listing)
        page["records"]["currentPageSize"] = 0
        page[listing.array] = []


@dataclass(frozen=True)
class CursorUnchanged(PageEffect):
    """The cursor that was sent, once more."""

    def concerns(self, exchange: Exchange) -> bool:
        """Require a cursor."""
        return exchange.page_number is not None and exchange.cursor is not None

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:  # noqa: ARG002 - as inherited
        """Repeat the cursor."""
        page["records"]["cursor"] = exchange.cursor


@dataclass(frozen=True)
class CursorSeen(PageEffect):
    """The cursor that was sent one page earlier."""

    def concerns(self, exchange: Exchange) -> bool:
        """Require a cursor that was itself requested with a cursor."""
        return exchange.cursors.origin(exchange.cursor) is not None

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:  # noqa: ARG002 - as inherited
        """Go back."""
        page["records"]["cursor"] = exchange.cursors.origin(exchange.cursor)


@dataclass(frozen=True)
class RepeatedUser(PageEffect):
    """The last user of the previous page before those of this one."""

    def concerns(self, exchange: Exchange) -> bool:
        """Require a previous page."""
        return bool(exchange.page_number)

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:
        """Repeat the user."""
        page[listing.array].insert(0, listing.page_records((exchange.page_number or 0) - 1)[-1])
        page["records"]["currentPageSize"] += 1


@dataclass(frozen=True)
class ChangingTotals(PageEffect):
    """A total number of users that grows with each page."""

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:  # noqa: ARG002 - as inherited
        """Change the total."""
        page["records"]["totalRecords"] += (exchange.page_number or 0) + 1


@dataclass(frozen=True)
class Mutation(PageEffect):
    """Anything else that a function does to the page in place."""

    function: Callable[[dict[str, Any]], None]

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:  # noqa: ARG002 - as inherited
        """Call the function."""
        self.function(page)


def utc_dates(page: dict[str, Any]) -> None:
    """Write the same instants in UTC, ending in Z."""
    for item in _items(page):
        for name in ("fromDate", "toDate"):
            instant = datetime.fromisoformat(item[name]).astimezone(timezone.utc)
            item[name] = instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def malformed_to_date(page: dict[str, Any]) -> None:
    """Write `toDate` as in the example on Gong's own page, `2019-01-21T000:00:00-08:00`."""
    for item in _items(page):
        item["toDate"] = item["toDate"].replace("T", "T0")


def _items(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for user in page.get("usersAggregateActivity", ()):
        yield from user["userAggregateActivity"]


@dataclass(frozen=True)
class FieldEffect(Effect):
    """Something that happens to fields of a page.

    Attributes:
        path: Names and numbers separated by dots, `*` for each element: `usersAggregateActivity.*.userId`; the empty
            path is the page itself.
    """

    path: str

    def apply(self, response: Response, exchange: Exchange) -> Response:
        """Change the fields, if the response is a page."""
        if response.page is None or exchange.listing is None:
            return response
        root = {"": response.page}
        for parent, key in _places(root, ["", *self.path.split(".")] if self.path else [""]):
            self.change(parent, key)
        return replace(response, content=root.get(""))

    def change(self, parent: Any, key: Any) -> None:  # noqa: ANN401 - an object with a name, or an array with a number
        """Change a field in place."""
        raise NotImplementedError


@dataclass(frozen=True)
class Dropped(FieldEffect):
    """A missing field."""

    def change(self, parent: Any, key: Any) -> None:  # noqa: ANN401 - as inherited
        """Remove the field."""
        if isinstance(parent, list) or key in parent:
            del parent[key]


@dataclass(frozen=True)
class Replaced(FieldEffect):
    """A field with another value, which is added to objects that lack it.

    Attributes:
        value: Any JSON.
    """

    value: Any = field(default=None)

    def change(self, parent: Any, key: Any) -> None:  # noqa: ANN401 - as inherited
        """Set the value."""
        parent[key] = self.value


@dataclass(frozen=True)
class Renamed(FieldEffect):
    """A field of an object under another name.

    Attributes:
        name: The other name.
    """

    name: str

    def change(self, parent: Any, key: Any) -> None:  # noqa: ANN401 - as inherited
        """Rename the field."""
        if isinstance(parent, dict) and key in parent:
            parent[self.name] = parent.pop(key)


def _places(value: Any, path: list[str]) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - any JSON
    """Find the objects and arrays that hold what `path` leads to, with its name or number in each."""
    name, *rest = path
    keys: list[Any]
    if isinstance(value, list):
        # From the end, so that elements can be removed while iterating.
        keys = [number for number in reversed(range(len(value))) if name in ("*", str(number))]
    elif isinstance(value, dict):
        keys = list(value) if name == "*" else [name]
    else:
        keys = []
    for key in keys:
        if not rest:
            yield value, key
        elif isinstance(value, list) or key in value:
            yield from _places(value[key], rest)
