"""The pages of one request's answer, as Gong lays them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gong_sandbox.activity import COUNTERS
from gong_sandbox.answers import request_id

if TYPE_CHECKING:
    from gong_sandbox.company import Company, UserActivity
    from gong_sandbox.cursors import Cursors
    from gong_sandbox.rules import Query


class Pages:
    """What the company holds for a query, in pages of some users each.

    Attributes:
        total: The number of users on all pages.
    """

    def __init__(self, company: Company, query: Query, body: dict[str, Any], cursors: Cursors, page_size: int) -> None:
        """Look up what `query`, as it stands in `body`, asks for."""
        self._body = body
        self._cursors = cursors
        self._page_size = page_size
        self._found = company.activity(
            query.aggregation_period,
            query.from_date,
            query.to_date,
            user_ids=query.user_ids,
            created_from=query.created_from,
            created_to=query.created_to,
        )
        self.total = len(self._found)
        # Every user has the same periods.
        self._dates = [
            {name: company.midnight(day).isoformat() for name, day in zip(("fromDate", "toDate"), period, strict=True)}
            for period in (self._found[0].periods if self._found else ())
        ]

    def page(self, number: int) -> dict[str, Any]:
        """Give page `number`, from 0."""
        users = self.users(number)
        records: dict[str, Any] = {
            "totalRecords": self.total,
            "currentPageSize": len(users),
            "currentPageNumber": number,
        }
        if (number + 1) * self._page_size < self.total:
            records["cursor"] = self.cursor(number + 1)
        return {"requestId": request_id(), "records": records, "usersAggregateActivity": users}

    def users(self, number: int) -> list[dict[str, Any]]:
        """Give the users of page `number`."""
        first = number * self._page_size
        return [self._user(found) for found in self._found[first : first + self._page_size]]

    def cursor(self, number: int) -> str:
        """Give a new cursor to page `number`."""
        return self._cursors.issue(number, self._body)

    def _user(self, found: UserActivity) -> dict[str, Any]:
        return {
            "userId": found.user.user_id,
            "userEmailAddress": found.user.email_address,
            "userAggregateActivity": [
                {**dict(zip(COUNTERS, counters, strict=True)), **dates}
                for counters, dates in zip(found.counters, self._dates, strict=True)
            ],
        }
