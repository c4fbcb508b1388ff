"""No credential and no e-mail address is in anything that the tap writes, but for its rows."""

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


def forms(secrets: Iterable[str]) -> set[str]:
    """Give every way in which a text may write the secrets."""
    ways = {form for secret in secrets for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))}
    return ways | {json.dumps(way)[1:-1] for way in ways} | {repr(way)[1:-1] for way in ways}


def assert_tells_none(ran: RunResult, secrets: Iterable[str], of: Any = None) -> None:  # noqa: ANN401 - a company
    """Look for each of them in everything that was written; for addresses everywhere but in rows."""
    addresses = [user.email_address for user in (of or company(12)).users if user.email_address]
    told = ran.log + "".join(line for line in ran.output.decode().splitlines() if '"type":"RECORD"' not in line)
    for secret in forms(secrets):
        assert secret not in told
        assert secret not in ran.output.decode()
    for address in forms([ADDRESS, *addresses]):
        assert address not in told


def echoing(fault: Status | str, *secrets: str) -> Fault | str:
    """Have the server say the secrets and an address in its errors."""
    if isinstance(fault, str):
        return fault
    words = " ".join([*secrets, f"Authorization: Basic {BASIC}", ADDRESS, f"<{ADDRESS}>,", quote(secrets[0], safe="")])
    return Fault(
        Status(
            fault.status,
            retry_after=fault.retry_after,
            envelope=fault.envelope,
            error=words if fault.error == "ECHO" else fault.error,
            location=fault.location and fault.location.replace("ECHO", quote(secrets[0], safe="")),
        )
    )


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_no_fault_brings_a_key_to_light(fault: Status | str) -> None:
    """Neither the key, nor its secret, nor both as a header has them, although the server echoes them, at DEBUG."""
    with serve_sandbox(
        company=company(12),
        page_size=4,
        access_key=KEY,
        access_key_secret=KEY_SECRET,
        faults=[echoing(fault, KEY, KEY_SECRET, BASIC)],
    ) as sandbox:
        ran = run(sandbox, start_date="2025-02-01", periods_per_window=20, environment={"LOGLEVEL": "DEBUG"})
    assert_tells_none(ran, [KEY, KEY_SECRET, BASIC])
    assert ran.requests
    assert "Traceback" not in ran.log


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if isinstance(fault, Status) and fault.status in {302, 401, 500}], ids=str
)
def test_no_fault_brings_a_token_to_light(fault: Status) -> None:
    """At the level DEBUG."""
    with serve_sandbox(company=company(12), access_token=TOKEN, faults=[echoing(fault, TOKEN)]) as sandbox:
        ran = run(
            sandbox,
            access_key=None,
            access_key_secret=None,
            access_token=TOKEN,
            start_date="2025-02-01",
            environment={"LOGLEVEL": "DEBUG"},
        )
    assert_tells_none(ran, [TOKEN])
    assert ran.requests
    assert "Traceback" not in ran.log


def test_faults_mixed_at_random_bring_nothing_to_light() -> None:
    """With windows read in parallel."""
    draw = seeded_random("secrets")
    for _ in range(10):
        faults = [echoing(draw.choice(FAULTS[:8]), KEY, KEY_SECRET, BASIC) for _ in range(2)]
        with serve_sandbox(
            company=company(12), page_size=4, access_key=KEY, access_key_secret=KEY_SECRET, faults=faults
        ) as sandbox:
            ran = run(sandbox, start_date="2025-02-01", periods_per_window=5, environment={"LOGLEVEL": "DEBUG"})
        assert_tells_none(ran, [KEY, KEY_SECRET, BASIC])


# OAuth


def oauth_file(sandbox: Sandbox, folder: Path, **changes: Any) -> Path:  # noqa: ANN401 - anything
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
def test_no_token_of_oauth_comes_to_light(fault: str, tmp_path: Path) -> None:
    """Neither the client's secret, nor any refresh or access token that the run has seen, at the level DEBUG."""
    with serve_sandbox(company=company(12), clock=HandClock(NOON), token_lifetime=900.0, faults=[fault]) as sandbox:
        path = oauth_file(sandbox, tmp_path)
        secrets = {sandbox.tokens.client_secret, sandbox.tokens.refresh_token}
        secrets.add(base64.b64encode(f"{sandbox.tokens.client_id}:{sandbox.tokens.client_secret}".encode()).decode())
        ran = run(
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
    assert_tells_none(ran, secrets)
    if fault == "drop=nothing":
        assert ran.status == 0
        assert len(secrets) >= 5
        assert path.stat().st_mode & 0o777 == 0o600
    elif fault not in {"status=401,at=2", "cut,on=token"}:
        # What a cut response still holds of the tokens can be enough.
        assert_failed(ran)


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
    ],
    ids=str,
)
def test_a_wrong_setting_brings_no_secret_to_light(wrong: dict[str, Any]) -> None:
    """Also where the secret is of the wrong type, or stands in the wrong place, at DEBUG."""
    with serve_sandbox() as sandbox:
        settings = {"access_key": KEY, "access_key_secret": KEY_SECRET, **wrong}
        ran = run(sandbox, **settings, environment={"LOGLEVEL": "DEBUG"})
    assert ran.status != 0
    assert "Traceback" not in ran.log
    secrets = [KEY, KEY_SECRET, TOKEN, BASIC, "51515151515", "51_515_151_515"]
    assert_tells_none(
        RunResult(ran.status, ran.output, ran.log.replace(ADDRESS, "") if "user_ids" in wrong else ran.log), secrets
    )


def test_a_secret_from_the_environment_stays_there() -> None:
    """Whatever its name was mistyped as."""
    with serve_sandbox() as sandbox:
        environment = {
            "TAP_GONG_ACTIVITY_ACCESS_KEY": KEY,
            "TAP_GONG_ACTIVITY_ACCESS_KEY_SECRET": KEY_SECRET,
            "TAP_GONG_ACTIVITY_ACCESS_TOKEN": TOKEN,
            "LOGLEVEL": "DEBUG",
        }
        ran = run(sandbox, "--config=ENV", environment=environment, access_key=None, access_key_secret=None)
    assert "access_token" in assert_failed(ran)
    assert_tells_none(ran, [KEY, KEY_SECRET, TOKEN])


@pytest.mark.parametrize("arguments", [["--about"], ["--about", "--format=json"], ["--about", "--format=markdown"]])
def test_about_and_discovery_know_no_secret(arguments: list[str]) -> None:
    """Although they are given the settings."""
    with serve_sandbox() as sandbox:
        config = sandbox_settings(sandbox, access_key=KEY, access_key_secret=KEY_SECRET)
    for ran in (
        run_command(*arguments, config=config, environment={"LOGLEVEL": "DEBUG"}),
        run_command("--discover", config=config, environment={"LOGLEVEL": "DEBUG"}),
    ):
        assert ran.status == 0
        assert_tells_none(ran, [KEY, KEY_SECRET, BASIC])


def test_a_config_file_that_is_cut_off_is_not_repeated() -> None:
    """Nor is a state or a catalog."""
    with serve_sandbox() as sandbox:
        text = json.dumps(sandbox_settings(sandbox, access_key=KEY, access_key_secret=KEY_SECRET))
        for ran in (
            run_command(config=text[:-5], environment={"LOGLEVEL": "DEBUG"}),
            run_command(config=json.dumps([text]), environment={"LOGLEVEL": "DEBUG"}),
            run(sandbox, catalog=None, state=None, environment={"LOGLEVEL": "DEBUG"}, extra=[KEY, KEY_SECRET]),
        ):
            assert_tells_none(ran, [KEY, KEY_SECRET, BASIC])


def test_a_proxys_password_is_told_to_nobody() -> None:
    """Where no connection can be had through it."""
    with serve_sandbox() as sandbox:
        closed = f"http://{quote(KEY, safe='')}:{quote(KEY_SECRET, safe='')}@127.0.0.1:9"
        ran = run(
            sandbox,
            api_url="http://api.example",
            max_retries=1,
            environment={"HTTP_PROXY": closed, "http_proxy": closed, "LOGLEVEL": "DEBUG"},
        )
    assert_failed(ran)
    assert_tells_none(ran, [KEY, KEY_SECRET])


def test_a_netrc_file_takes_no_part(tmp_path: Path) -> None:
    """An entry for the host replaces no credential, and is told to nobody."""
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login somebody password {TOKEN.replace(' ', '')}\n")
    (tmp_path / ".netrc").chmod(0o600)
    with serve_sandbox() as sandbox:
        ran = run(sandbox, start_date="2025-03-01", environment={"HOME": str(tmp_path), "LOGLEVEL": "DEBUG"})
    assert ran.status == 0, ran.log
    assert os.fspath(tmp_path) not in ran.log
    assert_tells_none(ran, [TOKEN, sandbox.access_key_secret])
