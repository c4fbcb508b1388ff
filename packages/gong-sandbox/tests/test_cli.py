"""The command line of `gong-sandbox`."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from sandbox_support.client import PATH, TIMEOUT, request_body

if TYPE_CHECKING:
    from collections.abc import Iterator

GONG_SANDBOX = [sys.executable, "-m", "gong_sandbox"]
NAMES = ("API_URL", "ACCESS_KEY", "ACCESS_KEY_SECRET", "COMPANY_TIMEZONE")

CLIENT = f"""
import json, os, sys, urllib.request, base64
variables = {{name: os.environ["GONG_" + name] for name in {NAMES}}}
basic = base64.b64encode((variables["ACCESS_KEY"] + ":" + variables["ACCESS_KEY_SECRET"]).encode()).decode()
request = urllib.request.Request(
    variables["API_URL"] + {PATH!r},
    json.dumps({request_body()}).encode(),
    {{"Authorization": "Basic " + basic, "Content-Type": "application/json"}},
)
json.dump([variables, json.load(urllib.request.urlopen(request))], sys.stdout)
"""


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and /dev/full")


def gong_sandbox(*arguments: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `gong-sandbox`."""
    return subprocess.run(
        [*GONG_SANDBOX, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture
def serving_command() -> Iterator[subprocess.Popen[str]]:
    """Start `gong-sandbox` without a command."""
    command = [*GONG_SANDBOX, "--now", "2025-03-12T20:00:00Z", "--zone", "Europe/Berlin", "--seed", "it's"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_command_gets_the_environment() -> None:
    """The command can call the sandbox with its environment; nothing is added to its stdout and stderr."""
    options = ["--zone", "Asia/Kolkata", "--access-key", "key", "--access-key-secret", "secret", "--size", "9"]
    done = gong_sandbox(*options, "--now", "2025-03-06T00:00:00Z", "--", sys.executable, "-c", CLIENT)
    assert (done.returncode, done.stderr) == (0, "")
    variables, page = json.loads(done.stdout)
    assert variables.pop("API_URL").startswith("http://127.0.0.1:")
    assert variables == {"ACCESS_KEY": "key", "ACCESS_KEY_SECRET": "secret", "COMPANY_TIMEZONE": "Asia/Kolkata"}
    assert page["usersAggregateActivity"][0]["userAggregateActivity"][0]["fromDate"] == "2025-03-03T00:00:00+05:30"


def test_environment_overrides_other_configuration() -> None:
    """URLs, credentials and proxies of the outer environment are replaced; other settings stay."""
    program = (
        "import os, requests\n"
        "print({name: value for name, value in os.environ.items() if name.startswith('TAP_GONG_ACTIVITY_')})\n"
        f"print(requests.post(os.environ['GONG_API_URL'] + {PATH!r}).status_code)"
    )
    others = dict.fromkeys(("ACCESS_TOKEN", "OAUTH_TOKEN_FILE", "API_URL", "ACCESS_KEY"), "real")
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"), "http://127.0.0.1:1")
    outer = {f"{prefix}{name}": value for prefix in ("GONG_", "TAP_GONG_ACTIVITY_") for name, value in others.items()}
    outer |= {**proxies, "no_proxy": "", "NO_PROXY": "", "TAP_GONG_ACTIVITY_START_DATE": "2025-01-01"}
    done = gong_sandbox("--", sys.executable, "-c", program, **outer)
    shown, status = done.stdout.splitlines()
    variables = ast.literal_eval(shown)
    assert "real" not in variables.values()
    # Empty rather than unset, which wins over a .env file.
    assert (variables["TAP_GONG_ACTIVITY_ACCESS_TOKEN"], variables["TAP_GONG_ACTIVITY_OAUTH_TOKEN_FILE"]) == ("", "")
    assert variables["TAP_GONG_ACTIVITY_START_DATE"] == "2025-01-01"
    assert status == "401"


def test_stdin_goes_to_the_command() -> None:
    """The command reads the sandbox's stdin, and can have options without `--` before it."""
    program = "import sys; sys.stdout.write(sys.stdin.read().upper()); sys.stderr.write('said')"
    done = gong_sandbox(sys.executable, "-c", program, text="some text")
    assert (done.stdout, done.stderr) == ("SOME TEXT", "said")


@pytest.mark.parametrize("status", [0, 3])
def test_command_status_is_returned(status: int) -> None:
    """The sandbox exits with the command's exit status."""
    assert gong_sandbox("--", sys.executable, "-c", f"raise SystemExit({status})").returncode == status


def test_killed_command_status_is_the_shells() -> None:
    """A command killed by a signal gets the exit status 128 + signal number."""
    done = gong_sandbox("--", sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    assert done.returncode == 137


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_forwarded(number: signal.Signals) -> None:
    """The command receives the signal, and the sandbox exits with the command's status."""
    program = (
        # Bypasses Python's buffer, which a signal handler must not use during a write.
        "import os, signal, sys, time\n"
        "def stop(number, frame): os.write(1, f'got {number}\\n'.encode()); sys.exit(40 + number)\n"
        "for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, stop)\n"
        "os.write(1, b'ready\\n')\n"
        "time.sleep(60)"
    )
    # A new session has no terminal that would interrupt both processes.
    with subprocess.Popen(
        [*GONG_SANDBOX, "--", sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(TIMEOUT) == 40 + number
        assert process.stdout.read() == f"got {int(number)}\n"
        assert process.stderr.read() == ""


def test_ctrl_c_reaches_the_command_once() -> None:
    """A terminal interrupts the command directly, so the sandbox doesn't forward the signal."""
    program = (
        "import signal, time\n"
        "got = []\n"
        "signal.signal(signal.SIGINT, lambda number, frame: got.append(number))\n"
        "print('ready', flush=True)\n"
        "while not got: time.sleep(0.01)\n"
        "time.sleep(0.2)\n"
        "print(got, flush=True)"
    )
    terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    with subprocess.Popen(
        [sys.executable, "-c", terminal, *GONG_SANDBOX, "--", sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"ready\r\n"
        process.stdin.write(b"\x03")
        process.stdin.flush()
        assert process.stdout.readline() == b"^C[2]\r\n"
        assert process.wait(TIMEOUT) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_without_a_command_it_serves_until_interrupted(
    serving_command: subprocess.Popen[str], number: signal.Signals
) -> None:
    """Without a command, the sandbox prints variables for a shell, and serves until a signal ends it with status 0."""
    assert serving_command.stdout
    assert serving_command.stderr
    lines = [serving_command.stdout.readline() for _ in range(15)]
    assert re.match(r"# .*http://127\.0\.0\.1:\d+ ", lines[0])
    exported = dict(shlex.split(line)[1].split("=", 1) for line in lines[1:])
    assert {f"TAP_GONG_ACTIVITY_{name}" for name in NAMES} < exported.keys()
    response = requests.post(
        exported["GONG_API_URL"] + PATH,
        json=request_body("WEEK", "2025-03-03", "2025-03-12"),
        auth=(exported["GONG_ACCESS_KEY"], exported["GONG_ACCESS_KEY_SECRET"]),
        timeout=TIMEOUT,
    )
    assert response.status_code == 200
    items = response.json()["usersAggregateActivity"][0]["userAggregateActivity"]
    assert items[-1]["toDate"] == "2025-03-12T00:00:00+01:00"
    serving_command.send_signal(number)
    assert serving_command.wait(TIMEOUT) == 0
    assert serving_command.stderr.read() == ""


@pytest.mark.parametrize(
    ("number", "milliseconds"), [(signal.SIGTERM, 0), (signal.SIGTERM, 150), (signal.SIGINT, 0), (signal.SIGHUP, 150)]
)
@linux_only
def test_signal_ends_it_at_any_time(number: signal.Signals, milliseconds: int) -> None:
    """A signal during start-up or while serving ends the sandbox without a traceback."""
    with subprocess.Popen(
        GONG_SANDBOX, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr
        wait_until_signals_are_blocked(process.pid)
        time.sleep(milliseconds / 1000)
        process.send_signal(number)
        assert (process.wait(TIMEOUT), process.stderr.read()) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@linux_only
def test_early_signal_prevents_the_command(number: signal.Signals) -> None:
    """A signal before the command has started prevents it, and the status is 128 + signal number."""
    with subprocess.Popen([*GONG_SANDBOX, "--", "echo", "started"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        wait_until_signals_are_blocked(process.pid)
        process.send_signal(number)
        assert (process.wait(TIMEOUT), process.stdout.read()) == (128 + number, "")


def wait_until_signals_are_blocked(pid: int) -> None:
    """Wait until the process blocks signals, which is the first thing it does."""
    for _ in range(TIMEOUT * 1000):
        if re.search(r"SigBlk:\s+0*[1-9a-f]", Path(f"/proc/{pid}/status").read_text("ascii")):
            return
        time.sleep(0.001)
    pytest.fail("signals were never blocked")


def test_nohup_is_respected() -> None:
    """A SIGHUP that's ignored at the start doesn't end the sandbox."""
    program = "import os, signal, time; os.kill(os.getppid(), signal.SIGHUP); time.sleep(0.1); print('alive')"
    done = subprocess.run(
        [*GONG_SANDBOX, "--", sys.executable, "-c", program],
        capture_output=True,
        timeout=TIMEOUT,
        check=True,
        preexec_fn=ignore_hangups,
    )
    assert done.stdout == b"alive\n"


def ignore_hangups() -> None:
    """Ignore SIGHUP, as nohup does."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.mark.parametrize(
    ("option", "redirection", "reason"),
    [
        ("", ">&-", "it's closed"),
        ("", ">/dev/full", "No space left on device"),
        ("", "| :", "Broken pipe"),
        ("--help", ">/dev/full", "No space left on device"),
        ("--version", ">&-", "it's closed"),
    ],
)
@linux_only
def test_closed_or_full_stdout_is_one_error(option: str, redirection: str, reason: str) -> None:
    """If stdout is closed or full, the sandbox prints one line on stderr and exits with status 1."""
    # The sleep lets the pipe's reader exit first.
    command = f"(sleep 0.1; {shlex.join(GONG_SANDBOX)} {option}; echo $? >&2) {redirection}"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.stderr == f"gong-sandbox: can't write to stdout: {reason}\n1\n"


@linux_only
def test_closed_or_full_stderr_is_ignored() -> None:
    """A usage error has the same exit status if stderr is closed or full."""
    for redirection in ("2>&-", "2>/dev/full"):
        command = f"{shlex.join(GONG_SANDBOX)} --nonsense {redirection}"
        assert subprocess.run(["/bin/sh", "-c", command], timeout=TIMEOUT, check=False).returncode == 2


@linux_only
def test_full_request_log_is_one_warning() -> None:
    """A request log on a full disk is warned of once, and requests still get responses."""
    done = gong_sandbox(
        "--request-log", "/dev/full", "--now", "2025-03-06T00:00:00Z", "--", sys.executable, "-c", CLIENT
    )
    assert json.loads(done.stdout)
    assert done.stderr == "Can't write the request log: No space left on device\n"


def test_request_log_without_a_reader_is_an_error(tmp_path: Path) -> None:
    """A named pipe without a reader is an error rather than a hang."""
    os.mkfifo(tmp_path / "pipe")
    done = gong_sandbox("--request-log", str(tmp_path / "pipe"))
    assert (done.returncode, done.stderr) == (2, "gong-sandbox: can't start: No such device or address\n")


def test_options_reach_the_sandbox(tmp_path: Path) -> None:
    """Limits, faults, credentials and the request log are those of the options."""
    log = tmp_path / "requests.jsonl"
    program = (
        "import os, requests\n"
        "auth = ('sandbox-access-key', 'sandbox-access-key-secret')\n"
        f"url = os.environ['GONG_API_URL'] + {PATH!r}\n"
        f"print([requests.post(url, json={request_body()}, auth=auth).status_code for _ in range(5)])\n"
        "token = {'Authorization': 'Bearer a-token'}\n"
        f"print(requests.post(url, json={request_body()}, headers=token).status_code)"
    )
    options = ["--fault", "status=503,at=2", "--fault", "html,at=3", "--daily-quota", "4", "--calls-per-second", "0"]
    options += ["--request-log", str(log), "--page-size", "4", "--access-token", "a-token"]
    options += ["--cursor-lifetime", "5", "--latency", "0.001", "--port", "0"]
    done = gong_sandbox(*options, "--", sys.executable, "-c", program)
    assert done.stdout == "[200, 503, 200, 200, 429]\n429\n"
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [line["status"] for line in lines] == [200, 503, 200, 200, 429, 429]
    assert [line["users"] for line in lines] == [4, 0, 0, 4, 0, 0]
    assert "a-token" not in log.read_text("utf-8")


def test_without_scope() -> None:
    """With `--without-scope`, a request for activity is a 401."""
    done = gong_sandbox("--without-scope", "--", sys.executable, "-c", CLIENT)
    assert "HTTP Error 401" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--nonsense"], 2),
        (["--size", "0"], 2),
        (["--size", "many"], 2),
        (["--zone", "Mars/Olympus"], 2),
        (["--zone", "../etc"], 2),
        (["--now", "yesterday"], 2),
        (["--now", "2025-03-01T00:00:00"], 2),
        (["--fault", "nothing"], 2),
        (["--port", "70000"], 2),
        (["--request-log", "/nowhere/at/all.jsonl"], 2),
        (["--", "no-such-command-anywhere"], 127),
        (["--", os.devnull], 126),
    ],
)
def test_usage_error_is_one_line(arguments: list[str], status: int) -> None:
    """A usage error is one line on stderr, without a traceback."""
    done = gong_sandbox(*arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("gong-sandbox: ")
    assert done.stderr.count("\n") == 1


def test_port_in_use_is_an_error() -> None:
    """The error says why the sandbox can't start."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = gong_sandbox("--port", str(other.getsockname()[1]))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "gong-sandbox: can't start: Address already in use\n"


def test_help_describes_every_fault() -> None:
    """`--help` prints the grammar of faults after the options."""
    done = gong_sandbox("--help")
    assert done.returncode == 0
    for word in ("--fault", "status=503,retry_after=5,at=3", "malformed_to_date", "Conditions"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("module", "not_imported"),
    [
        # Signals are blocked before anything slow is imported.
        ("gong_sandbox.signals", ("click", "http.server", "msgspec")),
        ("gong_sandbox.cli", ("tap_gong_activity", "singer_sdk", "requests")),
    ],
)
def test_imports_are_minimal(module: str, not_imported: tuple[str, ...]) -> None:
    """Importing a module doesn't import what it doesn't need."""
    program = f"import sys, {module}; print([name for name in {not_imported} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
