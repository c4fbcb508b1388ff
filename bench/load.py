"""How much there is to read: users, days and windows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

USERS_A_PAGE = 100
"""What Gong puts on a page."""

FIRST_DAY = date(2020, 1, 6)
"""Where every load begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What one run reads, of which each window is asked for by itself.

    Attributes:
        users: How many users the company has, each active in every window.
        days: How many days a window spans.
        windows: How many windows follow each other.
    """

    users: int
    days: int
    windows: int = 1

    @property
    def pages(self) -> int:
        """Answers that it takes."""
        return self.windows * -(-self.users // USERS_A_PAGE)

    @property
    def rows(self) -> int:
        """Rows that come out."""
        return self.users * self.days * self.windows

    @property
    def start(self) -> date:
        """First day."""
        return FIRST_DAY

    @property
    def end(self) -> date:
        """Exclusive end."""
        return FIRST_DAY + timedelta(days=self.days * self.windows)

    def __str__(self) -> str:
        """What a table calls it."""
        windows = f" in {self.windows} windows" if self.windows > 1 else ""
        users = min(self.users, USERS_A_PAGE)
        return f"{self.rows:,} rows: {self.pages:,} pages of {users} users and {self.days} days{windows}"
