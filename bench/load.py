"""The size of a load: users, days and windows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

USERS_PER_PAGE = 100
"""Gong's page size."""

FIRST_DAY = date(2020, 1, 6)
"""First day of every load."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What one run reads.

    Attributes:
        users: Number of users, each active in every window.
        days: Number of days per window.
        windows: Number of consecutive windows.
    """

    users: int
    days: int
    windows: int = 1

    @property
    def pages(self) -> int:
        """Number of pages."""
        return self.windows * -(-self.users // USERS_PER_PAGE)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.users * self.days * self.windows

    @property
    def start(self) -> date:
        """First day."""
        return FIRST_DAY

    @property
    def end(self) -> date:
        """End date (exclusive)."""
        return FIRST_DAY + timedelta(days=self.days * self.windows)

    def __str__(self) -> str:
        """Return the label for tables."""
        windows = f" in {self.windows} windows" if self.windows > 1 else ""
        users = min(self.users, USERS_PER_PAGE)
        return f"{self.rows:,} rows: {self.pages:,} pages of {users} users and {self.days} days{windows}"
