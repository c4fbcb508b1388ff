"""The files of BATCH messages: JSON lines, compressed, written by the page."""

from __future__ import annotations

import gzip
from itertools import count
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
from singer_sdk.batch import Batcher

from tap_gong_activity.base.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.helpers.types import Record

COMPRESSION_LEVEL = 1
"""The fastest. By gzip's default level, 9, files are less than half as large, and take several times as long."""

_encoder = msgspec.json.Encoder()


class BatchFiles:
    """Writes one stream's batch files, of `batch_size` rows at most.

    Args:
        config: The setting `batch_config`.
        tap_name: The tap's name, for the files' names.
        stream_name: The stream's name, likewise.
    """

    def __init__(self, config: BatchConfig, tap_name: str, stream_name: str) -> None:
        self._config = config
        self._batcher = Batcher(tap_name=tap_name, stream_name=stream_name, batch_config=config)
        prefix = f"{config.storage.prefix or ''}{tap_name}--{stream_name}-{uuid4()}"
        self._names = (f"{prefix}-{number}.json.gz" for number in count(1))

    @property
    def take_pages(self) -> bool:
        """Whether files of this format can be written by the page; others are written the SDK's way."""
        return self._config.encoding.format == "jsonl"

    def of_pages(self, pages: Iterable[Sequence[msgspec.Struct]]) -> Iterator[list[str]]:
        """Write pages of rows as they are, and yield each file's manifest."""
        waiting: list[msgspec.Struct] = []
        size = self._config.batch_size
        for rows in pages:
            waiting += rows
            # Or they'd stay in memory while the next page comes in.
            del rows
            while len(waiting) >= size:
                yield [self._write(waiting[:size])]
                del waiting[:size]
        if waiting:
            yield [self._write(waiting)]

    def of_records(self, records: Iterator[Record]) -> Iterator[list[str]]:
        """Write records the SDK's way, and yield each file's manifest."""
        failures: list[Exception] = []

        def read() -> Iterator[Record]:
            try:
                yield from records
            except Exception as error:
                failures.append(error)
                raise

        try:
            yield from self._batcher.get_batches(read())
        except Exception as error:
            if error in failures:
                raise
            raise _unwritable(error) from None

    def _write(self, rows: list[msgspec.Struct]) -> str:
        name = next(self._names)
        try:
            with (
                self._config.storage.open(name, "wb") as file,
                gzip.GzipFile(fileobj=file, mode="wb", compresslevel=COMPRESSION_LEVEL) as compressed,
            ):
                compressed.write(_encoder.encode_lines(rows))
            return self._config.storage.get_url(name)
        except Exception as error:  # noqa: BLE001 - each kind of storage raises its own
            raise _unwritable(error) from None


def _unwritable(error: Exception) -> SettingsError:
    reason = type(error).__name__
    if isinstance(error, ModuleNotFoundError):
        reason = f"the Python package {error.name} isn't installed: install the tap with its extra parquet or s3"
    elif isinstance(error, ImportError):
        reason = str(error)
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    return SettingsError(f"Files can't be written as batch_config says ({reason}): check its storage and encoding.")
