"""The rows' schemas: one file a stream, which the tap announces as it stands there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from taps import tap_of

from tap_gong_activity.periods import Grain
from tap_gong_activity.streams import STREAMS

FOLDER = Path(__file__).parents[2] / "schemas"
NAMES = ["activity_by_day", "activity_by_week", "activity_by_month", "activity_by_quarter", "activity_by_year"]


def test_there_is_a_stream_and_a_schema_for_each_grain() -> None:
    """In the order of their lengths."""
    with tap_of() as tap:
        assert sorted(tap.streams) == sorted(NAMES)
    assert [stream.grain for stream in STREAMS] == list(Grain)
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.json" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_has_its_files_schema(name: str) -> None:
    """Properties, order and all."""
    schema = json.loads((FOLDER / f"{name}.json").read_text())
    with tap_of() as tap:
        found = tap.streams[name].schema
    assert found == schema
    assert list(found["properties"]) == list(schema["properties"])
    assert schema["title"] == name
    assert all(column["description"].endswith(".") for column in schema["properties"].values())


@pytest.mark.parametrize("name", NAMES)
def test_a_streams_texts_are_about_its_own_grain(name: str) -> None:
    """A file that was copied and not changed would tell otherwise."""
    grain = name.removeprefix("activity_by_")
    schema = json.loads((FOLDER / f"{name}.json").read_text())
    assert schema["description"] == f"Activity of each user in each {grain}."
    assert grain.upper() in schema["properties"]["aggregation_period"]["description"]
    assert f" {grain}" in schema["properties"]["period_start_date"]["description"].lower()


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_never_null_and_formats_are_told(name: str) -> None:
    """Loaders make their columns of them."""
    columns = json.loads((FOLDER / f"{name}.json").read_text())["properties"]
    with tap_of() as tap:
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


def test_only_days_are_selected_by_default() -> None:
    """Every other grain costs calls of its own."""
    with tap_of() as tap:
        assert {name for name, stream in tap.streams.items() if stream.selected} == {"activity_by_day"}
