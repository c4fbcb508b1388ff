"""Common mistakes of users: each fails with one error, and costs neither data nor a secret."""

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


def test_end_date_does_not_replace_a_complete_period() -> None:
    """An end_date within a period before the bookmark doesn't replace its complete rows with partial ones."""
    with serve_sandbox() as sandbox:
        complete = run(sandbox, streams=["activity_by_month"], start_date="2025-01-01")
        ended_early = run(
            sandbox,
            streams=["activity_by_month"],
            start_date="2025-01-01",
            end_date="2025-02-15",
            include_open_period=True,
            lookback_days=60,
            state=complete.state,
        )

    assert_succeeded(ended_early)
    assert {(row["period_start_date"], row["is_complete"]) for row in ended_early.rows} == {("2025-01-01", True)}
    assert ended_early.bookmarks == complete.bookmarks == {"activity_by_month": "2025-03-01"}


@pytest.mark.parametrize("stream", ["activity_by_day", "activity_by_year"])
def test_connection_test_without_a_complete_period(stream: str) -> None:
    """--test sends a request even if no period is complete, so it notices a wrong key."""
    with serve_sandbox() as sandbox:
        rejected = run(sandbox, "--test", streams=[stream], start_date="2030-01-01", access_key="wrong")

    assert "check the access key" in assert_failed(rejected)
    assert len(rejected.requests) == 1


@pytest.mark.parametrize("wrapper", ["value", "singer_state", "completed"])
def test_wrapped_state_is_rejected(wrapper: str) -> None:
    """A state that is wrapped in another object fails the run, because ignoring it would read everything again."""
    with serve_sandbox() as sandbox:
        result = run(
            sandbox, state={wrapper: {"bookmarks": {"activity_by_day": {"replication_key_value": "2025-03-01"}}}}
        )

    assert "pass only its value" in assert_failed(result)
    assert result.requests == []


def test_config_passed_as_json_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """JSON in place of a config file's path fails the run, and isn't logged because it may contain secrets."""
    command = CommandLine.get_singer_command()

    with pytest.raises(SystemExit) as exit_info:
        command.main(["--config", '{"access_key_secret": "hush"}'])

    assert exit_info.value.code == 1
    assert "takes the path of a JSON file" in caplog.text
    assert "hush" not in caplog.text


def test_invalid_sdk_setting_value_is_not_logged() -> None:
    """An invalid value of one of the SDK's settings isn't logged, because it may be a secret."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, stream_map_config="hush")

    assert "stream_map_config" in assert_failed(result)
    assert "hush" not in result.log


# Stream maps and the SDK's other settings


@pytest.mark.parametrize(
    ("stream_map", "part", "mode"),
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
def test_failing_stream_map_is_named_without_values(
    stream_map: dict[str, str], part: str, mode: str, tmp_path: Path
) -> None:
    """A stream map that fails on a row is named in the error, without the row's values."""
    batch_config = {"encoding": {"format": "jsonl", "compression": "gzip"}, "storage": {"root": f"file://{tmp_path}"}}
    with serve_sandbox() as sandbox:
        result = run(
            sandbox,
            *(["--test"] if mode == "test" else []),
            stream_maps={DAY: stream_map},
            batch_config=batch_config if mode == "batch" else None,
        )

    error = assert_failed(result)
    assert DAY in error
    assert part in error
    assert "@" not in result.log


def test_value_that_cannot_be_json_names_its_stream() -> None:
    """An expression whose value can't be JSON, like half a surrogate pair, fails with its stream's name."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, stream_maps={DAY: {"x": "'\\ud800'"}})

    assert DAY in assert_failed(result)


BATCH = {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///tmp"}}


@pytest.mark.parametrize(
    ("settings", "part"),
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
def test_invalid_sdk_setting_fails_before_any_request(settings: dict[str, Any], part: str) -> None:
    """An invalid setting of the SDK's is named in the error, without its value and before any request."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, **settings)

    assert part in assert_failed(result)
    assert "hush" not in result.log.replace("'__hush'", "")
    assert result.requests == []


def test_empty_sdk_setting_is_ignored() -> None:
    """A setting of the SDK's that is null or empty is ignored, in a file and in the environment."""
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
        for empty in (None, ""):
            settings = {**sandbox_settings(sandbox), **dict.fromkeys(names, empty)}
            environment = {PREFIX + name.upper(): empty or "" for name in names}
            result = run_command("--config=ENV", config=settings, environment=environment, clock=FakeClock(hand))
            assert_succeeded(result)
            assert result.rows == plain.rows
            assert result.warnings == []


def test_sdk_setting_from_the_environment_must_be_json() -> None:
    """An environment variable for a setting of the SDK's that isn't valid JSON is named in the error."""
    with serve_sandbox() as sandbox:
        for name, text in (("STREAM_MAPS", "{hush"), ("BATCH_CONFIG", "[]"), ("FLATTENING_MAX_DEPTH", "hush")):
            result = run(sandbox, "--config=ENV", environment={PREFIX + name: text})
            assert name.lower() in assert_failed(result)
            assert "hush" not in result.log


# Catalogs


def catalog_with(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return the discovered catalog with days selected, and their entry updated."""
    catalog = catalog_selecting(DAY)
    (entry,) = (entry for entry in catalog["streams"] if entry["tap_stream_id"] == DAY)
    entry.update(changes)
    return catalog


@pytest.mark.parametrize(
    "missing", [("metadata",), ("metadata", "schema", "key_properties", "replication_key", "stream")]
)
def test_incomplete_catalog_is_completed(missing: tuple[str, ...]) -> None:
    """Fields that are missing in the catalog have their discovered values, including the default selection."""
    catalog = catalog_selecting(*STREAMS)
    for entry in catalog["streams"]:
        for name in missing:
            entry.pop(name, None)
    with serve_sandbox() as sandbox:
        plain, result = run(sandbox), run(sandbox, catalog=catalog)

    assert_succeeded(result)
    assert [message for message in result.messages if message["type"] != "RECORD"] == [
        message for message in plain.messages if message["type"] != "RECORD"
    ]
    assert result.rows == plain.rows


@pytest.mark.parametrize(
    ("changes", "part"),
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
def test_invalid_catalog_is_rejected(changes: dict[str, Any], part: str) -> None:
    """An invalid catalog, or one without the key's columns, fails the run before any request."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, catalog=catalog_with(**changes))

    assert part in assert_failed(result)
    assert result.requests == []


# Ignored names


def test_unknown_names_are_warned_about_once_per_kind() -> None:
    """Unknown settings, variables and streams cause one warning per kind; Meltano's variables cause none."""
    catalog = catalog_selecting(DAY)
    catalog["streams"] += [{"tap_stream_id": name, "schema": {}, "metadata": []} for name in ("old", "older")]
    maps = {"weeks": {}, "activity_*": {}, "copy": {"__source__": DAY}, "days": {"__source__": "day"}}
    known = {PREFIX + name: "x" for name in ("_SELECT", "_LOAD_SCHEMA", "LOGLEVEL", "BATCH_CONFIG_STORAGE_ROOT")}
    environment = {**known, PREFIX + "LOGLEVEL": "INFO", PREFIX + "LOOKBACK": "3", PREFIX + "START": "x"}
    with serve_sandbox() as sandbox:
        result = run(
            sandbox, "--config=ENV", catalog=catalog, environment=environment, stream_maps=maps, lookback=3, zone="x"
        )
        meltano = run(sandbox, environment=environment)

    assert_succeeded(result)
    assert [line.partition("Unknown ")[2] for line in result.warnings] == [
        f"variable ignored: {PREFIX}LOOKBACK, {PREFIX}START.",
        "setting ignored: lookback, zone.",
        "stream in the catalog ignored: old, older.",
        "stream in stream_maps ignored: weeks, day.",
    ]
    assert meltano.warnings == []


@pytest.mark.parametrize(
    "selected", [{"catalog": {}}, {"stream_maps": {DAY: None}}, {"stream_maps": {"__else__": None}}]
)
def test_nothing_selected_causes_one_warning(selected: dict[str, Any]) -> None:
    """If nothing is selected, or stream_maps removes it, one warning says so and bookmarks stay."""
    state = {"bookmarks": {DAY: {"replication_key": "period_end_date", "replication_key_value": "2025-03-01"}}}
    with serve_sandbox() as sandbox:
        result = run(sandbox, state=state, **selected)

    assert_succeeded(result)
    assert len(result.warnings) == 1
    assert "No stream is selected" in result.warnings[0]
    assert result.requests == []
    assert result.bookmarks == {DAY: "2025-03-01"}


def test_missing_config_env_is_noticed() -> None:
    """Without --config, the error points to --config ENV if there are variables of the tap."""
    environment = {PREFIX + "ACCESS_KEY": "hush", PREFIX + "LOGLEVEL": "INFO"}

    assert "--config ENV" in assert_failed(run_command(environment=environment))
    for option in ("--discover", "--about"):
        result = run_command(option, environment=environment)
        assert_succeeded(result)
        assert result.warnings == []
    with serve_sandbox() as sandbox:
        assert run(sandbox, environment=environment).warnings == []


def test_dotenv_file_is_read_with_config_env_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --config=ENV, a .env file in the current folder supplies settings that the environment doesn't."""
    (tmp_path / ".env").write_text(f"{PREFIX}START_DATE=2025-03-10\n{PREFIX}LOOKBACK_DAYS=hush\n")
    monkeypatch.chdir(tmp_path)
    with serve_sandbox() as sandbox:
        from_file = run(sandbox, start_date="2025-03-01")
        both = run(sandbox, "--config=ENV", start_date="2025-03-01", environment={PREFIX + "LOOKBACK_DAYS": "0"})

    assert_succeeded(both)
    assert min(row["period_start_date"] for row in from_file.rows) == "2025-03-01"
    assert min(row["period_start_date"] for row in both.rows) == "2025-03-10"


@pytest.mark.parametrize(("start_date", "warnings"), [("2025-03-12", 0), ("2025-03-13", 1)])
def test_future_start_date_causes_a_warning(start_date: str, warnings: int) -> None:
    """A start_date in the future causes a warning, and the run succeeds without a request."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, start_date=start_date)

    assert_succeeded(result)
    assert result.requests == []
    assert [f"start_date ({start_date}) is after" in warning for warning in result.warnings] == [True] * warnings


# Files


@pytest.mark.parametrize("kind", ["config", "state", "catalog"])
def test_unreadable_file_is_named(kind: str, tmp_path: Path) -> None:
    """A file that is missing, a folder, or in another encoding is named in the error."""
    latin = tmp_path / "latin.json"
    latin.write_bytes('{"access_key_secret": "hüsh"}'.encode("latin-1"))
    for path in (tmp_path / "missing.json", tmp_path, latin):
        result = run_command(f"--{kind}", str(path), config={"access_token": "x", "start_date": "2025-03-01"})
        error = assert_failed(result)
        assert f"The {kind} file {path} can't be read" in error
        assert "sh" not in error.partition("can't be read")[2].replace("hush", "")


@pytest.mark.parametrize("end_date", ["", None])
def test_later_config_file_overrides_set_values_only(end_date: str | None, tmp_path: Path) -> None:
    """A later config file overrides settings; an empty value overrides nothing, and null removes one."""
    later = tmp_path / "later.json"
    later.write_text("\ufeff" + json.dumps({"start_date": "2025-03-03", "end_date": end_date}))
    with serve_sandbox() as sandbox:
        result = run(sandbox, "--config", str(later), start_date="2025-03-01", end_date="2025-03-05")

    assert_succeeded(result)
    assert min(row["period_start_date"] for row in result.rows) == "2025-03-03"
    assert max(row["period_end_date"] for row in result.rows) == ("2025-03-05" if end_date == "" else "2025-03-12")


# --test and scopes


def test_connection_test_reports_each_stream() -> None:
    """--test reports on every selected stream, even if another one fails."""
    fault = Fault(Status(401), at=1)
    with serve_sandbox(faults=[fault]) as sandbox:
        result = run(sandbox, "--test", streams=list(STREAMS))

    assert result.status == 1
    assert len(result.requests) == len(STREAMS)
    lines = [line for line in result.log.splitlines() if "activity_by_" in line]
    assert ["401" in line for line in lines] == [True, False, False, False, False]
    assert [line.partition("activity_by_")[2].split()[0].rstrip(":,") for line in lines] == [
        "day",
        "month",
        "quarter",
        "week",
        "year",
    ]


def test_connection_test_retries_once() -> None:
    """--test retries at most once and waits at most ten seconds, because someone is waiting for it."""
    for fault in (Status(503), Status(429), Status(429, retry_after="9"), Status(429, retry_after="60")):
        with serve_sandbox(faults=[Fault(fault)]) as sandbox:
            result = run(sandbox, "--test")
        assert str(fault.status) in assert_failed(result)
        assert result.messages[-1]["type"] == "STATE"
        assert len(result.requests) <= 2
        assert result.waited <= 10


def test_missing_scope_fails_its_stream_only() -> None:
    """A missing scope fails its stream, and other streams are still read."""
    fault = Fault(Status(401, error="You don't have permission to use 'api:stats:user-actions' in your app."), at=1)
    with serve_sandbox(faults=[fault]) as sandbox:
        result = run(sandbox, streams=["activity_by_day", "activity_by_month"], max_parallel_windows=1)

    assert "activity_by_day" in assert_failed(result)
    assert result.bookmarks.get("activity_by_day") is None
    assert result.bookmarks["activity_by_month"] == "2025-03-01"
    assert {row["aggregation_period"] for row in result.rows} == {"MONTH"}


def test_unknown_log_level_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown log level is named in the error."""
    monkeypatch.setenv(PREFIX + "LOGLEVEL", "hush")
    with restored_process_state(), pytest.raises(SystemExit, match="LOGLEVEL"):
        cli.run()
