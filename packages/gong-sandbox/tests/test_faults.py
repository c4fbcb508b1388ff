"""What can be made to go wrong."""

from __future__ import annotations

import json
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import requests
from gong_sandbox import Fault, FaultNotUnderstoodError, HandClock, Mutation, Status, parse_fault
from sandbox_support.client import COMPANY, NOON, PATIENCE, TODAY, asking, rows_of, serving

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox_support.client import Client


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 429, 500, 502, 503, 504, 599])
def test_a_status_comes_with_gongs_envelope(status: int) -> None:
    """The sentence can be chosen."""
    with serving(faults=[f"status={status},error=So it is"]) as (_, client):
        response = client.post(asking())
    assert response.status_code == status
    assert set(response.json()) == {"requestId", "errors"}
    assert response.json()["errors"] == ["So it is"]
    assert "Retry-After" not in response.headers


def test_a_status_can_come_without_the_envelope() -> None:
    """It's a web page then, as a wrong host would return."""
    with serving(faults=["status=404,envelope=no"]) as (_, client):
        response = client.post(asking())
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("retry_after", "header"),
    [
        ("7", "7"),
        ("0", "0"),
        ("date:90", "Wed, 12 Mar 2025 20:01:30 GMT"),
        ("soon", "soon"),
        ("-1", "-1"),
        ("2.5", "2.5"),
        ("", ""),
        ("5, 7", "5, 7"),
        ("5,soon", "5,soon"),
        ("date:-90", "Wed, 12 Mar 2025 19:58:30 GMT"),
    ],
)
def test_retry_after_is_seconds_or_a_list_or_a_date_or_nonsense(retry_after: str, header: str) -> None:
    """What is no time to wait is sent as it is, and holds nobody."""
    with serving(clock=HandClock(NOON), faults=[f'status=429,retry_after="{retry_after}",at=1']) as (_, client):
        assert client.post(asking()).headers["Retry-After"] == header
        waits = retry_after in {"7", "date:90", "5, 7"}
        assert client.post(asking()).status_code == (429 if waits else 200)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_leads_elsewhere(status: int) -> None:
    """The host doesn't exist, unless another location is given."""
    faults = [f"status={status},at=1", f"status={status},location=http://127.0.0.1:1/,at=2"]
    with serving(faults=faults) as (_, client):
        assert client.post(asking()).headers["Location"].startswith("http://elsewhere.invalid/")
        assert client.post(asking()).headers["Location"] == "http://127.0.0.1:1/"


def test_html_can_come_with_200() -> None:
    """A body that is no JSON."""
    with serving(faults=["html"]) as (sandbox, client):
        response = client.post(asking())
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
def test_a_response_can_get_lost(fault: str, error: type[Exception]) -> None:
    """The client sees it, the log counts no rows for it, and the next request is served."""
    with serving(faults=[f"{fault},at=1"]) as (sandbox, client):
        with pytest.raises(error):
            client.post(asking())
        assert client.post(asking()).status_code == 200
    lost, served = sandbox.requests
    assert lost.faults == [f"{fault},at=1"]
    assert lost.status == (None if fault in {"close", "reset"} else 200)
    assert served.users > 0
    if fault != "broken_gzip":
        assert lost.users == lost.items == 0


def test_a_connection_is_reset_rather_than_closed() -> None:
    """The two look different to a client."""
    with serving(faults=["reset,at=1", "close,at=2"]) as (_, client):
        with pytest.raises(requests.exceptions.ConnectionError, match="reset by peer"):
            client.post(asking())
        with pytest.raises(requests.exceptions.ConnectionError, match="without response"):
            client.post(asking())


def test_a_response_can_be_missing() -> None:
    """The client's patience ends it; until then the connection stays open."""
    with serving(faults=["hang,at=1"]) as (sandbox, client):
        with pytest.raises(requests.exceptions.ReadTimeout):
            client.post(asking(), timeout=0.05)
        assert client.post(asking()).status_code == 200
    assert sandbox.requests[0].status is None


def test_a_response_can_drip() -> None:
    """A byte at a time never times out a client that waits for each; the sandbox can end all the same."""
    with serving(faults=["drip=0.0001,at=1", "drip=3600,at=2"]) as (_, client):
        assert rows_of([client.post(asking(userIds=[COMPANY.users[0].user_id])).json()])
        response = client.post(asking(), stream=True)
        assert next(response.iter_content(1)) == b"{"
        response.close()


def test_a_body_can_be_huge() -> None:
    """It's valid JSON, padded to the size."""
    with serving(faults=["huge=3000000"]) as (_, client):
        response = client.post(asking())
    assert len(response.content) == 3_000_000
    assert rows_of([response.json()]) == COMPANY.rows("DAY", date(2025, 3, 3), date(2025, 3, 5))


def test_an_empty_page_can_have_a_cursor() -> None:
    """Who goes on gets everything."""
    with serving(page_size=7, faults=["empty_page,at=2"]) as (_, client):
        pages = client.pages(asking())
    assert [len(page["usersAggregateActivity"]) for page in pages] == [7, 0, 7, len(pages[3]["usersAggregateActivity"])]
    assert pages[1]["records"]["currentPageSize"] == 0
    assert rows_of(pages) == COMPANY.rows("DAY", date(2025, 3, 3), date(2025, 3, 5))


def test_a_first_page_can_be_empty_and_have_a_cursor() -> None:
    """Even where there is one page only."""
    with serving(faults=["empty_page,at=1"]) as (_, client):
        assert len(client.pages(asking())) == 2


def follow(client: Client, body: dict[str, Any], times: int) -> list[str | None]:
    """Follow the cursors and list them."""
    cursors: list[str | None] = []
    for _ in range(times):
        sent = {"cursor": cursors[-1]} if cursors else {}
        cursors.append(client.post({**body, **sent}).json()["records"].get("cursor"))
    return cursors


def test_a_cursor_can_come_back_unchanged() -> None:
    """The response holds the cursor that was sent."""
    with serving(page_size=3, faults=["cursor_unchanged,at=1"]) as (_, client):
        first, second, third = follow(client, asking(), 3)
    assert first == second != third


def test_a_cursor_can_come_back_later() -> None:
    """The response holds the cursor that was sent one page before."""
    with serving(page_size=3, faults=["cursor_seen,at=1"]) as (_, client):
        first, second, third = follow(client, asking(), 3)
    assert first == third != second


def test_a_cursor_can_expire_early() -> None:
    """Only a request with a cursor is concerned."""
    with serving(page_size=3, faults=["cursor_expired,at=1"]) as (_, client):
        body = {**asking(), "cursor": client.post(asking()).json()["records"]["cursor"]}
        assert [client.post(body).status_code for _ in range(2)] == [400, 200]


def test_a_user_can_be_repeated() -> None:
    """The last user of a page precedes the next page's."""
    with serving(page_size=3, faults=["repeated_user,at=1"]) as (_, client):
        first, second, third, *_rest = client.pages(asking())
    assert second["usersAggregateActivity"][0] == first["usersAggregateActivity"][-1]
    assert second["records"]["currentPageSize"] == len(second["usersAggregateActivity"]) == 4
    assert third["usersAggregateActivity"][0] != second["usersAggregateActivity"][-1]


def test_totals_can_change() -> None:
    """Each page says another number."""
    with serving(page_size=3, faults=["changing_totals"]) as (_, client):
        totals = [page["records"]["totalRecords"] for page in client.pages(asking())]
    assert len(set(totals)) == len(totals)


def first_item(client: Client) -> dict[str, Any]:
    """Return the first item of a response."""
    item: dict[str, Any] = client.post(asking()).json()["usersAggregateActivity"][0]["userAggregateActivity"][0]
    return item


def test_dates_can_be_in_utc() -> None:
    """The same instants, ending in Z."""
    with serving(faults=["utc_dates"]) as (_, client):
        item = first_item(client)
    assert (item["fromDate"], item["toDate"]) == ("2025-03-03T08:00:00Z", "2025-03-04T08:00:00Z")


def test_to_date_can_be_malformed_like_gongs_example() -> None:
    """Three digits for the hour."""
    with serving(faults=["malformed_to_date"]) as (_, client):
        item = first_item(client)
    assert (item["fromDate"], item["toDate"]) == ("2025-03-03T00:00:00-08:00", "2025-03-04T000:00:00-08:00")


def test_fields_can_be_dropped_nulled_and_set() -> None:
    """A path leads to one place or, with stars, to many; where it leads nowhere nothing changes."""
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
        page = client.post(asking()).json()
    first, *others = page["usersAggregateActivity"]
    assert "userId" not in first
    assert all("userId" in user for user in others)
    for user in page["usersAggregateActivity"]:
        (item,) = user["userAggregateActivity"]
        assert item["fromDate"].startswith("2025-03-04")
        assert (item["callsAsHost"], item["callsAttended"]) == (None, "3")
    assert page["records"]["new"] is True
    assert sandbox.requests[0].items == len(page["usersAggregateActivity"])


def test_a_page_can_be_replaced_and_its_fields_renamed() -> None:
    """The empty path is the whole page; JSON can hold commas."""
    faults = ["set=:{},at=1", 'set=:[1, "a, b"],at=2', 'set=errors:["a, b", "c"],at=3', "drop=,at=4"]
    with serving(faults=[*faults, "rename=usersAggregateActivity:users,at=5"]) as (sandbox, client):
        empty, array, errors, nothing, renamed = (client.post(asking()).json() for _ in range(5))
    assert (empty, array, nothing) == ({}, [1, "a, b"], None)
    assert errors["errors"] == sandbox.requests[2].errors == ["a, b", "c"]
    assert list(errors) == ["requestId", "records", "usersAggregateActivity", "errors"]
    assert renamed["users"]
    assert "usersAggregateActivity" not in renamed
    assert [record.status for record in sandbox.requests] == [200] * 5


def test_an_address_can_hold_a_lone_surrogate() -> None:
    """It is sent as an escape, which strict parsers refuse."""
    with serving(faults=['set=usersAggregateActivity.0.userEmailAddress:"\\ud800@example.com"']) as (_, client):
        assert '"\\ud800@example.com"' in client.post(asking()).text


def test_cursors_can_be_endless() -> None:
    """Every page has a new cursor, which leads to the same page."""
    with serving(faults=["cursor_loop"], page_size=100) as (_, client):
        cursors = follow(client, asking(), 4)
        again = client.post({**asking(), "cursor": cursors[-1]}).json()
    assert len(set(cursors)) == 4
    assert rows_of([again]) == COMPANY.rows("DAY", date(2025, 3, 3), date(2025, 3, 5))


def test_headers_can_be_added_and_changed() -> None:
    """A page without an envelope can have a trace ID."""
    faults = ["status=503,envelope=no", "header=x-traceid:abc", "header=content-type:text/plain"]
    with serving(faults=faults) as (_, client):
        response = client.post(asking())
    assert (response.headers["x-traceid"], response.headers["Content-Type"]) == ("abc", "text/plain")


def test_all_elements_can_be_dropped() -> None:
    """A star at the end leaves an empty array."""
    with serving(faults=["drop=usersAggregateActivity.*"]) as (_, client):
        assert client.post(asking()).json()["usersAggregateActivity"] == []


@pytest.mark.parametrize("fault", ["null=usersAggregateActivity", "drop=usersAggregateActivity", "null=records"])
def test_arrays_can_be_missing(fault: str) -> None:
    """The log says what was sent."""
    with serving(faults=[fault]) as (sandbox, client):
        page = client.post(asking()).json()
    assert page.get(fault.partition("=")[2]) is None
    assert sandbox.requests[0].users == (17 if fault == "null=records" else 0)


def test_python_can_do_anything_to_a_page() -> None:
    """A function gets the page, and changes it."""

    def change(page: dict[str, Any]) -> None:
        page["usersAggregateActivity"].reverse()

    with serving(faults=[Fault(Mutation(change), at=1)]) as (_, client):
        changed, true = (client.post(asking()).json()["usersAggregateActivity"] for _ in range(2))
    assert changed == true[::-1]


def test_a_response_can_be_late() -> None:
    """It comes after the delay, whole."""
    with serving(faults=["delay=0.1,at=1", "delay=3600,at=2"]) as (_, client):
        began = time.monotonic()
        assert client.post(asking()).status_code == 200
        assert time.monotonic() - began >= 0.1
        with pytest.raises(requests.exceptions.ReadTimeout):
            client.post(asking(), timeout=0.05)


def test_faults_can_be_injected_on_the_way() -> None:
    """From then on they count."""
    with serving() as (sandbox, client):
        assert client.post(asking()).status_code == 200
        sandbox.inject("status=500,at=1")
        sandbox.inject(Fault(Status(502), at=2))
        assert [client.post(asking()).status_code for _ in range(3)] == [500, 502, 200]


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
def test_a_fault_strikes_at_chosen_requests(at: str, hit: list[int]) -> None:
    """One, some in a row, all from one on, every so many, or all."""
    with serving(faults=[f"status=500{at}"]) as (_, client):
        statuses = [client.post(asking()).status_code for _ in range(6)]
    assert [number for number, status in enumerate(statuses, 1) if status == 500] == hit


def test_a_fault_strikes_at_chosen_contents() -> None:
    """By period, first day or page, each counted apart."""
    faults = ["status=500,period=WEEK", "status=501,from=2025-03-04", "status=502,page=1,at=2"]
    with serving(page_size=5, faults=faults) as (_, client):
        assert client.post(asking("WEEK")).status_code == 500
        assert client.post(asking(from_date="2025-03-04")).status_code == 501
        body = {**asking(), "cursor": client.post(asking()).json()["records"]["cursor"]}
        assert [client.post(body).status_code for _ in range(3)] == [200, 502, 200]


def test_the_log_knows_the_faults(tmp_path: Path) -> None:
    """Those that struck are named, in memory and in the file."""
    file = tmp_path / "requests.jsonl"
    with serving(request_log=file, faults=["status=500,at=2", "utc_dates,at=2-3"]) as (sandbox, client):
        for _ in range(3):
            client.post(asking())
        written = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    expected = [[], ["status=500,at=2", "utc_dates,at=2-3"], ["utc_dates,at=2-3"]]
    assert [record.faults for record in sandbox.requests] == expected
    assert [line["faults"] for line in written] == expected


def test_the_log_says_what_was_sent_and_no_credential(tmp_path: Path) -> None:
    """A line a request, with everything but headers and the URL's query."""
    file = tmp_path / "requests.jsonl"
    with serving(request_log=file, clock=HandClock(NOON), access_token="a-token", today=TODAY) as (sandbox, client):
        client.post(asking(), params={"refresh_token": "in-the-query"})
        client.session.post(sandbox.url + "/nowhere", data=b"no json", timeout=PATIENCE)
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
        "body": asking(),
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


def test_responses_can_take_their_time() -> None:
    """Each response takes the latency, and closing doesn't wait for it."""
    began = time.monotonic()
    with serving(latency=0.05) as (_, client):
        assert client.post(asking()).status_code == 200
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
def test_a_fault_that_makes_no_sense_is_refused(text: str) -> None:
    """One sentence quotes it."""
    with pytest.raises(FaultNotUnderstoodError) as refused:
        parse_fault(text)
    assert repr(text) in str(refused.value)
    with pytest.raises(FaultNotUnderstoodError), serving(faults=[text]):
        pass
