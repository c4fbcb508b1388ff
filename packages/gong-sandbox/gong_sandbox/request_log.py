"""The log of requests and their responses, without credentials."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from threading import Lock
from typing import IO, Any


@dataclass(frozen=True)
class RequestRecord:
    """A request and its response, without headers and the query of token requests, which contain credentials.

    Attributes:
        number: Position among all requests, from 1.
        at: Time of arrival, in UTC.
        seconds: Time of arrival on a monotonic clock.
        method: HTTP method.
        path: Path without the query.
        query: The query's parameters; empty except for `/v2/users`.
        body: The body parsed as JSON, or None if it isn't valid JSON.
        status: Status code of the response, or None without a response.
        errors: The errors in Gong's envelope.
        retry_after: The Retry-After header of the response, or None.
        page: Number of the returned page, from 0, or None.
        users: Number of users in the response; 0 if it was truncated.
        items: Number of users' periods in the response; 0 if it was truncated.
        faults: The faults applied to the response.
        violation: Whether the request was sent before a Retry-After had passed.
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
    """The records so far, also written as lines of JSON to an unbuffered file, if there is one."""

    def __init__(self, file: IO[bytes] | None = None) -> None:
        self._records: list[RequestRecord] = []
        self._file = file
        self._lock = Lock()

    def add(self, record: RequestRecord) -> None:
        """Add a record, and write it to the file."""
        with self._lock:
            self._records.append(record)
            if self._file is None:
                return
            try:
                self._file.write(json.dumps(asdict(record), default=datetime.isoformat).encode() + b"\n")
            except OSError as error:
                # The client still gets its response, because Gong's disk wouldn't be full.
                logging.getLogger(__name__).warning("Can't write the request log: %s", error.strerror)
                self._file = None

    @property
    def records(self) -> list[RequestRecord]:
        """The records so far, in the order of the responses."""
        with self._lock:
            return list(self._records)
