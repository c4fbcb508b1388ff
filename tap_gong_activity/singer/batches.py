"""The files of BATCH messages: compressed JSON lines, written in whole pages."""

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
"""The fastest. With Python's default, 9, files are less than half the size but take several times as long."""

_encoder = msgspec.json.Encoder()


class BatchFiles:
    """Writes a stream's batch files, each with at most `batch_size` rows.

    Args:
        config: The setting `batch_config`.
        tap_name: Name of the tap, used in file names.
        stream_name: Name of the stream, used in file names.
    """

    def __init__(self, config: BatchConfig, tap_name: str, stream_name: str) -> None:
        self._config = config
        self._batcher = Batcher(tap_name=tap_name, stream_name=stream_name, batch_config=config)
        prefix = f"{config.storage.prefix or ''}{tap_name}--{stream_name}-{uuid4()}"
        self._names = (f"{prefix}-{number}.json.gz" for number in count(1))

    @property
    def take_pages(self) -> bool:
        """Whether the format can be written in whole pages; the SDK writes other formats."""
        return self._config.encoding.format == "jsonl"

    def of_pages(self, pages: Iterable[Sequence[msgspec.Struct]]) -> Iterator[list[str]]:
        """Write unchanged pages of rows, and yield the manifest of each file."""
        waiting: list[msgspec.Struct] = []
        size = self._config.batch_size
        for rows in pages:
            waiting += rows
            # Frees the page while the next one is awaited.
            del rows
            while len(waiting) >= size:
                yield [self._write(waiting[:size])]
                del waiting[:size]
        if waiting:
            yield [self._write(waiting)]

    def of_records(self, records: Iterator[Record]) -> Iterator[list[str]]:
        """Write records with the SDK, and yield the manifest of each file."""
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
        except Exception as error:  # noqa: BLE001 - each storage raises its own exceptions
            raise _unwritable(error) from None


def _unwritable(error: Exception) -> SettingsError:
    reason = type(error).__name__
    if isinstance(error, ModuleNotFoundError):
        reason = f"the Python package {error.name} isn't installed: install the tap with its extra parquet or s3"
    elif isinstance(error, ImportError):
        reason = str(error)
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    return SettingsError(f"Batch files can't be written ({reason}): check storage and encoding in batch_config.")
