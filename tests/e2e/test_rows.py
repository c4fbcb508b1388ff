"""Rows: every row of the range is written once with its counters, and no others."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from gong_sandbox import HandClock
from support.catalogs import catalog_selecting
from support.expected_rows import (
    COLUMNS,
    STREAMS,
    ExpectedWindow,
    company,
    expected_rows,
    expected_windows,
    rows_by_key,
)
from support.fake_clock import NOON, TODAY
from support.fake_time_runs import run, serve_rate_limited_sandbox, serve_sandbox
from support.run_results import assert_succeeded, rows_of_messages
from support.seeded_random import seeded_random

if TYPE_CHECKING:
    from random import Random

    from gong_sandbox import Company, Sandbox

ZONES = ("America/Los_Angeles", "Asia/Kolkata", "Pacific/Kiritimati", "America/Santiago", "UTC")
LAST_ZONE_ON_EARTH = timezone(timedelta(hours=-12))


def expected_requests(company: Company, windows: list[ExpectedWindow], page_size: int, **filters: Any) -> int:  # noqa: ANN401 - as in expected_rows
    """Count the pages of the windows; a window without rows costs one request as well."""
    users = [
        len({row.user_id for row in company.rows(window.grain, window.start, window.end, **filters)})
        for window in windows
    ]
    return sum(max(1, -(-count // page_size)) for count in users)


@dataclass
class Case:
    """A company, and the settings of a run."""

    company: Company
    now: datetime
    today: date
    page_size: int
    start: date
    end: date
    settings: dict[str, Any]
    filters: dict[str, Any]

    def windows(self, grain: str, start: date | None = None) -> list[ExpectedWindow]:
        """Return the windows that the tap must request."""
        return expected_windows(
            grain,
            start or self.start,
            self.end,
            periods_per_window=self.settings["periods_per_window"],
            include_open_period=self.settings["include_open_period"],
        )


def draw_case(draw: Random) -> Case:
    """Draw everything that determines the rows."""
    zone = draw.choice(ZONES)
    drawn = company(12, zone)
    now = datetime(2024, 6, 1, tzinfo=timezone.utc) + timedelta(minutes=draw.randrange(365 * 24 * 60))
    knows_zone = draw.random() < 0.8
    today = now.astimezone(drawn.zone if knows_zone else LAST_ZONE_ON_EARTH).date()
    start = today - timedelta(days=draw.randrange(1, 300))
    end = draw.choice([today, today, start + timedelta(days=draw.randrange(1, 500))])
    filters: dict[str, Any] = {}
    settings: dict[str, Any] = {
        "start_date": str(start),
        "end_date": None if end == today else str(end),
        "company_timezone": zone if knows_zone else None,
        "periods_per_window": draw.choice([1, 2, 3, 7, 30, 90, 400]) if (today - start).days < 60 else 90,
        "max_parallel_windows": draw.choice([1, 4]),
        "include_open_period": draw.random() < 0.5,
        "requests_per_second": 1_000_000,
    }
    if draw.random() < 0.3:
        settings["user_ids"] = [draw.choice(drawn.users).user_id for _ in range(draw.randrange(1, 9))]
        filters["user_ids"] = frozenset(settings["user_ids"])
    if draw.random() < 0.3:
        filters["created_from"] = datetime(2014 + draw.randrange(4), 6, 1, tzinfo=timezone.utc)
        settings["users_created_from"] = filters["created_from"].isoformat()
    if draw.random() < 0.3:
        filters["created_to"] = datetime(2018 + draw.randrange(8), 6, 1, tzinfo=timezone.utc)
        settings["users_created_to"] = filters["created_to"].isoformat()
    return Case(drawn, now, today, draw.choice([1, 3, 5, 100]), start, min(end, today), settings, filters)


@pytest.mark.parametrize("number", range(15))
def test_rows_states_and_requests_are_exact(number: int) -> None:
    """Rows, states and requests are exactly those of the company, also after resuming from any of the states."""
    draw = seeded_random("rows", number)
    case = draw_case(draw)
    streams = sorted(draw.sample(sorted(STREAMS), draw.choice([1, 1, 2, 5])))
    with serve_sandbox(company=case.company, clock=HandClock(case.now), page_size=case.page_size) as sandbox:
        first = run(sandbox, streams=streams, **case.settings)
        assert_succeeded(first)
        states: list[tuple[str, str]] = []
        for stream in streams:
            windows = case.windows(STREAMS[stream])
            rows = [message["record"] for message in first.messages if _is_record_of(stream, message)]
            assert rows == expected_rows(case.company, windows, **case.filters)
            requests = [record for record in first.requests if record.body["aggregationPeriod"] == STREAMS[stream]]
            assert len(requests) == expected_requests(case.company, windows, case.page_size, **case.filters)
            assert {(record.body["filter"]["fromDate"], record.body["filter"]["toDate"]) for record in requests} == {
                (str(window.start), str(window.end)) for window in windows
            }
            states += [(stream, str(window.end if window.is_complete else window.start)) for window in windows]
        assert _bookmarks_in_order(first.states) == [*dict.fromkeys(states)]
        _assert_resumes(draw, case, sandbox, streams, first.states)


def _assert_resumes(draw: Random, case: Case, sandbox: Sandbox, streams: list[str], states: list[Any]) -> None:
    state, lookback = draw.choice([{}, *states]), draw.choice([0, 1, 7, 40, 5000])
    rerun = run(sandbox, streams=streams, state=state, **case.settings, lookback_days=lookback)
    assert_succeeded(rerun)
    expected = []
    for stream in streams:
        bookmark = state.get("bookmarks", {}).get(stream, {}).get("replication_key_value")
        start = case.start
        if bookmark is not None and lookback < 5000:
            start = max(start, date.fromisoformat(bookmark) - timedelta(days=lookback))
        expected += expected_rows(case.company, case.windows(STREAMS[stream], start), **case.filters)
    assert rerun.rows == expected
    assert {**_bookmarks(states[-1:]), **_bookmarks(rerun.states[-1:])} == _bookmarks(states[-1:])


def _bookmarks(states: list[Any]) -> dict[str, str]:
    return dict(_bookmarks_in_order(states))


def _bookmarks_in_order(states: list[Any]) -> list[tuple[str, str]]:
    """Return each stream and bookmark in the states, in order and without repetitions."""
    bookmarks = [
        (stream, entry["replication_key_value"])
        for state in states
        for stream, entry in state.get("bookmarks", {}).items()
        if "replication_key_value" in entry
    ]
    return [*dict.fromkeys(bookmarks)]


def _is_record_of(stream: str, message: dict[str, Any]) -> bool:
    return bool(message["type"] == "RECORD" and message["stream"] == stream)


def test_rows_have_all_columns_and_unique_keys() -> None:
    """Rows have exactly the documented columns in order, and keys are unique in each stream."""
    with serve_rate_limited_sandbox(company=company(6), page_size=3) as sandbox:
        result = run(sandbox, streams=[*STREAMS], max_parallel_windows=1, periods_per_window=5, start_date="2024-01-01")
    assert_succeeded(result)
    assert {tuple(row) for row in result.rows} == {COLUMNS}
    assert len(result.rows) == len(result.rows_by_key)
    assert {(stream, row["aggregation_period"]) for stream, row in rows_of_messages(result.messages)} == {
        *STREAMS.items()
    }


def test_user_ids_are_text() -> None:
    """User ids are text, even beyond 64-bit integers."""
    with serve_sandbox() as sandbox:
        result = run(sandbox)
    ids = {row["user_id"] for row in result.rows}
    assert all(type(user_id) is str for user_id in ids)
    assert ids <= {user.user_id for user in sandbox.company.users}
    assert any(int(user_id) > 2**63 for user_id in ids)


def test_only_days_are_read_without_a_catalog() -> None:
    """Without a catalog, only days are read, because each grain costs requests of its own."""
    with serve_sandbox() as sandbox:
        result = run(sandbox)
    assert_succeeded(result)
    assert {message["stream"] for message in result.messages if "stream" in message} == {"activity_by_day"}


def test_schema_precedes_rows_and_state_follows_windows() -> None:
    """A SCHEMA precedes the rows, and a STATE follows every window, even one without rows."""
    with serve_sandbox(faults=["status=404,from=2025-03-04"]) as sandbox:
        result = run(sandbox, start_date="2025-03-01", periods_per_window=3)
    assert_succeeded(result)
    windows = expected_windows("DAY", date(2025, 3, 1), TODAY, periods_per_window=3)
    users = [len({row["user_id"] for row in expected_rows(sandbox.company, [window])}) for window in windows]
    users[1] = 0
    expected = ["SCHEMA"]
    for window, count in zip(windows, users, strict=True):
        expected += ["RECORD"] * count * (window.end - window.start).days + ["STATE"]
    kinds = [message["type"] for message in result.messages]
    assert kinds[kinds.index("SCHEMA") :] == expected
    assert len(result.warnings) == 1


def test_open_period_is_read_again() -> None:
    """The open period is read separately, its rows aren't complete, and the next run reads it again."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, streams=["activity_by_week"], include_open_period=True, start_date="2025-02-24")
        rerun = run(
            sandbox, streams=["activity_by_week"], include_open_period=True, start_date="2025-02-24", state=result.state
        )
    assert sorted(record.body["filter"]["fromDate"] for record in result.requests) == ["2025-02-24", "2025-03-10"]
    assert {(row["period_start_date"], row["is_complete"]) for row in result.rows} == {
        ("2025-02-24", True),
        ("2025-03-03", True),
        ("2025-03-10", False),
    }
    assert {row["period_end_date"] for row in result.rows if not row["is_complete"]} == {"2025-03-12"}
    assert result.bookmarks == {"activity_by_week": "2025-03-10"}
    assert rerun.rows_by_key == {key: row for key, row in result.rows_by_key.items() if not row["is_complete"]}
    assert rerun.bookmarks == result.bookmarks


@pytest.mark.parametrize("stream", ["activity_by_day", "activity_by_year"])
def test_nothing_to_read_sends_no_request(stream: str) -> None:
    """If there's nothing to read, the run succeeds without a request or warning, and the state stays."""
    with serve_sandbox() as sandbox:
        first = run(sandbox, streams=[stream], start_date="2023-12-30")
        rerun = run(sandbox, streams=[stream], start_date="2023-12-30", state=first.state)
        future = run(sandbox, streams=[stream], start_date="2025-03-12")
    for result in (rerun, future):
        assert_succeeded(result)
        assert result.requests == []
        assert result.warnings == []
    assert rerun.state == first.state


@pytest.mark.parametrize(
    ("settings", "bookmark"),
    [
        ({"start_date": "2024-01-01", "end_date": "2024-02-01"}, "2025-03-10"),
        ({"lookback_days": 30}, "2025-03-10"),
        ({"lookback_days": 400}, "2025-03-12"),
        ({"start_date": "2025-03-01", "lookback_days": 90, "periods_per_window": 1}, "2025-03-12"),
        ({}, "2025-06-01"),
    ],
)
def test_bookmark_never_moves_back(settings: dict[str, Any], bookmark: str) -> None:
    """A bookmark never moves back, whatever the range and the lookback."""
    state = {
        "bookmarks": {"activity_by_day": {"replication_key": "period_end_date", "replication_key_value": bookmark}}
    }
    with serve_sandbox() as sandbox:
        result = run(sandbox, state=state, **settings)
    assert_succeeded(result)
    values = [date.fromisoformat(value) for _, value in _bookmarks_in_order(result.states)]
    assert values == sorted(values)
    assert min(values) == date.fromisoformat(bookmark)


def test_state_of_other_streams_is_preserved() -> None:
    """The state of streams that aren't selected is preserved."""
    entry = {"replication_key": "period_end_date", "replication_key_value": "2025-02-01"}
    state = {"bookmarks": {"activity_by_month": entry, "another_taps_stream": {"replication_key_value": 5}}}
    with serve_sandbox() as sandbox:
        result = run(sandbox, state=state)
    assert_succeeded(result)
    assert {name: result.state["bookmarks"][name] for name in state["bookmarks"]} == state["bookmarks"]
    assert result.bookmarks["activity_by_day"] == "2025-03-12"


@pytest.mark.parametrize("null", ["null=usersAggregateActivity", "drop=usersAggregateActivity"])
def test_null_or_missing_array_is_an_empty_window(null: str) -> None:
    """A null or missing array is a window without rows if totalRecords is 0."""
    with serve_sandbox(faults=[f"{null},from=2025-03-05", "set=records.totalRecords:0,from=2025-03-05"]) as sandbox:
        result = run(sandbox, start_date="2025-03-03", periods_per_window=2)
    assert_succeeded(result)
    windows = expected_windows("DAY", date(2025, 3, 3), TODAY, periods_per_window=2)
    assert result.rows == expected_rows(sandbox.company, [windows[0], *windows[2:]])
    assert result.bookmarks == {"activity_by_day": "2025-03-12"}


def test_null_fields_stay_null() -> None:
    """Null counters and email addresses stay null, and a user without items has no rows."""
    everywhere = "usersAggregateActivity.*"
    faults = [
        f"null={everywhere}.userAggregateActivity.*.callsAsHost",
        f"drop={everywhere}.userAggregateActivity.*.callsAttended",
        f"null={everywhere}.userEmailAddress",
        "null=usersAggregateActivity.0.userAggregateActivity",
    ]
    with serve_sandbox(faults=faults) as sandbox:
        result = run(sandbox, start_date="2025-03-01")
    assert_succeeded(result)
    rows = expected_rows(sandbox.company, expected_windows("DAY", date(2025, 3, 1), TODAY))
    nulls = {"calls_as_host": None, "calls_attended": None, "user_email_address": None}
    assert result.rows == [{**row, **nulls} for row in rows if row["user_id"] != rows[0]["user_id"]]


def test_run_without_rows_succeeds_with_a_warning() -> None:
    """A run without rows succeeds, with a warning that names the settings that may cause it."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, user_ids=["1"], start_date="2025-01-01", periods_per_window=10)
    assert_succeeded(result)
    assert result.rows == []
    assert result.bookmarks == {"activity_by_day": "2025-03-12"}
    (empty_window, empty_run) = result.warnings
    assert "404" in empty_window
    assert "user_ids" in empty_window
    assert "Gong returned no rows" in empty_run


def test_utc_dates_are_converted_to_company_timezone() -> None:
    """Dates that Gong returns in UTC are converted to company_timezone, in every zone."""
    for zone in ZONES:
        drawn = company(12, zone)
        with serve_sandbox(company=drawn, faults=["utc_dates"]) as sandbox:
            result = run(sandbox, streams=[*STREAMS], start_date="2024-08-20")
        today = NOON.astimezone(drawn.zone).date()
        assert result.status == 0, result.log
        expected = [
            row
            for grain in STREAMS.values()
            for row in expected_rows(drawn, expected_windows(grain, date(2024, 8, 20), today))
        ]
        assert result.rows_by_key == rows_by_key(expected)
        assert Counter(map(len, result.rows)) == {len(COLUMNS): len(expected)}


def test_utc_dates_need_company_timezone() -> None:
    """If Gong returns dates in UTC and company_timezone isn't set, the run fails before the window's rows."""
    with serve_sandbox(company=company(12, "Asia/Kolkata"), faults=["utc_dates"]) as sandbox:
        result = run(sandbox, company_timezone=None)
    assert result.status == 1
    assert result.rows == []
    assert len(result.errors) == 1
    assert "company_timezone" in result.errors[0]


def test_full_table_reads_everything() -> None:
    """With FULL_TABLE, a run reads everything whatever the state, and writes no bookmark."""
    state = {
        "bookmarks": {"activity_by_day": {"replication_key": "period_end_date", "replication_key_value": "2025-03-01"}}
    }
    with serve_sandbox(page_size=5) as sandbox:
        result = run(sandbox, catalog=catalog_selecting("activity_by_day", full_table=True), state=state)
    assert_succeeded(result)
    expected = expected_rows(sandbox.company, expected_windows("DAY", date(2024, 11, 20), TODAY))
    assert result.rows == expected
    assert all(state == {} or "2025-03-12" not in str(state) for state in result.states)
