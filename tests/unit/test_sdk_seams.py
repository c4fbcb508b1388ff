"""What the tap relies on in the SDK beyond what the SDK promises: each a test that fails when it changes."""

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


def shape(function: Callable[..., object]) -> list[tuple[str, str, object]]:
    """A function's parameters: name, kind and default."""
    return [(one.name, one.kind.name, one.default) for one in inspect.signature(function).parameters.values()]


@contextmanager
def running(state: dict[str, Any] | None = None, **given: Any) -> Iterator[TapGongActivity]:  # noqa: ANN401 (settings)
    """A tap that reads a week from a sandbox, in three windows."""
    with Sandbox(company=COMPANY, today=TODAY, calls_per_second=None) as sandbox:
        given = {"api_url": sandbox.url, "company_timezone": "America/Los_Angeles", "periods_per_window": 3, **given}
        with open_tap(state=state, **given) as tap:
            yield tap


def messages_of(output: bytes) -> list[dict[str, Any]]:
    """The messages in an output, but for when rows were extracted."""
    messages = [json.loads(line) for line in output.splitlines()]
    for message in messages:
        message.pop("time_extracted", None)
    return messages


# Overrides


def overridden(own: type, sdk: type) -> set[str]:
    """What is defined anew, of all that the SDK defines too."""
    return vars(own).keys() & {name for base in sdk.__mro__ for name in vars(base)}


def test_every_private_override_is_tested_here() -> None:
    """A new one has to come with a test of its own."""
    private = {name for name in overridden(TapGongActivity, Tap) if re.match("_[a-z]", name)} - {"_abc_impl"}
    assert private == {"_handle_termination"}
    private = {name for name in overridden(GongStream, Stream) if re.match("_[a-z]", name)} - {"_abc_impl"}
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
def test_an_override_takes_what_the_sdk_passes(own: type, sdk: type, name: str) -> None:
    """The same parameters, of the same kinds and with the same defaults."""
    assert name in overridden(own, sdk)
    assert shape(getattr(own, name)) == shape(getattr(sdk, name))


def test_the_command_line_passes_what_invoke_takes() -> None:
    """The SDK's options, and those that the SDK handles while click still parses."""
    taken = {name for name, *_ in shape(CommandLine.invoke)}
    assert taken == {name for name, *_ in shape(Tap.invoke)} | {"discover", "test"}
    passed = {parameter.name for parameter in CommandLine.get_singer_command().params if parameter.expose_value}
    assert passed == taken
    handled = {parameter.name: parameter.callback for parameter in super_command().params if parameter.callback}
    assert handled.keys() == {"config", "discover", "test", "version"}
    assert {value.name: value.value for value in CliTestOptionValue} == {
        "All": "all",
        "Schema": "schema",
        "Disabled": "disabled",
    }


def super_command() -> click.Command:
    """The SDK's command for the tap."""
    command: click.Command = super(CommandLine, CommandLine).get_singer_command()
    return command


def test_the_sdks_command_is_built_of_what_the_taps_is() -> None:
    """Whatever else it may get would be lost."""
    sdk, own = super_command(), CommandLine.get_singer_command()
    assert type(sdk) is SingerCommand
    for attribute in ("name", "callback", "context_settings", "help", "logger"):
        assert getattr(sdk, attribute) == getattr(own, attribute), attribute
    assert [parameter.name for parameter in sdk.params] == [parameter.name for parameter in own.params]
    assert [name for name, *_ in shape(SingerCommand.__init__)] == ["self", "args", "logger", "kwargs"]


def test_settings_are_checked_before_the_sdk_quotes_them(caplog: pytest.LogCaptureFixture) -> None:
    """In the constructor, where the SDK checks too; after that it finds nothing to warn of."""
    with pytest.raises(SettingsError, match="lookback_days"), open_tap(lookback_days="seven"):
        pass
    with open_tap(start_date="2025-03-03T10:00:00Z", flattening_enabled=True, flattening_max_depth=1, end_date=""):
        pass
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def test_the_sdks_settings_are_added_to_the_taps_own() -> None:
    """Into the very schema that the class has."""
    TapGongActivity.append_builtin_config(TapGongActivity.config_jsonschema)
    properties = TapGongActivity.config_jsonschema["properties"]
    assert {"stream_maps", "flattening_enabled", "batch_config"} <= properties.keys()
    assert PROPERTIES.to_dict()["properties"].items() <= properties.items()


# The environment


def test_the_environment_is_read_in_the_taps_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Numbers as numbers, and the SDK's settings too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PREFIX + "LOOKBACK_DAYS", "14")
    monkeypatch.setenv(PREFIX + "REQUESTS_PER_SECOND", "0.5")
    monkeypatch.setenv(PREFIX + "INCLUDE_OPEN_PERIOD", "yes")
    monkeypatch.setenv(PREFIX + "USER_IDS", '["1"]')
    monkeypatch.setenv(PREFIX + "USER_AGENT", "")
    monkeypatch.setenv(PREFIX + "FLATTENING_ENABLED", "true")
    monkeypatch.setenv(PREFIX + "FLATTENING_MAX_DEPTH", "1")
    monkeypatch.setenv(PREFIX + "STREAM_MAPS", '{"activity_by_day": {"__alias__": "days"}}')
    assert TapGongActivity._env_var_prefix == PREFIX  # noqa: SLF001 (--about names it)
    with restored_process_state():
        tap = TapGongActivity(config=dict(CONFIG), parse_env_config=True)
    settings = tap.settings
    assert (settings.lookback_days, settings.requests_per_second, settings.user_ids) == (14, 0.5, ("1",))
    assert settings.include_open_period is True
    assert settings.user_agent.startswith("tap-gong-activity/")
    assert (tap.config["flattening_enabled"], tap.config["flattening_max_depth"]) == (True, 1)
    assert tap.config["stream_maps"] == {"activity_by_day": {"__alias__": "days"}}


# Signals


def test_the_sdk_hands_signals_to_the_tap() -> None:
    """Whose ending has the status that a shell gives for them."""
    with open_tap() as tap:
        for number in (signal.SIGTERM, signal.SIGINT):
            handler = signal.getsignal(number)
            assert handler == tap._handle_termination  # noqa: SLF001 (a seam)
            assert callable(handler)
            with no_signal_received(), pytest.raises(TerminatedError) as caught:
                handler(number, None)
            assert caught.value.code == 128 + number


# State


def test_a_state_goes_out_as_soon_as_it_is_set(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """After the rows of each window; the SDK adds none of its own between rows."""
    with running() as tap:
        tap.sync_all()
        tap.message_writer.flush()
    types = [message["type"] for message in messages_of(capsysbinary.readouterr().out)]
    assert types[0] == "SCHEMA"
    ends = [number for number, kind in enumerate(types) if kind == "STATE"]
    assert all(types[number - 1] == "RECORD" for number in ends[:3])
    assert types.count("RECORD") > 20


# Rows


@pytest.mark.parametrize("bookmark", [None, "2025-03-10"])
def test_whole_pages_give_what_single_rows_give(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, bookmark: str | None
) -> None:
    """The same messages in the same order."""
    entry = {"replication_key": "period_end_date", "replication_key_value": bookmark}
    found = []
    for by_the_row in (False, True):
        with running(state={"bookmarks": {"activity_by_day": dict(entry)}} if bookmark else None) as tap:
            stream = tap.streams["activity_by_day"]
            assert isinstance(stream, ActivityStream)
            assert stream.rows_are_unchanged()
            if by_the_row:
                monkeypatch.setattr(stream, "rows_are_unchanged", lambda: False)
            sync_streams(tap)
            found.append((messages_of(capsysbinary.readouterr().out), tap.tally.rows, json.dumps(tap.state)))
    (short, short_rows, short_state), (long, long_rows, long_state) = found
    assert short == long
    assert short_rows == long_rows == sum(message["type"] == "RECORD" for message in short)
    assert short_state == long_state


@pytest.mark.parametrize(
    "given",
    [
        {"stream_maps": {"activity_by_day": {"user_email_address": "__NULL__"}}},
        {"stream_maps": {"activity_by_day": {"__alias__": "days"}}},
        {"stream_maps": {"activity_by_day": {"__filter__": "calls_as_host > 0"}}},
        {"flattening_enabled": True, "flattening_max_depth": 1},
    ],
    ids=lambda given: str(given)[-30:],
)
def test_the_shortcut_is_not_taken_where_rows_change(given: dict[str, Any]) -> None:
    """Each of these is something that the SDK does to a single row."""
    with open_tap(**given) as tap:
        stream = tap.streams["activity_by_day"]
        assert isinstance(stream, ActivityStream)
        assert not stream.rows_are_unchanged()


def test_a_map_of_another_stream_leaves_the_shortcut() -> None:
    """It is no concern of this one's."""
    with open_tap(stream_maps={"activity_by_week": {"user_email_address": "__NULL__"}}) as tap:
        day, week = tap.streams["activity_by_day"], tap.streams["activity_by_week"]
        assert [type(stream_map) for stream_map in day.stream_maps] == [SameRecordTransform]
        assert [type(stream_map) for stream_map in week.stream_maps] == [CustomStreamMap]
        assert isinstance(day, ActivityStream)
        assert day.rows_are_unchanged()


def test_the_shortcut_is_not_taken_where_a_column_is_deselected() -> None:
    """The rows then lack it."""
    with open_tap() as tap:
        catalog = json.loads(tap.catalog_json_text)
    (day,) = (entry for entry in catalog["streams"] if entry["stream"] == "activity_by_day")
    (column,) = (entry for entry in day["metadata"] if entry["breadcrumb"] == ["properties", "calls_as_host"])
    column["metadata"]["selected"] = False
    with open_tap(catalog=catalog) as tap:
        stream = tap.streams["activity_by_day"]
        assert isinstance(stream, ActivityStream)
        assert not stream.rows_are_unchanged()


def test_a_catalogs_schema_that_lacks_a_column_is_kept_to() -> None:
    """Row by row, without it."""
    with open_tap() as tap:
        catalog = json.loads(tap.catalog_json_text)
    for entry in catalog["streams"]:
        entry["schema"]["properties"].pop("calls_as_host", None)
    with open_tap(catalog=catalog) as tap:
        stream = tap.streams["activity_by_day"]
        assert isinstance(stream, ActivityStream)
        assert not stream.rows_are_unchanged()


def test_a_test_writes_one_record_and_no_bookmark(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """For one request a stream, of the newest window's first page."""
    with running() as tap:
        probe_streams(tap)
        assert tap.tally.requests == 1
        assert tap.state.get("bookmarks", {}).get("activity_by_day", {}).get("replication_key_value") is None
    messages = messages_of(capsysbinary.readouterr().out)
    assert [message["type"] for message in messages if message["type"] != "STATE"] == ["SCHEMA", "RECORD"]


def test_a_catalog_entry_can_be_selected_for_the_mapper() -> None:
    """On a copy, so that what is read stays what was chosen."""
    with open_tap(stream_maps={"*": {"user_email_address": "__NULL__"}}) as tap:
        assert isinstance(tap.catalog, Catalog)
        assert [stream.name for stream in tap.streams.values() if stream.selected] == ["activity_by_day"]
        assert all(len(stream.stream_maps) == 1 for stream in tap.streams.values())


def test_the_company_is_asked_for_its_own_days() -> None:
    """The fake clock's noon in Los Angeles, as every test here takes it."""
    with open_tap(company_timezone="America/Los_Angeles") as tap:
        assert tap.today == date(2025, 3, 12)
