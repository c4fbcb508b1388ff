"""Every row that Gong holds for the range comes out, once, with its counters, and nothing else does."""

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


def requests_needed(of: Company, spans: list[ExpectedWindow], page_size: int, **filters: Any) -> int:  # noqa: ANN401 - as in rows_of
    """Count the pages of the windows; one that holds nothing has to be asked for as well."""
    users = [len({row.user_id for row in of.rows(span.grain, span.start, span.end, **filters)}) for span in spans]
    return sum(max(1, -(-count // page_size)) for count in users)


@dataclass
class Case:
    """A company and the settings of a run."""

    of: Company
    now: datetime
    today: date
    page_size: int
    start: date
    end: date
    settings: dict[str, Any]
    filters: dict[str, Any]

    def spans(self, grain: str, start: date | None = None) -> list[ExpectedWindow]:
        """Give the windows to read."""
        return expected_windows(
            grain,
            start or self.start,
            self.end,
            periods_per_window=self.settings["periods_per_window"],
            include_open_period=self.settings["include_open_period"],
        )


def draw_case(draw: Random) -> Case:
    """Draw anything that decides which rows there are."""
    zone = draw.choice(ZONES)
    of = company(12, zone)
    now = datetime(2024, 6, 1, tzinfo=timezone.utc) + timedelta(minutes=draw.randrange(365 * 24 * 60))
    knows_zone = draw.random() < 0.8
    today = now.astimezone(of.zone if knows_zone else LAST_ZONE_ON_EARTH).date()
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
        settings["user_ids"] = [draw.choice(of.users).user_id for _ in range(draw.randrange(1, 9))]
        filters["user_ids"] = frozenset(settings["user_ids"])
    if draw.random() < 0.3:
        filters["created_from"] = datetime(2014 + draw.randrange(4), 6, 1, tzinfo=timezone.utc)
        settings["users_created_from"] = filters["created_from"].isoformat()
    if draw.random() < 0.3:
        filters["created_to"] = datetime(2018 + draw.randrange(8), 6, 1, tzinfo=timezone.utc)
        settings["users_created_to"] = filters["created_to"].isoformat()
    return Case(of, now, today, draw.choice([1, 3, 5, 100]), start, min(end, today), settings, filters)


@pytest.mark.parametrize("number", range(15))
def test_rows_states_and_requests_are_those_that_the_company_makes_necessary(number: int) -> None:
    """Whatever the range, zone, windows, page size and filters, at first and when resumed from any of its states."""
    draw = seeded_random("rows", number)
    case = draw_case(draw)
    streams = sorted(draw.sample(sorted(STREAMS), draw.choice([1, 1, 2, 5])))
    with serve_sandbox(company=case.of, clock=HandClock(case.now), page_size=case.page_size) as sandbox:
        first = run(sandbox, streams=streams, **case.settings)
        assert_succeeded(first)
        states: list[tuple[str, str]] = []
        for stream in streams:
            spans = case.spans(STREAMS[stream])
            rows = [message["record"] for message in first.messages if _is_record_of(stream, message)]
            assert rows == expected_rows(case.of, spans, **case.filters)
            asked = [record for record in first.requests if record.body["aggregationPeriod"] == STREAMS[stream]]
            assert len(asked) == requests_needed(case.of, spans, case.page_size, **case.filters)
            assert {(record.body["filter"]["fromDate"], record.body["filter"]["toDate"]) for record in asked} == {
                (str(span.start), str(span.end)) for span in spans
            }
            states += [(stream, str(span.end if span.is_complete else span.start)) for span in spans]
        assert _moves(first.states) == [*dict.fromkeys(states)]
        _assert_resumes(draw, case, sandbox, streams, first.states)


def _assert_resumes(draw: Random, case: Case, sandbox: Sandbox, streams: list[str], states: list[Any]) -> None:
    state, lookback = draw.choice([{}, *states]), draw.choice([0, 1, 7, 40, 5000])
    again = run(sandbox, streams=streams, state=state, **case.settings, lookback_days=lookback)
    assert_succeeded(again)
    expected = []
    for stream in streams:
        bookmark = state.get("bookmarks", {}).get(stream, {}).get("replication_key_value")
        start = case.start
        if bookmark is not None and lookback < 5000:
            start = max(start, date.fromisoformat(bookmark) - timedelta(days=lookback))
        expected += expected_rows(case.of, case.spans(STREAMS[stream], start), **case.filters)
    assert again.rows == expected
    assert {**_bookmarks(states[-1:]), **_bookmarks(again.states[-1:])} == _bookmarks(states[-1:])


def _bookmarks(states: list[Any]) -> dict[str, str]:
    return dict(_moves(states))


def _moves(states: list[Any]) -> list[tuple[str, str]]:
    """Give each stream and bookmark that the states come to, in their order."""
    moves = [
        (stream, entry["replication_key_value"])
        for state in states
        for stream, entry in state.get("bookmarks", {}).items()
        if "replication_key_value" in entry
    ]
    return [*dict.fromkeys(moves)]


def _is_record_of(stream: str, message: dict[str, Any]) -> bool:
    return bool(message["type"] == "RECORD" and message["stream"] == stream)


def test_a_row_carries_exactly_the_columns_and_each_key_once() -> None:
    """In the contract's order, over several windows and pages, in each stream."""
    with serve_rate_limited_sandbox(company=company(6), page_size=3) as sandbox:
        ran = run(sandbox, streams=[*STREAMS], max_parallel_windows=1, periods_per_window=5, start_date="2024-01-01")
    assert_succeeded(ran)
    assert {tuple(row) for row in ran.rows} == {COLUMNS}
    assert len(ran.rows) == len(ran.rows_by_key)
    assert {(stream, row["aggregation_period"]) for stream, row in rows_of_messages(ran.messages)} == {*STREAMS.items()}


def test_a_user_id_stays_text_whatever_its_length() -> None:
    """Also where no integer of 64 bits holds it."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox)
    ids = {row["user_id"] for row in ran.rows}
    assert all(type(user_id) is str for user_id in ids)
    assert ids <= {user.user_id for user in sandbox.company.users}
    assert any(int(user_id) > 2**63 for user_id in ids)


def test_only_days_are_read_without_a_catalog() -> None:
    """Each other grain costs calls of its own, so it has to be asked for."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox)
    assert_succeeded(ran)
    assert {message["stream"] for message in ran.messages if "stream" in message} == {"activity_by_day"}


def test_a_schema_comes_before_the_rows_and_a_state_after_each_window() -> None:
    """Also after a window without a row, which Gong answers with a 404."""
    with serve_sandbox(faults=["status=404,from=2025-03-04"]) as sandbox:
        ran = run(sandbox, start_date="2025-03-01", periods_per_window=3)
    assert_succeeded(ran)
    spans = expected_windows("DAY", date(2025, 3, 1), TODAY, periods_per_window=3)
    users = [len({row["user_id"] for row in expected_rows(sandbox.company, [span])}) for span in spans]
    users[1] = 0
    expected = ["SCHEMA"]
    for span, count in zip(spans, users, strict=True):
        expected += ["RECORD"] * count * (span.end - span.start).days + ["STATE"]
    kinds = [message["type"] for message in ran.messages]
    assert kinds[kinds.index("SCHEMA") :] == expected
    assert len(ran.warnings) == 1


def test_the_open_period_is_marked_and_does_not_move_the_bookmark_past_its_start() -> None:
    """It is read last and alone, and the next run reads it again."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, streams=["activity_by_week"], include_open_period=True, start_date="2025-02-24")
        again = run(
            sandbox, streams=["activity_by_week"], include_open_period=True, start_date="2025-02-24", state=ran.state
        )
    assert sorted(record.body["filter"]["fromDate"] for record in ran.requests) == ["2025-02-24", "2025-03-10"]
    assert {(row["period_start_date"], row["is_complete"]) for row in ran.rows} == {
        ("2025-02-24", True),
        ("2025-03-03", True),
        ("2025-03-10", False),
    }
    assert {row["period_end_date"] for row in ran.rows if not row["is_complete"]} == {"2025-03-12"}
    assert ran.bookmarks == {"activity_by_week": "2025-03-10"}
    assert again.rows_by_key == {key: row for key, row in ran.rows_by_key.items() if not row["is_complete"]}
    assert again.bookmarks == ran.bookmarks


@pytest.mark.parametrize("stream", ["activity_by_day", "activity_by_year"])
def test_nothing_to_read_makes_no_request_and_keeps_the_state(stream: str) -> None:
    """And ends with 0, without a warning."""
    with serve_sandbox() as sandbox:
        first = run(sandbox, streams=[stream], start_date="2023-12-30")
        again = run(sandbox, streams=[stream], start_date="2023-12-30", state=first.state)
        future = run(sandbox, streams=[stream], start_date="2025-03-12")
    for ran in (again, future):
        assert_succeeded(ran)
        assert ran.requests == []
        assert ran.warnings == []
    assert again.state == first.state


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
def test_a_bookmark_never_moves_backwards(settings: dict[str, Any], bookmark: str) -> None:
    """Whatever is read again behind it, and wherever the range ends."""
    state = {
        "bookmarks": {"activity_by_day": {"replication_key": "period_end_date", "replication_key_value": bookmark}}
    }
    with serve_sandbox() as sandbox:
        ran = run(sandbox, state=state, **settings)
    assert_succeeded(ran)
    values = [date.fromisoformat(value) for _, value in _moves(ran.states)]
    assert values == sorted(values)
    assert min(values) == date.fromisoformat(bookmark)


def test_a_state_of_other_streams_is_kept() -> None:
    """A run of one stream hands on what it was given of the others."""
    entry = {"replication_key": "period_end_date", "replication_key_value": "2025-02-01"}
    state = {"bookmarks": {"activity_by_month": entry, "another_taps_stream": {"replication_key_value": 5}}}
    with serve_sandbox() as sandbox:
        ran = run(sandbox, state=state)
    assert_succeeded(ran)
    assert {name: ran.state["bookmarks"][name] for name in state["bookmarks"]} == state["bookmarks"]
    assert ran.bookmarks["activity_by_day"] == "2025-03-12"


@pytest.mark.parametrize("null", ["null=usersAggregateActivity", "drop=usersAggregateActivity"])
def test_a_null_or_missing_array_is_a_window_without_rows(null: str) -> None:
    """If Gong doesn't count anybody either; a STATE follows it as any other."""
    with serve_sandbox(faults=[f"{null},from=2025-03-05", "set=records.totalRecords:0,from=2025-03-05"]) as sandbox:
        ran = run(sandbox, start_date="2025-03-03", periods_per_window=2)
    assert_succeeded(ran)
    spans = expected_windows("DAY", date(2025, 3, 3), TODAY, periods_per_window=2)
    assert ran.rows == expected_rows(sandbox.company, [spans[0], *spans[2:]])
    assert ran.bookmarks == {"activity_by_day": "2025-03-12"}


def test_null_counters_addresses_and_user_items_stay_null_or_go_without_rows() -> None:
    """No field of the response is documented as required."""
    everywhere = "usersAggregateActivity.*"
    faults = [
        f"null={everywhere}.userAggregateActivity.*.callsAsHost",
        f"drop={everywhere}.userAggregateActivity.*.callsAttended",
        f"null={everywhere}.userEmailAddress",
        "null=usersAggregateActivity.0.userAggregateActivity",
    ]
    with serve_sandbox(faults=faults) as sandbox:
        ran = run(sandbox, start_date="2025-03-01")
    assert_succeeded(ran)
    held = expected_rows(sandbox.company, expected_windows("DAY", date(2025, 3, 1), TODAY))
    nothing = {"calls_as_host": None, "calls_attended": None, "user_email_address": None}
    assert ran.rows == [{**row, **nothing} for row in held if row["user_id"] != held[0]["user_id"]]


def test_a_run_without_a_row_ends_well_with_one_warning() -> None:
    """It names what may leave nobody; the windows' own warning is one as well, however many they are."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, user_ids=["1"], start_date="2025-01-01", periods_per_window=10)
    assert_succeeded(ran)
    assert ran.rows == []
    assert ran.bookmarks == {"activity_by_day": "2025-03-12"}
    (found_nothing, no_row) = ran.warnings
    assert "404" in found_nothing
    assert "user_ids" in found_nothing
    assert "Gong returned no rows" in no_row


def test_dates_are_the_companys_own_where_gong_answers_in_utc() -> None:
    """Read in company_timezone, for companies on either side of Greenwich and where a day is skipped."""
    for zone in ZONES:
        of = company(12, zone)
        with serve_sandbox(company=of, faults=["utc_dates"]) as sandbox:
            ran = run(sandbox, streams=[*STREAMS], start_date="2024-08-20")
        today = NOON.astimezone(of.zone).date()
        assert ran.status == 0, ran.log
        expected = [
            row
            for grain in STREAMS.values()
            for row in expected_rows(of, expected_windows(grain, date(2024, 8, 20), today))
        ]
        assert ran.rows_by_key == rows_by_key(expected)
        assert Counter(map(len, ran.rows)) == {len(COLUMNS): len(expected)}


def test_no_date_is_guessed_where_the_zone_is_not_known() -> None:
    """The run ends before any row of the window, and says what to set."""
    with serve_sandbox(company=company(12, "Asia/Kolkata"), faults=["utc_dates"]) as sandbox:
        ran = run(sandbox, company_timezone=None)
    assert ran.status == 1
    assert ran.rows == []
    assert len(ran.errors) == 1
    assert "company_timezone" in ran.errors[0]


def test_full_table_in_the_catalog_reads_everything_each_time() -> None:
    """Whatever the state says, and without a bookmark of its own."""
    state = {
        "bookmarks": {"activity_by_day": {"replication_key": "period_end_date", "replication_key_value": "2025-03-01"}}
    }
    with serve_sandbox(page_size=5) as sandbox:
        ran = run(sandbox, catalog=catalog_selecting("activity_by_day", full_table=True), state=state)
    assert_succeeded(ran)
    expected = expected_rows(sandbox.company, expected_windows("DAY", date(2024, 11, 20), TODAY))
    assert ran.rows == expected
    assert all(state == {} or "2025-03-12" not in str(state) for state in ran.states)
