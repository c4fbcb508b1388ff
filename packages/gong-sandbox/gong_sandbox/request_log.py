"""The requests that were received and how they were responded to, without credentials."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from threading import Lock
from typing import IO, Any


@dataclass(frozen=True)
class RequestRecord:
    """A request and its response, without headers or the query of token requests, which hold credentials.

    Attributes:
        number: Position among all requests, from 1.
        at: Instant of arrival, in UTC.
        seconds: The same on a monotonic clock.
        method: HTTP method.
        path: Path without the query.
        query: The query's parameters, for `/v2/users` only.
        body: The body's JSON, or None if it has none.
        status: Status of the response, or None if there was no response.
        errors: The errors in Gong's envelope.
        retry_after: The Retry-After header of the response, or None.
        page: Number of the page in the response (from 0), or None.
        users: Number of users in the response; 0 if it was truncated.
        items: Number of periods in the response, likewise.
        faults: The faults that affected the response.
        violation: Whether the client sent it before a Retry-After had passed.
    """

    number: int
    at: datetime
    seconds: float
    method: str
    path: str
    query: dict[str, str]
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
    """Keeps the records, and writes each as a line of JSON to an unbuffered file, if there is one."""

    def __init__(self, file: IO[bytes] | None = None) -> None:
        self._records: list[RequestRecord] = []
        self._file = file
        self._writing = Lock()

    def add(self, record: RequestRecord) -> None:
        """Keep a record."""
        with self._writing:
            self._records.append(record)
            if self._file is None:
                return
            try:
                self._file.write(json.dumps(asdict(record), default=datetime.isoformat).encode() + b"\n")
            except OSError as error:
                # The client still gets its response: a full disk is no fault of Gong's.
                logging.getLogger(__name__).warning("Cannot write the request log: %s", error.strerror)
                self._file = None

    @property
    def records(self) -> list[RequestRecord]:
        """The records so far, in the order of the responses."""
        with self._writing:
            return list(self._records)
