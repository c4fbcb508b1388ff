"""States that somebody may have edited: accepted unchanged, or refused with one sentence."""

from __future__ import annotations

import copy
import json
from datetime import date
from typing import Any

import pytest
from gong_sandbox import Sandbox
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fake_clock import TODAY
from support.hypothesis_settings import FEW, JSON, MANY, TEXTS
from support.sandbox_clients import COMPANY
from support.tap_instances import open_tap

from tap_gong_activity.base.errors import StateError
from tap_gong_activity.extract.plan import Written
from tap_gong_activity.singer.state import check_state, set_written, written_of
from tap_gong_activity.streams.grains import GRAIN_STREAMS
from tap_gong_activity.sync import sync_streams

NAMES = [stream.name for stream in GRAIN_STREAMS]


def state_of(stream: str, **entry: Any) -> dict[str, Any]:  # noqa: ANN401 - its members
    """Return a state with an entry for one stream."""
    return {"bookmarks": {stream: {"replication_key": "period_end_date", **entry}}}


def refusal(state: object) -> str:
    """Return the message with which a state is refused."""
    with pytest.raises(StateError) as caught:
        check_state(state, NAMES)
    return str(caught.value)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"bookmarks": {}},
        {"bookmarks": {}, "currently_syncing": "activity_by_day"},
        {"bookmarks": {"activity_by_day": {}}},
        {"bookmarks": {"activity_by_day": {"replication_key_value": None}}},
        state_of("activity_by_week"),
        state_of("activity_by_day", replication_key_value="2025-03-03"),
        state_of("activity_by_day", replication_key_value="2999-12-31"),
        state_of("activity_by_day", replication_key_value="2025-03-03", history_start_date="2024-01-01"),
        state_of("activity_by_day", replication_key_value="2025-03-03", history_start_date=None),
        state_of("activity_by_day", history_start_date="2025-03-03"),
        state_of("activity_by_day", replication_key_value="0001-01-01", progress_markers={}, partitions=[]),
        state_of("activity_by_day", partitions=[{"context": {}, "progress_markers": {"Note": "n"}}]),
        {"bookmarks": {"somebody_elses": {"replication_key": "id", "replication_key_value": 3}}},
    ],
)
def test_a_state_that_can_be_read_passes(state: dict[str, Any]) -> None:
    """The check doesn't change it."""
    before = copy.deepcopy(state)
    check_state(state, NAMES)
    assert state == before


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        *[("replication_key_value", text) for text in ("", "2025-02-29", "20250303", "2025-03-03\n", "x" * 200)],
        ("replication_key_value", 0),
        ("history_start_date", "2025-03-03T00:00:00Z"),
    ],
)
def test_an_entry_that_is_not_a_date_is_refused(entry: str, value: object) -> None:
    """The message names the stream, the entry and the value."""
    text = refusal(state_of("activity_by_month", **{entry: value}))
    assert "activity_by_month" in text
    assert entry in text
    assert repr(value)[:30] in text
    assert text.isprintable()
    assert len(text) < 300


@pytest.mark.parametrize("wrapper", ["value", "singer_state", "completed"])
def test_a_wrapped_state_is_refused(wrapper: str) -> None:
    """As an empty state it would have everything read again; bookmarks at the top level make it a state."""
    state: dict[str, Any] = {"bookmarks": {}}
    assert refusal({wrapper: state}).startswith(f"The state is wrapped in '{wrapper}': ")
    check_state({wrapper: state, **state}, NAMES)


@pytest.mark.parametrize(
    ("state", "named"),
    [
        (None, "The state must be a JSON object, not None: "),
        ([], "The state must be a JSON object, not []: "),
        ({"bookmarks": []}, "The state's bookmarks must be a JSON object, not []: "),
        ({"bookmarks": {"activity_by_day": None}}, "activity_by_day"),
        ({"bookmarks": {"activity_by_day": "2025-03-03"}}, "activity_by_day"),
        ({"bookmarks": {"somebody_elses": 3}}, "somebody_elses"),
        (state_of("activity_by_day", replication_key="id"), "activity_by_day is for the replication key 'id', not "),
        (state_of("activity_by_day", replication_key=3), "activity_by_day is for the replication key 3, not "),
        (state_of("activity_by_day", progress_markers=3), "'activity_by_day', in its progress_markers,"),
        (state_of("activity_by_day", progress_markers=None), "progress_markers"),
        (state_of("somebody_elses", progress_markers=[]), "somebody_elses"),
        (state_of("activity_by_day", partitions=3), "in its partitions, must be a JSON array, not 3: "),
        (state_of("activity_by_day", partitions={"context": {}}), "partitions"),
        (state_of("activity_by_day", partitions=None), "partitions"),
        (state_of("activity_by_day", partitions=[3]), "'activity_by_day', in its partitions,"),
        (state_of("activity_by_day", partitions=[{"progress_markers": 3}]), "progress_markers"),
    ],
)
def test_a_state_of_another_shape_is_refused(state: object, named: str) -> None:
    """The message says which part of it is wrong."""
    text = refusal(state)
    assert named in text
    assert text.isprintable()


def test_an_entry_says_which_days_have_been_written() -> None:
    """Without a bookmark none; without a history, those from where the caller says."""
    start = date(2024, 1, 1)
    entry = {"replication_key_value": "2024-02-29", "history_start_date": "2023-05-01"}
    assert written_of("activity_by_day", entry, history_start=start) == Written(date(2023, 5, 1), date(2024, 2, 29))
    del entry["history_start_date"]
    assert written_of("activity_by_day", entry, history_start=start) == Written(start, date(2024, 2, 29))
    for none in ({"replication_key_value": None}, {}, {"history_start_date": "2023-05-01"}):
        assert written_of("activity_by_day", none, history_start=start) is None


def test_an_entry_holds_nothing_but_what_has_been_written() -> None:
    """Markers that another version left are removed."""
    entry: dict[str, Any] = {"starting_replication_value": "2025-01-01", "partitions": []}
    written = Written(date(2023, 5, 1), date(2024, 2, 29))
    set_written(entry, written)
    assert entry == {
        "replication_key": "period_end_date",
        "replication_key_value": "2024-02-29",
        "history_start_date": "2023-05-01",
    }
    assert written_of("activity_by_day", entry, history_start=date.max) == written
    set_written(entry, None)
    assert entry == {}


ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "replication_key": st.just("period_end_date") | JSON,
        "replication_key_value": st.dates().map(str) | JSON,
        "progress_markers": st.just({"replication_key": "period_end_date", "replication_key_value": "2025-03-05"})
        | JSON,
        "history_start_date": st.dates().map(str) | JSON,
        "partitions": st.lists(st.fixed_dictionaries({}, optional={"context": JSON, "progress_markers": JSON})) | JSON,
        "replication_key_signpost": JSON,
        "starting_replication_value": JSON,
    },
)
STATES = st.fixed_dictionaries(
    {},
    optional={
        "bookmarks": st.dictionaries(st.sampled_from([*NAMES, "others"]) | TEXTS, ENTRIES | JSON, max_size=3) | JSON,
        "currently_syncing": JSON,
    },
)


@MANY
@given(state=STATES | JSON)
def test_any_state_is_accepted_or_refused(state: Any) -> None:  # noqa: ANN401 (any JSON)
    """The only exception is a StateError with one line."""
    before = copy.deepcopy(state)
    try:
        check_state(state, NAMES)
    except StateError as error:
        assert str(error).isprintable()  # noqa: PT017 (it may pass)
    assert repr(state) == repr(before)


@settings(parent=FEW, suppress_health_check=[HealthCheck.too_slow])
@given(state=STATES)
def test_the_sdk_accepts_any_state_that_passes(state: dict[str, Any]) -> None:
    """It walks over all of it on loading and when a run begins."""
    try:
        check_state(state, NAMES)
    except StateError:
        with pytest.raises(StateError), open_tap(state=state):
            pass
        return
    with open_tap(state=copy.deepcopy(state), start_date="2025-03-12") as tap:
        for stream, entry in state.get("bookmarks", {}).items():
            assert repr(tap.state.get("bookmarks", {}).get(stream, {})) == repr(entry)
        tap._reset_state_progress_markers()  # noqa: SLF001 (what `sync_all` begins with)


def messages_of(text: bytes) -> list[dict[str, Any]]:
    """Return the Singer messages in an output."""
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_keeps_what_others_have_in_the_state(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Every STATE contains the bookmarks of other streams and other taps, unchanged."""
    others: dict[str, Any] = {
        "activity_by_year": {"replication_key": "period_end_date", "replication_key_value": "2024-01-01"},
        "somebody_elses": {"replication_key": "id", "replication_key_value": 3, "extra": [1, None]},
    }
    dates = {"replication_key_value": "2025-03-09", "history_start_date": "2025-03-03"}
    state = {"bookmarks": {**others, **state_of("activity_by_day", **dates)["bookmarks"]}}
    with (
        Sandbox(company=COMPANY, today=TODAY, calls_per_second=None) as sandbox,
        open_tap(state=copy.deepcopy(state), api_url=sandbox.url, company_timezone="America/Los_Angeles") as tap,
    ):
        sync_streams(tap)
        assert [record.body["filter"] for record in sandbox.requests] == [
            {"fromDate": "2025-03-03", "toDate": "2025-03-12"}
        ]
    messages = messages_of(capsysbinary.readouterr().out)
    states = [message["value"] for message in messages if message["type"] == "STATE"]
    assert states[0] == state
    assert [found["bookmarks"]["activity_by_day"] for found in states[1:]] == [
        {
            "replication_key": "period_end_date",
            "replication_key_value": "2025-03-12",
            "history_start_date": "2025-03-03",
        }
    ] * len(states[1:])
    assert all({name: found["bookmarks"][name] for name in others} == others for found in states)
    assert messages[-1]["type"] == "STATE"
    assert sum(message["type"] == "RECORD" for message in messages) > 50


@pytest.mark.parametrize("periods_per_window", [1, 90])
def test_a_bookmark_never_moves_backward(capsysbinary: pytest.CaptureFixture[bytes], periods_per_window: int) -> None:
    """Windows of the lookback can end before it."""
    state = state_of("activity_by_day", replication_key_value="2025-03-10")
    with (
        Sandbox(company=COMPANY, today=TODAY, calls_per_second=None) as sandbox,
        open_tap(
            state=state,
            api_url=sandbox.url,
            company_timezone="America/Los_Angeles",
            periods_per_window=periods_per_window,
        ) as tap,
    ):
        sync_streams(tap)
    states = [message["value"] for message in messages_of(capsysbinary.readouterr().out) if message["type"] == "STATE"]
    bookmarks = [found["bookmarks"]["activity_by_day"]["replication_key_value"] for found in states]
    assert bookmarks == sorted(bookmarks)
    assert (bookmarks[0], bookmarks[-1]) == ("2025-03-10", "2025-03-12")


@pytest.mark.parametrize("bookmark", ["2025-03-12", "2025-03-13", "2999-01-01"])
def test_a_bookmark_at_or_after_today_reads_nothing_new(
    capsysbinary: pytest.CaptureFixture[bytes], caplog: pytest.LogCaptureFixture, bookmark: str
) -> None:
    """The state doesn't change; a bookmark after today causes a warning, because somebody may have edited it."""
    state = state_of("activity_by_day", replication_key_value=bookmark, history_start_date="2025-03-03")
    with (
        Sandbox(company=COMPANY, today=TODAY, calls_per_second=None) as sandbox,
        open_tap(
            state=copy.deepcopy(state), api_url=sandbox.url, company_timezone="America/Los_Angeles", lookback_days=0
        ) as tap,
    ):
        sync_streams(tap)
        assert sandbox.requests == []
    states = [message["value"] for message in messages_of(capsysbinary.readouterr().out) if message["type"] == "STATE"]
    assert states
    assert all(found == state for found in states)
    assert any("is after the company's current date" in line for line in caplog.messages) == (bookmark > str(TODAY))


def test_progress_markers_of_a_state_never_become_a_bookmark(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Another version may have left them, and what they say may not have been written."""
    markers = {"replication_key": "period_end_date", "replication_key_value": "2999-01-01", "Note": "n"}
    state = state_of("activity_by_day", replication_key_value="2025-03-10", progress_markers=markers)
    with (
        Sandbox(company=COMPANY, today=TODAY, calls_per_second=None) as sandbox,
        open_tap(state=state, api_url=sandbox.url, company_timezone="America/Los_Angeles") as tap,
    ):
        sync_streams(tap)
    states = [message["value"] for message in messages_of(capsysbinary.readouterr().out) if message["type"] == "STATE"]
    dates = {"replication_key_value": "2025-03-12", "history_start_date": "2025-03-03"}
    assert states[-1] == state_of("activity_by_day", **dates)
    assert not any("2999" in json.dumps(found) for found in states)
