"""A request on its way to its response."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from datetime import datetime

    from gong_sandbox.cursors import Cursors
    from gong_sandbox.pages import Listing


@dataclass
class Exchange:
    """What is known about a request, and what it matches once it has been parsed.

    Attributes:
        number: Position among all requests, from 1.
        now: Instant of arrival, in UTC.
        seconds: The same on a monotonic clock.
        method: HTTP method.
        url: Path and query.
        headers: Headers, with lower-case names.
        body: Raw body.
        connection: Identifies the connection.
        cursors: Every cursor issued so far.
        endpoint: `activity`, `users`, `token`, or None for an unknown path.
        document: The body's JSON, or None if it has none.
        page_number: The requested page, from 0, or None if unknown.
        listing: The records that the request matches, once they have been looked up.
    """

    number: int
    now: datetime
    seconds: float
    method: str
    url: SplitResult
    headers: Mapping[str, str]
    body: bytes
    connection: Hashable
    cursors: Cursors
    endpoint: str | None
    document: Any = None
    page_number: int | None = None
    listing: Listing | None = field(default=None, repr=False)

    @property
    def cursor(self) -> object:
        """The cursor that was sent, of any type: users take it in the query, activity in the body."""
        if self.endpoint == "users":
            return self.parameters.get("cursor")
        return self.document.get("cursor") if isinstance(self.document, dict) else None

    @property
    def filter(self) -> dict[str, Any]:
        """The body's filter, empty if it has none."""
        filters = self.document.get("filter") if isinstance(self.document, dict) else None
        return filters if isinstance(filters, dict) else {}

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the query."""
        return dict(self.parameter_list)

    @property
    def parameter_list(self) -> list[tuple[str, str]]:
        """The parameters of the query in order, with duplicates."""
        return parse_qsl(self.url.query, keep_blank_values=True)
