"""OAuth, with short-lived tokens, two runs at once, and a kill at each step of a refresh."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from gong_sandbox import HandClock, Sandbox
from support.expected_rows import company
from support.fake_clock import NOON
from support.fake_time_runs import run, sandbox_settings, serve_sandbox
from support.run_results import RunResult, assert_failed, assert_succeeded

if TYPE_CHECKING:
    from pathlib import Path

    from support.tap_processes import TapForker

WITHOUT_KEY: dict[str, Any] = {"access_key": None, "access_key_secret": None, "start_date": "2025-01-01"}

STEPS = {
    "prove_room": [200],  # before the request, and before anything is written
    "_renewed": [200, 400],  # after Gong's response
    "write": [200, 400],  # after the response is parsed
    "_use": [200],  # after the new token is on disk
}
"""Steps of a refresh, and statuses of the refreshes by a run that is killed before the step and by the next run."""


def write_token_file(sandbox: Sandbox, folder: Path) -> str:
    """Write a token file for the sandbox's app, and return its path."""
    tokens = sandbox.tokens
    path = folder / "oauth.json"
    path.write_text(
        json.dumps(
            {
                "client_id": tokens.client_id,
                "client_secret": tokens.client_secret,
                "refresh_token": tokens.refresh_token,
            }
        )
    )
    path.chmod(0o600)
    return str(path)


def refresh_statuses(sandbox: Sandbox) -> list[int | None]:
    """Return the status of every token refresh."""
    return [record.status for record in sandbox.requests if "oauth2" in record.path]


def test_short_lived_tokens_are_refreshed_during_a_run(tmp_path: Path) -> None:
    """Tokens that expire after a few requests are refreshed once each, and no row is lost."""
    options: dict[str, Any] = {"periods_per_window": 2, "requests_per_second": 1, "max_parallel_windows": 1}
    with serve_sandbox(clock=HandClock(NOON), token_lifetime=5.0) as sandbox:
        with_oauth = run(sandbox, oauth_token_file=write_token_file(sandbox, tmp_path), **WITHOUT_KEY, **options)
    with serve_sandbox() as sandbox_with_key:
        with_key = run(sandbox_with_key, start_date="2025-01-01", **options)

    assert_succeeded(with_oauth)
    assert with_oauth.rows_by_key == with_key.rows_by_key
    # A token may expire while a request waits for its slot; it's then sent again after a 401.
    accepted = [record for record in sandbox.requests if "oauth2" not in record.path and record.status != 401]
    assert len(accepted) == len(sandbox_with_key.requests)
    assert set(refresh_statuses(sandbox)) == {200}
    assert len(accepted) / 6 <= len(refresh_statuses(sandbox)) <= len(accepted) / 3


def test_parallel_runs_share_a_token_file(tmp_path: Path) -> None:
    """Two parallel runs with the same token file both succeed, and neither sends a used refresh token."""
    with Sandbox(
        company=company(), today=NOON.date(), calls_per_second=None, token_lifetime=1.0, latency=0.05
    ) as sandbox:
        settings = sandbox_settings(
            sandbox,
            oauth_token_file=write_token_file(sandbox, tmp_path),
            periods_per_window=2,
            requests_per_second=100,
            **WITHOUT_KEY,
        )
        config = tmp_path / "config.json"
        config.write_text(json.dumps({**settings, "end_date": "2025-03-01", "request_timeout": 60}))
        command = [sys.executable, "-m", "tap_gong_activity", "--config", str(config)]
        runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        outputs = [process.communicate() for process in runs]

    assert [process.returncode for process in runs] == [0, 0], outputs[0][1] + outputs[1][1]
    rows = [
        {line.split('"time_extracted"')[0] for line in output.splitlines() if "RECORD" in line} for output, _ in outputs
    ]
    assert rows[0] == rows[1] != set()
    assert set(refresh_statuses(sandbox)) == {200}


def run_killed_and_again(
    forker: TapForker,
    sandbox: Sandbox,
    folder: Path,
    signal_before: tuple[str, signal.Signals],
    **settings: Any,  # noqa: ANN401 - those of the tap
) -> tuple[RunResult, RunResult]:
    """Run the tap with a signal right before a step of its refresh, and then again."""
    settings = {**WITHOUT_KEY, "request_timeout": 60, "oauth_token_file": write_token_file(sandbox, folder), **settings}
    killed = forker.start(sandbox, signal_before=signal_before, **settings).finish()
    return killed, run(sandbox, **settings)


@pytest.mark.parametrize("step", STEPS)
def test_sigkill_loses_the_token_only_before_it_is_written(step: str, forker: TapForker, tmp_path: Path) -> None:
    """SIGKILL loses the token only between the response and the disk; the next run then says what to do."""
    with serve_sandbox() as sandbox:
        killed, rerun = run_killed_and_again(forker, sandbox, tmp_path, (step, signal.SIGKILL))
    assert killed.status == -signal.SIGKILL
    assert refresh_statuses(sandbox) == STEPS[step]
    if refresh_statuses(sandbox)[-1] == 200:
        assert_succeeded(rerun)
    else:
        assert "authorize the app in Gong again" in assert_failed(rerun)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("number", "status", "periods_per_window"),
    [(signal.SIGTERM, 143, 90), (signal.SIGINT, 130, 5)],
    ids=["one window", "many windows"],
)
def test_signal_never_loses_the_token(
    step: str, number: signal.Signals, status: int, periods_per_window: int, forker: TapForker, tmp_path: Path
) -> None:
    """SIGTERM and SIGINT never lose a token, whichever thread refreshes it."""
    with serve_sandbox() as sandbox:
        killed, rerun = run_killed_and_again(
            forker, sandbox, tmp_path, (step, number), periods_per_window=periods_per_window
        )
    assert number.name in assert_failed(killed, status)
    assert_succeeded(rerun)
    assert refresh_statuses(sandbox) == [200]


def test_signal_waits_at_most_request_timeout_for_a_refresh(forker: TapForker, tmp_path: Path) -> None:
    """A signal waits at most request_timeout for a refresh in progress."""
    settings = {**WITHOUT_KEY, "request_timeout": 1}
    with serve_sandbox(faults=["hang,on=token"]) as sandbox:
        tap = forker.start(sandbox, oauth_token_file=write_token_file(sandbox, tmp_path), **settings)
        while not refresh_statuses(sandbox):
            time.sleep(0.01)
        tap.send(signal.SIGTERM)
        start = time.monotonic()
        assert tap.finish().status == 143
    assert time.monotonic() - start < 10
