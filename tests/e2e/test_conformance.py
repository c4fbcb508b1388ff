"""Conformance to Singer: the SDK's standard tests and singer-check-tap, against a sandbox."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from gong_sandbox import Clock as SandboxClock
from singer_sdk.singerlib import Catalog
from singer_sdk.testing import get_tap_test_class
from support.catalogs import catalog_selecting
from support.expected_rows import STREAMS, company
from support.fake_time_runs import restored_process_state, run, serve_sandbox
from support.run_results import assert_succeeded, bookmarks

from tap_gong_activity.tap import TapGongActivity

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG: dict[str, Any] = {
    "access_key": "sandbox-access-key",
    "access_key_secret": "sandbox-access-key-secret",
    "start_date": "2023-10-20",
    "end_date": "2025-03-12",
    "requests_per_second": 10_000,
}
"""Settings of the test class, which builds the tap at import; `sandbox` adds `api_url` before the first request."""

with restored_process_state():
    StandardTests = get_tap_test_class(
        TapGongActivity, config=CONFIG, catalog=Catalog.from_dict(catalog_selecting(*STREAMS)), parse_env_config=False
    )


@pytest.fixture(scope="module", autouse=True)
def sandbox() -> Iterator[None]:
    """Serve a sandbox for the standard tests, which run in this process."""
    with restored_process_state(), serve_sandbox(company=company(12), clock=SandboxClock(), page_size=5) as sandbox:
        CONFIG["api_url"] = sandbox.url
        yield


class TestTap(StandardTests):  # type: ignore[misc,valid-type] # a class made at run time
    """The SDK's standard tests, for every stream."""


@pytest.mark.parametrize("stream", STREAMS)
def test_keys_are_unique_and_bookmark_follows_its_rows(stream: str) -> None:
    """A key occurs once per window, and a bookmark is later than every row before it."""
    with serve_sandbox(company=company(12), page_size=5) as sandbox:
        result = run(sandbox, streams=[stream], periods_per_window=6, start_date="2023-10-20")
    assert_succeeded(result)
    keys: set[tuple[str, str]] = set()
    bookmark = ""
    for message in result.messages:
        if message["type"] == "RECORD":
            key = (message["record"]["user_id"], message["record"]["period_start_date"])
            assert key not in keys
            keys.add(key)
        elif message["type"] == "STATE":
            bookmark = bookmarks(message["value"]).get(stream) or ""
            assert all(start < bookmark for _, start in keys)
    assert keys
    assert bookmark == max(row["period_end_date"] for row in result.rows)
    assert result.messages[-1]["type"] == "STATE"


@pytest.fixture(scope="module")
def singer_check_tap() -> list[str]:
    """The command of singer-check-tap, installed by uv because it conflicts with the SDK."""
    for network in ("--offline", "--no-offline"):
        command = [sys.executable, "-m", "uv", "tool", "run", "--from", "singer-tools==0.4.1", "--quiet", network]
        attempt = subprocess.run([*command, "singer-check-tap", "--help"], capture_output=True, text=True, check=False)
        if attempt.returncode == 0:
            # Once installed, it needs no network.
            return [*command[:-1], "--offline", "singer-check-tap"]
    pytest.skip("singer-tools 0.4.1 is neither in uv's cache nor available from the package index")


def check(singer_check_tap: list[str], output: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run singer-check-tap on a run's output."""
    return subprocess.run(singer_check_tap, input=output, capture_output=True, check=False)


def test_singer_check_tap_accepts_output(singer_check_tap: list[str]) -> None:
    """singer-check-tap accepts the output of every stream over several windows, and rejects ids that aren't text."""
    with serve_sandbox(company=company(12), page_size=5) as sandbox:
        result = run(
            sandbox, streams=[*STREAMS], periods_per_window=10, start_date="2025-01-20", include_open_period=True
        )
    assert_succeeded(result)
    accepted = check(singer_check_tap, result.output)
    assert accepted.returncode == 0, accepted
    assert str(len(result.rows)) in accepted.stdout.decode()
    invalid = result.output[:20_000].rpartition(b"\n")[0].replace(b'"user_id":"', b'"user_id":1,"x":"')
    assert check(singer_check_tap, invalid).returncode != 0
