"""What can go wrong with an answer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, ClassVar

from gong_sandbox.answers import Answer, Delivery, refusal, web_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gong_sandbox.exchanges import Exchange

ELSEWHERE = "http://elsewhere.invalid/v2/stats/activity/aggregate-by-period"


class Effect:
    """Something that happens to an answer.

    Attributes:
        instead: Whether it happens before the request has been looked at, in place of what would be answered.
    """

    instead: ClassVar[bool] = False

    def concerns(self, exchange: Exchange) -> bool:  # noqa: ARG002 (most concern every request)
        """Tell whether it can happen to this request."""
        return True

    def apply(self, answer: Answer, exchange: Exchange) -> Answer:
        """Give the answer with the effect."""
        raise NotImplementedError


@dataclass(frozen=True)
class Status(Effect):
    """A status in place of the answer.

    Attributes:
        status: HTTP's status code.
        retry_after: The Retry-After header: `5` (seconds), `date:5` (the HTTP date in five seconds), or any other
            text, as it is. A caller that does not wait as long as the first two say is refused and recorded.
        envelope: Whether the body is Gong's `{"requestId": …, "errors": […]}`, or a web page.
        error: The sentence in the envelope.
        location: The Location header; a redirect has one in any case.
    """

    instead: ClassVar[bool] = True

    status: int
    retry_after: str | None = None
    envelope: bool = True
    error: str = "An error has occurred"
    location: str | None = None

    @property
    def wait(self) -> int | None:
        """The seconds that the caller is told to wait, if that can be told."""
        seconds = (self.retry_after or "").removeprefix("date:")
        return int(seconds) if seconds.isdecimal() else None

    def apply(self, answer: Answer, exchange: Exchange) -> Answer:  # noqa: ARG002 (whatever it would have been)
        """Answer with the status."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = self._retry_after(exchange.now)
        if self.location is not None or 300 <= self.status < 400:  # noqa: PLR2004 (the redirects)
            headers["Location"] = self.location or ELSEWHERE
        if self.envelope:
            return refusal(self.status, self.error, headers=headers)
        return web_page(self.status, f"Status {self.status}", headers)

    def _retry_after(self, now: datetime) -> str:
        if self.wait is None or not str(self.retry_after).startswith("date:"):
            return str(self.retry_after)
        # An HTTP date knows no fractions: rounded up, so that it is never too early.
        seconds = math.ceil(now.timestamp()) + self.wait
        return format_datetime(datetime.fromtimestamp(seconds, timezone.utc), usegmt=True)


@dataclass(frozen=True)
class WebPage(Effect):
    """HTML with status 200 in place of the answer."""

    instead: ClassVar[bool] = True

    def apply(self, answer: Answer, exchange: Exchange) -> Answer:  # noqa: ARG002 (whatever it would have been)
        """Answer with HTML."""
        return web_page(200, "Maintenance")


@dataclass(frozen=True)
class Sent(Effect):
    """The answer, sent in another way than whole."""

    delivery: Delivery
    interval: float = 1.0

    def apply(self, answer: Answer, exchange: Exchange) -> Answer:  # noqa: ARG002 (the same for all)
        """Change how the answer is sent."""
        return replace(answer, delivery=self.delivery, drip_interval=self.interval)


@dataclass(frozen=True)
class Huge(Effect):
    """The answer, followed by spaces up to so many bytes."""

    size: int = 64 * 1024 * 1024

    def apply(self, answer: Answer, exchange: Exchange) -> Answer:  # noqa: ARG002 (the same for all)
        """Pad the answer."""
        return replace(answer, padding=max(0, self.size - len(answer.body())))


@dataclass(frozen=True)
class BrokenGzip(Effect):
    """The answer, said to be compressed and not."""

    def apply(self, answer: Answer, exchange: Exchange) -> Answer:  # noqa: ARG002 (the same for all)
        """Say that the answer is compressed."""
        body = b"\x1f\x8b\x08\x00" + answer.body()
        return replace(answer, content=body, headers={**answer.headers, "Content-Encoding": "gzip"})


@dataclass(frozen=True)
class CursorExpired(Effect):
    """The refusal of a cursor that would have been good."""

    instead: ClassVar[bool] = True

    def concerns(self, exchange: Exchange) -> bool:
        """Need a cursor."""
        return exchange.cursor is not None

    def apply(self, answer: Answer, exchange: Exchange) -> Answer:  # noqa: ARG002 (whatever it would have been)
        """Refuse the cursor."""
        return refusal(400, "The cursor has expired")


class PageEffect(Effect):
    """Something that happens to a page of users, and to no other answer."""

    def apply(self, answer: Answer, exchange: Exchange) -> Answer:
        """Change the page, if the answer is one."""
        if answer.page is not None and exchange.pages is not None:
            self.change(answer.page, exchange)
        return answer

    def change(self, page: dict[str, Any], exchange: Exchange) -> None:
        """Change a page in place."""
        raise NotImplementedError


@dataclass(frozen=True)
class EmptyPage(PageEffect):
    """A page without users, whose cursor leads to the page that was asked for."""

    def change(self, page: dict[str, Any], exchange: Exchange) -> None:
        """Put the page off."""
        if exchange.pages is not None and exchange.page_number is not None:
            page["records"]["cursor"] = exchange.pages.cursor(exchange.page_number)
        page["records"]["currentPageSize"] = 0
        page["usersAggregateActivity"] = []


@dataclass(frozen=True)
class CursorUnchanged(PageEffect):
    """The cursor that was sent, once more."""

    def concerns(self, exchange: Exchange) -> bool:
        """Need a cursor."""
        return exchange.page_number is not None and exchange.cursor is not None

    def change(self, page: dict[str, Any], exchange: Exchange) -> None:
        """Repeat the cursor."""
        page["records"]["cursor"] = exchange.cursor


@dataclass(frozen=True)
class CursorSeen(PageEffect):
    """The cursor that was sent one page earlier."""

    def concerns(self, exchange: Exchange) -> bool:
        """Need a cursor that was got by a cursor."""
        return exchange.cursors.origin(exchange.cursor) is not None

    def change(self, page: dict[str, Any], exchange: Exchange) -> None:
        """Go back."""
        page["records"]["cursor"] = exchange.cursors.origin(exchange.cursor)


@dataclass(frozen=True)
class RepeatedUser(PageEffect):
    """The last user of the page before, in front of this one's."""

    def concerns(self, exchange: Exchange) -> bool:
        """Need a page before."""
        return bool(exchange.page_number)

    def change(self, page: dict[str, Any], exchange: Exchange) -> None:
        """Repeat the user."""
        if exchange.pages is not None and exchange.page_number:
            page["usersAggregateActivity"].insert(0, exchange.pages.users(exchange.page_number - 1)[-1])
            page["records"]["currentPageSize"] += 1


@dataclass(frozen=True)
class ChangingTotals(PageEffect):
    """A total number of users that grows with each page."""

    def change(self, page: dict[str, Any], exchange: Exchange) -> None:
        """Change the total."""
        page["records"]["totalRecords"] += (exchange.page_number or 0) + 1


@dataclass(frozen=True)
class UtcDates(PageEffect):
    """The same instants in UTC, ending in Z."""

    def change(self, page: dict[str, Any], exchange: Exchange) -> None:  # noqa: ARG002 (the same for all)
        """Change the dates."""
        for item in _items(page):
            for name in ("fromDate", "toDate"):
                instant = datetime.fromisoformat(item[name]).astimezone(timezone.utc)
                item[name] = instant.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class MalformedToDate(PageEffect):
    """`toDate` as in the example of Gong's own page, `2019-01-21T000:00:00-08:00`."""

    def change(self, page: dict[str, Any], exchange: Exchange) -> None:  # noqa: ARG002 (the same for all)
        """Change the dates."""
        for item in _items(page):
            item["toDate"] = item["toDate"].replace("T", "T0")


@dataclass(frozen=True)
class Mutation(PageEffect):
    """Anything else, done to the page in place by a function."""

    function: Callable[[dict[str, Any]], None]

    def change(self, page: dict[str, Any], exchange: Exchange) -> None:  # noqa: ARG002 (the same for all)
        """Call the function."""
        self.function(page)


@dataclass(frozen=True)
class Dropped(PageEffect):
    """A field that is missing.

    Attributes:
        path: Names and numbers with dots between, `*` for each element: `usersAggregateActivity.*.userId`.
    """

    path: str

    def change(self, page: dict[str, Any], exchange: Exchange) -> None:  # noqa: ARG002 (the same for all)
        """Leave out the field."""
        for parent, key in _places(page, self.path.split(".")):
            if isinstance(parent, list) or key in parent:
                del parent[key]


@dataclass(frozen=True)
class Replaced(PageEffect):
    """A field with another value; an object's field need not have been there.

    Attributes:
        path: Names and numbers with dots between, `*` for each element: `usersAggregateActivity.*.userId`.
        value: Any JSON.
    """

    path: str
    value: Any = field(default=None)

    def change(self, page: dict[str, Any], exchange: Exchange) -> None:  # noqa: ARG002 (the same for all)
        """Put in the value."""
        for parent, key in _places(page, self.path.split(".")):
            parent[key] = self.value


def _items(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for user in page["usersAggregateActivity"]:
        yield from user["userAggregateActivity"]


def _places(value: Any, path: list[str]) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 (any JSON)
    """Find the objects and arrays that hold what `path` leads to, and its name or number in each."""
    name, *rest = path
    keys: list[Any]
    if isinstance(value, list):
        # From the end, so that elements can be taken out on the way.
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
