"""Parts of the SDK that the tap relies on beyond its documentation; a test fails when one changes."""

from __future__ import annotations

import inspect
import json
import re
import signal
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from gong_sandbox import Sandbox
from singer_sdk import Stream, Tap
from singer_sdk.mapper import CustomStreamMap, SameRecordTransform
from singer_sdk.plugin_base import SingerCommand
from singer_sdk.singerlib import Catalog
from singer_sdk.tap_base import CliTestOptionValue
from support.default_config import CONFIG
from support.fake_clock import TODAY
from support.fake_time_runs import restored_process_state
from support.sandbox_clients import COMPANY
from support.signal_state import no_signal_received
from support.tap_instances import open_tap

from tap_gong_activity.base.errors import SettingsError, TerminatedError
from tap_gong_activity.cli import CommandLine
from tap_gong_activity.environment import PREFIX
from tap_gong_activity.settings import PROPERTIES
from tap_gong_activity.streams.activity import ActivityStream
from tap_gong_activity.streams.stream import GongStream
from tap_gong_activity.sync import probe_streams, sync_streams
from tap_gong_activity.tap import TapGongActivity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import click


def signature_of(function: Callable[..., object]) -> list[tuple[str, str, object]]:
    """Return the name, kind and default of each parameter of a function."""
    return [
        (parameter.name, parameter.kind.name, parameter.default)
        for parameter in inspect.signature(function).parameters.values()
    ]


@contextmanager
def open_sandboxed_tap(state: dict[str, Any] | None = None, **settings: Any) -> Iterator[TapGongActivity]:  # noqa: ANN401 - those of the tap
    """Yield a tap that reads ten days from a sandbox, in windows of three."""
    with Sandbox(company=COMPANY, today=TODAY, calls_per_second=None) as sandbox:
        settings = {
            "api_url": sandbox.url,
            "company_timezone": "America/Los_Angeles",
            "periods_per_window": 3,
            **settings,
        }
        with open_tap(state=state, **settings) as tap:
            yield tap


def messages_of(output: bytes) -> list[dict[str, Any]]:
    """Return the messages in an output, without `time_extracted`."""
    messages = [json.loads(line) for line in output.splitlines()]
    for message in messages:
        message.pop("time_extracted", None)
    return messages


# Overrides


def overridden_names(own: type, sdk: type) -> set[str]:
    """Return the names that a class defines and the SDK's class defines as well."""
    return vars(own).keys() & {name for base in sdk.__mro__ for name in vars(base)}


def test_private_overrides_are_listed() -> None:
    """Every override of a private method of the SDK is listed here, so that a new one gets a test."""
    private = {name for name in overridden_names(TapGongActivity, Tap) if re.match("_[a-z]", name)} - {"_abc_impl"}
    assert private == {"_handle_termination"}
    private = {name for name in overridden_names(GongStream, Stream) if re.match("_[a-z]", name)} - {"_abc_impl"}
    assert private == {"_sync_records"}


@pytest.mark.parametrize(
    ("own", "sdk", "name"),
    [
        *((TapGongActivity, Tap, name) for name in ("_handle_termination", "load_state")),
        *((TapGongActivity, Tap, name) for name in ("setup_mapper", "discover_streams")),
        *(
            (GongStream, Stream, name)
            for name in ("_sync_records", "get_records", "log", "finalize_state_progress_markers")
        ),
        *((GongStream, Stream, name) for name in ("get_batches", "get_replication_key_signpost")),
    ],
)
def test_override_has_the_signature_of_the_sdk(own: type, sdk: type, name: str) -> None:
    """An override has the parameters of the SDK's method, with the same kinds and defaults."""
    assert name in overridden_names(own, sdk)
    assert signature_of(getattr(own, name)) == signature_of(getattr(sdk, name))


def test_command_line_options_match_invoke() -> None:
    """The command line passes `invoke` the SDK's options, including those that the SDK handles in callbacks."""
    accepted = {name for name, *_ in signature_of(CommandLine.invoke)}
    assert accepted == {name for name, *_ in signature_of(Tap.invoke)} | {"discover", "test"}
    passed = {parameter.name for parameter in CommandLine.get_singer_command().params if parameter.expose_value}
    assert passed == accepted
    handled = {parameter.name: parameter.callback for parameter in sdk_command().params if parameter.callback}
    assert handled.keys() == {"config", "discover", "test", "version"}
    assert {value.name: value.value for value in CliTestOptionValue} == {
        "All": "all",
        "Schema": "schema",
        "Disabled": "disabled",
    }


def sdk_command() -> click.Command:
    """Return the SDK's command for the tap."""
    command: click.Command = super(CommandLine, CommandLine).get_singer_command()
    return command


def test_sdk_command_has_no_unknown_attributes() -> None:
    """The tap's command copies every attribute of the SDK's command."""
    sdk, own = sdk_command(), CommandLine.get_singer_command()
    assert type(sdk) is SingerCommand
    for attribute in ("name", "callback", "context_settings", "help", "logger"):
        assert getattr(sdk, attribute) == getattr(own, attribute), attribute
    assert [parameter.name for parameter in sdk.params] == [parameter.name for parameter in own.params]
    assert [name for name, *_ in signature_of(SingerCommand.__init__)] == ["self", "args", "logger", "kwargs"]


def test_settings_are_validated_before_the_sdk_logs_them(caplog: pytest.LogCaptureFixture) -> None:
    """The constructor validates settings before the SDK does, which would log their values."""
    with pytest.raises(SettingsError, match="lookback_days"), open_tap(lookback_days="seven"):
        pass
    with open_tap(start_date="2025-03-03T10:00:00Z", flattening_enabled=True, flattening_max_depth=1, end_date=""):
        pass
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def test_sdk_settings_are_added_to_the_schema() -> None:
    """The SDK adds its settings to the schema of the class."""
    TapGongActivity.append_builtin_config(TapGongActivity.config_jsonschema)
    properties = TapGongActivity.config_jsonschema["properties"]
    assert {"stream_maps", "flattening_enabled", "batch_config"} <= properties.keys()
    assert PROPERTIES.to_dict()["properties"].items() <= properties.items()


# The environment


def test_environment_variables_are_parsed_by_the_tap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tap parses environment variables of its own settings and of the SDK's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PREFIX + "LOOKBACK_DAYS", "14")
    monkeypatch.setenv(PREFIX + "REQUESTS_PER_SECOND", "0.5")
    monkeypatch.setenv(PREFIX + "INCLUDE_OPEN_PERIOD", "yes")
    monkeypatch.setenv(PREFIX + "USER_IDS", '["1"]')
    monkeypatch.setenv(PREFIX + "USER_AGENT", "")
    monkeypatch.setenv(PREFIX + "FLATTENING_ENABLED", "true")
    monkeypatch.setenv(PREFIX + "FLATTENING_MAX_DEPTH", "1")
    monkeypatch.setenv(PREFIX + "STREAM_MAPS", '{"activity_by_day": {"__alias__": "days"}}')
    assert TapGongActivity._env_var_prefix == PREFIX  # noqa: SLF001 - --about prints it
    with restored_process_state():
        tap = TapGongActivity(config=dict(CONFIG), parse_env_config=True)
    settings = tap.settings
    assert (settings.lookback_days, settings.requests_per_second, settings.user_ids) == (14, 0.5, ("1",))
    assert settings.include_open_period is True
    assert settings.user_agent.startswith("tap-gong-activity/")
    assert (tap.config["flattening_enabled"], tap.config["flattening_max_depth"]) == (True, 1)
    assert tap.config["stream_maps"] == {"activity_by_day": {"__alias__": "days"}}


# Signals


def test_sdk_passes_signals_to_the_tap() -> None:
    """The SDK's signal handlers call the tap's, which exits with the status of a shell."""
    with open_tap() as tap:
        for number in (signal.SIGTERM, signal.SIGINT):
            handler = signal.getsignal(number)
            assert handler == tap._handle_termination  # noqa: SLF001 - under test
            assert callable(handler)
            with no_signal_received(), pytest.raises(TerminatedError) as error:
                handler(number, None)
            assert error.value.code == 128 + number


# State


def test_state_is_written_when_it_is_set(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """A STATE is written when the tap sets it, and the SDK adds none between rows."""
    with open_sandboxed_tap() as tap:
        tap.sync_all()
        tap.message_writer.flush()
    types = [message["type"] for message in messages_of(capsysbinary.readouterr().out)]
    assert types[0] == "SCHEMA"
    ends = [number for number, kind in enumerate(types) if kind == "STATE"]
    assert all(types[number - 1] == "RECORD" for number in ends[:3])
    assert types.count("RECORD") > 20


# Rows


@pytest.mark.parametrize("bookmark", [None, "2025-03-10"])
def test_whole_pages_equal_single_rows(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, bookmark: str | None
) -> None:
    """Writing whole pages results in the messages, counts and state of writing single rows."""
    entry = {"replication_key": "period_end_date", "replication_key_value": bookmark}
    results = []
    for by_row in (False, True):
        with open_sandboxed_tap(state={"bookmarks": {"activity_by_day": dict(entry)}} if bookmark else None) as tap:
            stream = tap.streams["activity_by_day"]
            assert isinstance(stream, ActivityStream)
            assert stream.rows_are_unchanged()
            if by_row:
                monkeypatch.setattr(stream, "rows_are_unchanged", lambda: False)
            sync_streams(tap)
            results.append((messages_of(capsysbinary.readouterr().out), tap.tally.rows, json.dumps(tap.state)))
    (pages, pages_count, pages_state), (rows, rows_count, rows_state) = results
    assert pages == rows
    assert pages_count == rows_count == sum(message["type"] == "RECORD" for message in pages)
    assert pages_state == rows_state


@pytest.mark.parametrize(
    "settings",
    [
        {"stream_maps": {"activity_by_day": {"user_email_address": "__NULL__"}}},
        {"stream_maps": {"activity_by_day": {"__alias__": "days"}}},
        {"stream_maps": {"activity_by_day": {"__filter__": "calls_as_host > 0"}}},
        {"flattening_enabled": True, "flattening_max_depth": 1},
    ],
    ids=lambda settings: str(settings)[-30:],
)
def test_transformed_rows_are_not_written_by_page(settings: dict[str, Any]) -> None:
    """Whole pages aren't written if the SDK transforms rows."""
    with open_tap(**settings) as tap:
        stream = tap.streams["activity_by_day"]
        assert isinstance(stream, ActivityStream)
        assert not stream.rows_are_unchanged()


def test_map_of_another_stream_allows_writing_by_page() -> None:
    """A stream map of another stream doesn't prevent writing whole pages."""
    with open_tap(stream_maps={"activity_by_week": {"user_email_address": "__NULL__"}}) as tap:
        day, week = tap.streams["activity_by_day"], tap.streams["activity_by_week"]
        assert [type(stream_map) for stream_map in day.stream_maps] == [SameRecordTransform]
        assert [type(stream_map) for stream_map in week.stream_maps] == [CustomStreamMap]
        assert isinstance(day, ActivityStream)
        assert day.rows_are_unchanged()


def test_deselected_column_prevents_writing_by_page() -> None:
    """Whole pages aren't written if a column is deselected."""
    with open_tap() as tap:
        catalog = json.loads(tap.catalog_json_text)
    (day,) = (entry for entry in catalog["streams"] if entry["stream"] == "activity_by_day")
    (column,) = (entry for entry in day["metadata"] if entry["breadcrumb"] == ["properties", "calls_as_host"])
    column["metadata"]["selected"] = False
    with open_tap(catalog=catalog) as tap:
        stream = tap.streams["activity_by_day"]
        assert isinstance(stream, ActivityStream)
        assert not stream.rows_are_unchanged()


def test_column_missing_from_catalog_prevents_writing_by_page() -> None:
    """Whole pages aren't written if the catalog's schema doesn't have a column."""
    with open_tap() as tap:
        catalog = json.loads(tap.catalog_json_text)
    for entry in catalog["streams"]:
        entry["schema"]["properties"].pop("calls_as_host", None)
    with open_tap(catalog=catalog) as tap:
        stream = tap.streams["activity_by_day"]
        assert isinstance(stream, ActivityStream)
        assert not stream.rows_are_unchanged()


def test_probe_writes_one_record_and_no_bookmark(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """--test sends one request per stream, and writes one record and no bookmark."""
    with open_sandboxed_tap() as tap:
        probe_streams(tap)
        assert tap.tally.requests == 1
        assert tap.state.get("bookmarks", {}).get("activity_by_day", {}).get("replication_key_value") is None
    messages = messages_of(capsysbinary.readouterr().out)
    assert [message["type"] for message in messages if message["type"] != "STATE"] == ["SCHEMA", "RECORD"]


def test_mapper_gets_a_copy_of_the_catalog() -> None:
    """Every stream has its stream map, although only the selected ones are selected in the catalog."""
    with open_tap(stream_maps={"*": {"user_email_address": "__NULL__"}}) as tap:
        assert isinstance(tap.catalog, Catalog)
        assert [stream.name for stream in tap.streams.values() if stream.selected] == ["activity_by_day"]
        assert all(len(stream.stream_maps) == 1 for stream in tap.streams.values())


def test_today_is_in_company_timezone() -> None:
    """The tap's current date is that of the company's time zone."""
    with open_tap(company_timezone="America/Los_Angeles") as tap:
        assert tap.today == date(2025, 3, 12)
