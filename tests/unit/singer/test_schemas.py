"""The rows' schemas: one file for all grains and one for users, which the tap announces as they stand there."""

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


def test_there_is_a_stream_for_each_grain_and_one_schema_for_all() -> None:
    """In the order of their lengths; users come last, so that they cost the others nothing."""
    with open_tap() as tap:
        assert list(tap.streams)[-1] == "users"
        assert sorted(tap.streams) == sorted([*NAMES, "users"])
    assert [stream.grain for stream in GRAIN_STREAMS] == list(Grain)
    assert [stream.name for stream in STREAMS] == [*NAMES, "users"]
    assert {path.name for path in FOLDER.iterdir()} == {"activity.json", "users.json"}


@pytest.mark.parametrize("name", [*NAMES, "users"])
def test_a_stream_has_the_files_schema(name: str) -> None:
    """Properties, order and all."""
    schema = json.loads((FOLDER / ("users.json" if name == "users" else "activity.json")).read_text())
    with open_tap() as tap:
        found = tap.streams[name].schema
    assert found == schema
    assert list(found["properties"]) == list(schema["properties"])
    assert all(column["description"].endswith(".") for column in schema["properties"].values())


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_never_null_and_formats_are_told(name: str) -> None:
    """Loaders make their columns of them."""
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


def test_every_loader_can_make_a_table_of_it() -> None:
    """Null comes first in each list of types, and the key has a length that fits an index."""
    columns = json.loads((FOLDER / "activity.json").read_text())["properties"]
    assert all(
        kinds[0] == "null" for kinds in (column["type"] for column in columns.values()) if isinstance(kinds, list)
    )
    assert columns["user_id"]["maxLength"] == 255


def test_a_portable_schema_has_no_dialect_and_lists_null_first() -> None:
    """At every depth; what isn't a type or a dialect stays, also a property of that name."""
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
    """Every other grain costs calls of its own."""
    with open_tap() as tap:
        assert {name for name, stream in tap.streams.items() if stream.selected} == {"activity_by_day"}
