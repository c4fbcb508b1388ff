"""Pages and cursors."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from gong_sandbox import Company, HandClock
from hypothesis import given, settings
from hypothesis import strategies as some
from sandbox_support.client import COMPANY, NOON, asking, rows_of, serving


@settings(deadline=None, max_examples=12)
@given(some.integers(1, 25))
def test_pages_of_any_size_make_the_whole(page_size: int) -> None:
    """Put together, the pages are the whole in its order, and only the last has no cursor."""
    with serving(page_size=page_size) as (sandbox, client):
        pages = client.pages(asking())
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


def test_many_can_page_at_once() -> None:
    """Windows that are read side by side do not get into each other's pages."""
    weeks = [(date(2025, 1, 6) + timedelta(weeks=week), date(2025, 1, 13) + timedelta(weeks=week)) for week in range(8)]
    with serving(page_size=3, company=Company()) as (sandbox, client), ThreadPoolExecutor(4) as threads:
        bodies = [asking("DAY", str(from_date), str(to_date)) for from_date, to_date in weeks]
        read = [rows_of(pages) for pages in threads.map(client.pages, bodies)]
    assert read == [COMPANY.rows("DAY", *week) for week in weeks]
    assert sorted(record.number for record in sandbox.requests) == list(range(1, len(sandbox.requests) + 1))


def test_a_page_has_100_users() -> None:
    """Nothing in a body changes that."""
    company = Company(260)
    with serving(company=company) as (_, client):
        pages = client.pages(asking())
    total = len(company.activity("DAY", date(2025, 3, 3), date(2025, 3, 5)))
    assert [page["records"]["currentPageSize"] for page in pages] == [100, 100, total - 200]


def test_a_cursor_looks_like_gongs() -> None:
    """It is a signed token with a page and an expiry inside."""
    with serving(page_size=5) as (_, client):
        cursor = client.post(asking()).json()["records"]["cursor"]
    header, claims, _ = (part + "=" * (-len(part) % 4) for part in cursor.split("."))
    assert json.loads(base64.urlsafe_b64decode(header)) == {"alg": "HS256"}
    assert {"page", "exp"} < set(json.loads(base64.urlsafe_b64decode(claims)))


def test_a_cursor_anywhere_else_gives_the_first_page_again() -> None:
    """A cursor in the URL or a header is not seen."""
    with serving(page_size=5) as (_, client):
        first = client.post(asking()).json()
        cursor = first["records"]["cursor"]
        for options in ({"params": {"cursor": cursor}}, {"headers": {"cursor": cursor}}):
            again = client.post(asking(), **options).json()
            assert again["records"]["currentPageNumber"] == 0
            assert again["usersAggregateActivity"] == first["usersAggregateActivity"]


def test_a_cursor_can_be_used_again() -> None:
    """Until it expires it returns the same page, with another cursor to the next."""
    with serving(page_size=5, clock=HandClock(NOON)) as (_, client):
        body = {**asking(), "cursor": client.post(asking()).json()["records"]["cursor"]}
        one, other = (client.post(body).json() for _ in range(2))
        assert one["usersAggregateActivity"] == other["usersAggregateActivity"]
        assert one["records"]["cursor"] != other["records"]["cursor"]


@pytest.mark.parametrize(
    "other",
    [
        asking("WEEK"),
        asking(to_date="2025-03-06"),
        asking(userIds=[COMPANY.users[0].user_id]),
        asking(createdFromDateTime="2015-01-01T00:00:00Z"),
    ],
)
def test_a_cursor_is_valid_for_its_body_only(other: dict[str, object]) -> None:
    """Any other body is refused."""
    with serving(page_size=2) as (_, client):
        cursor = client.post(asking()).json()["records"]["cursor"]
        response = client.post({**other, "cursor": cursor})
    assert response.status_code == 400
    assert response.json()["errors"] == ["The cursor belongs to another request: repeat the same request with it"]


def test_a_cursor_expires() -> None:
    """It's valid for its lifetime, and refused from then on."""
    clock = HandClock(NOON)
    with serving(page_size=5, clock=clock, cursor_lifetime=60) as (_, client):
        body = {**asking(), "cursor": client.post(asking()).json()["records"]["cursor"]}
        clock.sleep(59.9)
        assert client.post(body).status_code == 200
        clock.sleep(0.1)
        response = client.post(body)
    assert response.status_code == 400
    assert response.json()["errors"] == ["The cursor has expired"]


@pytest.mark.parametrize("forge", [lambda _: "", lambda _: "a", lambda _: "é.\ud800.x", lambda c: c[:-2] + "xx"])
def test_a_forged_cursor_is_refused(forge: object) -> None:
    """Only what was issued is valid."""
    assert callable(forge)
    with serving(page_size=5) as (_, client):
        cursor = client.post(asking()).json()["records"]["cursor"]
        response = client.post({**asking(), "cursor": forge(cursor)})
    assert response.status_code == 400
    assert response.json()["errors"] == ["The cursor is invalid"]


def test_a_changed_cursor_is_refused() -> None:
    """The signature covers the page."""
    with serving(page_size=5) as (_, client):
        header, claims, signature = client.post(asking()).json()["records"]["cursor"].split(".")
        changed = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"page": 2}
        claims = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
        assert client.post({**asking(), "cursor": f"{header}.{claims}.{signature}"}).status_code == 400


def test_a_cursor_of_another_sandbox_is_refused() -> None:
    """Each has its own key, as a restarted service may."""
    with serving(page_size=5) as (_, client), serving(page_size=5) as (_, other):
        cursor = client.post(asking()).json()["records"]["cursor"]
        assert other.post({**asking(), "cursor": cursor}).status_code == 400
