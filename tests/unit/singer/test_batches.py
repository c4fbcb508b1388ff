"""Batch files: whole pages of rows, split into files of `batch_size` rows."""

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


def batch_files(folder: Path, *, encoding: str = "jsonl", **more: Any) -> BatchFiles:  # noqa: ANN401 - any JSON
    """Return batch files in a folder."""
    storage = {"root": f"file://{folder}", "prefix": "nightly-"}
    config = BatchConfig.from_dict({"encoding": {"format": encoding}, "storage": storage, **more})
    return BatchFiles(config, "tap-gong-activity", "activity_by_day")


def make_rows(count: int) -> list[Row]:
    """Return that many rows, with characters that JSON escapes."""
    reader = RowReader(None, warn=lambda *_: None, redact=str)
    ((row, *_),) = reader.rows(documented_response.WINDOW, iter([documented_response.TEXT.encode()]))
    unusual = msgspec.structs.replace(
        row, user_email_address='zoë "o" \u2028 😀', calls_as_host=10**30, calls_attended=None
    )
    return [msgspec.structs.replace(unusual, user_id=str(number)) for number in range(count)]


def read_files(manifests: Iterable[list[str]]) -> list[list[dict[str, Any]]]:
    """Return the rows of each file."""
    paths = [Path(urlsplit(address).path) for manifest in manifests for address in manifest]
    assert all(path.name.startswith("nightly-tap-gong-activity--activity_by_day-") for path in paths)
    return [[json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()] for path in paths]


def test_files_have_batch_size_rows(tmp_path: Path) -> None:
    """Files have batch_size rows in order, whatever the pages, and no file is empty."""
    rows = make_rows(10)
    files = batch_files(tmp_path, batch_size=4)
    files_read = read_files(files.of_pages([rows[:3], [], rows[3:]]))
    assert [len(file) for file in files_read] == [4, 4, 2]
    assert [row for file in files_read for row in file] == [msgspec.structs.asdict(row) for row in rows]
    assert read_files(files.of_pages([rows[:4]])) == [files_read[0]]
    assert read_files(files.of_pages([[], []])) == []
    assert len(list(tmp_path.iterdir())) == 4


def test_files_equal_those_of_the_sdk(tmp_path: Path) -> None:
    """Files have the same rows and columns as those that the SDK writes."""
    rows = make_rows(25)
    by_page = read_files(batch_files(tmp_path / "pages", batch_size=10).of_pages([rows]))
    records = (msgspec.structs.asdict(row) for row in rows)
    assert by_page == read_files(batch_files(tmp_path / "records", batch_size=10).of_records(records))
    assert [list(row) for row in by_page[0]] == [list(Row.__struct_fields__)] * 10


def test_only_jsonl_takes_pages(tmp_path: Path) -> None:
    """Only JSON lines are written from whole pages; the SDK writes other encodings."""
    assert batch_files(tmp_path).take_pages
    assert not batch_files(tmp_path, encoding="parquet").take_pages


def test_unwritable_storage_is_an_error(tmp_path: Path) -> None:
    """A storage that can't be written raises a SettingsError, from pages and from records."""
    (tmp_path / "file").touch()
    files = batch_files(tmp_path / "file")
    with pytest.raises(SettingsError, match=r"can't be written \(.+\)"):
        list(files.of_pages([make_rows(1)]))
    with pytest.raises(SettingsError, match=r"can't be written \(.+\)"):
        list(files.of_records(iter([{"user_id": "1"}])))


def test_errors_of_records_are_passed_on(tmp_path: Path) -> None:
    """An error while records are generated isn't reported as one of the storage."""

    def records() -> Iterator[dict[str, Any]]:
        yield {"user_id": "1"}
        message = "the map"
        raise StreamMapError(message)

    with pytest.raises(StreamMapError, match="the map"):
        list(batch_files(tmp_path).of_records(records()))
