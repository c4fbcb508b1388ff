"""An exchange: a request, and what is known about it before it gets its response."""

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
    """A request, and the records that it matches.

    Attributes:
        number: Position among all requests, from 1.
        now: Time of arrival, in UTC.
        seconds: Time of arrival on a monotonic clock.
        method: HTTP method.
        url: Path and query.
        headers: Headers, with lowercase names.
        body: Raw body.
        connection: Identifies the connection.
        cursors: All cursors issued so far.
        endpoint: `activity`, `users`, `token`, or None for an unknown path.
        document: The body parsed as JSON, or None if it isn't valid JSON.
        page_number: The requested page, from 0, or None if unknown.
        listing: The records that the request matches, or None until they've been looked up.
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
        """The request's cursor, of any type: in the query for users, in the body for activity."""
        if self.endpoint == "users":
            return self.parameters.get("cursor")
        return self.document.get("cursor") if isinstance(self.document, dict) else None

    @property
    def filter(self) -> dict[str, Any]:
        """The filter in the body, or an empty one."""
        filters = self.document.get("filter") if isinstance(self.document, dict) else None
        return filters if isinstance(filters, dict) else {}

    @property
    def parameters(self) -> dict[str, str]:
        """The query's parameters."""
        return dict(self.parameter_list)

    @property
    def parameter_list(self) -> list[tuple[str, str]]:
        """The query's parameters in order, with duplicates."""
        return parse_qsl(self.url.query, keep_blank_values=True)
