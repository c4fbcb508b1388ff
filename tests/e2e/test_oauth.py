"""OAuth survives a night of short-lived tokens, two runs at once, and a kill at each step of a refresh."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from gong_sandbox import HandClock, Sandbox
from support.played_runs import NOON, assert_ended_well, assert_failed, company, gong, run, settings_for

if TYPE_CHECKING:
    from pathlib import Path

KEYLESS: dict[str, Any] = {"access_key": None, "access_key_secret": None, "start_date": "2025-01-01"}

KILLED_TAP = """
import os, sys
from tap_gong_activity.gong.oauth import OAuthCredentials
setattr(OAuthCredentials, sys.argv.pop(1), lambda *_: os._exit(9))
from tap_gong_activity.cli import CommandLine
CommandLine.cli()
"""


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
    with gong(clock=HandClock(NOON), token_lifetime=5.0) as sandbox:
        night = run(sandbox, oauth_token_file=token_file(sandbox, tmp_path), **KEYLESS, **options)
    with gong() as sandbox_for_keys:
        with_a_key = run(sandbox_for_keys, start_date="2025-01-01", **options)

    assert_ended_well(night)
    assert night.keyed == with_a_key.keyed
    asked = [record for record in sandbox.requests if "oauth2" not in record.path]
    assert len(asked) == len(sandbox_for_keys.requests)
    assert set(refreshes(sandbox)) == {200}
    assert len(asked) / 6 <= len(refreshes(sandbox)) <= len(asked) / 3


def test_two_runs_at_once_share_one_file(tmp_path: Path) -> None:
    """Neither uses a refresh token that the other has used, and both read everything."""
    with Sandbox(
        company=company(), today=NOON.date(), calls_per_second=None, token_lifetime=1.0, latency=0.05
    ) as sandbox:
        settings = settings_for(
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


@pytest.mark.parametrize(
    ("step", "is_saved"),
    [
        ("_ask", True),  # before the request
        ("_write_file", False),  # after it: Gong alone knows the next token, as no client can prevent
        ("_rename", True),  # after the next token is on disk
        ("_use", True),  # after it has its name
    ],
)
def test_a_kill_at_a_step_of_a_refresh(step: str, tmp_path: Path, *, is_saved: bool) -> None:
    """The next run goes on from what is on disk; where that is too old, it says what to do."""
    with gong() as sandbox:
        path = token_file(sandbox, tmp_path)
        config = tmp_path / "config.json"
        config.write_text(json.dumps(settings_for(sandbox, oauth_token_file=path, **KEYLESS)))
        killed = subprocess.run(
            [sys.executable, "-c", KILLED_TAP, step, "--config", str(config)], check=False, capture_output=True
        )
        again = run(sandbox, oauth_token_file=path, **KEYLESS)

    assert killed.returncode == 9
    if is_saved:
        assert_ended_well(again)
        assert refreshes(sandbox) == [200]
    else:
        assert "authorize the app in Gong again" in assert_failed(again)
        assert refreshes(sandbox) == [200, 400]
