"""States that someone may have edited: accepted unchanged, or rejected with one error."""

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


def make_state(stream: str, **entry: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return a state with an entry for one stream."""
    return {"bookmarks": {stream: {"replication_key": "period_end_date", **entry}}}


def state_error(state: object) -> str:
    """Return the error message of an invalid state."""
    with pytest.raises(StateError) as error:
        check_state(state, NAMES)
    return str(error.value)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"bookmarks": {}},
        {"bookmarks": {}, "currently_syncing": "activity_by_day"},
        {"bookmarks": {"activity_by_day": {}}},
        {"bookmarks": {"activity_by_day": {"replication_key_value": None}}},
        make_state("activity_by_week"),
        make_state("activity_by_day", replication_key_value="2025-03-03"),
        make_state("activity_by_day", replication_key_value="2999-12-31"),
        make_state("activity_by_day", replication_key_value="2025-03-03", history_start_date="2024-01-01"),
        make_state("activity_by_day", replication_key_value="2025-03-03", history_start_date=None),
        make_state("activity_by_day", history_start_date="2025-03-03"),
        make_state("activity_by_day", replication_key_value="0001-01-01", progress_markers={}, partitions=[]),
        make_state("activity_by_day", partitions=[{"context": {}, "progress_markers": {"Note": "n"}}]),
        {"bookmarks": {"somebody_elses": {"replication_key": "id", "replication_key_value": 3}}},
    ],
)
def test_valid_state_is_accepted(state: dict[str, Any]) -> None:
    """A valid state is accepted and not changed."""
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
def test_invalid_date_is_rejected(entry: str, value: object) -> None:
    """An entry that isn't a date is an error with the stream, the entry and the value."""
    text = state_error(make_state("activity_by_month", **{entry: value}))
    assert "activity_by_month" in text
    assert entry in text
    assert repr(value)[:30] in text
    assert text.isprintable()
    assert len(text) < 300


@pytest.mark.parametrize("wrapper", ["value", "singer_state", "completed"])
def test_wrapped_state_is_rejected(wrapper: str) -> None:
    """A state that is wrapped in another object is rejected, because ignoring it would read everything again."""
    state: dict[str, Any] = {"bookmarks": {}}
    assert state_error({wrapper: state}).startswith(f"The state is wrapped in '{wrapper}': ")
    check_state({wrapper: state, **state}, NAMES)


@pytest.mark.parametrize(
    ("state", "part"),
    [
        (None, "The state must be a JSON object, not None: "),
        ([], "The state must be a JSON object, not []: "),
        ({"bookmarks": []}, "The state's bookmarks must be a JSON object, not []: "),
        ({"bookmarks": {"activity_by_day": None}}, "activity_by_day"),
        ({"bookmarks": {"activity_by_day": "2025-03-03"}}, "activity_by_day"),
        ({"bookmarks": {"somebody_elses": 3}}, "somebody_elses"),
        (make_state("activity_by_day", replication_key="id"), "activity_by_day is for the replication key 'id', not "),
        (make_state("activity_by_day", replication_key=3), "activity_by_day is for the replication key 3, not "),
        (make_state("activity_by_day", progress_markers=3), "'activity_by_day', in its progress_markers,"),
        (make_state("activity_by_day", progress_markers=None), "progress_markers"),
        (make_state("somebody_elses", progress_markers=[]), "somebody_elses"),
        (make_state("activity_by_day", partitions=3), "in its partitions, must be a JSON array, not 3: "),
        (make_state("activity_by_day", partitions={"context": {}}), "partitions"),
        (make_state("activity_by_day", partitions=None), "partitions"),
        (make_state("activity_by_day", partitions=[3]), "'activity_by_day', in its partitions,"),
        (make_state("activity_by_day", partitions=[{"progress_markers": 3}]), "progress_markers"),
    ],
)
def test_state_of_another_shape_is_rejected(state: object, part: str) -> None:
    """An error about a state's shape names the part that is invalid."""
    text = state_error(state)
    assert part in text
    assert text.isprintable()


def test_written_days_are_parsed() -> None:
    """An entry's dates are the written days; a missing history start defaults to the caller's."""
    start = date(2024, 1, 1)
    entry = {"replication_key_value": "2024-02-29", "history_start_date": "2023-05-01"}
    assert written_of("activity_by_day", entry, history_start=start) == Written(date(2023, 5, 1), date(2024, 2, 29))
    del entry["history_start_date"]
    assert written_of("activity_by_day", entry, history_start=start) == Written(start, date(2024, 2, 29))
    for empty in ({"replication_key_value": None}, {}, {"history_start_date": "2023-05-01"}):
        assert written_of("activity_by_day", empty, history_start=start) is None


def test_set_written_replaces_the_entry() -> None:
    """Setting the written days removes everything else from the entry."""
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
def test_any_state_is_accepted_or_one_error(state: Any) -> None:  # noqa: ANN401 - any JSON
    """Any JSON is accepted as a state or raises a StateError with one line."""
    before = copy.deepcopy(state)
    try:
        check_state(state, NAMES)
    except StateError as error:
        assert str(error).isprintable()  # noqa: PT017 - it may pass
    assert repr(state) == repr(before)


@settings(parent=FEW, suppress_health_check=[HealthCheck.too_slow])
@given(state=STATES)
def test_sdk_accepts_every_valid_state(state: dict[str, Any]) -> None:
    """The SDK, which traverses the state at the start of a run, accepts every state that passes the check."""
    try:
        check_state(state, NAMES)
    except StateError:
        with pytest.raises(StateError), open_tap(state=state):
            pass
        return
    with open_tap(state=copy.deepcopy(state), start_date="2025-03-12") as tap:
        for stream, entry in state.get("bookmarks", {}).items():
            assert repr(tap.state.get("bookmarks", {}).get(stream, {})) == repr(entry)
        tap._reset_state_progress_markers()  # noqa: SLF001 - the first step of `sync_all`


def messages_of(text: bytes) -> list[dict[str, Any]]:
    """Return the Singer messages in an output."""
    return [json.loads(line) for line in text.splitlines()]


def test_state_of_others_is_preserved(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Every STATE contains the bookmarks of other streams and other taps, unchanged."""
    others: dict[str, Any] = {
        "activity_by_year": {"replication_key": "period_end_date", "replication_key_value": "2024-01-01"},
        "somebody_elses": {"replication_key": "id", "replication_key_value": 3, "extra": [1, None]},
    }
    dates = {"replication_key_value": "2025-03-09", "history_start_date": "2025-03-03"}
    state = {"bookmarks": {**others, **make_state("activity_by_day", **dates)["bookmarks"]}}
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
    assert [later["bookmarks"]["activity_by_day"] for later in states[1:]] == [
        {
            "replication_key": "period_end_date",
            "replication_key_value": "2025-03-12",
            "history_start_date": "2025-03-03",
        }
    ] * len(states[1:])
    assert all({name: message["bookmarks"][name] for name in others} == others for message in states)
    assert messages[-1]["type"] == "STATE"
    assert sum(message["type"] == "RECORD" for message in messages) > 50


@pytest.mark.parametrize("periods_per_window", [1, 90])
def test_bookmark_never_moves_back(capsysbinary: pytest.CaptureFixture[bytes], periods_per_window: int) -> None:
    """A bookmark never moves back, although windows of the lookback can end before it."""
    state = make_state("activity_by_day", replication_key_value="2025-03-10")
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
    bookmarks = [message["bookmarks"]["activity_by_day"]["replication_key_value"] for message in states]
    assert bookmarks == sorted(bookmarks)
    assert (bookmarks[0], bookmarks[-1]) == ("2025-03-10", "2025-03-12")


@pytest.mark.parametrize("bookmark", ["2025-03-12", "2025-03-13", "2999-01-01"])
def test_bookmark_at_or_after_today_reads_nothing(
    capsysbinary: pytest.CaptureFixture[bytes], caplog: pytest.LogCaptureFixture, bookmark: str
) -> None:
    """With a bookmark at or after today, nothing is read and the state stays; if it's after, a warning says so."""
    state = make_state("activity_by_day", replication_key_value=bookmark, history_start_date="2025-03-03")
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
    assert all(message == state for message in states)
    assert any("is after the company's current date" in line for line in caplog.messages) == (bookmark > str(TODAY))


def test_progress_markers_are_discarded(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Progress markers of another version never become a bookmark, because their rows may not have been written."""
    markers = {"replication_key": "period_end_date", "replication_key_value": "2999-01-01", "Note": "n"}
    state = make_state("activity_by_day", replication_key_value="2025-03-10", progress_markers=markers)
    with (
        Sandbox(company=COMPANY, today=TODAY, calls_per_second=None) as sandbox,
        open_tap(state=state, api_url=sandbox.url, company_timezone="America/Los_Angeles") as tap,
    ):
        sync_streams(tap)
    states = [message["value"] for message in messages_of(capsysbinary.readouterr().out) if message["type"] == "STATE"]
    dates = {"replication_key_value": "2025-03-12", "history_start_date": "2025-03-03"}
    assert states[-1] == make_state("activity_by_day", **dates)
    assert not any("2999" in json.dumps(message) for message in states)
