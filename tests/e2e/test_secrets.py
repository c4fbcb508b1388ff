"""No output contains credentials, nor email addresses outside of rows."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from gong_sandbox import Fault, HandClock, Status
from support.expected_rows import company
from support.fake_clock import NOON
from support.fake_time_runs import run, run_command, sandbox_settings, serve_sandbox
from support.run_results import RunResult, assert_failed
from support.seeded_random import seeded_random

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gong_sandbox import Sandbox

KEY = "key-5bd1e995/+&%"
KEY_SECRET = "secret=7f4a7c15:~`'\"<>"
TOKEN = "bearer.0x9E3779B9-token_~+/"
BASIC = base64.b64encode(f"{KEY}:{KEY_SECRET}".encode()).decode()
ADDRESS = "somebody.else@private.example"

FAULTS: tuple[Status | str, ...] = (
    *(Status(status, error="ECHO") for status in (400, 401, 403, 404, 429, 500)),
    Status(429, error="ECHO", retry_after="3600"),
    Status(404, envelope=False),
    Status(302, location="http://elsewhere.invalid/?echo=ECHO"),
    "html",
    "cut",
    "cut_chunked",
    "close",
    "reset",
    "broken_gzip",
    "cursor_unchanged",
    "cursor_expired,page=1",
    "drop=usersAggregateActivity.0.userId",
    'set=usersAggregateActivity.0.userId:["somebody.else@private.example"]',
    'set=usersAggregateActivity.0.userAggregateActivity.0.callsAsHost:"somebody.else@private.example"',
    'set=usersAggregateActivity.0.userAggregateActivity.0.fromDate:"somebody.else@private.example"',
    'set=usersAggregateActivity.0.userAggregateActivity.0.toDate:"2025-02-02 somebody.else@private.example"',
    "set=usersAggregateActivity.0.somebody.else@private.example:1",
    "set=somebody_else@private.example:1",
)


def encodings(secrets: Iterable[str]) -> set[str]:
    """Return every encoding of the secrets that a text may contain."""
    texts = {text for secret in secrets for text in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))}
    return texts | {json.dumps(text)[1:-1] for text in texts} | {repr(text)[1:-1] for text in texts}


def assert_no_secrets(result: RunResult, secrets: Iterable[str]) -> None:
    """Assert that no output contains the secrets, and that only rows contain email addresses."""
    addresses = [user.email_address for user in company(12).users if user.email_address]
    without_rows = result.log + "".join(
        line for line in result.output.decode().splitlines() if '"type":"RECORD"' not in line
    )
    for secret in encodings(secrets):
        assert secret not in without_rows
        assert secret not in result.output.decode()
    for address in encodings([ADDRESS, *addresses]):
        assert address not in without_rows


def echo_secrets(fault: Status | str, *secrets: str) -> Fault | str:
    """Make the server include the secrets and an email address in its errors."""
    if isinstance(fault, str):
        return fault
    message = " ".join(
        [*secrets, f"Authorization: Basic {BASIC}", ADDRESS, f"<{ADDRESS}>,", quote(secrets[0], safe="")]
    )
    return Fault(
        Status(
            fault.status,
            retry_after=fault.retry_after,
            envelope=fault.envelope,
            error=message if fault.error == "ECHO" else fault.error,
            location=fault.location and fault.location.replace("ECHO", quote(secrets[0], safe="")),
        )
    )


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_faults_reveal_no_access_key(fault: Status | str) -> None:
    """Whatever Gong returns, no output contains the access key, even if Gong echoes it and at level DEBUG."""
    with serve_sandbox(
        company=company(12),
        page_size=4,
        access_key=KEY,
        access_key_secret=KEY_SECRET,
        faults=[echo_secrets(fault, KEY, KEY_SECRET, BASIC)],
    ) as sandbox:
        result = run(sandbox, start_date="2025-02-01", periods_per_window=20, environment={"LOGLEVEL": "DEBUG"})
    assert_no_secrets(result, [KEY, KEY_SECRET, BASIC])
    assert result.requests
    assert "Traceback" not in result.log


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if isinstance(fault, Status) and fault.status in {302, 401, 500}], ids=str
)
def test_faults_reveal_no_access_token(fault: Status) -> None:
    """Whatever Gong returns, no output contains the access token, even at level DEBUG."""
    with serve_sandbox(company=company(12), access_token=TOKEN, faults=[echo_secrets(fault, TOKEN)]) as sandbox:
        result = run(
            sandbox,
            access_key=None,
            access_key_secret=None,
            access_token=TOKEN,
            start_date="2025-02-01",
            environment={"LOGLEVEL": "DEBUG"},
        )
    assert_no_secrets(result, [TOKEN])
    assert result.requests
    assert "Traceback" not in result.log


def test_random_faults_reveal_no_secret() -> None:
    """Random faults in windows that are read in parallel reveal no secret."""
    draw = seeded_random("secrets")
    for _ in range(10):
        faults = [echo_secrets(draw.choice(FAULTS[:8]), KEY, KEY_SECRET, BASIC) for _ in range(2)]
        with serve_sandbox(
            company=company(12), page_size=4, access_key=KEY, access_key_secret=KEY_SECRET, faults=faults
        ) as sandbox:
            result = run(sandbox, start_date="2025-02-01", periods_per_window=5, environment={"LOGLEVEL": "DEBUG"})
        assert_no_secrets(result, [KEY, KEY_SECRET, BASIC])


# OAuth


def oauth_file(sandbox: Sandbox, folder: Path, **changes: Any) -> Path:  # noqa: ANN401 - any JSON
    """Write a token file for the sandbox's app."""
    tokens = sandbox.tokens
    content = {
        "client_id": tokens.client_id,
        "client_secret": tokens.client_secret,
        "refresh_token": tokens.refresh_token,
        **changes,
    }
    path = folder / "oauth.json"
    path.write_text(json.dumps(content))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    "fault",
    [
        "drop=nothing",
        "status=400,on=token",
        "status=401,on=token",
        "status=403,on=token",
        "status=429,on=token",
        "status=500,on=token",
        "status=302,on=token",
        "html,on=token",
        "cut,on=token",
        "close,on=token",
        "reset,on=token",
        "status=401",
        "status=401,at=2",
        "status=403",
        "status=500",
        "close",
    ],
)
def test_oauth_reveals_no_token(fault: str, tmp_path: Path) -> None:
    """No output contains the client secret, or any refresh or access token of the run."""
    with serve_sandbox(company=company(12), clock=HandClock(NOON), token_lifetime=900.0, faults=[fault]) as sandbox:
        path = oauth_file(sandbox, tmp_path)
        secrets = {sandbox.tokens.client_secret, sandbox.tokens.refresh_token}
        secrets.add(base64.b64encode(f"{sandbox.tokens.client_id}:{sandbox.tokens.client_secret}".encode()).decode())
        result = run(
            sandbox,
            access_key=None,
            access_key_secret=None,
            oauth_token_file=str(path),
            start_date="2025-02-01",
            periods_per_window=5,
            requests_per_second=0.01,
            max_parallel_windows=1,
            environment={"LOGLEVEL": "DEBUG"},
        )
        secrets |= {sandbox.tokens.refresh_token}
    secrets |= {value for name, value in json.loads(path.read_text()).items() if "token" in name}
    assert_no_secrets(result, secrets)
    if fault == "drop=nothing":
        assert result.status == 0
        assert len(secrets) >= 5
        assert path.stat().st_mode & 0o777 == 0o600
    elif fault not in {"status=401,at=2", "cut,on=token"}:
        # A truncated response can still contain both tokens.
        assert_failed(result)


# Settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"access_key": [KEY]},
        {"access_key": {"value": KEY}},
        {"access_key": 51_515_151_515},
        {"access_key_secret": [KEY_SECRET]},
        {"access_key_secret": f"{KEY_SECRET}\n"},
        {"access_key_secret": f" {KEY_SECRET}"},
        {"access_key_secret": f"{KEY_SECRET}\u20ac"},
        {"access_key": None},
        {"access_key_secret": None},
        {"access_token": TOKEN},
        {"access_key": None, "access_key_secret": None, "access_token": [TOKEN]},
        {"access_key": None, "access_key_secret": None, "access_token": f"{TOKEN} {TOKEN}"},
        {"access_key": None, "access_key_secret": None, "access_token": 51_515_151_515},
        {"api_url": f"https://{quote(KEY)}:{quote(KEY_SECRET)}@api.gong.io"},
        {"api_url": f"https://{quote(KEY, safe='')}:{quote(KEY_SECRET, safe='')}@api.gong.io"},
        {"api_url": f"https://api.gong.io/?token={quote(TOKEN)}"},
        {"start_date": None},
        {"company_timezone": "Mars"},
        {"user_ids": [ADDRESS]},
        {"stream_maps": {"activity_by_day": {"__key_properties__": 7}}},
        {"stream_maps": {ADDRESS: {"__source__": "activity_by_day", "user_id": None}}},
    ],
    ids=str,
)
def test_invalid_settings_reveal_no_secret(wrong: dict[str, Any]) -> None:
    """Errors about settings contain no secret, even of the wrong type or in the wrong place."""
    with serve_sandbox() as sandbox:
        settings = {"access_key": KEY, "access_key_secret": KEY_SECRET, **wrong}
        result = run(sandbox, **settings, environment={"LOGLEVEL": "DEBUG"})
    assert result.status != 0
    assert "Traceback" not in result.log
    secrets = [KEY, KEY_SECRET, TOKEN, BASIC, "51515151515", "51_515_151_515"]
    assert_no_secrets(
        RunResult(result.status, result.output, result.log.replace(ADDRESS, "") if "user_ids" in wrong else result.log),
        secrets,
    )


def test_environment_reveals_no_secret() -> None:
    """Secrets from environment variables aren't in any output."""
    with serve_sandbox() as sandbox:
        environment = {
            "TAP_GONG_ACTIVITY_ACCESS_KEY": KEY,
            "TAP_GONG_ACTIVITY_ACCESS_KEY_SECRET": KEY_SECRET,
            "TAP_GONG_ACTIVITY_ACCESS_TOKEN": TOKEN,
            "LOGLEVEL": "DEBUG",
        }
        result = run(sandbox, "--config=ENV", environment=environment, access_key=None, access_key_secret=None)
    assert "access_token" in assert_failed(result)
    assert_no_secrets(result, [KEY, KEY_SECRET, TOKEN])


@pytest.mark.parametrize("arguments", [["--about"], ["--about", "--format=json"], ["--about", "--format=markdown"]])
def test_about_and_discovery_reveal_no_secret(arguments: list[str]) -> None:
    """The output of --about and --discover contains no secret of the configuration."""
    with serve_sandbox() as sandbox:
        config = sandbox_settings(sandbox, access_key=KEY, access_key_secret=KEY_SECRET)
    for result in (
        run_command(*arguments, config=config, environment={"LOGLEVEL": "DEBUG"}),
        run_command("--discover", config=config, environment={"LOGLEVEL": "DEBUG"}),
    ):
        assert result.status == 0
        assert_no_secrets(result, [KEY, KEY_SECRET, BASIC])


def test_truncated_config_file_reveals_no_secret() -> None:
    """Errors about a config file that can't be parsed don't contain its content."""
    with serve_sandbox() as sandbox:
        text = json.dumps(sandbox_settings(sandbox, access_key=KEY, access_key_secret=KEY_SECRET))
        for result in (
            run_command(config=text[:-5], environment={"LOGLEVEL": "DEBUG"}),
            run_command(config=json.dumps([text]), environment={"LOGLEVEL": "DEBUG"}),
            run(sandbox, catalog=None, state=None, environment={"LOGLEVEL": "DEBUG"}, extra=[KEY, KEY_SECRET]),
        ):
            assert_no_secrets(result, [KEY, KEY_SECRET, BASIC])


def test_proxy_password_is_not_revealed() -> None:
    """If the connection through a proxy fails, no output contains the proxy's password."""
    with serve_sandbox() as sandbox:
        proxy = f"http://{quote(KEY, safe='')}:{quote(KEY_SECRET, safe='')}@127.0.0.1:9"
        result = run(
            sandbox,
            api_url="http://api.example",
            max_retries=1,
            environment={"HTTP_PROXY": proxy, "http_proxy": proxy, "LOGLEVEL": "DEBUG"},
        )
    assert_failed(result)
    assert_no_secrets(result, [KEY, KEY_SECRET])


def test_netrc_file_is_ignored(tmp_path: Path) -> None:
    """An entry in .netrc for the host replaces no credentials and isn't in any output."""
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login somebody password {TOKEN.replace(' ', '')}\n")
    (tmp_path / ".netrc").chmod(0o600)
    with serve_sandbox() as sandbox:
        result = run(sandbox, start_date="2025-03-01", environment={"HOME": str(tmp_path), "LOGLEVEL": "DEBUG"})
    assert result.status == 0, result.log
    assert os.fspath(tmp_path) not in result.log
    assert_no_secrets(result, [TOKEN, sandbox.access_key_secret])
