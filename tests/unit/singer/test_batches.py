"""Batch files: whole pages of rows, in files of `batch_size` rows."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import pytest
from singer_sdk.helpers._batch import BatchConfig
from support import documented_response

from tap_gong_activity.base.errors import SettingsError, StreamMapError
from tap_gong_activity.extract.activity_rows import Row, RowReader
from tap_gong_activity.singer.batches import BatchFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def files_in(folder: Path, *, encoding: str = "jsonl", **more: Any) -> BatchFiles:  # noqa: ANN401 - anything in a batch_config
    """Batch files in a folder."""
    storage = {"root": f"file://{folder}", "prefix": "nightly-"}
    config = BatchConfig.from_dict({"encoding": {"format": encoding}, "storage": storage, **more})
    return BatchFiles(config, "tap-gong-activity", "activity_by_day")


def rows_of(count: int) -> list[Row]:
    """So many rows, with what JSON has to escape."""
    reader = RowReader(None, warn=lambda *_: None, redact=str)
    ((row, *_),) = reader.rows(documented_response.WINDOW, iter([documented_response.TEXT.encode()]))
    odd = msgspec.structs.replace(
        row, user_email_address='zoë "o" \u2028 😀', calls_as_host=10**30, calls_attended=None
    )
    return [msgspec.structs.replace(odd, user_id=str(number)) for number in range(count)]


def read(manifests: Iterable[list[str]]) -> list[list[dict[str, Any]]]:
    """The rows of each file."""
    paths = [Path(urlsplit(address).path) for manifest in manifests for address in manifest]
    assert all(path.name.startswith("nightly-tap-gong-activity--activity_by_day-") for path in paths)
    return [[json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()] for path in paths]


def test_files_have_batch_size_rows_whatever_the_pages(tmp_path: Path) -> None:
    """In order, the last one what is left; no file without rows."""
    rows = rows_of(10)
    files = files_in(tmp_path, batch_size=4)
    found = read(files.of_pages([rows[:3], [], rows[3:]]))
    assert [len(file) for file in found] == [4, 4, 2]
    assert [row for file in found for row in file] == [msgspec.structs.asdict(row) for row in rows]
    assert read(files.of_pages([rows[:4]])) == [found[0]]
    assert read(files.of_pages([[], []])) == []
    assert len(list(tmp_path.iterdir())) == 4


def test_files_hold_what_the_sdk_would_write(tmp_path: Path) -> None:
    """Column for column, and as many files."""
    rows = rows_of(25)
    by_page = read(files_in(tmp_path / "pages", batch_size=10).of_pages([rows]))
    records = (msgspec.structs.asdict(row) for row in rows)
    assert by_page == read(files_in(tmp_path / "records", batch_size=10).of_records(records))
    assert [list(row) for row in by_page[0]] == [list(Row.__struct_fields__)] * 10


def test_only_json_lines_are_written_by_the_page(tmp_path: Path) -> None:
    """The SDK writes whatever else it has an encoder for."""
    assert files_in(tmp_path).take_pages
    assert not files_in(tmp_path, encoding="parquet").take_pages


def test_a_storage_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Whether files are written by the page or by the record."""
    (tmp_path / "file").touch()
    files = files_in(tmp_path / "file")
    with pytest.raises(SettingsError, match=r"can't be written \(.+\)"):
        list(files.of_pages([rows_of(1)]))
    with pytest.raises(SettingsError, match=r"can't be written \(.+\)"):
        list(files.of_records(iter([{"user_id": "1"}])))


def test_a_failure_of_the_records_is_not_the_storages(tmp_path: Path) -> None:
    """A stream map's, say."""

    def records() -> Iterator[dict[str, Any]]:
        yield {"user_id": "1"}
        message = "the map"
        raise StreamMapError(message)

    with pytest.raises(StreamMapError, match="the map"):
        list(files_in(tmp_path).of_records(records()))
