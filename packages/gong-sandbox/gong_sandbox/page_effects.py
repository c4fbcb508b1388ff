"""Effects on the content of a page: its cursor, users, dates and fields."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from gong_sandbox.effects import Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gong_sandbox.exchanges import Exchange
    from gong_sandbox.pages import Listing
    from gong_sandbox.responses import Response


class PageEffect(Effect):
    """An effect on a page; other responses stay unchanged."""

    def apply(self, response: Response, exchange: Exchange) -> Response:
        """Change the response if it's a page."""
        if response.page is not None and exchange.listing is not None:
            self.change(response.page, exchange, exchange.listing)
        return response

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:
        """Change a page in place."""
        raise NotImplementedError


@dataclass(frozen=True)
class CursorLoop(PageEffect):
    """A page with a new cursor to the same page."""

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:
        """Replace the cursor."""
        page["records"]["cursor"] = listing.cursor(exchange.page_number or 0)


@dataclass(frozen=True)
class EmptyPage(CursorLoop):
    """A page without users, with a cursor to the requested page."""

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:
        """Remove the users, and set the cursor."""
        super().change(page, exchange, listing)
        page["records"]["currentPageSize"] = 0
        page[listing.array] = []


@dataclass(frozen=True)
class CursorUnchanged(PageEffect):
    """A page with the cursor that the request sent."""

    def applies_to(self, exchange: Exchange) -> bool:
        """Require a cursor."""
        return exchange.page_number is not None and exchange.cursor is not None

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:  # noqa: ARG002 - as inherited
        """Repeat the cursor."""
        page["records"]["cursor"] = exchange.cursor


@dataclass(frozen=True)
class CursorSeen(PageEffect):
    """A page with the cursor that requested the previous page."""

    def applies_to(self, exchange: Exchange) -> bool:
        """Require a cursor that came with a page requested by cursor."""
        return exchange.cursors.origin(exchange.cursor) is not None

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:  # noqa: ARG002 - as inherited
        """Set the earlier cursor."""
        page["records"]["cursor"] = exchange.cursors.origin(exchange.cursor)


@dataclass(frozen=True)
class RepeatedUser(PageEffect):
    """A page that repeats the previous page's last user."""

    def applies_to(self, exchange: Exchange) -> bool:
        """Require a previous page."""
        return bool(exchange.page_number)

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:
        """Repeat the user."""
        page[listing.array].insert(0, listing.page_records((exchange.page_number or 0) - 1)[-1])
        page["records"]["currentPageSize"] += 1


@dataclass(frozen=True)
class ChangingTotals(PageEffect):
    """A page whose `totalRecords` differs from page to page."""

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:  # noqa: ARG002 - as inherited
        """Change the total."""
        page["records"]["totalRecords"] += (exchange.page_number or 0) + 1


@dataclass(frozen=True)
class Mutation(PageEffect):
    """A page changed in place by a function."""

    function: Callable[[dict[str, Any]], None]

    def change(self, page: dict[str, Any], exchange: Exchange, listing: Listing) -> None:  # noqa: ARG002 - as inherited
        """Call the function."""
        self.function(page)


def utc_dates(page: dict[str, Any]) -> None:
    """Convert the dates to UTC, ending in Z."""
    for item in _items(page):
        for name in ("fromDate", "toDate"):
            instant = datetime.fromisoformat(item[name]).astimezone(timezone.utc)
            item[name] = instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def malformed_to_date(page: dict[str, Any]) -> None:
    """Format `toDate` like the example in Gong's documentation, `2019-01-21T000:00:00-08:00`."""
    for item in _items(page):
        item["toDate"] = item["toDate"].replace("T", "T0")


def _items(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for user in page.get("usersAggregateActivity", ()):
        yield from user["userAggregateActivity"]


@dataclass(frozen=True)
class FieldEffect(Effect):
    """An effect on fields of a page.

    Attributes:
        path: Names and indexes separated by dots, or `*` for all elements: `usersAggregateActivity.*.userId`. The
            empty path is the whole page.
    """

    path: str

    def apply(self, response: Response, exchange: Exchange) -> Response:
        """Change the fields if the response is a page."""
        if response.page is None or exchange.listing is None:
            return response
        root = {"": response.page}
        for parent, key in _find(root, ["", *self.path.split(".")] if self.path else [""]):
            self.change(parent, key)
        return replace(response, content=root.get(""))

    def change(self, parent: Any, key: Any) -> None:  # noqa: ANN401 - an object with a name, or an array with an index
        """Change a field in place."""
        raise NotImplementedError


@dataclass(frozen=True)
class DroppedField(FieldEffect):
    """A missing field."""

    def change(self, parent: Any, key: Any) -> None:  # noqa: ANN401 - as inherited
        """Remove the field."""
        if isinstance(parent, list) or key in parent:
            del parent[key]


@dataclass(frozen=True)
class SetField(FieldEffect):
    """A field set to another value, and added if it's missing.

    Attributes:
        value: Any JSON.
    """

    value: Any = field(default=None)

    def change(self, parent: Any, key: Any) -> None:  # noqa: ANN401 - as inherited
        """Set the value."""
        parent[key] = self.value


@dataclass(frozen=True)
class RenamedField(FieldEffect):
    """A renamed field of an object.

    Attributes:
        name: The new name.
    """

    name: str

    def change(self, parent: Any, key: Any) -> None:  # noqa: ANN401 - as inherited
        """Rename the field."""
        if isinstance(parent, dict) and key in parent:
            parent[self.name] = parent.pop(key)


def _find(value: Any, path: list[str]) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - any JSON
    """Yield each object or array that contains a field at `path`, with its name or index."""
    name, *rest = path
    keys: list[Any]
    if isinstance(value, list):
        # In reverse, so that elements can be removed while iterating.
        keys = [index for index in reversed(range(len(value))) if name in ("*", str(index))]
    elif isinstance(value, dict):
        keys = list(value) if name == "*" else [name]
    else:
        keys = []
    for key in keys:
        if not rest:
            yield value, key
        elif isinstance(value, list) or key in value:
            yield from _find(value[key], rest)
