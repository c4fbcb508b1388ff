"""What the SDK offers keeps working: selection, maps, flattening, BATCH, environment variables and the other modes."""

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

#: What the SDK writes as well, and a target needs.
KEY = {"user_id", "period_start_date"}

ALIASED = {"activity_by_day": {"__alias__": "gong_days"}}
FILTERED = {"activity_by_day": {"__filter__": "calls_as_host > 0"}}
COMPUTED = {"activity_by_day": {"domain": "user_email_address.split('@')[-1] if user_email_address else None"}}
REMOVED = {"activity_by_day": {"user_email_address": None}}
HASHED = {"activity_by_day": {"user_email_address": "md5(config['salt'] + user_id)"}}


def batches(folder: Path, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - anything in a batch_config
    """Give the setting that turns RECORD messages into files of JSON lines, compressed."""
    return {
        "batch_config": {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": f"file://{folder}"},
            **more,
        }
    }


def without_times(run: RunResult) -> list[dict[str, Any]]:
    """Give the messages but for when their rows were extracted."""
    return [{name: value for name, value in m.items() if name != "time_extracted"} for m in run.messages]


# Selection


@pytest.mark.parametrize("is_batch", [False, True])
def test_a_deselected_column_never_goes_out(is_batch: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """Neither in a RECORD nor in a BATCH file; the key's columns can't be deselected."""
    without = {"user_email_address", "calls_as_host", "is_complete", *KEY}
    with serve_sandbox() as sandbox:
        ran = run(
            sandbox,
            catalog=catalog_selecting("activity_by_day", "activity_by_month", without=without),
            **(batches(tmp_path) if is_batch else {}),
        )
    assert_succeeded(ran)
    assert {tuple(row) for row in ran.rows} == {tuple(c for c in COLUMNS if c in KEY or c not in without)}
    for message in ran.messages:
        if message["type"] == "SCHEMA":
            assert not (without - KEY) & message["schema"]["properties"].keys()
            assert message["schema"]["properties"].keys() >= KEY
    assert "@" not in ran.output.decode()


def test_a_column_that_the_catalogs_schema_lacks_never_goes_out() -> None:
    """As after a catalog was written by hand."""
    catalog = catalog_selecting("activity_by_day")
    entry = next(entry for entry in catalog["streams"] if entry["tap_stream_id"] == "activity_by_day")
    del entry["schema"]["properties"]["calls_attended"]
    entry["metadata"] = [m for m in entry["metadata"] if m["breadcrumb"][-1:] != ["calls_attended"]]
    with serve_sandbox() as sandbox:
        ran = run(sandbox, catalog=catalog, start_date="2025-03-01")
    assert_succeeded(ran)
    assert {tuple(row) for row in ran.rows} == {tuple(c for c in COLUMNS if c != "calls_attended")}


def test_several_streams_have_bookmarks_of_their_own() -> None:
    """Each at the end of its own last whole period."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, streams=[*STREAMS], start_date="2023-06-15")
    assert_succeeded(ran)
    assert ran.bookmarks == {
        "activity_by_day": "2025-03-12",
        "activity_by_week": "2025-03-10",
        "activity_by_month": "2025-03-01",
        "activity_by_quarter": "2025-01-01",
        "activity_by_year": "2025-01-01",
    }


def test_no_stream_selected_is_no_request() -> None:
    """And no failure."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, catalog=catalog_selecting())
    assert_succeeded(ran)
    assert ran.requests == []


# Other modes


@pytest.mark.parametrize("streams", [None, ["activity_by_week"], ["activity_by_day", "activity_by_year"], [*STREAMS]])
def test_a_test_costs_one_request_a_selected_stream(streams: list[str] | None) -> None:
    """However many windows and pages there are, with a catalog and without."""
    with serve_rate_limited_sandbox(page_size=2) as sandbox:
        ran = run(sandbox, "--test", streams=streams, periods_per_window=3, start_date="2023-01-01")
    assert_succeeded(ran)
    asked = [record.body["aggregationPeriod"] for record in ran.requests]
    assert sorted(asked) == sorted(STREAMS[stream] for stream in streams or ["activity_by_day"])


def test_a_test_tells_a_wrong_key_with_one_request() -> None:
    """In the sentence of any other run."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, "--test", access_key_secret="wrong")
    assert "401" in assert_failed(ran)
    assert len(ran.requests) == 1


def test_a_test_of_the_schema_makes_no_request() -> None:
    """It writes the SCHEMA messages only."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, "--test=schema", start_date="2025-03-01")
    assert ran.status == 0
    assert ran.requests == []
    assert {message["type"] for message in ran.messages} == {"SCHEMA"}


def test_discovery_needs_neither_settings_nor_gong() -> None:
    """Six streams, of which the days alone are selected, keyed and incremental as the contract says."""
    ran = run_command("--discover")
    assert ran.status == 0, ran.log
    entries = {entry["tap_stream_id"]: entry for entry in json.loads(ran.output)["streams"]}
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
    """Without any being given."""
    ran = run_command("--about", f"--format={form}")
    assert ran.status == 0, ran.log
    for setting in ("access_key", "oauth_token_file", "periods_per_window", "stream_maps", "batch_config"):
        assert setting in ran.output.decode()


# Maps, flattening and BATCH


@pytest.mark.parametrize("stream_maps", [ALIASED, FILTERED, COMPUTED, REMOVED, HASHED])
@pytest.mark.parametrize("is_batch", [False, True])
def test_a_stream_map_does_to_a_row_what_it_says(
    stream_maps: dict[str, Any],
    is_batch: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
) -> None:
    """In a BATCH file as in a RECORD; the bookmark is no concern of it."""
    with serve_sandbox() as sandbox:
        ran = run(
            sandbox,
            start_date="2025-02-20",
            periods_per_window=6,
            stream_maps=stream_maps,
            stream_map_config={"salt": "s"},
            **(batches(tmp_path) if is_batch else {}),
        )
    assert_succeeded(ran)
    held = expected_rows(sandbox.company, expected_windows("DAY", date(2025, 2, 20), TODAY, periods_per_window=6))
    by_map: dict[str, list[dict[str, Any]]] = {
        str(ALIASED): held,
        str(FILTERED): [row for row in held if row["calls_as_host"] > 0],
        str(COMPUTED): [{**row, "domain": (row["user_email_address"] or "@").split("@")[-1] or None} for row in held],
        str(REMOVED): [{name: value for name, value in row.items() if name != "user_email_address"} for row in held],
    }
    if stream_maps != HASHED:
        assert ran.rows == by_map[str(stream_maps)]
    else:
        assert "@" not in ran.output.decode()
        assert len({row["user_email_address"] for row in ran.rows}) == len({row["user_id"] for row in held})
    names = {stream for stream, _ in rows_of_messages(ran.messages)}
    assert names == {"gong_days" if stream_maps == ALIASED else "activity_by_day"}
    assert ran.bookmarks == {"activity_by_day": "2025-03-12"}


@pytest.mark.parametrize("size", [{"batch_size": 7}, {}])
def test_no_state_goes_out_before_the_batch_that_holds_its_rows(size: dict[str, int], tmp_path: Path) -> None:
    """Every row up to a bookmark stands in a file that was told of before it; the files' rows are the RECORDs' rows."""
    settings: dict[str, Any] = {"streams": [*STREAMS], "periods_per_window": 13, "start_date": "2024-12-30"}
    with serve_sandbox(page_size=5) as sandbox:
        plain = run(sandbox, **settings)
        ran = run(sandbox, **settings, **batches(tmp_path, **size))
    assert_succeeded(ran)
    assert ran.rows == plain.rows
    assert ran.bookmarks == plain.bookmarks
    assert {message["type"] for message in ran.messages} == {"SCHEMA", "STATE", "BATCH"}
    _assert_rows_come_before_their_state(ran)


def _assert_rows_come_before_their_state(ran: RunResult) -> None:
    reached: dict[str, str] = {}
    for message in ran.messages:
        for stream, row in rows_of_messages([message]):
            assert row["period_start_date"] >= reached.get(stream, ""), (stream, row, reached)
        if message["type"] == "STATE":
            reached = {
                stream: entry.get("replication_key_value", "")
                for stream, entry in message["value"].get("bookmarks", {}).items()
            }


@pytest.mark.parametrize(
    "settings", [{"periods_per_window": 1, "max_parallel_windows": 1}, {"include_open_period": True}]
)
def test_no_row_comes_after_a_state_that_lies_ahead_of_it(settings: dict[str, Any]) -> None:
    """So that whatever a target has kept up to a STATE is all that the next run leaves out."""
    with serve_sandbox(page_size=3) as sandbox:
        ran = run(sandbox, streams=[*STREAMS], start_date="2025-02-01", **{"periods_per_window": 10, **settings})
    assert_succeeded(ran)
    _assert_rows_come_before_their_state(ran)


def test_batch_and_maps_that_make_several_streams_of_one_are_refused_together(tmp_path: Path) -> None:
    """In one sentence, as the SDK would write one stream's rows only."""
    maps: dict[str, Any] = {"activity_by_day": {}, "copies": {"__source__": "activity_by_day"}}
    with serve_sandbox() as sandbox:
        ran = run(sandbox, stream_maps=maps, **batches(tmp_path))
    assert "stream_maps" in assert_failed(ran)


def test_maps_make_several_streams_of_one() -> None:
    """Each with every row."""
    maps: dict[str, Any] = {
        "activity_by_day": {},
        "copies": {"__source__": "activity_by_day", "__key_properties__": [], "id": "user_id", "__else__": None},
    }
    with serve_sandbox() as sandbox:
        ran = run(sandbox, stream_maps=maps, start_date="2025-03-01")
    assert_succeeded(ran)
    held = expected_rows(sandbox.company, expected_windows("DAY", date(2025, 3, 1), TODAY))
    assert [row for stream, row in rows_of_messages(ran.messages) if stream == "activity_by_day"] == held
    copies = [row for stream, row in rows_of_messages(ran.messages) if stream == "copies"]
    assert copies == [{"id": row["user_id"]} for row in held]


@pytest.mark.parametrize(
    "streams", [["activity_by_day"], ["activity_by_week"], ["activity_by_month", "activity_by_year"]]
)
def test_a_map_of_all_streams_does_not_need_all_streams_to_be_selected(streams: list[str]) -> None:
    """As one that keeps e-mail addresses out of every table is written once."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, streams=streams, stream_maps={"*": {"user_email_address": None}})
        by_default = run(sandbox, stream_maps={"*": {"user_email_address": None}})
    assert_succeeded(ran)
    assert_succeeded(by_default)
    assert {tuple(row) for row in ran.rows} == {tuple(c for c in COLUMNS if c != "user_email_address")}
    assert {stream for stream, _ in rows_of_messages(ran.messages)} == {*streams}


def test_flattening_leaves_flat_rows_as_they_are() -> None:
    """There is nothing to flatten, and nothing to lose."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, flattening_enabled=True, flattening_max_depth=2)
        assert_succeeded(ran)
        assert ran.rows == run(sandbox).rows


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
def test_a_schema_message_is_one_that_every_loader_accepts(settings: dict[str, Any]) -> None:
    """Without `$schema` and with null first, whether a stream map or a catalog's schema brings them otherwise."""
    catalog = catalog_selecting("activity_by_day")
    entry = next(entry for entry in catalog["streams"] if entry["tap_stream_id"] == "activity_by_day")
    entry["schema"]["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    entry["schema"]["properties"]["calls_attended"]["type"] = ["integer", "null"]
    with serve_sandbox() as sandbox:
        ran = run(sandbox, catalog=catalog, start_date="2025-03-10", **settings)
    assert_succeeded(ran)
    (schema,) = (message["schema"] for message in ran.messages if message["type"] == "SCHEMA")
    assert "$schema" not in schema
    assert schema["properties"]["user_id"]["maxLength"] == 255
    for column in schema["properties"].values():
        assert "null" not in column["type"] or column["type"][0] == "null"


def test_versions_of_a_table_are_neither_advertised_nor_written() -> None:
    """By FULL_TABLE either: in Gong, whoever leaves stays, so there's nothing for a target to delete."""
    about = json.loads(run_command("--about", "--format=json").output)
    assert "activate-version" not in about["capabilities"]
    with serve_sandbox() as sandbox:
        ran = run(
            sandbox,
            catalog=catalog_selecting("activity_by_day", full_table=True),
            start_date="2025-03-10",
            emit_activate_version_messages=True,
        )
    assert ran.status == 0, ran.log
    assert ran.rows
    assert {message["type"] for message in ran.messages} == {"SCHEMA", "RECORD", "STATE"}
    assert not any("version" in message for message in ran.messages)


# The fast path


def draw_catalog(draw: Random) -> dict[str, Any]:
    """Draw streams, columns to leave out, and now and then FULL_TABLE."""
    streams = draw.sample(sorted(STREAMS), draw.randrange(1, 4))
    without = draw.sample(COLUMNS[9:], draw.choice([0, 0, 1, 5]))
    return catalog_selecting(*streams, without=without, full_table=draw.random() < 0.2)


def draw_mutation(draw: Random) -> Fault:
    """Draw something that Gong may send as well: nulls, missing arrays, empty pages, unknown fields, large numbers."""

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
def test_whole_pages_and_single_rows_make_the_same_messages(number: int) -> None:
    """Whatever Gong answers, and whatever is selected, mapped and flattened."""
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
    for is_fast in (True, False):
        fault = draw_mutation(seeded_random("pages", number))
        with serve_sandbox(page_size=4, company=company(12), faults=[fault]) as sandbox:
            if is_fast:
                runs.append(run(sandbox, catalog=catalog, state=state, **settings))
            else:
                with mock.patch.object(ActivityStream, "rows_are_unchanged", return_value=False):
                    runs.append(run(sandbox, catalog=catalog, state=state, **settings))
    fast, ordinary = runs
    assert_succeeded(fast)
    assert_succeeded(ordinary)
    assert without_times(fast) == without_times(ordinary)


# Environment variables


def test_settings_come_from_the_environment_in_their_own_types() -> None:
    """Numbers, booleans and arrays among them."""
    with serve_sandbox(page_size=5) as sandbox:
        ids = [user.user_id for user in sandbox.company.users[:4]]
        wanted = {
            **sandbox_settings(sandbox),
            "start_date": "2025-01-06",
            "periods_per_window": 3,
            "include_open_period": True,
            "requests_per_second": 2.5,
            "max_parallel_windows": 1,
            "user_ids": ids,
            "user_agent": "somebody's pipeline",
        }
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in wanted.items()}
        environment = {f"TAP_GONG_ACTIVITY_{name.upper()}": text for name, text in texts.items()}
        nothing = dict.fromkeys(sandbox_settings(sandbox))
        from_environment = run(
            sandbox, "--config=ENV", environment=environment, streams=["activity_by_week"], **nothing
        )
        from_file = run(sandbox, streams=["activity_by_week"], **wanted)
    assert_succeeded(from_environment)
    assert from_environment.rows == from_file.rows != []
    assert [record.body for record in from_environment.requests] == [record.body for record in from_file.requests]
    assert from_environment.waits == pytest.approx(from_file.waits)
    assert {row["is_complete"] for row in from_environment.rows} == {True, False}
    assert {row["user_id"] for row in from_environment.rows} <= {*ids}


def test_the_environment_overrides_a_file() -> None:
    """As the SDK has it, whichever stands first on the command line."""
    with serve_sandbox() as sandbox:
        environment = {"TAP_GONG_ACTIVITY_START_DATE": "2025-03-10"}
        ran = run(sandbox, "--config=ENV", environment=environment, start_date="2025-01-01")
    assert_succeeded(ran)
    assert min(row["period_start_date"] for row in ran.rows) == "2025-03-10"


def test_a_mistyped_variable_ends_the_run_with_a_sentence() -> None:
    """Before any request."""
    with serve_sandbox() as sandbox:
        for name, text in (("PERIODS_PER_WINDOW", "many"), ("INCLUDE_OPEN_PERIOD", "perhaps"), ("USER_IDS", "[1]")):
            ran = run(sandbox, "--config=ENV", environment={f"TAP_GONG_ACTIVITY_{name}": text})
            assert name.lower() in assert_failed(ran)
            assert ran.requests == []
