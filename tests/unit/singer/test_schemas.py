"""Schemas: one file for all grains and one for users, which SCHEMA messages contain unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.tap_instances import open_tap

from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.singer.schemas import portable
from tap_gong_activity.streams import STREAMS
from tap_gong_activity.streams.grains import GRAIN_STREAMS

FOLDER = Path(__file__).parents[3] / "schemas"
NAMES = ["activity_by_day", "activity_by_week", "activity_by_month", "activity_by_quarter", "activity_by_year"]


def test_every_grain_has_a_stream() -> None:
    """There's a stream for each grain, shortest first, and users come last."""
    with open_tap() as tap:
        assert list(tap.streams)[-1] == "users"
        assert sorted(tap.streams) == sorted([*NAMES, "users"])
    assert [stream.grain for stream in GRAIN_STREAMS] == list(Grain)
    assert [stream.name for stream in STREAMS] == [*NAMES, "users"]
    assert {path.name for path in FOLDER.iterdir()} == {"activity.json", "users.json"}


@pytest.mark.parametrize("name", [*NAMES, "users"])
def test_stream_has_the_schema_of_its_file(name: str) -> None:
    """A stream's schema is that of its file, and every column has a description."""
    schema = json.loads((FOLDER / ("users.json" if name == "users" else "activity.json")).read_text())
    with open_tap() as tap:
        stream_schema = tap.streams[name].schema
    assert stream_schema == schema
    assert list(stream_schema["properties"]) == list(schema["properties"])
    assert all(column["description"].endswith(".") for column in schema["properties"].values())


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_not_null_and_dates_have_formats(name: str) -> None:
    """Columns of the key can't be null, and dates and instants have formats."""
    columns = json.loads((FOLDER / "activity.json").read_text())["properties"]
    with open_tap() as tap:
        stream = tap.streams[name]
    assert tuple(stream.primary_keys) == ("user_id", "period_start_date")
    assert stream.replication_key == "period_end_date"
    assert all("null" not in columns[key]["type"] for key in (*stream.primary_keys, "period_end_date", "is_complete"))
    assert {column: schema["format"] for column, schema in columns.items() if "format" in schema} == {
        "period_start_date": "date",
        "period_end_date": "date",
        "period_start_at": "date-time",
        "period_end_at": "date-time",
    }


def test_schema_is_compatible_with_loaders() -> None:
    """Null comes first in each list of types, and the key has a length that fits an index."""
    columns = json.loads((FOLDER / "activity.json").read_text())["properties"]
    assert all(
        kinds[0] == "null" for kinds in (column["type"] for column in columns.values()) if isinstance(kinds, list)
    )
    assert columns["user_id"]["maxLength"] == 255


def test_portable_schema_has_no_dialect_and_null_first() -> None:
    """At every depth, $schema is removed and null comes first in types; properties with these names stay."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["b", "a"]},
            "nested": {"type": ["object", "null"], "anyOf": [{"$schema": "x", "type": ["integer", "string", "null"]}]},
        },
    }
    assert portable(schema) == {
        "properties": {
            "type": {"type": ["null", "string"], "enum": ["b", "a"]},
            "nested": {"type": ["null", "object"], "anyOf": [{"type": ["null", "integer", "string"]}]},
        }
    }
    assert "$schema" in schema


def test_only_days_are_selected_by_default() -> None:
    """Only days are selected by default, because every other grain costs requests of its own."""
    with open_tap() as tap:
        assert {name for name, stream in tap.streams.items() if stream.selected} == {"activity_by_day"}
