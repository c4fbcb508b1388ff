"""Results of runs: exit status, messages, log and requests, and assertions about them."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from support.expected_rows import rows_by_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gong_sandbox import RequestRecord

    from support.expected_rows import Row, RowsByKey


@dataclass
class RunResult:
    """The outcome of a run.

    Attributes:
        status: The exit status.
        output: The bytes written to stdout.
        log: The text written to stderr.
        waits: The seconds of each wait on a fake clock.
        requests: The requests that the sandbox received during the run.
        memory: The peak memory in kilobytes, if the run was a process.
    """

    status: int
    output: bytes
    log: str
    waits: list[float] = field(default_factory=list)
    requests: list[RequestRecord] = field(default_factory=list)
    memory: int = 0

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """Every line of stdout."""
        return [json.loads(line) for line in self.output.splitlines()]

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of RECORD messages and BATCH files."""
        return [row for _, row in rows_of_messages(self.messages)]

    @cached_property
    def rows_by_key(self) -> RowsByKey:
        """The rows by their key."""
        return rows_by_key(self.rows)

    @property
    def states(self) -> list[dict[str, Any]]:
        """The values of the STATE messages."""
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def state(self) -> dict[str, Any]:
        """The last state; empty if there is none."""
        return self.states[-1] if self.states else {}

    @property
    def bookmarks(self) -> dict[str, str | None]:
        """The bookmarks of the last state."""
        return bookmarks(self.state)

    @property
    def errors(self) -> list[str]:
        """The ERROR lines of stderr."""
        return [line for line in self.log.splitlines() if "| ERROR " in line or "| CRITICAL" in line]

    @property
    def warnings(self) -> list[str]:
        """The WARNING lines of stderr."""
        return [line for line in self.log.splitlines() if "| WARNING " in line]

    @property
    def waited(self) -> float:
        """The total seconds of all waits."""
        return sum(self.waits)


def rows_of_messages(messages: Iterable[dict[str, Any]]) -> Iterator[tuple[str, Row]]:
    """Yield the stream and the row of each RECORD message, and of each line in the files of each BATCH message."""
    for message in messages:
        if message["type"] == "RECORD":
            yield message["stream"], message["record"]
        elif message["type"] == "BATCH":
            for address in message["manifest"]:
                for line in gzip.decompress(Path(urlsplit(address).path).read_bytes()).splitlines():
                    yield message["stream"], json.loads(line)


def committed_rows_and_state(output: bytes) -> tuple[list[tuple[str, dict[str, Any]]], dict[str, Any]]:
    """Return the last complete STATE's value and the rows before it, which a target has committed by then."""
    lines = output[: output.rfind(b"\n") + 1].splitlines()
    messages = [json.loads(line) for line in lines]
    last = max((number for number, message in enumerate(messages) if message["type"] == "STATE"), default=-1)
    return list(rows_of_messages(messages[: last + 1])), messages[last]["value"] if last >= 0 else {}


def bookmarks(state: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the bookmark of each stream in a state."""
    entries: dict[str, dict[str, Any]] = state.get("bookmarks", {})
    return {stream: entry.get("replication_key_value") for stream, entry in entries.items()}


def assert_succeeded(result: RunResult) -> None:
    """Assert that the run exited with status 0 and logged no error."""
    assert result.status == 0, result.log
    assert_clean_output(result)
    assert result.errors == []


def assert_failed(result: RunResult, status: int = 1) -> str:
    """Assert that the run failed with a single error, and return its log line."""
    assert result.status == status, result.log
    assert_clean_output(result)
    assert len(result.errors) == 1, result.log
    return result.errors[0]


def assert_clean_output(result: RunResult) -> None:
    """Assert that there is no traceback, warning or truncated line, and that every request honored the rate limit."""
    assert "Traceback" not in result.log, result.log
    # The SDK warns of a Python that's no longer maintained.
    warnings = [line for line in result.log.splitlines() if "py.warnings" in line and "end of life" not in line]
    assert warnings == [], result.log
    assert result.output.endswith(b"\n") or not result.output, result.output[-200:]
    assert [record for record in result.requests if record.violation] == []
