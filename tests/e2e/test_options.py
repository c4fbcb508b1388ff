"""The SDK's features: selection, stream maps, flattening, BATCH, environment variables, --test and --about."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from gong_sandbox import Fault, Mutation
from support.catalogs import catalog_selecting
from support.expected_rows import COLUMNS, STREAMS, company, expected_rows, expected_windows
from support.fake_clock import TODAY
from support.fake_time_runs import run, run_command, sandbox_settings, serve_rate_limited_sandbox, serve_sandbox
from support.run_results import RunResult, assert_failed, assert_succeeded, rows_of_messages
from support.seeded_random import seeded_random

from tap_gong_activity.streams.activity import ActivityStream

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

#: Columns of the key, which targets need.
KEY = {"user_id", "period_start_date"}

ALIASED = {"activity_by_day": {"__alias__": "gong_days"}}
FILTERED = {"activity_by_day": {"__filter__": "calls_as_host > 0"}}
COMPUTED = {"activity_by_day": {"domain": "user_email_address.split('@')[-1] if user_email_address else None"}}
REMOVED = {"activity_by_day": {"user_email_address": None}}
HASHED = {"activity_by_day": {"user_email_address": "md5(config['salt'] + user_id)"}}


def batch_settings(folder: Path, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return settings that write BATCH messages with compressed JSON lines."""
    return {
        "batch_config": {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": f"file://{folder}"},
            **more,
        }
    }


def without_extraction_times(run: RunResult) -> list[dict[str, Any]]:
    """Return the messages without `time_extracted`."""
    return [{name: value for name, value in m.items() if name != "time_extracted"} for m in run.messages]


# Selection


@pytest.mark.parametrize("is_batch", [False, True])
def test_deselected_columns_are_not_written(is_batch: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """Deselected columns are in neither RECORD nor BATCH; columns of the key can't be deselected."""
    without = {"user_email_address", "calls_as_host", "is_complete", *KEY}
    with serve_sandbox() as sandbox:
        result = run(
            sandbox,
            catalog=catalog_selecting("activity_by_day", "activity_by_month", without=without),
            **(batch_settings(tmp_path) if is_batch else {}),
        )
    assert_succeeded(result)
    assert {tuple(row) for row in result.rows} == {tuple(c for c in COLUMNS if c in KEY or c not in without)}
    for message in result.messages:
        if message["type"] == "SCHEMA":
            assert not (without - KEY) & message["schema"]["properties"].keys()
            assert message["schema"]["properties"].keys() >= KEY
    assert "@" not in result.output.decode()


def test_columns_missing_from_the_catalog_are_not_written() -> None:
    """Columns that the schema in the catalog doesn't have aren't written."""
    catalog = catalog_selecting("activity_by_day")
    entry = next(entry for entry in catalog["streams"] if entry["tap_stream_id"] == "activity_by_day")
    del entry["schema"]["properties"]["calls_attended"]
    entry["metadata"] = [m for m in entry["metadata"] if m["breadcrumb"][-1:] != ["calls_attended"]]
    with serve_sandbox() as sandbox:
        result = run(sandbox, catalog=catalog, start_date="2025-03-01")
    assert_succeeded(result)
    assert {tuple(row) for row in result.rows} == {tuple(c for c in COLUMNS if c != "calls_attended")}


def test_every_stream_has_its_own_bookmark() -> None:
    """Each stream's bookmark is the end of its last complete period."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, streams=[*STREAMS], start_date="2023-06-15")
    assert_succeeded(result)
    assert result.bookmarks == {
        "activity_by_day": "2025-03-12",
        "activity_by_week": "2025-03-10",
        "activity_by_month": "2025-03-01",
        "activity_by_quarter": "2025-01-01",
        "activity_by_year": "2025-01-01",
    }


def test_no_selected_stream_sends_no_request() -> None:
    """If no stream is selected, the run succeeds without a request."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, catalog=catalog_selecting())
    assert_succeeded(result)
    assert result.requests == []


# Other modes


@pytest.mark.parametrize("streams", [None, ["activity_by_week"], ["activity_by_day", "activity_by_year"], [*STREAMS]])
def test_connection_test_sends_one_request_per_selected_stream(streams: list[str] | None) -> None:
    """--test sends one request per selected stream, however many windows and pages there are."""
    with serve_rate_limited_sandbox(page_size=2) as sandbox:
        result = run(sandbox, "--test", streams=streams, periods_per_window=3, start_date="2023-01-01")
    assert_succeeded(result)
    periods = [record.body["aggregationPeriod"] for record in result.requests]
    assert sorted(periods) == sorted(STREAMS[stream] for stream in streams or ["activity_by_day"])


def test_connection_test_reports_a_wrong_key() -> None:
    """--test fails after one request if the key is wrong."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, "--test", access_key_secret="wrong")
    assert "401" in assert_failed(result)
    assert len(result.requests) == 1


def test_schema_test_sends_no_request() -> None:
    """--test=schema writes SCHEMA messages without a request."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, "--test=schema", start_date="2025-03-01")
    assert result.status == 0
    assert result.requests == []
    assert {message["type"] for message in result.messages} == {"SCHEMA"}


def test_unknown_kind_of_test_is_rejected() -> None:
    """--test with another value than all and schema fails without a request."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, "--test=foo")
    assert "--test takes all or schema" in assert_failed(result)
    assert result.requests == []


def test_discovery_needs_no_settings() -> None:
    """--discover lists six streams with their keys, without settings or a request; only days are selected."""
    result = run_command("--discover")
    assert result.status == 0, result.log
    entries = {entry["tap_stream_id"]: entry for entry in json.loads(result.output)["streams"]}
    users = entries.pop("users")
    assert (users["key_properties"], users["replication_method"]) == (["user_id"], "FULL_TABLE")
    assert "replication_key" not in users
    assert not next(m["metadata"]["selected"] for m in users["metadata"] if not m["breadcrumb"])
    assert entries.keys() == STREAMS.keys()
    for stream, entry in entries.items():
        assert entry["key_properties"] == ["user_id", "period_start_date"]
        assert entry["replication_method"] == "INCREMENTAL"
        assert entry["replication_key"] == "period_end_date"
        assert tuple(entry["schema"]["properties"]) == COLUMNS
        (root,) = (m["metadata"] for m in entry["metadata"] if not m["breadcrumb"])
        assert root["selected"] is (stream == "activity_by_day")


@pytest.mark.parametrize("form", ["json", "markdown"])
def test_about_lists_every_setting(form: str) -> None:
    """--about lists every setting, without any configuration."""
    result = run_command("--about", f"--format={form}")
    assert result.status == 0, result.log
    for setting in ("access_key", "oauth_token_file", "periods_per_window", "stream_maps", "batch_config"):
        assert setting in result.output.decode()


# Maps, flattening and BATCH


@pytest.mark.parametrize("stream_maps", [ALIASED, FILTERED, COMPUTED, REMOVED, HASHED])
@pytest.mark.parametrize("is_batch", [False, True])
def test_stream_map_transforms_rows(
    stream_maps: dict[str, Any],
    is_batch: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
) -> None:
    """Stream maps transform rows of RECORD and BATCH alike, and leave bookmarks unchanged."""
    with serve_sandbox() as sandbox:
        result = run(
            sandbox,
            start_date="2025-02-20",
            periods_per_window=6,
            stream_maps=stream_maps,
            stream_map_config={"salt": "s"},
            **(batch_settings(tmp_path) if is_batch else {}),
        )
    assert_succeeded(result)
    rows = expected_rows(sandbox.company, expected_windows("DAY", date(2025, 2, 20), TODAY, periods_per_window=6))
    by_map: dict[str, list[dict[str, Any]]] = {
        str(ALIASED): rows,
        str(FILTERED): [row for row in rows if row["calls_as_host"] > 0],
        str(COMPUTED): [{**row, "domain": (row["user_email_address"] or "@").split("@")[-1] or None} for row in rows],
        str(REMOVED): [{name: value for name, value in row.items() if name != "user_email_address"} for row in rows],
    }
    if stream_maps != HASHED:
        assert result.rows == by_map[str(stream_maps)]
    else:
        assert "@" not in result.output.decode()
        assert len({row["user_email_address"] for row in result.rows}) == len({row["user_id"] for row in rows})
    names = {stream for stream, _ in rows_of_messages(result.messages)}
    assert names == {"gong_days" if stream_maps == ALIASED else "activity_by_day"}
    assert result.bookmarks == {"activity_by_day": "2025-03-12"}


@pytest.mark.parametrize("size", [{"batch_size": 7}, {}])
def test_batch_precedes_the_state_of_its_rows(size: dict[str, int], tmp_path: Path) -> None:
    """Every row before a bookmark is in a BATCH before its STATE, and the rows are those of RECORD."""
    settings: dict[str, Any] = {"streams": [*STREAMS], "periods_per_window": 13, "start_date": "2024-12-30"}
    with serve_sandbox(page_size=5) as sandbox:
        plain = run(sandbox, **settings)
        result = run(sandbox, **settings, **batch_settings(tmp_path, **size))
    assert_succeeded(result)
    assert result.rows == plain.rows
    assert result.bookmarks == plain.bookmarks
    assert {message["type"] for message in result.messages} == {"SCHEMA", "STATE", "BATCH"}
    _assert_rows_precede_their_state(result)


def _assert_rows_precede_their_state(result: RunResult) -> None:
    bookmarks: dict[str, str] = {}
    for message in result.messages:
        for stream, row in rows_of_messages([message]):
            assert row["period_start_date"] >= bookmarks.get(stream, ""), (stream, row, bookmarks)
        if message["type"] == "STATE":
            bookmarks = {
                stream: entry.get("replication_key_value", "")
                for stream, entry in message["value"].get("bookmarks", {}).items()
            }


@pytest.mark.parametrize(
    "settings", [{"periods_per_window": 1, "max_parallel_windows": 1}, {"include_open_period": True}]
)
def test_rows_precede_their_state(settings: dict[str, Any]) -> None:
    """No row follows a bookmark that is later than the row, so a run can resume from every STATE."""
    with serve_sandbox(page_size=3) as sandbox:
        result = run(sandbox, streams=[*STREAMS], start_date="2025-02-01", **{"periods_per_window": 10, **settings})
    assert_succeeded(result)
    _assert_rows_precede_their_state(result)


def test_batch_rejects_maps_that_split_a_stream(tmp_path: Path) -> None:
    """BATCH with stream maps that split a stream fails, because the SDK would lose rows."""
    maps: dict[str, Any] = {"activity_by_day": {}, "copies": {"__source__": "activity_by_day"}}
    with serve_sandbox() as sandbox:
        result = run(sandbox, stream_maps=maps, **batch_settings(tmp_path))
    assert "stream_maps" in assert_failed(result)


def test_stream_map_splits_a_stream() -> None:
    """A stream map with __source__ adds a stream, and both have every row."""
    maps: dict[str, Any] = {
        "activity_by_day": {},
        "copies": {"__source__": "activity_by_day", "__key_properties__": [], "id": "user_id", "__else__": None},
    }
    with serve_sandbox() as sandbox:
        result = run(sandbox, stream_maps=maps, start_date="2025-03-01")
    assert_succeeded(result)
    rows = expected_rows(sandbox.company, expected_windows("DAY", date(2025, 3, 1), TODAY))
    assert [row for stream, row in rows_of_messages(result.messages) if stream == "activity_by_day"] == rows
    copies = [row for stream, row in rows_of_messages(result.messages) if stream == "copies"]
    assert copies == [{"id": row["user_id"]} for row in rows]


@pytest.mark.parametrize(
    "streams", [["activity_by_day"], ["activity_by_week"], ["activity_by_month", "activity_by_year"]]
)
def test_wildcard_map_applies_to_selected_streams(streams: list[str]) -> None:
    """A stream map for * works whichever streams are selected."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, streams=streams, stream_maps={"*": {"user_email_address": None}})
        by_default = run(sandbox, stream_maps={"*": {"user_email_address": None}})
    assert_succeeded(result)
    assert_succeeded(by_default)
    assert {tuple(row) for row in result.rows} == {tuple(c for c in COLUMNS if c != "user_email_address")}
    assert {stream for stream, _ in rows_of_messages(result.messages)} == {*streams}


def test_flattening_leaves_rows_unchanged() -> None:
    """Flattening changes no row, because rows are flat."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, flattening_enabled=True, flattening_max_depth=2)
        assert_succeeded(result)
        assert result.rows == run(sandbox).rows


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"flattening_enabled": True, "flattening_max_depth": 2},
        {"stream_maps": {"activity_by_day": {"domain": "user_email_address", "n": "int(calls_as_host)"}}},
        {
            "stream_maps": {
                "activity_by_day": {"user_id": "user_id", "period_start_date": "period_start_date", "__else__": None}
            }
        },
    ],
)
def test_schema_message_is_compatible_with_loaders(settings: dict[str, Any]) -> None:
    """SCHEMA messages have no $schema, and null comes first in types, whatever maps and catalogs contain."""
    catalog = catalog_selecting("activity_by_day")
    entry = next(entry for entry in catalog["streams"] if entry["tap_stream_id"] == "activity_by_day")
    entry["schema"]["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    entry["schema"]["properties"]["calls_attended"]["type"] = ["integer", "null"]
    with serve_sandbox() as sandbox:
        result = run(sandbox, catalog=catalog, start_date="2025-03-10", **settings)
    assert_succeeded(result)
    (schema,) = (message["schema"] for message in result.messages if message["type"] == "SCHEMA")
    assert "$schema" not in schema
    assert schema["properties"]["user_id"]["maxLength"] == 255
    for column in schema["properties"].values():
        assert "null" not in column["type"] or column["type"][0] == "null"


def test_table_versions_are_not_written() -> None:
    """The tap neither supports nor writes table versions, because Gong never deletes users."""
    about = json.loads(run_command("--about", "--format=json").output)
    assert "activate-version" not in about["capabilities"]
    with serve_sandbox() as sandbox:
        result = run(
            sandbox,
            catalog=catalog_selecting("activity_by_day", full_table=True),
            start_date="2025-03-10",
            emit_activate_version_messages=True,
        )
    assert result.status == 0, result.log
    assert result.rows
    assert {message["type"] for message in result.messages} == {"SCHEMA", "RECORD", "STATE"}
    assert not any("version" in message for message in result.messages)


# Writing whole pages


def draw_catalog(draw: Random) -> dict[str, Any]:
    """Draw a catalog's streams, deselected columns, and sometimes FULL_TABLE."""
    streams = draw.sample(sorted(STREAMS), draw.randrange(1, 4))
    without = draw.sample(COLUMNS[9:], draw.choice([0, 0, 1, 5]))
    return catalog_selecting(*streams, without=without, full_table=draw.random() < 0.2)


def draw_mutation(draw: Random) -> Fault:
    """Draw changes to pages that Gong may return: nulls, empty pages, unknown fields, large numbers."""

    def change(page: dict[str, Any]) -> None:
        for user in page["usersAggregateActivity"]:
            if draw.random() < 0.1:
                user["userAggregateActivity"] = draw.choice([None, []])
                continue
            if draw.random() < 0.1:
                user["userEmailAddress"] = draw.choice([None, 'zoë "o" \u2028 ü@example.com', ""])
            for item in user["userAggregateActivity"]:
                if draw.random() < 0.05:
                    item["callsAttended"] = draw.choice([None, 2**40, -1])
                if draw.random() < 0.05:
                    item["callsNewlyCounted"] = 7
        if draw.random() < 0.1:
            page["usersAggregateActivity"] = draw.choice([None, []])

    return Fault(Mutation(change))


@pytest.mark.parametrize("number", range(12))
def test_whole_pages_and_single_rows_write_the_same_messages(number: int) -> None:
    """Writing whole pages and single rows results in the same messages, whatever is returned and selected."""
    draw = seeded_random("paths", number)
    catalog = draw_catalog(draw)
    settings: dict[str, Any] = {
        "stream_maps": draw.choice([None, None, None, ALIASED, FILTERED, COMPUTED]),
        "flattening_enabled": draw.choice([None, None, None, True]),
        "flattening_max_depth": 1,
        "periods_per_window": draw.choice([2, 30]),
        "include_open_period": draw.random() < 0.5,
        "start_date": "2025-02-10",
        "max_parallel_windows": 1,
    }
    state = draw.choice(
        [
            None,
            {
                "bookmarks": {
                    stream: {"replication_key": "period_end_date", "replication_key_value": "2025-02-20"}
                    for stream in STREAMS
                }
            },
        ]
    )
    runs = []
    for is_by_page in (True, False):
        fault = draw_mutation(seeded_random("pages", number))
        with serve_sandbox(page_size=4, company=company(12), faults=[fault]) as sandbox:
            if is_by_page:
                runs.append(run(sandbox, catalog=catalog, state=state, **settings))
            else:
                with mock.patch.object(ActivityStream, "rows_are_unchanged", return_value=False):
                    runs.append(run(sandbox, catalog=catalog, state=state, **settings))
    by_page, by_row = runs
    assert_succeeded(by_page)
    assert_succeeded(by_row)
    assert without_extraction_times(by_page) == without_extraction_times(by_row)


# Environment variables


def test_environment_variables_are_parsed() -> None:
    """Settings from environment variables get their types, including numbers, booleans and arrays."""
    with serve_sandbox(page_size=5) as sandbox:
        ids = [user.user_id for user in sandbox.company.users[:4]]
        settings = {
            **sandbox_settings(sandbox),
            "start_date": "2025-01-06",
            "periods_per_window": 3,
            "include_open_period": True,
            "requests_per_second": 2.5,
            "max_parallel_windows": 1,
            "user_ids": ids,
            "user_agent": "somebody's pipeline",
        }
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
        environment = {f"TAP_GONG_ACTIVITY_{name.upper()}": text for name, text in texts.items()}
        unset = dict.fromkeys(sandbox_settings(sandbox))
        from_environment = run(sandbox, "--config=ENV", environment=environment, streams=["activity_by_week"], **unset)
        from_file = run(sandbox, streams=["activity_by_week"], **settings)
    assert_succeeded(from_environment)
    assert from_environment.rows == from_file.rows != []
    assert [record.body for record in from_environment.requests] == [record.body for record in from_file.requests]
    assert from_environment.waits == pytest.approx(from_file.waits)
    assert {row["is_complete"] for row in from_environment.rows} == {True, False}
    assert {row["user_id"] for row in from_environment.rows} <= {*ids}


def test_environment_overrides_config_file() -> None:
    """Environment variables override the config file, whatever the order of options."""
    with serve_sandbox() as sandbox:
        environment = {"TAP_GONG_ACTIVITY_START_DATE": "2025-03-10"}
        result = run(sandbox, "--config=ENV", environment=environment, start_date="2025-01-01")
    assert_succeeded(result)
    assert min(row["period_start_date"] for row in result.rows) == "2025-03-10"


def test_invalid_variable_fails_before_any_request() -> None:
    """An environment variable that can't be parsed fails the run before any request."""
    with serve_sandbox() as sandbox:
        for name, text in (("PERIODS_PER_WINDOW", "many"), ("INCLUDE_OPEN_PERIOD", "perhaps"), ("USER_IDS", "[1]")):
            result = run(sandbox, "--config=ENV", environment={f"TAP_GONG_ACTIVITY_{name}": text})
            assert name.lower() in assert_failed(result)
            assert result.requests == []
