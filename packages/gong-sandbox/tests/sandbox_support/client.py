"""A plain client for the sandbox, over a real socket."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any

import requests
from gong_sandbox import COUNTERS, Company, Row, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/v2/stats/activity/aggregate-by-period"
USERS_PATH = "/v2/users"
TODAY = date(2025, 3, 12)
NOON = datetime(2025, 3, 12, 20, tzinfo=timezone.utc)
COMPANY = Company()
"""Shared, because it caches what it generates."""

TIMEOUT = 60


class Client:
    """A client that retries and validates nothing."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.url = sandbox.url + PATH
        self.users_url = sandbox.url + USERS_PATH
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = (sandbox.access_key, sandbox.access_key_secret)

    def post(self, body: object, **options: Any) -> requests.Response:  # noqa: ANN401 - the options of requests
        options.setdefault("timeout", TIMEOUT)
        return self.session.post(self.url, json=body, allow_redirects=False, **options)

    def users(self, **parameters: object) -> requests.Response:
        return self.session.get(self.users_url, params=parameters, timeout=TIMEOUT)  # type: ignore[arg-type] # any values, as a client may send

    def pages(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Return all pages."""
        pages: list[dict[str, Any]] = []
        while not pages or "cursor" in pages[-1]["records"]:
            cursor = {"cursor": pages[-1]["records"]["cursor"]} if pages else {}
            response = self.post({**body, **cursor})
            assert response.status_code == 200, response.text
            pages.append(response.json())
        return pages


@contextmanager
def serving(**options: Any) -> Iterator[tuple[Sandbox, Client]]:  # noqa: ANN401 - the options of Sandbox
    """Start a sandbox, by default with the shared company, a fixed day and no limits."""
    defaults: dict[str, Any] = {"company": COMPANY, "today": TODAY, "calls_per_second": None, "daily_quota": None}
    with Sandbox(**{**defaults, **options}) as sandbox:
        client = Client(sandbox)
        with client.session:
            yield sandbox, client


def request_body(
    period: object = "DAY", from_date: object = "2025-03-03", to_date: object = "2025-03-05", **filters: object
) -> dict[str, Any]:
    """Return a body that is valid by default."""
    return {"filter": {"fromDate": from_date, "toDate": to_date, **filters}, "aggregationPeriod": period}


def rows_of(pages: list[dict[str, Any]]) -> list[Row]:
    """Return the rows of pages."""
    return [
        Row(
            user["userId"],
            user["userEmailAddress"],
            date.fromisoformat(item["fromDate"][:10]),
            date.fromisoformat(item["toDate"][:10]),
            tuple(item[counter] for counter in COUNTERS),
        )
        for page in pages
        for user in page["usersAggregateActivity"]
        for item in user["userAggregateActivity"]
    ]
