"""What others check of a Singer tap, over a running sandbox: the SDK's standard tests and singer-check-tap."""

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
"""The test class builds the tap now, and asks nothing of Gong; `sandbox` tells it where Gong is before it does."""

with restored_process_state():
    StandardTests = get_tap_test_class(
        TapGongActivity, config=CONFIG, catalog=Catalog.from_dict(catalog_selecting(*STREAMS)), parse_env_config=False
    )


@pytest.fixture(scope="module", autouse=True)
def sandbox() -> Iterator[None]:
    """Serve the standard tests, which run in this process."""
    with restored_process_state(), serve_sandbox(company=company(12), clock=SandboxClock(), page_size=5) as served:
        CONFIG["api_url"] = served.url
        yield


class TestTap(StandardTests):  # type: ignore[misc,valid-type]  # made at run time
    """The SDK's standard tests, for all streams."""


@pytest.mark.parametrize("stream", STREAMS)
def test_a_key_comes_once_in_each_window_and_the_final_state_is_the_last_windows_end(stream: str) -> None:
    """Which the standard tests pass over: theirs of keys compares generators, theirs of the state holds always."""
    with serve_sandbox(company=company(12), page_size=5) as sandbox:
        ran = run(sandbox, streams=[stream], periods_per_window=6, start_date="2023-10-20")
    assert_succeeded(ran)
    keys: set[tuple[str, str]] = set()
    bookmark = ""
    for message in ran.messages:
        if message["type"] == "RECORD":
            key = (message["record"]["user_id"], message["record"]["period_start_date"])
            assert key not in keys
            keys.add(key)
        elif message["type"] == "STATE":
            bookmark = bookmarks(message["value"]).get(stream) or ""
            assert all(start < bookmark for _, start in keys)
    assert keys
    assert bookmark == max(row["period_end_date"] for row in ran.rows)
    assert ran.messages[-1]["type"] == "STATE"


@pytest.fixture(scope="module")
def check_tap() -> list[str]:
    """Have singer-check-tap installed by uv, which keeps it apart, as it can't be installed beside the SDK."""
    for how in ("--offline", "--no-offline"):
        command = [sys.executable, "-m", "uv", "tool", "run", "--from", "singer-tools==0.4.1", "--quiet", how]
        tried = subprocess.run([*command, "singer-check-tap", "--help"], capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            # What has been installed need not be looked for once more.
            return [*command[:-1], "--offline", "singer-check-tap"]
    pytest.skip("singer-tools 0.4.1 is neither in uv's cache nor to be had from the package index")


def checked(check_tap: list[str], output: bytes) -> subprocess.CompletedProcess[bytes]:
    """Have a run's output checked."""
    return subprocess.run(check_tap, input=output, capture_output=True, check=False)


def test_singer_check_tap_accepts_what_the_tap_writes(check_tap: list[str]) -> None:
    """Of all streams, over several windows; ids that are no text it refuses, so it is known to look."""
    with serve_sandbox(company=company(12), page_size=5) as sandbox:
        ran = run(sandbox, streams=[*STREAMS], periods_per_window=10, start_date="2025-01-20", include_open_period=True)
    assert_succeeded(ran)
    verdict = checked(check_tap, ran.output)
    assert verdict.returncode == 0, verdict
    assert str(len(ran.rows)) in verdict.stdout.decode()
    wrong = ran.output[:20_000].rpartition(b"\n")[0].replace(b'"user_id":"', b'"user_id":1,"x":"')
    assert checked(check_tap, wrong).returncode != 0
