"""A request on its way to its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from datetime import datetime

    from gong_sandbox.cursors import Cursors
    from gong_sandbox.pages import Pages


@dataclass
class Exchange:
    """What is known of a request, and, once it has been understood, of what it asks for.

    Attributes:
        number: The place among all requests, from 1.
        now: When it arrived, in UTC.
        seconds: The same on a clock that never goes backwards.
        method: HTTP's method.
        url: The path and the query.
        headers: The headers, their names in lower case.
        body: The body as it came.
        connection: Tells connections apart.
        cursors: Those that were issued.
        document: The body's JSON, or None where it is none.
        page_number: The page asked for, from 0, or None where that cannot be told.
        pages: What it asks for, once that has been looked up.
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
    document: Any = None
    page_number: int | None = None
    pages: Pages | None = field(default=None, repr=False)

    @property
    def cursor(self) -> object:
        """The cursor at the top level of the body, whatever it is."""
        return self.document.get("cursor") if isinstance(self.document, dict) else None

    @property
    def filter(self) -> dict[str, Any]:
        """The filter of the body, empty where it has none."""
        filters = self.document.get("filter") if isinstance(self.document, dict) else None
        return filters if isinstance(filters, dict) else {}

    def parameter(self, name: str) -> str:
        """Give a parameter of the URL's query, or an empty text."""
        return parse_qs(self.url.query).get(name, [""])[0]
