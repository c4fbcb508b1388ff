"""The endpoint for activity: what it accepts, rejects and returns."""

from __future__ import annotations

import socket
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from gong_sandbox import COUNTERS, Company, HandClock
from sandbox_support.client import COMPANY, PATH, TIMEOUT, TODAY, request_body, rows_of, serving

if TYPE_CHECKING:
    import requests

SCOPE_ERROR = "You don't have permission to use 'api:stats:user-actions' in your app."


def assert_envelope(response: requests.Response, status: int) -> list[str]:
    """Assert that a response has Gong's envelope, and return its errors."""
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("application/json")
    envelope = response.json()
    assert set(envelope) == {"requestId", "errors"}
    assert envelope["requestId"]
    errors: list[str] = envelope["errors"]
    assert errors
    return errors


def test_response_format() -> None:
    """Fields, their order and their types are those of Gong's documentation."""
    with serving() as (_, client):
        response = client.post(request_body("WEEK", "2025-02-26", "2025-03-11"))
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


@pytest.mark.parametrize("period", ["DAY", "MONTH"])
def test_rows_over_http_are_the_companys(period: str) -> None:
    """A client gets the rows that `Company.rows` returns."""
    with serving() as (_, client):
        pages = client.pages(request_body(period, "2024-11-20", "2025-03-12"))
    assert rows_of(pages) == COMPANY.rows(period, date(2024, 11, 20), TODAY)


def test_each_response_has_its_own_request_id() -> None:
    """Each response has its own request ID, which the `x-traceid` header repeats, on errors too."""
    with serving() as (_, client):
        responses = [client.post(body) for body in (request_body(), request_body(), {}, request_body(userIds=["1"]))]
    assert [response.status_code for response in responses] == [200, 200, 400, 404]
    assert len({response.json()["requestId"] for response in responses}) == 4
    assert all(response.json()["requestId"] == response.headers["x-traceid"] for response in responses)


@pytest.mark.parametrize("path", ["/", PATH + "/", PATH.upper()])
def test_unknown_path_is_404_without_envelope(path: str) -> None:
    """A wrong path is a 404 without Gong's envelope."""
    with serving() as (sandbox, client):
        response = client.session.post(sandbox.url + path, json=request_body(), timeout=TIMEOUT)
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")
    assert "errors" not in response.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_only_post_is_allowed(method: str) -> None:
    """Other methods than POST, to which clients change a redirected POST, are a 405."""
    with serving() as (_, client):
        response = client.session.request(method, client.url, json=request_body(), timeout=TIMEOUT)
        assert response.status_code == 405
        assert response.headers["Allow"] == "POST"
        assert client.post(request_body()).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [None, "Basic", "Basic bm90OnRoaXM=", "Basic ???", "Bearer nothing", "Basic é"],
)
def test_invalid_credentials_are_401(authorization: str | None) -> None:
    """Missing, malformed and unknown credentials are a 401 with the envelope."""
    headers = {} if authorization is None else {"Authorization": authorization.encode()}
    with serving() as (_, client):
        client.session.auth = lambda request: request
        assert_envelope(client.post(request_body(), headers=headers), 401)


def test_fixed_token_is_accepted_too() -> None:
    """With `access_token`, that bearer token is accepted, as is the access key."""
    with serving(access_token="a-token") as (_, client):
        assert client.post(request_body()).status_code == 200
        client.session.auth = lambda request: request
        assert client.post(request_body(), headers={"Authorization": "Bearer a-token"}).status_code == 200
        assert_envelope(client.post(request_body(), headers={"Authorization": "Bearer a-toke"}), 401)


def test_missing_scope_is_401() -> None:
    """A missing scope is a 401 with Gong's error, and a wrong key is a 401 without it."""
    with serving(has_scope=False) as (_, client):
        assert assert_envelope(client.post(request_body()), 401) == [SCOPE_ERROR]
        client.session.auth = ("wrong", "wrong")
        assert assert_envelope(client.post(request_body()), 401) != [SCOPE_ERROR]


@pytest.mark.parametrize("content_type", ["text/plain", ""])
def test_content_type_must_be_json(content_type: str) -> None:
    """A content type other than JSON is a 415."""
    with serving() as (_, client):
        assert_envelope(client.post(request_body(), headers={"Content-Type": content_type}), 415)
        charset = {"Content-Type": "Application/JSON; charset=utf-8"}
        assert client.post(request_body(), headers=charset).status_code == 200


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b'{"filter": NaN'])
def test_body_must_be_valid_json(text: bytes) -> None:
    """A body that isn't valid JSON is a parse error."""
    with serving() as (_, client):
        response = client.session.post(
            client.url, data=text, headers={"Content-Type": "application/json"}, timeout=TIMEOUT
        )
        assert assert_envelope(response, 400) == ["Json parse error"]


@pytest.mark.parametrize("body", [[], None])
def test_body_must_be_an_object(body: object) -> None:
    """JSON other than an object is a parse error."""
    with serving() as (_, client):
        # `json=None` would send no body at all.
        response = client.session.post(
            client.url,
            data="null" if body is None else None,
            json=body,
            headers={"Content-Type": "application/json"},
            timeout=TIMEOUT,
        )
        assert assert_envelope(response, 400) == ["Json parse error"]


def without(name: str) -> dict[str, Any]:
    """Return a body without a field of the filter."""
    body = request_body()
    del body["filter"][name]
    return body


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "aggregationPeriod: must not be null"),
        ({}, "filter: must not be null"),
        ({**request_body(), "pageSize": 100}, 'Unrecognized field "pageSize"'),
        ({**request_body(), "\ud800": 1}, 'Unrecognized field "\\ud800"'),
        (request_body(cursor="abc"), 'Unrecognized field "filter.cursor"'),
        ({**request_body(), "filter": []}, "filter: must be an object"),
        ({**request_body(), "filter": None}, "filter: must not be null"),
        ({**request_body(), "cursor": None}, "cursor: must be a string"),
        (request_body("day"), "Json parse error"),
        (request_body(None), "aggregationPeriod: must not be null"),
        (request_body({}), "Json parse error"),
        (without("fromDate"), "filter.fromDate: may not be null"),
        (without("toDate"), "filter.toDate: may not be null"),
        (request_body(from_date="2025-3-3"), "filter.fromDate: must be a valid date (YYYY-MM-DD)"),
        (request_body(from_date="20250303"), "filter.fromDate: must be a valid date (YYYY-MM-DD)"),
        (request_body(from_date="2025-02-29"), "filter.fromDate: must be a valid date (YYYY-MM-DD)"),
        (request_body(from_date="٢٠٢٥-٠٣-٠٣"), "filter.fromDate: must be a valid date (YYYY-MM-DD)"),
        (request_body(from_date=20250303), "filter.fromDate: must be a string"),
        (request_body(to_date=None), "filter.toDate: may not be null"),
        (request_body(from_date="2025-03-06"), "filter.fromDate: must not be after filter.toDate"),
        (request_body(to_date="2025-03-13"), "filter.toDate: must not exceed the company's current day, 2025-03-12"),
        (request_body(userIds=[123]), "filter.userIds: must contain strings of 1 to 20 digits"),
        (request_body(userIds=["1", "a"]), "filter.userIds: must contain strings of 1 to 20 digits"),
        (request_body(userIds=["1" * 21]), "filter.userIds: must contain strings of 1 to 20 digits"),
        (request_body(userIds=[""]), "filter.userIds: must contain strings of 1 to 20 digits"),
        (request_body(userIds="1"), "filter.userIds: must be an array of at least one string"),
        (request_body(userIds=[]), "filter.userIds: must be an array of at least one string"),
        (request_body(createdFromDateTime="2025-03-03T00:00:00"), "must be an ISO 8601 date-time with a UTC offset"),
        (request_body(createdToDateTime="2025-02-30T00:00:00Z"), "must be an ISO 8601 date-time with a UTC offset"),
        (
            request_body(createdToDateTime="2025-02-03T00:00:00+24:00"),
            "must be an ISO 8601 date-time with a UTC offset",
        ),
        (request_body(createdToDateTime=5), "filter.createdToDateTime: must be a string"),
    ],
)
def test_broken_rule_is_named(body: dict[str, Any], error: str) -> None:
    """A request that breaks a rule is a 400 whose error names the field and the rule."""
    with serving() as (_, client):
        errors = assert_envelope(client.post(body), 400)
    assert any(error in message for message in errors), errors


def test_all_broken_rules_are_named() -> None:
    """One response names every broken rule."""
    with serving() as (_, client):
        errors = assert_envelope(client.post({"a": 1, "filter": {"b": 2}}), 400)
    assert len(errors) == 5


def test_end_date_is_at_most_today() -> None:
    """`toDate` can be the company's current day, and not later."""
    clock = HandClock(datetime(2025, 3, 12, 18, 29, tzinfo=timezone.utc))
    with serving(company=Company(zone="Asia/Kolkata"), today=None, clock=clock) as (_, client):
        assert client.post(request_body(to_date="2025-03-12")).status_code == 200
        assert_envelope(client.post(request_body(to_date="2025-03-13")), 400)
        clock.sleep(60)
        assert client.post(request_body(to_date="2025-03-13")).status_code == 200
        assert_envelope(client.post(request_body(to_date="2025-03-14")), 400)


@pytest.mark.parametrize(
    "body",
    [
        request_body(from_date="2025-03-05", to_date="2025-03-05"),
        request_body(from_date="2010-01-01", to_date="2010-02-01"),
        request_body(userIds=["1"]),
        request_body(userIds=[next(user.user_id for user in COMPANY.users if user.role == "idle")]),
        request_body(createdFromDateTime="2100-01-01T00:00:00Z"),
        request_body(createdToDateTime="0001-01-01T00:00:00+14:00"),
    ],
)
def test_empty_result_is_404_with_envelope(body: dict[str, Any]) -> None:
    """If no user has activity, the response is a 404 with Gong's error."""
    with serving() as (_, client):
        assert assert_envelope(client.post(body), 404) == [
            "No user activity found corresponding to the provided filters"
        ]


def test_users_without_activity_in_the_range_are_left_out() -> None:
    """The length of the range decides which all-zero rows there are."""
    with serving() as (_, client):
        sunday = rows_of(client.pages(request_body("DAY", "2025-03-01", "2025-03-03")))
        week = rows_of(client.pages(request_body("DAY", "2025-03-01", "2025-03-08")))
    assert {row.user_id for row in sunday} < {row.user_id for row in week}
    assert any(not any(row.counters) for row in week)


def test_user_ids() -> None:
    """Only requested users are returned; unknown IDs are ignored, and duplicates count once."""
    requested = [found.user.user_id for found in COMPANY.activity("DAY", date(2025, 3, 3), date(2025, 3, 5))][1:3]
    with serving() as (_, client):
        page = client.post(request_body(userIds=[*requested, *requested, "99999999999999999999"])).json()
    assert [user["userId"] for user in page["usersAggregateActivity"]] == requested
    assert page["records"]["totalRecords"] == 2


def test_zero_rows() -> None:
    """With `zero_rows`, idle requested users have zeros; if all of them are idle, it's a 404."""
    idle = next(user.user_id for user in COMPANY.users if user.role == "idle")
    active = COMPANY.activity("DAY", date(2025, 3, 3), date(2025, 3, 5))[0].user.user_id
    with serving(zero_rows=True) as (_, client):
        rows = rows_of(client.pages(request_body(userIds=[idle, active])))
        assert_envelope(client.post(request_body(userIds=[idle])), 404)
    assert {row.user_id: any(row.counters) for row in rows} == {idle: False, active: True}


def test_late_activity() -> None:
    """With `late_days`, a later request returns more activity of recent days."""
    clock = HandClock(datetime(2025, 3, 12, 20, tzinfo=timezone.utc))
    company = Company(late_days=2)
    with serving(company=company, today=None, clock=clock) as (_, client):
        body = request_body(from_date="2025-03-03", to_date="2025-03-12")
        first = rows_of(client.pages(body))
        clock.sleep(2 * 86_400)
        second = rows_of(client.pages(body))
    assert first == company.rows("DAY", date(2025, 3, 3), TODAY, as_of=TODAY) != second
    assert second == COMPANY.rows("DAY", date(2025, 3, 3), TODAY)


@pytest.mark.parametrize("offset", ["Z", "+00:00", "+05:30", "-08:00"])
def test_creation_range_excludes_its_end(offset: str) -> None:
    """The range of creation times includes its start, excludes its end, and can have any offset and fraction."""
    active = [found.user for found in COMPANY.activity("DAY", date(2025, 3, 3), date(2025, 3, 5))]
    user = sorted(active, key=lambda one: one.created)[len(active) // 2]
    hours, minutes = (int(part) for part in offset.split(":")) if ":" in offset else (0, 0)
    local = user.created + timedelta(hours=hours, minutes=minutes)

    def formatted(fraction: str) -> str:
        return f"{local:%Y-%m-%dT%H:%M:%S}{fraction}{offset}"

    def ids(**filters: str) -> set[str]:
        return {one["userId"] for one in client.post(request_body(**filters)).json()["usersAggregateActivity"]}

    with serving() as (_, client):
        assert user.user_id in ids(createdFromDateTime=formatted(""))
        assert user.user_id not in ids(createdFromDateTime=formatted(".000001"))
        assert user.user_id not in ids(createdToDateTime=formatted(".0"))
        assert user.user_id in ids(createdToDateTime=formatted(".001"))


def test_request_needs_a_content_length() -> None:
    """A chunked request is a 411, and the connection is closed."""
    with serving() as (_, client):
        response = client.session.post(client.url, data=iter([b"{}"]), timeout=TIMEOUT)
    assert response.status_code == 411
    assert response.headers["Connection"] == "close"


def test_connection_is_kept_alive() -> None:
    """One connection serves several requests."""
    with serving() as (sandbox, client):
        port = urlsplit(sandbox.url).port
        assert port is not None
        with (
            socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection,
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
        assert client.post(request_body()).status_code == 200


def test_closing_doesnt_wait_for_clients() -> None:
    """Leaving the `with` block closes open connections."""
    with serving() as (sandbox, _):
        port = urlsplit(sandbox.url).port
        assert port is not None
        connection = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n")
    with connection, suppress(ConnectionResetError):
        assert connection.recv(1) == b""


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment has variables for any integration and for the tap, no other credentials, and no proxy."""
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
