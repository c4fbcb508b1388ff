"""Faults: their effects, their conditions and their grammar."""

from __future__ import annotations

import json
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import requests
from gong_sandbox import Fault, HandClock, InvalidFaultError, Mutation, Status, parse_fault
from sandbox_support.client import COMPANY, NOON, TIMEOUT, TODAY, request_body, rows_of, serving

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox_support.client import Client


@pytest.mark.parametrize("status", [400, 429, 599])
def test_status(status: int) -> None:
    """A status comes with Gong's envelope and the given error."""
    with serving(faults=[f"status={status},error=Try later"]) as (_, client):
        response = client.post(request_body())
    assert response.status_code == status
    assert set(response.json()) == {"requestId", "errors"}
    assert response.json()["errors"] == ["Try later"]
    assert "Retry-After" not in response.headers


def test_status_without_envelope() -> None:
    """With `envelope=no`, the body is a web page."""
    with serving(faults=["status=404,envelope=no"]) as (_, client):
        response = client.post(request_body())
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("retry_after", "header"),
    [
        ("7", "7"),
        ("date:90", "Wed, 12 Mar 2025 20:01:30 GMT"),
        ("soon", "soon"),
        ("", ""),
        ("5,soon", "5,soon"),
        ("date:-90", "Wed, 12 Mar 2025 19:58:30 GMT"),
    ],
)
def test_retry_after(retry_after: str, header: str) -> None:
    """Retry-After can be any text; one that isn't seconds, a list or a date doesn't start a wait."""
    with serving(clock=HandClock(NOON), faults=[f'status=429,retry_after="{retry_after}",at=1']) as (_, client):
        assert client.post(request_body()).headers["Retry-After"] == header
        waits = retry_after in {"7", "date:90", "5, 7"}
        assert client.post(request_body()).status_code == (429 if waits else 200)


@pytest.mark.parametrize("status", [301, 308])
def test_redirect(status: int) -> None:
    """A redirect points to a host that doesn't exist, unless a location is given."""
    faults = [f"status={status},at=1", f"status={status},location=http://127.0.0.1:1/,at=2"]
    with serving(faults=faults) as (_, client):
        assert client.post(request_body()).headers["Location"].startswith("http://elsewhere.invalid/")
        assert client.post(request_body()).headers["Location"] == "http://127.0.0.1:1/"


def test_html() -> None:
    """`html` is a 200 whose body isn't valid JSON."""
    with serving(faults=["html"]) as (sandbox, client):
        response = client.post(request_body())
    assert response.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        response.json()
    assert (sandbox.requests[0].users, sandbox.requests[0].page) == (0, None)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("cut", requests.exceptions.ChunkedEncodingError),
        ("cut_chunked", requests.exceptions.ChunkedEncodingError),
        ("close", requests.exceptions.ConnectionError),
        ("reset", requests.exceptions.ConnectionError),
        ("broken_gzip", requests.exceptions.ContentDecodingError),
    ],
)
def test_failed_delivery(fault: str, error: type[Exception]) -> None:
    """The client gets an error, the log counts no rows, and the next request succeeds."""
    with serving(faults=[f"{fault},at=1"]) as (sandbox, client):
        with pytest.raises(error):
            client.post(request_body())
        assert client.post(request_body()).status_code == 200
    failed, served = sandbox.requests
    assert failed.faults == [f"{fault},at=1"]
    assert failed.status == (None if fault in {"close", "reset"} else 200)
    assert served.users > 0
    if fault != "broken_gzip":
        assert failed.users == failed.items == 0


def test_reset_and_close() -> None:
    """A client can distinguish a reset connection from a closed one."""
    with serving(faults=["reset,at=1", "close,at=2"]) as (_, client):
        with pytest.raises(requests.exceptions.ConnectionError, match="reset by peer"):
            client.post(request_body())
        with pytest.raises(requests.exceptions.ConnectionError, match="without response"):
            client.post(request_body())


def test_hang() -> None:
    """`hang` keeps the connection open until the client times out."""
    with serving(faults=["hang,at=1"]) as (sandbox, client):
        with pytest.raises(requests.exceptions.ReadTimeout):
            client.post(request_body(), timeout=0.05)
        assert client.post(request_body()).status_code == 200
    assert sandbox.requests[0].status is None


def test_drip() -> None:
    """`drip` sends one byte at a time, and doesn't keep the sandbox from closing."""
    with serving(faults=["drip=0.0001,at=1", "drip=3600,at=2"]) as (_, client):
        assert rows_of([client.post(request_body(userIds=[COMPANY.users[0].user_id])).json()])
        response = client.post(request_body(), stream=True)
        assert next(response.iter_content(1)) == b"{"
        response.close()


def test_huge() -> None:
    """`huge` pads valid JSON to the size."""
    with serving(faults=["huge=3000000"]) as (_, client):
        response = client.post(request_body())
    assert len(response.content) == 3_000_000
    assert rows_of([response.json()]) == COMPANY.rows("DAY", date(2025, 3, 3), date(2025, 3, 5))


def test_empty_page() -> None:
    """After an empty page, its cursor leads to the requested page."""
    with serving(page_size=7, faults=["empty_page,at=2"]) as (_, client):
        pages = client.pages(request_body())
    assert [len(page["usersAggregateActivity"]) for page in pages] == [7, 0, 7, len(pages[3]["usersAggregateActivity"])]
    assert pages[1]["records"]["currentPageSize"] == 0
    assert rows_of(pages) == COMPANY.rows("DAY", date(2025, 3, 3), date(2025, 3, 5))


def test_empty_first_page() -> None:
    """An only page can be preceded by an empty one."""
    with serving(faults=["empty_page,at=1"]) as (_, client):
        assert len(client.pages(request_body())) == 2


def follow(client: Client, body: dict[str, Any], times: int) -> list[str | None]:
    """Follow the cursors, and return them."""
    cursors: list[str | None] = []
    for _ in range(times):
        sent = {"cursor": cursors[-1]} if cursors else {}
        cursors.append(client.post({**body, **sent}).json()["records"].get("cursor"))
    return cursors


def test_cursor_unchanged() -> None:
    """The response contains the cursor that the request sent."""
    with serving(page_size=3, faults=["cursor_unchanged,at=1"]) as (_, client):
        first, second, third = follow(client, request_body(), 3)
    assert first == second != third


def test_cursor_seen() -> None:
    """The response contains the cursor that requested the previous page."""
    with serving(page_size=3, faults=["cursor_seen,at=1"]) as (_, client):
        first, second, third = follow(client, request_body(), 3)
    assert first == third != second


def test_cursor_expired() -> None:
    """Only a request with a cursor is rejected."""
    with serving(page_size=3, faults=["cursor_expired,at=1"]) as (_, client):
        body = {**request_body(), "cursor": client.post(request_body()).json()["records"]["cursor"]}
        assert [client.post(body).status_code for _ in range(2)] == [400, 200]


def test_repeated_user() -> None:
    """A page starts with the previous page's last user."""
    with serving(page_size=3, faults=["repeated_user,at=1"]) as (_, client):
        first, second, third, *_rest = client.pages(request_body())
    assert second["usersAggregateActivity"][0] == first["usersAggregateActivity"][-1]
    assert second["records"]["currentPageSize"] == len(second["usersAggregateActivity"]) == 4
    assert third["usersAggregateActivity"][0] != second["usersAggregateActivity"][-1]


def test_changing_totals() -> None:
    """Each page has a different `totalRecords`."""
    with serving(page_size=3, faults=["changing_totals"]) as (_, client):
        totals = [page["records"]["totalRecords"] for page in client.pages(request_body())]
    assert len(set(totals)) == len(totals)


def first_item(client: Client) -> dict[str, Any]:
    """Return the first period of the first user."""
    item: dict[str, Any] = client.post(request_body()).json()["usersAggregateActivity"][0]["userAggregateActivity"][0]
    return item


def test_utc_dates() -> None:
    """Dates are the same times in UTC, ending in Z."""
    with serving(faults=["utc_dates"]) as (_, client):
        item = first_item(client)
    assert (item["fromDate"], item["toDate"]) == ("2025-03-03T08:00:00Z", "2025-03-04T08:00:00Z")


def test_malformed_to_date() -> None:
    """The hour of `toDate` has three digits, as in Gong's example."""
    with serving(faults=["malformed_to_date"]) as (_, client):
        item = first_item(client)
    assert (item["fromDate"], item["toDate"]) == ("2025-03-03T00:00:00-08:00", "2025-03-04T000:00:00-08:00")


def test_drop_null_and_set() -> None:
    """A path leads to one field or, with asterisks, to many; one that leads nowhere changes nothing."""
    items = "usersAggregateActivity.*.userAggregateActivity"
    faults = [
        "drop=usersAggregateActivity.0.userId",
        f"drop={items}.0",
        f"null={items}.*.callsAsHost",
        f'set={items}.*.callsAttended:"3"',
        "set=records.new:true",
        "drop=records.absent",
        "null=nowhere.at.all",
        "drop=requestId.deep",
    ]
    with serving(faults=faults) as (sandbox, client):
        page = client.post(request_body()).json()
    first, *others = page["usersAggregateActivity"]
    assert "userId" not in first
    assert all("userId" in user for user in others)
    for user in page["usersAggregateActivity"]:
        (item,) = user["userAggregateActivity"]
        assert item["fromDate"].startswith("2025-03-04")
        assert (item["callsAsHost"], item["callsAttended"]) == (None, "3")
    assert page["records"]["new"] is True
    assert sandbox.requests[0].items == len(page["usersAggregateActivity"])


def test_whole_page_and_rename() -> None:
    """The empty path is the whole page, JSON can contain commas, and fields can be renamed."""
    faults = ["set=:{},at=1", 'set=:[1, "a, b"],at=2', 'set=errors:["a, b", "c"],at=3', "drop=,at=4"]
    with serving(faults=[*faults, "rename=usersAggregateActivity:users,at=5"]) as (sandbox, client):
        empty, array, errors, nothing, renamed = (client.post(request_body()).json() for _ in range(5))
    assert (empty, array, nothing) == ({}, [1, "a, b"], None)
    assert errors["errors"] == sandbox.requests[2].errors == ["a, b", "c"]
    assert list(errors) == ["requestId", "records", "usersAggregateActivity", "errors"]
    assert renamed["users"]
    assert "usersAggregateActivity" not in renamed
    assert [record.status for record in sandbox.requests] == [200] * 5


def test_lone_surrogate() -> None:
    """A lone surrogate is sent as an escape sequence, which strict parsers reject."""
    with serving(faults=['set=usersAggregateActivity.0.userEmailAddress:"\\ud800@example.com"']) as (_, client):
        assert '"\\ud800@example.com"' in client.post(request_body()).text


def test_cursor_loop() -> None:
    """Each page has a new cursor to the same page."""
    with serving(faults=["cursor_loop"], page_size=100) as (_, client):
        cursors = follow(client, request_body(), 4)
        again = client.post({**request_body(), "cursor": cursors[-1]}).json()
    assert len(set(cursors)) == 4
    assert rows_of([again]) == COMPANY.rows("DAY", date(2025, 3, 3), date(2025, 3, 5))


def test_header() -> None:
    """A header is added, or replaces the existing one."""
    faults = ["status=503,envelope=no", "header=x-traceid:abc", "header=content-type:text/plain"]
    with serving(faults=faults) as (_, client):
        response = client.post(request_body())
    assert (response.headers["x-traceid"], response.headers["Content-Type"]) == ("abc", "text/plain")


def test_drop_all_elements() -> None:
    """An asterisk at the end of a path leaves an empty array."""
    with serving(faults=["drop=usersAggregateActivity.*"]) as (_, client):
        assert client.post(request_body()).json()["usersAggregateActivity"] == []


@pytest.mark.parametrize("fault", ["null=usersAggregateActivity", "drop=usersAggregateActivity", "null=records"])
def test_missing_arrays(fault: str) -> None:
    """The log counts the users that were sent, even without `records` or the array."""
    with serving(faults=[fault]) as (sandbox, client):
        page = client.post(request_body()).json()
    assert page.get(fault.partition("=")[2]) is None
    assert sandbox.requests[0].users == (17 if fault == "null=records" else 0)


def test_mutation() -> None:
    """A function can change a page in any way."""

    def change(page: dict[str, Any]) -> None:
        page["usersAggregateActivity"].reverse()

    with serving(faults=[Fault(Mutation(change), at=1)]) as (_, client):
        changed, true = (client.post(request_body()).json()["usersAggregateActivity"] for _ in range(2))
    assert changed == true[::-1]


def test_delay() -> None:
    """A delayed response is complete."""
    with serving(faults=["delay=0.1,at=1", "delay=3600,at=2"]) as (_, client):
        began = time.monotonic()
        assert client.post(request_body()).status_code == 200
        assert time.monotonic() - began >= 0.1
        with pytest.raises(requests.exceptions.ReadTimeout):
            client.post(request_body(), timeout=0.05)


def test_inject() -> None:
    """An injected fault applies to later requests."""
    with serving() as (sandbox, client):
        assert client.post(request_body()).status_code == 200
        sandbox.inject("status=500,at=1")
        sandbox.inject(Fault(Status(502), at=2))
        assert [client.post(request_body()).status_code for _ in range(3)] == [500, 502, 200]


@pytest.mark.parametrize(
    ("at", "hit"),
    [
        ("", [1, 2, 3, 4, 5, 6]),
        (",at=2", [2]),
        (",at=2-4", [2, 3, 4]),
        (",at=5-", [5, 6]),
        (",at=2/3", [2, 5]),
        (",page=0,at=2", [2]),
        (",page=1", []),
    ],
)
def test_at(at: str, hit: list[int]) -> None:
    """`at` selects one request, a range, every Kth or, by default, all."""
    with serving(faults=[f"status=500{at}"]) as (_, client):
        statuses = [client.post(request_body()).status_code for _ in range(6)]
    assert [number for number, status in enumerate(statuses, 1) if status == 500] == hit


def test_conditions() -> None:
    """Faults can depend on the period, the first day or the page, and each counts its own requests."""
    faults = ["status=500,period=WEEK", "status=501,from=2025-03-04", "status=502,page=1,at=2"]
    with serving(page_size=5, faults=faults) as (_, client):
        assert client.post(request_body("WEEK")).status_code == 500
        assert client.post(request_body(from_date="2025-03-04")).status_code == 501
        body = {**request_body(), "cursor": client.post(request_body()).json()["records"]["cursor"]}
        assert [client.post(body).status_code for _ in range(3)] == [200, 502, 200]


def test_log_contains_the_faults(tmp_path: Path) -> None:
    """Applied faults are in the log, in memory and in the file."""
    file = tmp_path / "requests.jsonl"
    with serving(request_log=file, faults=["status=500,at=2", "utc_dates,at=2-3"]) as (sandbox, client):
        for _ in range(3):
            client.post(request_body())
        written = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    expected = [[], ["status=500,at=2", "utc_dates,at=2-3"], ["utc_dates,at=2-3"]]
    assert [record.faults for record in sandbox.requests] == expected
    assert [line["faults"] for line in written] == expected


def test_log_contains_no_credentials(tmp_path: Path) -> None:
    """The log has one line per request, without headers and the URL's query."""
    file = tmp_path / "requests.jsonl"
    with serving(request_log=file, clock=HandClock(NOON), access_token="a-token", today=TODAY) as (sandbox, client):
        client.post(request_body(), params={"refresh_token": "in-the-query"})
        client.session.post(sandbox.url + "/nowhere", data=b"no json", timeout=TIMEOUT)
    text = file.read_text("utf-8")
    for secret in (sandbox.access_key, sandbox.access_key_secret, "a-token", "in-the-query", "Basic"):
        assert secret not in text
    served, lost = (json.loads(line) for line in text.splitlines())
    rows = COMPANY.rows("DAY", date(2025, 3, 3), date(2025, 3, 5))
    assert served == {
        "number": 1,
        "at": "2025-03-12T20:00:00+00:00",
        "seconds": 0.0,
        "method": "POST",
        "path": "/v2/stats/activity/aggregate-by-period",
        "query": {},
        "body": request_body(),
        "status": 200,
        "errors": [],
        "retry_after": None,
        "page": 0,
        "users": len(rows) // 2,
        "items": len(rows),
        "faults": [],
        "violation": False,
    }
    assert (lost["path"], lost["status"], lost["body"]) == ("/nowhere", 404, None)


def test_latency() -> None:
    """Each response takes at least the latency."""
    began = time.monotonic()
    with serving(latency=0.05) as (_, client):
        assert client.post(request_body()).status_code == 200
        assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "at=3",
        "status",
        "status=abc",
        "status=500,html",
        "status=500,status=501",
        "status=500,at=0",
        "status=500,at=x",
        "status=500,at=3-x",
        "status=500,page=x",
        "status=500,on=moon",
        "status=500,envelope=maybe",
        "status=500,what=ever",
        "html,retry_after=5",
        "html=5",
        "drip=slow",
        "huge=much",
        "set=a.b:{",
        "set=a.b",
    ],
)
def test_invalid_fault(text: str) -> None:
    """A fault that doesn't follow the grammar is an error that quotes it."""
    with pytest.raises(InvalidFaultError) as refused:
        parse_fault(text)
    assert repr(text) in str(refused.value)
    with pytest.raises(InvalidFaultError), serving(faults=[text]):
        pass
