"""OAuth survives a night of short-lived tokens, two runs at once, and a kill at each step of a refresh."""

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

KEYLESS: dict[str, Any] = {"access_key": None, "access_key_secret": None, "start_date": "2025-01-01"}

STEPS = {
    "prove_room": [200],  # before the request, and before anything has been written
    "_renewed": [200, 400],  # Gong has answered
    "write": [200, 400],  # and the response has been understood
    "_use": [200],  # the new token is on disk
}
"""Steps of a refresh, and what the token endpoint answers to a run that is killed right before one, and to the next."""


def token_file(sandbox: Sandbox, folder: Path) -> str:
    """Write a token file for the sandbox's app, and give its path."""
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


def refreshes(sandbox: Sandbox) -> list[int | None]:
    """Give the statuses of all requests for tokens."""
    return [record.status for record in sandbox.requests if "oauth2" in record.path]


def test_a_night_of_short_lived_tokens_loses_no_row(tmp_path: Path) -> None:
    """Each token ends after a few requests and is refreshed once, with the refresh token of the one before."""
    options: dict[str, Any] = {"periods_per_window": 2, "requests_per_second": 1, "max_parallel_windows": 1}
    with serve_sandbox(clock=HandClock(NOON), token_lifetime=5.0) as sandbox:
        night = run(sandbox, oauth_token_file=token_file(sandbox, tmp_path), **KEYLESS, **options)
    with serve_sandbox() as sandbox_for_keys:
        with_a_key = run(sandbox_for_keys, start_date="2025-01-01", **options)

    assert_succeeded(night)
    assert night.rows_by_key == with_a_key.rows_by_key
    # A token may expire while a request waits for its turn; then it's refused and sent again.
    asked = [record for record in sandbox.requests if "oauth2" not in record.path and record.status != 401]
    assert len(asked) == len(sandbox_for_keys.requests)
    assert set(refreshes(sandbox)) == {200}
    assert len(asked) / 6 <= len(refreshes(sandbox)) <= len(asked) / 3


def test_two_runs_at_once_share_one_file(tmp_path: Path) -> None:
    """Neither uses a refresh token that the other has used, and both read everything."""
    with Sandbox(
        company=company(), today=NOON.date(), calls_per_second=None, token_lifetime=1.0, latency=0.05
    ) as sandbox:
        settings = sandbox_settings(
            sandbox,
            oauth_token_file=token_file(sandbox, tmp_path),
            periods_per_window=2,
            requests_per_second=100,
            **KEYLESS,
        )
        config = tmp_path / "config.json"
        config.write_text(json.dumps({**settings, "end_date": "2025-03-01", "request_timeout": 60}))
        command = [sys.executable, "-m", "tap_gong_activity", "--config", str(config)]
        runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        ended = [process.communicate() for process in runs]

    assert [process.returncode for process in runs] == [0, 0], ended[0][1] + ended[1][1]
    rows = [
        {line.split('"time_extracted"')[0] for line in output.splitlines() if "RECORD" in line} for output, _ in ended
    ]
    assert rows[0] == rows[1] != set()
    assert set(refreshes(sandbox)) == {200}


def killed_run(
    forker: TapForker,
    sandbox: Sandbox,
    folder: Path,
    signal_before: tuple[str, signal.Signals],
    **settings: Any,  # noqa: ANN401 - those of the tap
) -> tuple[RunResult, RunResult]:
    """Run the tap with a signal right before a step of its refresh, and then again."""
    settings = {**KEYLESS, "request_timeout": 60, "oauth_token_file": token_file(sandbox, folder), **settings}
    killed = forker.start(sandbox, signal_before=signal_before, **settings).finish()
    return killed, run(sandbox, **settings)


@pytest.mark.parametrize("step", STEPS)
def test_a_sigkill_loses_the_token_only_between_the_response_and_the_disk(
    step: str, forker: TapForker, tmp_path: Path
) -> None:
    """As no client can prevent; then the next run says what to do."""
    with serve_sandbox() as sandbox:
        killed, again = killed_run(forker, sandbox, tmp_path, (step, signal.SIGKILL))
    assert killed.status == -signal.SIGKILL
    assert refreshes(sandbox) == STEPS[step]
    if refreshes(sandbox)[-1] == 200:
        assert_succeeded(again)
    else:
        assert "authorize the app in Gong again" in assert_failed(again)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("number", "status", "periods_per_window"),
    [(signal.SIGTERM, 143, 90), (signal.SIGINT, 130, 5)],
    ids=["one window", "many windows"],
)
def test_a_signal_never_loses_the_token(
    step: str, number: signal.Signals, status: int, periods_per_window: int, forker: TapForker, tmp_path: Path
) -> None:
    """Whichever thread refreshes it, and on any Python."""
    with serve_sandbox() as sandbox:
        killed, again = killed_run(forker, sandbox, tmp_path, (step, number), periods_per_window=periods_per_window)
    assert number.name in assert_failed(killed, status)
    assert_succeeded(again)
    assert refreshes(sandbox) == [200]


def test_a_signal_waits_for_a_token_endpoint_for_request_timeout_at_most(forker: TapForker, tmp_path: Path) -> None:
    """Also where it never responds; the token may have been spent by then."""
    settings = {**KEYLESS, "request_timeout": 1}
    with serve_sandbox(faults=["hang,on=token"]) as sandbox:
        tap = forker.start(sandbox, oauth_token_file=token_file(sandbox, tmp_path), **settings)
        while not refreshes(sandbox):
            time.sleep(0.01)
        tap.send(signal.SIGTERM)
        began = time.monotonic()
        assert tap.finish().status == 143
    assert time.monotonic() - began < 10
