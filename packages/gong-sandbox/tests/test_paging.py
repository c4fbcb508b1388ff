"""Pages and cursors."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from gong_sandbox import Company, HandClock
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox_support.client import COMPANY, NOON, request_body, rows_of, serving


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 25))
def test_pages_of_any_size(page_size: int) -> None:
    """All pages together contain every row in order, and only the last has no cursor."""
    with serving(page_size=page_size) as (sandbox, client):
        pages = client.pages(request_body())
    rows = COMPANY.rows("DAY", date(2025, 3, 3), date(2025, 3, 5))
    assert rows_of(pages) == rows
    users = len(rows) // 2
    assert len(pages) == -(-users // page_size)
    assert [page["records"]["currentPageNumber"] for page in pages] == list(range(len(pages)))
    assert [page["records"]["totalRecords"] for page in pages] == [users] * len(pages)
    assert [page["records"]["currentPageSize"] for page in pages] == [
        len(page["usersAggregateActivity"]) for page in pages
    ]
    assert sum(record.users for record in sandbox.requests) == users
    assert sum(record.items for record in sandbox.requests) == len(rows)


def test_concurrent_paging() -> None:
    """Clients that page through windows at the same time get their own pages."""
    weeks = [(date(2025, 1, 6) + timedelta(weeks=week), date(2025, 1, 13) + timedelta(weeks=week)) for week in range(8)]
    with serving(page_size=3, company=Company()) as (sandbox, client), ThreadPoolExecutor(4) as threads:
        bodies = [request_body("DAY", str(from_date), str(to_date)) for from_date, to_date in weeks]
        read = [rows_of(pages) for pages in threads.map(client.pages, bodies)]
    assert read == [COMPANY.rows("DAY", *week) for week in weeks]
    assert sorted(record.number for record in sandbox.requests) == list(range(1, len(sandbox.requests) + 1))


def test_page_has_100_users() -> None:
    """A page has 100 users by default."""
    company = Company(260)
    with serving(company=company) as (_, client):
        pages = client.pages(request_body())
    total = len(company.activity("DAY", date(2025, 3, 3), date(2025, 3, 5)))
    assert [page["records"]["currentPageSize"] for page in pages] == [100, 100, total - 200]


def test_cursor_format() -> None:
    """A cursor is a signed token with a page and an expiry."""
    with serving(page_size=5) as (_, client):
        cursor = client.post(request_body()).json()["records"]["cursor"]
    header, claims, _ = (part + "=" * (-len(part) % 4) for part in cursor.split("."))
    assert json.loads(base64.urlsafe_b64decode(header)) == {"alg": "HS256"}
    assert {"page", "exp"} < set(json.loads(base64.urlsafe_b64decode(claims)))


def test_cursor_outside_the_body_is_ignored() -> None:
    """A cursor in the URL or a header returns the first page."""
    with serving(page_size=5) as (_, client):
        first = client.post(request_body()).json()
        cursor = first["records"]["cursor"]
        for options in ({"params": {"cursor": cursor}}, {"headers": {"cursor": cursor}}):
            again = client.post(request_body(), **options).json()
            assert again["records"]["currentPageNumber"] == 0
            assert again["usersAggregateActivity"] == first["usersAggregateActivity"]


def test_cursor_can_be_reused() -> None:
    """Until it expires, a cursor returns the same page, with a different cursor to the next."""
    with serving(page_size=5, clock=HandClock(NOON)) as (_, client):
        body = {**request_body(), "cursor": client.post(request_body()).json()["records"]["cursor"]}
        one, other = (client.post(body).json() for _ in range(2))
        assert one["usersAggregateActivity"] == other["usersAggregateActivity"]
        assert one["records"]["cursor"] != other["records"]["cursor"]


@pytest.mark.parametrize(
    "other",
    [
        request_body("WEEK"),
        request_body(to_date="2025-03-06"),
        request_body(userIds=[COMPANY.users[0].user_id]),
        request_body(createdFromDateTime="2015-01-01T00:00:00Z"),
    ],
)
def test_cursor_is_valid_for_its_body_only(other: dict[str, object]) -> None:
    """A cursor with another body is rejected."""
    with serving(page_size=2) as (_, client):
        cursor = client.post(request_body()).json()["records"]["cursor"]
        response = client.post({**other, "cursor": cursor})
    assert response.status_code == 400
    assert response.json()["errors"] == ["The cursor belongs to another request: repeat the same request with it"]


def test_cursor_expires() -> None:
    """A cursor is rejected once its lifetime has passed."""
    clock = HandClock(NOON)
    with serving(page_size=5, clock=clock, cursor_lifetime=60) as (_, client):
        body = {**request_body(), "cursor": client.post(request_body()).json()["records"]["cursor"]}
        clock.sleep(59.9)
        assert client.post(body).status_code == 200
        clock.sleep(0.1)
        response = client.post(body)
    assert response.status_code == 400
    assert response.json()["errors"] == ["The cursor has expired"]


@pytest.mark.parametrize("forge", [lambda _: "", lambda _: "a", lambda _: "é.\ud800.x", lambda c: c[:-2] + "xx"])
def test_forged_cursor_is_rejected(forge: object) -> None:
    """A cursor that wasn't issued is rejected."""
    assert callable(forge)
    with serving(page_size=5) as (_, client):
        cursor = client.post(request_body()).json()["records"]["cursor"]
        response = client.post({**request_body(), "cursor": forge(cursor)})
    assert response.status_code == 400
    assert response.json()["errors"] == ["The cursor is invalid"]


def test_changed_cursor_is_rejected() -> None:
    """The signature covers the page."""
    with serving(page_size=5) as (_, client):
        header, claims, signature = client.post(request_body()).json()["records"]["cursor"].split(".")
        changed = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"page": 2}
        claims = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
        assert client.post({**request_body(), "cursor": f"{header}.{claims}.{signature}"}).status_code == 400


def test_cursor_of_another_sandbox_is_rejected() -> None:
    """Each sandbox signs cursors with its own key."""
    with serving(page_size=5) as (_, client), serving(page_size=5) as (_, other):
        cursor = client.post(request_body()).json()["records"]["cursor"]
        assert other.post({**request_body(), "cursor": cursor}).status_code == 400
