"""State: every run ends with a STATE message, and the history follows `start_date`."""

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


def make_state(bookmark: str, history_start: str | None = None, stream: str = DAY) -> dict[str, Any]:
    """Return a state with one stream's bookmark; without a history start, like one of an older version."""
    entry = {"replication_key": "period_end_date", "replication_key_value": bookmark}
    return {"bookmarks": {stream: entry | ({"history_start_date": history_start} if history_start else {})}}


def positions(result: RunResult, stream: str = DAY) -> list[tuple[str, str]]:
    """Return the history start and the bookmark in each STATE message that has them."""
    entries = [state.get("bookmarks", {}).get(stream, {}) for state in result.states]
    return [(entry["history_start_date"], entry["replication_key_value"]) for entry in entries if entry]


def requested_windows(result: RunResult) -> list[tuple[str, str]]:
    """Return the dates of each requested window, in order."""
    spans = [(record.body["filter"]["fromDate"], record.body["filter"]["toDate"]) for record in result.requests]
    return list(dict.fromkeys(spans))


# The final STATE


def ends_with_state(result: RunResult) -> bool:
    """Return whether the last message is a STATE."""
    return bool(result.messages) and result.messages[-1]["type"] == "STATE"


def test_last_message_is_a_state() -> None:
    """The last message is a STATE, whatever is selected and even if no bookmark moves."""
    with serve_sandbox(page_size=5) as sandbox:
        first = run(sandbox, streams=[DAY, "activity_by_month"], lookback_days=7)
        rerun = run(sandbox, streams=[DAY, "activity_by_month"], lookback_days=7, state=first.state)
        full_table = run(sandbox, catalog=catalog_selecting(DAY, full_table=True), state=first.state)
        too_early = run(sandbox, streams=["activity_by_year"], start_date="2025-02-01")
        unselected = run(sandbox, catalog=catalog_selecting(), state=first.state)
    for result in (first, rerun, full_table, too_early, unselected):
        assert_succeeded(result)
        assert ends_with_state(result)
    assert rerun.state == unselected.state == first.state
    assert too_early.state.get("bookmarks", {}).get("activity_by_year", {}) == {}


def test_every_window_is_followed_by_a_state() -> None:
    """A STATE follows every window, even of the lookback, because targets may forget a state that rows follow."""
    with serve_sandbox() as sandbox:
        result = run(
            sandbox,
            start_date="2025-02-01",
            periods_per_window=2,
            lookback_days=8,
            state=make_state("2025-03-10", "2025-02-01"),
        )
    kinds = [message["type"] for message in result.messages]
    assert [kind for kind, before in zip(kinds[2:], kinds[1:], strict=False) if kind != before] == [
        "RECORD",
        "STATE",
    ] * 5
    assert positions(result) == [("2025-02-01", "2025-03-10")] * 5 + [("2025-02-01", "2025-03-12")]


@pytest.mark.parametrize("is_batch", [False, True])
def test_failed_run_repeats_the_last_state(is_batch: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """A failed run ends with the last state, after the rows of the window that failed."""
    settings: dict[str, Any] = {"start_date": "2025-02-01", "periods_per_window": 10, "max_parallel_windows": 1}
    if is_batch:
        settings["batch_config"] = {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": f"file://{tmp_path}"},
            "batch_size": 7,
        }
    for window in ("2025-02-21", "2025-02-01"):
        with serve_sandbox(page_size=5, faults=[f"status=400,from={window},page=2"]) as sandbox:
            result = run(sandbox, **settings)
        error = assert_failed(result)
        assert ends_with_state(result)
        assert len(result.states) >= 1
        if window == "2025-02-21":
            assert positions(result)[-2:] == [("2025-02-01", "2025-02-21")] * 2
            assert error.endswith("; last bookmark: 2025-02-21.")
            assert result.messages[-2]["type"] == "BATCH" if is_batch else "RECORD"
        else:
            assert positions(result) == []
            assert error.endswith("; no state yet.")


def test_full_table_clears_bookmark_and_history() -> None:
    """With FULL_TABLE, a stream reads everything and its state is empty, even if it was incremental before."""
    state = make_state("2025-03-01", "2025-01-01")
    other = make_state("2024-12-01", "2024-01-01", "activity_by_month")["bookmarks"]
    with serve_sandbox() as sandbox:
        result = run(
            sandbox,
            catalog=catalog_selecting(DAY, full_table=True),
            state={"bookmarks": {**state["bookmarks"], **other}},
            start_date="2025-02-01",
        )
    assert_succeeded(result)
    assert result.rows_by_key == rows_by_key(
        expected_rows(sandbox.company, expected_windows("DAY", date(2025, 2, 1), TODAY))
    )
    assert all(state == {"bookmarks": {DAY: {}, **other}} for state in result.states)


# History


def test_earlier_start_date_extends_the_history() -> None:
    """After new periods and the open one, missing windows are read backwards, each moving the history start."""
    with serve_sandbox() as sandbox:
        result = run(
            sandbox,
            streams=["activity_by_week"],
            start_date="2025-01-08",
            periods_per_window=2,
            lookback_days=7,
            include_open_period=True,
            max_parallel_windows=1,
            state=make_state("2025-02-24", "2025-02-10", "activity_by_week"),
        )
        rerun = run(sandbox, streams=["activity_by_week"], start_date="2025-01-08", state=result.state)
    assert_succeeded(result)
    assert requested_windows(result) == [
        ("2025-02-17", "2025-03-03"),
        ("2025-03-03", "2025-03-10"),
        ("2025-03-10", "2025-03-12"),
        ("2025-02-03", "2025-02-10"),
        ("2025-01-20", "2025-02-03"),
        ("2025-01-06", "2025-01-20"),
    ]
    assert positions(result, "activity_by_week") == [
        ("2025-02-10", "2025-02-24"),
        ("2025-02-10", "2025-03-03"),
        ("2025-02-10", "2025-03-10"),
        ("2025-02-10", "2025-03-10"),
        ("2025-02-03", "2025-03-10"),
        ("2025-01-20", "2025-03-10"),
        ("2025-01-06", "2025-03-10"),
    ]
    assert requested_windows(rerun) == []


def test_skipped_days_are_read_when_start_date_moves_back() -> None:
    """If start_date moves past the bookmark and back again, the days in between are read."""
    with serve_sandbox() as sandbox:
        first = run(sandbox, start_date="2025-01-01", end_date="2025-01-20")
        forward = run(sandbox, start_date="2025-02-25", state=first.state)
        back = run(sandbox, start_date="2025-01-01", state=forward.state)
    assert positions(first) == [("2025-01-01", "2025-01-20")]
    assert positions(forward) == [("2025-01-01", "2025-01-20"), ("2025-02-25", "2025-03-12")]
    assert requested_windows(back) == [("2025-01-01", "2025-02-25")]
    assert positions(back)[-1] == ("2025-01-01", "2025-03-12")


def test_end_date_before_the_history_defers_its_extension() -> None:
    """While end_date is at or before the history start, a warning says that the history can't be extended."""
    state = make_state("2025-03-12", "2025-02-01")
    with serve_sandbox() as sandbox:
        deferred = run(sandbox, start_date="2025-01-10", end_date="2025-02-01", state=state)
        extended = run(sandbox, start_date="2025-01-10", end_date="2025-02-02", state=state)
    for result in (deferred, extended):
        assert result.status == 0, result.log
        assert ends_with_state(result)
    assert (requested_windows(deferred), deferred.state) == ([], state)
    (warning,) = (line for line in deferred.warnings if "end_date" in line)
    assert "2025-02-01" in warning
    assert "2025-01-10" in warning
    assert requested_windows(extended) == [("2025-01-10", "2025-02-01")]
    assert not any("end_date" in line for line in extended.warnings)


@pytest.mark.parametrize("bookmark", ["2025-03-01", "2025-03-12"])
def test_state_without_history_starts_at_start_date(bookmark: str) -> None:
    """A state without a history start gets the start_date of the next run, in every STATE."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, start_date="2025-02-01", state=make_state(bookmark))
        earlier = run(sandbox, start_date="2025-01-20", state=result.state)
    assert_succeeded(result)
    assert {history_start for history_start, _ in positions(result)} == {"2025-02-01"}
    assert len(positions(result)) == len(result.states)
    assert requested_windows(result) == ([("2025-03-01", "2025-03-12")] if bookmark == "2025-03-01" else [])
    assert requested_windows(earlier) == [("2025-01-20", "2025-02-01")]


def test_invalid_history_start_fails_before_any_request() -> None:
    """A history start that isn't a date fails the run before any request."""
    with serve_sandbox() as sandbox:
        for value in ("yesterday", 20250101, "2025-02-30", ["2025-01-01"]):
            state = make_state("2025-03-01")
            state["bookmarks"][DAY]["history_start_date"] = value
            result = run(sandbox, state=state)
            error = assert_failed(result)
            assert DAY in error
            assert "history_start_date" in error
            assert result.requests == []


# Sequences of killed runs


@pytest.mark.parametrize("number", range(6))
def test_sequence_of_killed_runs_delivers_every_row(number: int, forker: TapForker, tmp_path: Path) -> None:
    """Any sequence of killed runs with changing settings delivers the rows that one run would."""
    draw = seeded_random("history", number)
    stream = draw.choice(sorted(STREAMS))
    days = {"activity_by_day": 60, "activity_by_week": 300, "activity_by_month": 1000}.get(stream, 2500)
    catalog = catalog_selecting(stream)
    committed: RowsByKey = {}
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
            rows, new_state = committed_rows_and_state(output)
            assert_state_moves_one_way(state, new_state, stream)
            committed |= rows_by_key(row for _, row in rows)
            state = new_state or state
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
    committed |= last.rows_by_key
    expected = rows_by_key(expected_rows(company(6), expected_windows(STREAMS[stream], start, TODAY)))
    for key, row in expected.items():
        # All-zero rows depend on the windows.
        if any(value for column, value in row.items() if column.startswith(("calls_", "own_", "others_"))):
            assert committed.get(key) == row


def draw_settings(draw: Random, start: date, days: int) -> dict[str, Any]:
    """Draw settings that a user may change from run to run."""
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
    """Run the tap until a signal, a closed pipe or its end, and return its output."""
    process = forker.start(sandbox, catalog=catalog, state=state or None, **settings)
    kill = draw.choice([signal.SIGKILL, signal.SIGTERM, None])
    process.read(draw.choice([0, 3_000, 20_000, 10**9]) * draw.randrange(1, 5))
    if kill is not None:
        process.send(kill)
    result = process.finish()
    assert "Traceback" not in result.log
    return result.output


def assert_state_moves_one_way(before: dict[str, Any], after: dict[str, Any], stream: str) -> None:
    """Assert that the bookmark never moves back, and the history start never forward unless days were skipped."""
    old, new = (state.get("bookmarks", {}).get(stream, {}) for state in (before, after))
    if old and new:
        assert new["replication_key_value"] >= old["replication_key_value"]
        assert (
            new["history_start_date"] <= old["history_start_date"]
            or new["history_start_date"] > old["replication_key_value"]
        )
