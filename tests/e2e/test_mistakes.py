"""What a user may easily get wrong costs neither data nor a secret, and ends with one sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from gong_sandbox import Fault, HandClock, Status
from support.catalogs import catalog_selecting
from support.expected_rows import STREAMS
from support.fake_clock import NOON, FakeClock
from support.fake_time_runs import restored_process_state, run, run_command, sandbox_settings, serve_sandbox
from support.run_results import assert_failed, assert_succeeded

from tap_gong_activity import cli
from tap_gong_activity.cli import CommandLine

if TYPE_CHECKING:
    from pathlib import Path

DAY = "activity_by_day"
PREFIX = "TAP_GONG_ACTIVITY_"


def test_a_period_that_end_date_cuts_does_not_replace_one_that_was_written_whole() -> None:
    """With an end_date behind the bookmark, the open period is none: it has ended, and stands complete."""
    with serve_sandbox() as sandbox:
        whole = run(sandbox, streams=["activity_by_month"], start_date="2025-01-01")
        cut = run(
            sandbox,
            streams=["activity_by_month"],
            start_date="2025-01-01",
            end_date="2025-02-15",
            include_open_period=True,
            lookback_days=60,
            state=whole.state,
        )

    assert_succeeded(cut)
    assert {(row["period_start_date"], row["is_complete"]) for row in cut.rows} == {("2025-01-01", True)}
    assert cut.bookmarks == whole.bookmarks == {"activity_by_month": "2025-03-01"}


@pytest.mark.parametrize("stream", ["activity_by_day", "activity_by_year"])
def test_a_test_asks_gong_even_where_no_period_has_ended(stream: str) -> None:
    """So that a wrong key is noticed whatever the dates are."""
    with serve_sandbox() as sandbox:
        refused = run(sandbox, "--test", streams=[stream], start_date="2030-01-01", access_key="wrong")

    assert "check the access key" in assert_failed(refused)
    assert len(refused.requests) == 1


@pytest.mark.parametrize("wrapper", ["value", "singer_state", "completed"])
def test_a_wrapped_state_is_refused(wrapper: str) -> None:
    """Taken for an empty state, it would have everything read again."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, state={wrapper: {"bookmarks": {"activity_by_day": {"replication_key_value": "2025-03-01"}}}})

    assert "pass only its value" in assert_failed(ran)
    assert ran.requests == []


def test_settings_given_for_the_path_of_a_file_are_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    """They may hold a secret."""
    command = CommandLine.get_singer_command()

    with pytest.raises(SystemExit) as ending:
        command.main(["--config", '{"access_key_secret": "hush"}'])

    assert ending.value.code == 1
    assert "takes the path of a JSON file" in caplog.text
    assert "hush" not in caplog.text


def test_a_wrong_value_of_a_setting_of_the_sdks_is_not_repeated() -> None:
    """It is named, as it may hold a secret too."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, stream_map_config="hush")

    assert "stream_map_config" in assert_failed(ran)
    assert "hush" not in ran.log


# Stream maps and the SDK's other settings


@pytest.mark.parametrize(
    ("stream_map", "named", "how"),
    [
        ({"x": "int(user_email_address)"}, "expression for x", "record"),
        ({"x": "record['@' + user_id]"}, "expression for x", "batch"),
        ({"x": "nothing"}, "NameNotDefined: nothing", "test"),
        ({"__filter__": "1 / (calls_as_host * 0)"}, "__filter__", "record"),
        ({"user_id": "None"}, "key column user_id", "batch"),
        ({"user_id": "None"}, "key column user_id", "test"),
        ({"period_start_date": "None"}, "key column period_start_date", "record"),
    ],
)
def test_a_stream_map_that_fails_on_a_row_is_named_without_the_rows_values(
    stream_map: dict[str, str], named: str, how: str, tmp_path: Path
) -> None:
    """Whichever way the row would have been written."""
    batch_config = {"encoding": {"format": "jsonl", "compression": "gzip"}, "storage": {"root": f"file://{tmp_path}"}}
    with serve_sandbox() as sandbox:
        ran = run(
            sandbox,
            *(["--test"] if how == "test" else []),
            stream_maps={DAY: stream_map},
            batch_config=batch_config if how == "batch" else None,
        )

    sentence = assert_failed(ran)
    assert DAY in sentence
    assert named in sentence
    assert "@" not in ran.log


def test_a_value_that_is_no_json_is_named_by_its_stream() -> None:
    """An expression can make half a surrogate pair."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, stream_maps={DAY: {"x": "'\\ud800'"}})

    assert DAY in assert_failed(ran)


BATCH = {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///tmp"}}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"stream_maps": "hush"}, "stream_maps"),
        ({"stream_maps": {DAY: "hush"}}, "stream_maps.activity_by_day"),
        ({"stream_maps": {DAY: {"x": 5}}}, "stream_maps.activity_by_day.x"),
        ({"stream_maps": {DAY: {"x": "hush +"}}}, "stream_maps.activity_by_day.x"),
        ({"stream_maps": {DAY: {"x": ""}}}, "stream_maps.activity_by_day.x"),
        ({"stream_maps": {DAY: {"__else__": "hush"}}}, "stream_maps.activity_by_day.__else__"),
        ({"stream_maps": {"__hush": {}}}, "stream_maps"),
        ({"stream_maps": {DAY: {"user_id": None}}}, "user_id"),
        ({"stream_maps": {DAY: {"__alias__": "1 / 0"}}}, "stream maps"),
        ({"flattening_enabled": "hush"}, "flattening_enabled"),
        ({"flattening_enabled": True}, "flattening_max_depth"),
        ({"flattening_enabled": True, "flattening_max_depth": 1, "flattening_max_key_length": 3}, "Duplicate column"),
        ({"batch_config": {"encoding": BATCH["encoding"]}}, "batch_config needs storage"),
        ({"batch_config": {**BATCH, "batch_size": "10"}}, "batch_config.batch_size"),
        ({"batch_config": {**BATCH, "batch_size": 0}}, "batch_config.batch_size"),
        ({"batch_config": {**BATCH, "encoding": {"format": "hush"}}}, "batch_config.encoding.format"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_an_unusable_setting_of_the_sdks_is_named(settings: dict[str, Any], named: str) -> None:
    """Before any request, and without its value."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, **settings)

    assert named in assert_failed(ran)
    assert "hush" not in ran.log.replace("'__hush'", "")
    assert ran.requests == []


def test_a_setting_of_the_sdks_that_is_null_or_empty_counts_as_absent() -> None:
    """In a file and in the environment."""
    names = (
        "stream_maps",
        "stream_map_config",
        "faker_config",
        "batch_config",
        "flattening_enabled",
        "flattening_max_depth",
    )
    hand = HandClock(NOON)
    with serve_sandbox(clock=hand) as sandbox:
        plain = run(sandbox)
        for absent in (None, ""):
            settings = {**sandbox_settings(sandbox), **dict.fromkeys(names, absent)}
            environment = {PREFIX + name.upper(): absent or "" for name in names}
            ran = run_command("--config=ENV", config=settings, environment=environment, clock=FakeClock(hand))
            assert_succeeded(ran)
            assert ran.rows == plain.rows
            assert ran.warnings == []


def test_a_setting_of_the_sdks_in_the_environment_that_is_no_json_is_named() -> None:
    """As any other."""
    with serve_sandbox() as sandbox:
        for name, text in (("STREAM_MAPS", "{hush"), ("BATCH_CONFIG", "[]"), ("FLATTENING_MAX_DEPTH", "hush")):
            ran = run(sandbox, "--config=ENV", environment={PREFIX + name: text})
            assert name.lower() in assert_failed(ran)
            assert "hush" not in ran.log


# Catalogs


def catalog_with(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """The discovered catalog, with its days selected and changed."""
    catalog = catalog_selecting(DAY)
    (entry,) = (entry for entry in catalog["streams"] if entry["tap_stream_id"] == DAY)
    entry.update(changes)
    return catalog


@pytest.mark.parametrize(
    "lacking", [("metadata",), ("metadata", "schema", "key_properties", "replication_key", "stream")]
)
def test_a_catalog_gets_what_it_lacks_from_the_streams(lacking: tuple[str, ...]) -> None:
    """Their selection by default as well as their schema and key."""
    catalog = catalog_selecting(*STREAMS)
    for entry in catalog["streams"]:
        for name in lacking:
            entry.pop(name, None)
    with serve_sandbox() as sandbox:
        plain, ran = run(sandbox), run(sandbox, catalog=catalog)

    assert_succeeded(ran)
    assert [message for message in ran.messages if message["type"] != "RECORD"] == [
        message for message in plain.messages if message["type"] != "RECORD"
    ]
    assert ran.rows == plain.rows


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"stream": "days"}, "renames activity_by_day"),
        ({"schema": {"properties": {"user_id": {"$ref": "#/definitions/id"}}}}, "$ref"),
        ({"schema": {"properties": {"period_start_date": {"type": "string"}}}}, "drops user_id"),
        (
            {
                "metadata": [
                    {"breadcrumb": [], "metadata": {"selected": True}},
                    {"breadcrumb": ["properties", "user_id"], "metadata": {"selected": False}},
                ]
            },
            "drops user_id",
        ),
        ({"key_properties": ["nothing"]}, "drops nothing"),
        ({"key_properties": 5}, "key_properties"),
        ({"schema": []}, "Singer catalog"),
        ({"metadata": [5]}, "Singer catalog"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_catalog_that_cannot_be_used_is_refused(changes: dict[str, Any], named: str) -> None:
    """Before any request; no row goes out without its key."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, catalog=catalog_with(**changes))

    assert named in assert_failed(ran)
    assert ran.requests == []


# What is ignored


def test_each_kind_of_unknown_name_gets_one_warning() -> None:
    """Patterns, aliases and Meltano's variables aren't unknown."""
    catalog = catalog_selecting(DAY)
    catalog["streams"] += [{"tap_stream_id": name, "schema": {}, "metadata": []} for name in ("old", "older")]
    maps = {"weeks": {}, "activity_*": {}, "copy": {"__source__": DAY}, "days": {"__source__": "day"}}
    known = {PREFIX + name: "x" for name in ("_SELECT", "_LOAD_SCHEMA", "LOGLEVEL", "BATCH_CONFIG_STORAGE_ROOT")}
    environment = {**known, PREFIX + "LOGLEVEL": "INFO", PREFIX + "LOOKBACK": "3", PREFIX + "START": "x"}
    with serve_sandbox() as sandbox:
        ran = run(
            sandbox, "--config=ENV", catalog=catalog, environment=environment, stream_maps=maps, lookback=3, zone="x"
        )
        meltano = run(sandbox, environment=environment)

    assert_succeeded(ran)
    assert [line.partition("Unknown ")[2] for line in ran.warnings] == [
        f"variable ignored: {PREFIX}LOOKBACK, {PREFIX}START.",
        "setting ignored: lookback, zone.",
        "stream in the catalog ignored: old, older.",
        "stream in stream_maps ignored: weeks, day.",
    ]
    assert meltano.warnings == []


@pytest.mark.parametrize(
    "selected", [{"catalog": {}}, {"stream_maps": {DAY: None}}, {"stream_maps": {"__else__": None}}]
)
def test_nothing_selected_is_one_warning_and_no_request(selected: dict[str, Any]) -> None:
    """A stream that stream_maps removes isn't read, and its bookmark stays."""
    state = {"bookmarks": {DAY: {"replication_key": "period_end_date", "replication_key_value": "2025-03-01"}}}
    with serve_sandbox() as sandbox:
        ran = run(sandbox, state=state, **selected)

    assert_succeeded(ran)
    assert len(ran.warnings) == 1
    assert "No stream is selected" in ran.warnings[0]
    assert ran.requests == []
    assert ran.bookmarks == {DAY: "2025-03-01"}


def test_forgetting_to_ask_for_the_environment_is_noticed() -> None:
    """Where no settings are given at all; neither discovery nor --about needs any."""
    environment = {PREFIX + "ACCESS_KEY": "hush", PREFIX + "LOGLEVEL": "INFO"}

    assert "--config ENV" in assert_failed(run_command(environment=environment))
    for option in ("--discover", "--about"):
        ran = run_command(option, environment=environment)
        assert_succeeded(ran)
        assert ran.warnings == []
    with serve_sandbox() as sandbox:
        assert run(sandbox, environment=environment).warnings == []


def test_a_dotenv_file_is_read_only_where_the_environment_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the current folder, for the settings that the environment lacks."""
    (tmp_path / ".env").write_text(f"{PREFIX}START_DATE=2025-03-10\n{PREFIX}LOOKBACK_DAYS=hush\n")
    monkeypatch.chdir(tmp_path)
    with serve_sandbox() as sandbox:
        from_file = run(sandbox, start_date="2025-03-01")
        both = run(sandbox, "--config=ENV", start_date="2025-03-01", environment={PREFIX + "LOOKBACK_DAYS": "0"})

    assert_succeeded(both)
    assert min(row["period_start_date"] for row in from_file.rows) == "2025-03-01"
    assert min(row["period_start_date"] for row in both.rows) == "2025-03-10"


@pytest.mark.parametrize(("start_date", "warnings"), [("2025-03-12", 0), ("2025-03-13", 1)])
def test_a_start_date_in_the_future_gets_a_warning(start_date: str, warnings: int) -> None:
    """It's likely a typo, and the run exits with 0 without reading anything."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, start_date=start_date)

    assert_succeeded(ran)
    assert ran.requests == []
    assert [f"start_date ({start_date}) is after" in warning for warning in ran.warnings] == [True] * warnings


# Files


@pytest.mark.parametrize("kind", ["config", "state", "catalog"])
def test_a_file_that_cannot_be_read_is_named(kind: str, tmp_path: Path) -> None:
    """Missing, a folder, or in another encoding."""
    latin = tmp_path / "latin.json"
    latin.write_bytes('{"access_key_secret": "hüsh"}'.encode("latin-1"))
    for path in (tmp_path / "missing.json", tmp_path, latin):
        ran = run_command(f"--{kind}", str(path), config={"access_token": "x", "start_date": "2025-03-01"})
        sentence = assert_failed(ran)
        assert f"The {kind} file {path} can't be read" in sentence
        assert "sh" not in sentence.partition("can't be read")[2].replace("hush", "")


@pytest.mark.parametrize("end_date", ["", None])
def test_a_later_file_that_lacks_a_setting_leaves_it(end_date: str | None, tmp_path: Path) -> None:
    """Being empty is lacking it; null takes it back."""
    later = tmp_path / "later.json"
    later.write_text("\ufeff" + json.dumps({"start_date": "2025-03-03", "end_date": end_date}))
    with serve_sandbox() as sandbox:
        ran = run(sandbox, "--config", str(later), start_date="2025-03-01", end_date="2025-03-05")

    assert_succeeded(ran)
    assert min(row["period_start_date"] for row in ran.rows) == "2025-03-03"
    assert max(row["period_end_date"] for row in ran.rows) == ("2025-03-05" if end_date == "" else "2025-03-12")


# --test, and a scope that is missing


def test_a_test_tries_each_stream_and_says_how_it_went() -> None:
    """One stream's refusal doesn't keep the others from being tried."""
    fault = Fault(Status(401), at=1)
    with serve_sandbox(faults=[fault]) as sandbox:
        ran = run(sandbox, "--test", streams=list(STREAMS))

    assert ran.status == 1
    assert len(ran.requests) == len(STREAMS)
    lines = [line for line in ran.log.splitlines() if "activity_by_" in line]
    assert ["401" in line for line in lines] == [True, False, False, False, False]
    assert [line.partition("activity_by_")[2].split()[0].rstrip(":,") for line in lines] == [
        "day",
        "month",
        "quarter",
        "week",
        "year",
    ]


def test_a_test_retries_once_and_does_not_wait_for_long() -> None:
    """Somebody waits for it."""
    for refusal in (Status(503), Status(429), Status(429, retry_after="9"), Status(429, retry_after="60")):
        with serve_sandbox(faults=[Fault(refusal)]) as sandbox:
            ran = run(sandbox, "--test")
        assert str(refusal.status) in assert_failed(ran)
        assert len(ran.requests) <= 2
        assert ran.waited <= 10


def test_a_missing_scope_ends_its_stream_only() -> None:
    """The others are still read, and the status says that something is missing."""
    refusal = Fault(Status(401, error="You don't have permission to use 'api:stats:user-actions' in your app."), at=1)
    with serve_sandbox(faults=[refusal]) as sandbox:
        ran = run(sandbox, streams=["activity_by_day", "activity_by_month"], max_parallel_windows=1)

    assert "activity_by_day" in assert_failed(ran)
    assert ran.bookmarks.get("activity_by_day") is None
    assert ran.bookmarks["activity_by_month"] == "2025-03-01"
    assert {row["aggregation_period"] for row in ran.rows} == {"MONTH"}


def test_a_log_level_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK sets up logging before anything else."""
    monkeypatch.setenv(PREFIX + "LOGLEVEL", "hush")
    with restored_process_state(), pytest.raises(SystemExit, match="LOGLEVEL"):
        cli.run()
