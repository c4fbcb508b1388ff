"""What a target is left with: a STATE at the end of every run, and a history that follows `start_date`."""

from __future__ import annotations

import signal
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from gong_sandbox import Clock as SandboxClock
from support.catalogs import catalog_selecting
from support.expected_rows import STREAMS, RowsByKey, company, expected_rows, expected_windows, rows_by_key
from support.fake_clock import TODAY
from support.fake_time_runs import run, serve_sandbox
from support.run_results import RunResult, assert_failed, assert_succeeded, committed_rows_and_state
from support.seeded_random import seeded_random

from tap_gong_activity.base.clock import Clock

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from gong_sandbox import Sandbox
    from support.tap_processes import TapForker

DAY = "activity_by_day"


def state_of(bookmark: str, history_start: str | None = None, stream: str = DAY) -> dict[str, Any]:
    """A state with one stream's entry; without a history, as an older version left it."""
    entry = {"replication_key": "period_end_date", "replication_key_value": bookmark}
    return {"bookmarks": {stream: entry | ({"history_start_date": history_start} if history_start else {})}}


def reached(ran: RunResult, stream: str = DAY) -> list[tuple[str, str]]:
    """The history's start and the bookmark in each STATE that has them."""
    entries = [state.get("bookmarks", {}).get(stream, {}) for state in ran.states]
    return [(entry["history_start_date"], entry["replication_key_value"]) for entry in entries if entry]


def asked(ran: RunResult) -> list[tuple[str, str]]:
    """The dates of each window that was requested, in order."""
    spans = [(record.body["filter"]["fromDate"], record.body["filter"]["toDate"]) for record in ran.requests]
    return list(dict.fromkeys(spans))


# The last message


def ends_with_state(ran: RunResult) -> bool:
    """Whether the last message is the state that a target should keep."""
    return bool(ran.messages) and ran.messages[-1]["type"] == "STATE"


def test_the_last_message_is_a_state_also_if_nothing_moved() -> None:
    """Of the second of two streams, of FULL_TABLE, of a run before anything has ended, of one that selects nothing."""
    with serve_sandbox(page_size=5) as sandbox:
        first = run(sandbox, streams=[DAY, "activity_by_month"], lookback_days=7)
        again = run(sandbox, streams=[DAY, "activity_by_month"], lookback_days=7, state=first.state)
        full_table = run(sandbox, catalog=catalog_selecting(DAY, full_table=True), state=first.state)
        too_early = run(sandbox, streams=["activity_by_year"], start_date="2025-02-01")
        nothing = run(sandbox, catalog=catalog_selecting(), state=first.state)
    for ran in (first, again, full_table, too_early, nothing):
        assert_succeeded(ran)
        assert ends_with_state(ran)
    assert again.state == nothing.state == first.state
    assert too_early.state.get("bookmarks", {}).get("activity_by_year", {}) == {}


def test_each_window_is_followed_by_a_state_also_if_it_says_nothing_new() -> None:
    """As the lookback's windows do, which end before the bookmark: targets forget a state that rows follow."""
    with serve_sandbox() as sandbox:
        ran = run(
            sandbox,
            start_date="2025-02-01",
            periods_per_window=2,
            lookback_days=8,
            state=state_of("2025-03-10", "2025-02-01"),
        )
    kinds = [message["type"] for message in ran.messages]
    assert [kind for kind, before in zip(kinds[2:], kinds[1:], strict=False) if kind != before] == [
        "RECORD",
        "STATE",
    ] * 5
    assert reached(ran) == [("2025-02-01", "2025-03-10")] * 5 + [("2025-02-01", "2025-03-12")]


@pytest.mark.parametrize("is_batch", [False, True])
def test_a_failed_run_repeats_the_last_state_that_stood(is_batch: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """Behind the rows of the window that failed, or at once if none had been written."""
    settings: dict[str, Any] = {"start_date": "2025-02-01", "periods_per_window": 10, "max_parallel_windows": 1}
    if is_batch:
        settings["batch_config"] = {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": f"file://{tmp_path}"},
            "batch_size": 7,
        }
    for window in ("2025-02-21", "2025-02-01"):
        with serve_sandbox(page_size=5, faults=[f"status=400,from={window},page=2"]) as sandbox:
            ran = run(sandbox, **settings)
        sentence = assert_failed(ran)
        assert ends_with_state(ran)
        assert len(ran.states) >= 1
        if window == "2025-02-21":
            assert reached(ran)[-2:] == [("2025-02-01", "2025-02-21")] * 2
            assert sentence.endswith("; last bookmark: 2025-02-21.")
            assert ran.messages[-2]["type"] == "BATCH" if is_batch else "RECORD"
        else:
            assert reached(ran) == []
            assert sentence.endswith("; no state yet.")


def test_full_table_has_neither_bookmark_nor_history() -> None:
    """Also if it was incremental before: it ends with a STATE that says so, and reads everything each time."""
    state = state_of("2025-03-01", "2025-01-01")
    other = state_of("2024-12-01", "2024-01-01", "activity_by_month")["bookmarks"]
    with serve_sandbox() as sandbox:
        ran = run(
            sandbox,
            catalog=catalog_selecting(DAY, full_table=True),
            state={"bookmarks": {**state["bookmarks"], **other}},
            start_date="2025-02-01",
        )
    assert_succeeded(ran)
    assert ran.rows_by_key == rows_by_key(
        expected_rows(sandbox.company, expected_windows("DAY", date(2025, 2, 1), TODAY))
    )
    assert all(found == {"bookmarks": {DAY: {}, **other}} for found in ran.states)


# History


def test_history_is_extended_when_start_date_moves_back() -> None:
    """New days first, then the open period, then the missing windows, newest first; each moves the history's start."""
    with serve_sandbox() as sandbox:
        ran = run(
            sandbox,
            streams=["activity_by_week"],
            start_date="2025-01-08",
            periods_per_window=2,
            lookback_days=7,
            include_open_period=True,
            max_parallel_windows=1,
            state=state_of("2025-02-24", "2025-02-10", "activity_by_week"),
        )
        again = run(sandbox, streams=["activity_by_week"], start_date="2025-01-08", state=ran.state)
    assert_succeeded(ran)
    assert asked(ran) == [
        ("2025-02-17", "2025-03-03"),
        ("2025-03-03", "2025-03-10"),
        ("2025-03-10", "2025-03-12"),
        ("2025-02-03", "2025-02-10"),
        ("2025-01-20", "2025-02-03"),
        ("2025-01-06", "2025-01-20"),
    ]
    assert reached(ran, "activity_by_week") == [
        ("2025-02-10", "2025-02-24"),
        ("2025-02-10", "2025-03-03"),
        ("2025-02-10", "2025-03-10"),
        ("2025-02-10", "2025-03-10"),
        ("2025-02-03", "2025-03-10"),
        ("2025-01-20", "2025-03-10"),
        ("2025-01-06", "2025-03-10"),
    ]
    assert asked(again) == []


def test_days_that_start_date_skipped_are_read_once_it_moves_back() -> None:
    """Forward past the bookmark, and back: what lies between is read, and what lay before it again."""
    with serve_sandbox() as sandbox:
        first = run(sandbox, start_date="2025-01-01", end_date="2025-01-20")
        forward = run(sandbox, start_date="2025-02-25", state=first.state)
        back = run(sandbox, start_date="2025-01-01", state=forward.state)
    assert reached(first) == [("2025-01-01", "2025-01-20")]
    assert reached(forward) == [("2025-01-01", "2025-01-20"), ("2025-02-25", "2025-03-12")]
    assert asked(back) == [("2025-01-01", "2025-02-25")]
    assert reached(back)[-1] == ("2025-01-01", "2025-03-12")


def test_an_end_date_at_or_before_the_history_holds_it_back() -> None:
    """A warning says why; a later end_date lets it go."""
    state = state_of("2025-03-12", "2025-02-01")
    with serve_sandbox() as sandbox:
        held = run(sandbox, start_date="2025-01-10", end_date="2025-02-01", state=state)
        free = run(sandbox, start_date="2025-01-10", end_date="2025-02-02", state=state)
    for ran in (held, free):
        assert ran.status == 0, ran.log
        assert ends_with_state(ran)
    assert (asked(held), held.state) == ([], state)
    (warning,) = (line for line in held.warnings if "end_date" in line)
    assert "2025-02-01" in warning
    assert "2025-01-10" in warning
    assert asked(free) == [("2025-01-10", "2025-02-01")]
    assert not any("end_date" in line for line in free.warnings)


@pytest.mark.parametrize("bookmark", ["2025-03-01", "2025-03-12"])
def test_a_state_of_an_older_version_begins_at_start_date(bookmark: str) -> None:
    """Both entries are in every STATE from the first on, also if there's nothing to read; later it's extended."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, start_date="2025-02-01", state=state_of(bookmark))
        earlier = run(sandbox, start_date="2025-01-20", state=ran.state)
    assert_succeeded(ran)
    assert {history_start for history_start, _ in reached(ran)} == {"2025-02-01"}
    assert len(reached(ran)) == len(ran.states)
    assert asked(ran) == ([("2025-03-01", "2025-03-12")] if bookmark == "2025-03-01" else [])
    assert asked(earlier) == [("2025-01-20", "2025-02-01")]


def test_a_state_whose_history_is_not_a_date_ends_the_run_with_a_sentence() -> None:
    """Before any request."""
    with serve_sandbox() as sandbox:
        for value in ("yesterday", 20250101, "2025-02-30", ["2025-01-01"]):
            state = state_of("2025-03-01")
            state["bookmarks"][DAY]["history_start_date"] = value
            ran = run(sandbox, state=state)
            sentence = assert_failed(ran)
            assert DAY in sentence
            assert "history_start_date" in sentence
            assert ran.requests == []


# Sequences of runs, killed at random places


@pytest.mark.parametrize("number", range(6))
def test_any_sequence_of_runs_and_kills_delivers_what_one_run_would(
    number: int, forker: TapForker, tmp_path: Path
) -> None:
    """However start_date, end_date and everything else about windows change between them."""
    draw = seeded_random("history", number)
    stream = draw.choice(sorted(STREAMS))
    days = {"activity_by_day": 60, "activity_by_week": 300, "activity_by_month": 1000}.get(stream, 2500)
    catalog = catalog_selecting(stream)
    kept: RowsByKey = {}
    state: dict[str, Any] = {}
    with serve_sandbox(company=company(6), clock=SandboxClock(), page_size=3) as sandbox:
        start = TODAY
        for count in range(draw.randrange(2, 6)):
            start = TODAY - timedelta(days=draw.randrange(2, days))
            settings = draw_settings(draw, start, days)
            if draw.random() < 0.3:
                folder = tmp_path / str(count)
                folder.mkdir()
                encoding = {"format": "jsonl", "compression": "gzip"}
                settings["batch_config"] = {
                    "encoding": encoding,
                    "storage": {"root": f"file://{folder}"},
                    "batch_size": draw.choice([1, 7, 1000]),
                }
            output = killed_output(draw, sandbox, forker, catalog, state, settings)
            rows, left = committed_rows_and_state(output)
            assert_state_moves_one_way(state, left, stream)
            kept |= rows_by_key(row for _, row in rows)
            state = left or state
        last = run(
            sandbox,
            catalog=catalog,
            state=state or None,
            clock=Clock(),
            requests_per_second=10_000,
            start_date=str(start),
        )
    assert_succeeded(last)
    assert_state_moves_one_way(state, last.state, stream)
    kept |= last.rows_by_key
    expected = rows_by_key(expected_rows(company(6), expected_windows(STREAMS[stream], start, TODAY)))
    for key, row in expected.items():
        # Rows of zeros depend on the window that they're read in.
        if any(value for column, value in row.items() if column.startswith(("calls_", "own_", "others_"))):
            assert kept.get(key) == row


def draw_settings(draw: Random, start: date, days: int) -> dict[str, Any]:
    """Draw what a user may change from one run to the next."""
    return {
        "start_date": str(start),
        "end_date": draw.choice([None, None, str(start + timedelta(days=draw.randrange(1, days)))]),
        "periods_per_window": draw.choice([1, 3, 7]),
        "lookback_days": draw.choice([0, 7, 40]),
        "include_open_period": draw.random() < 0.4,
        "max_parallel_windows": draw.choice([1, 3]),
        "requests_per_second": 10_000,
    }


def killed_output(
    draw: Random,
    sandbox: Sandbox,
    forker: TapForker,
    catalog: dict[str, Any],
    state: dict[str, Any],
    settings: dict[str, Any],
) -> bytes:
    """What came out of a run before a signal, or the target's end, after some bytes; now and then nothing does."""
    process = forker.start(sandbox, catalog=catalog, state=state or None, **settings)
    how = draw.choice([signal.SIGKILL, signal.SIGTERM, None])
    process.read(draw.choice([0, 3_000, 20_000, 10**9]) * draw.randrange(1, 5))
    if how is not None:
        process.send(how)
    ended = process.finish()
    assert "Traceback" not in ended.log
    return ended.output


def assert_state_moves_one_way(before: dict[str, Any], after: dict[str, Any], stream: str) -> None:
    """Check that the bookmark never moves back, and the history's start never forward unless days were skipped."""
    old, new = (state.get("bookmarks", {}).get(stream, {}) for state in (before, after))
    if old and new:
        assert new["replication_key_value"] >= old["replication_key_value"]
        assert (
            new["history_start_date"] <= old["history_start_date"]
            or new["history_start_date"] > old["replication_key_value"]
        )
