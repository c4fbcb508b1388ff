"""What was asked of the sandbox and what it answered; never a credential."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from threading import Lock
from typing import Any, TextIO


@dataclass(frozen=True)
class RequestRecord:
    """One request and its answer. Neither headers nor the query of the URL are kept: they hold credentials.

    Attributes:
        number: The place among all requests, from 1.
        at: When it arrived, in UTC.
        seconds: The same on a clock that never goes backwards.
        method: HTTP's method.
        path: The path without the query.
        body: The JSON that was sent, or None where it was none.
        status: The status answered, or None where nothing was answered.
        errors: The errors of Gong's envelope, where it was answered.
        retry_after: The Retry-After header that was answered, or None.
        page: The number of the page that was answered (from 0), or None.
        users: How many users the answer held; 0 where it was not sent to its end.
        items: How many periods of users the answer held, likewise.
        faults: The faults that changed the answer.
        violation: Whether the caller had been told to wait and did not.
    """

    number: int
    at: datetime
    seconds: float
    method: str
    path: str
    body: Any
    status: int | None
    errors: list[str]
    retry_after: str | None
    page: int | None
    users: int
    items: int
    faults: list[str]
    violation: bool


class RequestLog:
    """Keeps the records, and writes each to a file as a line of JSON if there is one."""

    def __init__(self, file: TextIO | None = None) -> None:
        """Keep records in memory, and in `file`."""
        self._records: list[RequestRecord] = []
        self._file = file
        self._writing = Lock()

    def add(self, record: RequestRecord) -> None:
        """Keep a record."""
        with self._writing:
            self._records.append(record)
            if self._file is not None:
                self._file.write(json.dumps(asdict(record), default=datetime.isoformat) + "\n")
                self._file.flush()

    @property
    def records(self) -> list[RequestRecord]:
        """The records so far, in the order in which they were answered."""
        with self._writing:
            return list(self._records)
