"""What the sandbox accepts, refuses and returns."""

from __future__ import annotations

import socket
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from gong_sandbox import COUNTERS, Company, HandClock
from sandbox_support.client import COMPANY, PATH, PATIENCE, TODAY, asking, rows_of, serving

if TYPE_CHECKING:
    import requests

SCOPE_SENTENCE = "You don't have permission to use 'api:stats:user-actions' in your app."


def assert_envelope(response: requests.Response, status: int) -> list[str]:
    """Check Gong's envelope, and return its errors."""
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("application/json")
    envelope = response.json()
    assert set(envelope) == {"requestId", "errors"}
    assert envelope["requestId"]
    errors: list[str] = envelope["errors"]
    assert errors
    return errors


def test_a_response_is_laid_out_like_gongs() -> None:
    """Names, their order and types are those of Gong's page."""
    with serving() as (_, client):
        response = client.post(asking("WEEK", "2025-02-26", "2025-03-11"))
    assert response.status_code == 200
    page = response.json()
    assert list(page) == ["requestId", "records", "usersAggregateActivity"]
    users = page["usersAggregateActivity"]
    assert page["records"] == {"totalRecords": len(users), "currentPageSize": len(users), "currentPageNumber": 0}
    assert list(users[0]) == ["userId", "userEmailAddress", "userAggregateActivity"]
    items = users[0]["userAggregateActivity"]
    assert [list(item) for item in items] == [[*COUNTERS, "fromDate", "toDate"]] * 3
    # Clipped at both ends, and the clocks go forward on 9 March.
    assert [(item["fromDate"], item["toDate"]) for item in items] == [
        ("2025-02-26T00:00:00-08:00", "2025-03-03T00:00:00-08:00"),
        ("2025-03-03T00:00:00-08:00", "2025-03-10T00:00:00-07:00"),
        ("2025-03-10T00:00:00-07:00", "2025-03-11T00:00:00-07:00"),
    ]
    assert all(type(item[counter]) is int for item in items for counter in COUNTERS)
    assert any(user["userEmailAddress"] is None for user in users)


@pytest.mark.parametrize("period", ["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"])
def test_the_socket_gives_what_the_company_did(period: str) -> None:
    """The rows over HTTP are those of the hook for tests."""
    with serving() as (_, client):
        pages = client.pages(asking(period, "2024-11-20", "2025-03-12"))
    assert rows_of(pages) == COMPANY.rows(period, date(2024, 11, 20), TODAY)


def test_each_response_has_its_own_request_id() -> None:
    """The `x-traceid` header repeats it, on errors as well."""
    with serving() as (_, client):
        responses = [client.post(body) for body in (asking(), asking(), {}, asking(userIds=["1"]))]
    assert [response.status_code for response in responses] == [200, 200, 400, 404]
    assert len({response.json()["requestId"] for response in responses}) == 4
    assert all(response.json()["requestId"] == response.headers["x-traceid"] for response in responses)


@pytest.mark.parametrize("path", ["/", PATH + "/", PATH.replace("v2", "v1"), "/v2" + PATH, PATH.upper(), PATH + "s"])
def test_another_path_is_not_gongs(path: str) -> None:
    """A wrong host or path is a 404 without the envelope."""
    with serving() as (sandbox, client):
        response = client.session.post(sandbox.url + path, json=asking(), timeout=PATIENCE)
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")
    assert "errors" not in response.text


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_only_post_is_allowed(method: str) -> None:
    """Whatever a redirect makes of a POST is refused."""
    with serving() as (_, client):
        response = client.session.request(method, client.url, json=asking(), timeout=PATIENCE)
        assert response.status_code == 405
        assert response.headers["Allow"] == "POST"
        assert client.post(asking()).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Basic", "Basic bm90OnRoaXM=", "Basic ???", "Bearer", "Bearer nothing", "Digest x", "Basic é"],
)
def test_wrong_credentials_are_refused(authorization: str | None) -> None:
    """No, malformed and unknown credentials are a 401 with the envelope."""
    headers = {} if authorization is None else {"Authorization": authorization.encode()}
    with serving() as (_, client):
        client.session.auth = lambda request: request
        assert_envelope(client.post(asking(), headers=headers), 401)


def test_a_fixed_token_is_accepted_beside_the_key() -> None:
    """With a token configured, Bearer works, and nothing but that token."""
    with serving(access_token="a-token") as (_, client):
        assert client.post(asking()).status_code == 200
        client.session.auth = lambda request: request
        assert client.post(asking(), headers={"Authorization": "Bearer a-token"}).status_code == 200
        assert_envelope(client.post(asking(), headers={"Authorization": "Bearer a-toke"}), 401)


def test_a_key_without_the_scope_is_refused_in_gongs_words() -> None:
    """A missing scope is a 401, not a 403; a wrong key is still only a wrong key."""
    with serving(has_scope=False) as (_, client):
        assert assert_envelope(client.post(asking()), 401) == [SCOPE_SENTENCE]
        client.session.auth = ("wrong", "wrong")
        assert assert_envelope(client.post(asking()), 401) != [SCOPE_SENTENCE]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_must_be_said_to_be_json(content_type: str) -> None:
    """Another content type is refused with 415."""
    with serving() as (_, client):
        assert_envelope(client.post(asking(), headers={"Content-Type": content_type}), 415)
        charset = {"Content-Type": "Application/JSON; charset=utf-8"}
        assert client.post(asking(), headers=charset).status_code == 200


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b'{"filter": NaN'])
def test_a_body_must_be_json(text: bytes) -> None:
    """Anything else is a malformed request."""
    with serving() as (_, client):
        response = client.session.post(
            client.url, data=text, headers={"Content-Type": "application/json"}, timeout=PATIENCE
        )
        assert assert_envelope(response, 400) == ["Json parse error"]


@pytest.mark.parametrize("body", [[], "text", 1, None, [asking()]])
def test_a_body_must_be_an_object(body: object) -> None:
    """Other JSON is refused."""
    with serving() as (_, client):
        # `json=None` would send no body at all.
        response = client.session.post(
            client.url,
            data="null" if body is None else None,
            json=body,
            headers={"Content-Type": "application/json"},
            timeout=PATIENCE,
        )
        assert assert_envelope(response, 400) == ["Json parse error"]


def without(name: str) -> dict[str, Any]:
    """Leave out a field of the filter."""
    body = asking()
    del body["filter"][name]
    return body


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "aggregationPeriod: must not be null"),
        ({}, "filter: must not be null"),
        ({**asking(), "pageSize": 100}, 'Unrecognized field "pageSize"'),
        ({**asking(), "fromDate": "2025-03-03"}, 'Unrecognized field "fromDate"'),
        ({**asking(), "\ud800": 1}, 'Unrecognized field "\\ud800"'),
        (asking(cursor="abc"), 'Unrecognized field "filter.cursor"'),
        (asking(aggregationPeriod="DAY"), 'Unrecognized field "filter.aggregationPeriod"'),
        ({"filter": asking(aggregationPeriod="DAY")["filter"]}, "aggregationPeriod: must not be null"),
        ({**asking(), "filter": []}, "filter: must be an object"),
        ({**asking(), "filter": None}, "filter: must not be null"),
        ({**asking(), "cursor": None}, "cursor: must be a string"),
        ({**asking(), "cursor": 1}, "cursor: must be a string"),
        (asking("day"), "Json parse error"),
        (asking("HOUR"), "Json parse error"),
        (asking(None), "aggregationPeriod: must not be null"),
        (asking({}), "Json parse error"),
        (without("fromDate"), "filter.fromDate: may not be null"),
        (without("toDate"), "filter.toDate: may not be null"),
        (asking(from_date="2025-3-3"), "filter.fromDate: must be a real date, written YYYY-MM-DD"),
        (asking(from_date="20250303"), "filter.fromDate: must be a real date, written YYYY-MM-DD"),
        (asking(from_date="2025-W10-1"), "filter.fromDate: must be a real date, written YYYY-MM-DD"),
        (asking(from_date="2025-02-29"), "filter.fromDate: must be a real date, written YYYY-MM-DD"),
        (asking(from_date="2025-03-03T00:00:00Z"), "filter.fromDate: must be a real date, written YYYY-MM-DD"),
        (asking(from_date="٢٠٢٥-٠٣-٠٣"), "filter.fromDate: must be a real date, written YYYY-MM-DD"),
        (asking(from_date=20250303), "filter.fromDate: must be a string"),
        (asking(to_date=None), "filter.toDate: may not be null"),
        (asking(from_date="2025-03-06"), "filter.fromDate: must not be after filter.toDate"),
        (asking(to_date="2025-03-13"), "filter.toDate: must not exceed the company's current day, 2025-03-12"),
        (asking(userIds=[123]), "filter.userIds: must hold strings of 1 to 20 digits"),
        (asking(userIds=["1", "a"]), "filter.userIds: must hold strings of 1 to 20 digits"),
        (asking(userIds=["1" * 21]), "filter.userIds: must hold strings of 1 to 20 digits"),
        (asking(userIds=[""]), "filter.userIds: must hold strings of 1 to 20 digits"),
        (asking(userIds="1"), "filter.userIds: must be an array of at least one string"),
        (asking(userIds=[]), "filter.userIds: must be an array of at least one string"),
        (asking(createdFromDateTime="2025-03-03"), "createdFromDateTime: must be an ISO-8601 date-time with an offset"),
        (asking(createdFromDateTime="2025-03-03T00:00:00"), "must be an ISO-8601 date-time with an offset"),
        (asking(createdToDateTime="2025-02-30T00:00:00Z"), "must be an ISO-8601 date-time with an offset"),
        (asking(createdToDateTime="2025-02-03T00:00:00+24:00"), "must be an ISO-8601 date-time with an offset"),
        (asking(createdToDateTime=5), "filter.createdToDateTime: must be a string"),
    ],
)
def test_a_rule_that_is_broken_is_named(body: dict[str, Any], error: str) -> None:
    """Each is a 400 with the envelope, whose errors say what is wrong and where."""
    with serving() as (_, client):
        errors = assert_envelope(client.post(body), 400)
    assert any(error in sentence for sentence in errors), errors


def test_all_broken_rules_are_named_at_once() -> None:
    """One response names every mistake."""
    with serving() as (_, client):
        errors = assert_envelope(client.post({"a": 1, "filter": {"b": 2}}), 400)
    assert len(errors) == 5


def test_today_can_be_the_end_and_not_more() -> None:
    """The newest whole day is yesterday, in the company's zone, whatever day it is elsewhere."""
    clock = HandClock(datetime(2025, 3, 12, 18, 29, tzinfo=timezone.utc))
    with serving(company=Company(zone="Asia/Kolkata"), today=None, clock=clock) as (_, client):
        assert client.post(asking(to_date="2025-03-12")).status_code == 200
        assert_envelope(client.post(asking(to_date="2025-03-13")), 400)
        clock.sleep(60)
        assert client.post(asking(to_date="2025-03-13")).status_code == 200
        assert_envelope(client.post(asking(to_date="2025-03-14")), 400)


@pytest.mark.parametrize(
    "body",
    [
        asking(from_date="2025-03-05", to_date="2025-03-05"),
        asking(from_date="2010-01-01", to_date="2010-02-01"),
        asking(userIds=["1"]),
        asking(userIds=[next(user.user_id for user in COMPANY.users if user.role == "idle")]),
        asking(createdFromDateTime="2100-01-01T00:00:00Z"),
        asking(createdToDateTime="0001-01-01T00:00:00+14:00"),
    ],
)
def test_an_empty_result_is_a_404_with_the_envelope(body: dict[str, Any]) -> None:
    """Nobody with activity: Gong returns 404, in words that say so."""
    with serving() as (_, client):
        assert assert_envelope(client.post(body), 404) == [
            "No user activity found corresponding to the provided filters"
        ]


def test_users_without_activity_in_the_range_are_left_out() -> None:
    """The width of a request decides which rows of zeros there are."""
    with serving() as (_, client):
        sunday = rows_of(client.pages(asking("DAY", "2025-03-01", "2025-03-03")))
        week = rows_of(client.pages(asking("DAY", "2025-03-01", "2025-03-08")))
    assert {row.user_id for row in sunday} < {row.user_id for row in week}
    assert any(not any(row.counters) for row in week)


def test_users_can_be_chosen() -> None:
    """Ids choose users; ids that nobody has are passed over; doubled ids count once."""
    chosen = [found.user.user_id for found in COMPANY.activity("DAY", date(2025, 3, 3), date(2025, 3, 5))][1:3]
    with serving() as (_, client):
        page = client.post(asking(userIds=[*chosen, *chosen, "99999999999999999999"])).json()
    assert [user["userId"] for user in page["usersAggregateActivity"]] == chosen
    assert page["records"]["totalRecords"] == 2


def test_requested_users_without_activity_can_be_returned() -> None:
    """With zeros, which Gong's documentation allows; none of them having activity stays a 404."""
    idle = next(user.user_id for user in COMPANY.users if user.role == "idle")
    active = COMPANY.activity("DAY", date(2025, 3, 3), date(2025, 3, 5))[0].user.user_id
    with serving(zero_rows=True) as (_, client):
        rows = rows_of(client.pages(asking(userIds=[idle, active])))
        assert_envelope(client.post(asking(userIds=[idle])), 404)
    assert {row.user_id: any(row.counters) for row in rows} == {idle: False, active: True}


def test_a_later_request_knows_more() -> None:
    """Of the days whose last activity is still to become known."""
    clock = HandClock(datetime(2025, 3, 12, 20, tzinfo=timezone.utc))
    company = Company(late_days=2)
    with serving(company=company, today=None, clock=clock) as (_, client):
        body = asking(from_date="2025-03-03", to_date="2025-03-12")
        first = rows_of(client.pages(body))
        clock.sleep(2 * 86_400)
        second = rows_of(client.pages(body))
    assert first == company.rows("DAY", date(2025, 3, 3), TODAY, as_of=TODAY) != second
    assert second == COMPANY.rows("DAY", date(2025, 3, 3), TODAY)


@pytest.mark.parametrize("offset", ["Z", "+00:00", "+05:30", "-08:00"])
def test_creation_is_from_inclusive_to_exclusive(offset: str) -> None:
    """Any offset and fraction of a second is understood."""
    active = [found.user for found in COMPANY.activity("DAY", date(2025, 3, 3), date(2025, 3, 5))]
    user = sorted(active, key=lambda one: one.created)[len(active) // 2]
    hours, minutes = (int(part) for part in offset.split(":")) if ":" in offset else (0, 0)
    local = user.created + timedelta(hours=hours, minutes=minutes)

    def written(fraction: str) -> str:
        return f"{local:%Y-%m-%dT%H:%M:%S}{fraction}{offset}"

    def ids(**filters: str) -> set[str]:
        return {one["userId"] for one in client.post(asking(**filters)).json()["usersAggregateActivity"]}

    with serving() as (_, client):
        assert user.user_id in ids(createdFromDateTime=written(""))
        assert user.user_id not in ids(createdFromDateTime=written(".000001"))
        assert user.user_id not in ids(createdToDateTime=written(".0"))
        assert user.user_id in ids(createdToDateTime=written(".001"))


def test_a_request_needs_a_length() -> None:
    """A chunked request body is refused, and the connection ends."""
    with serving() as (_, client):
        response = client.session.post(client.url, data=iter([b"{}"]), timeout=PATIENCE)
    assert response.status_code == 411
    assert response.headers["Connection"] == "close"


def test_a_connection_is_kept() -> None:
    """Many requests go over one connection."""
    with serving() as (sandbox, client):
        port = urlsplit(sandbox.url).port
        assert port is not None
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE) as connection,
            connection.makefile("rb") as responses,
        ):
            for _ in range(3):
                connection.sendall(b"GET / HTTP/1.1\r\nHost: sandbox\r\n\r\n")
                assert responses.readline() == b"HTTP/1.1 404 Not Found\r\n"
                length = 0
                while (line := responses.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                responses.read(length)
        assert client.post(asking()).status_code == 200


def test_the_end_waits_for_nobody() -> None:
    """Connections that are still open are ended with the sandbox."""
    with serving() as (sandbox, _):
        port = urlsplit(sandbox.url).port
        assert port is not None
        connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n")
    with connection, suppress(ConnectionResetError):
        assert connection.recv(1) == b""


def test_the_environment_points_any_integration_to_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neutral variables and the tap's; other credentials are empty, and the loopback address needs no proxy."""
    monkeypatch.setenv("no_proxy", "internal.example")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving() as (sandbox, _):
        expected = {
            "API_URL": sandbox.url,
            "ACCESS_KEY": sandbox.access_key,
            "ACCESS_KEY_SECRET": sandbox.access_key_secret,
            "COMPANY_TIMEZONE": "America/Los_Angeles",
            "ACCESS_TOKEN": "",
            "OAUTH_TOKEN_FILE": "",
        }
        assert sandbox.environment == {
            **{f"GONG_{name}": value for name, value in expected.items()},
            **{f"TAP_GONG_ACTIVITY_{name}": value for name, value in expected.items()},
            "no_proxy": "internal.example,127.0.0.1",
            "NO_PROXY": "internal.example,127.0.0.1",
        }
        monkeypatch.setenv("NO_PROXY", "*")
        assert (sandbox.environment["no_proxy"], sandbox.environment["NO_PROXY"]) == ("internal.example,127.0.0.1", "*")
