"""The command line of `gong-sandbox`."""

from __future__ import annotations

import io
import os
import shlex
import signal
import sys
from contextlib import ExitStack, redirect_stdout, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from zoneinfo import ZoneInfo

import click

from gong_sandbox.command import CommandError, run
from gong_sandbox.company import DEFAULT_SEED, DEFAULT_SIZE, DEFAULT_ZONE, Company
from gong_sandbox.fault_grammar import GRAMMAR, InvalidFaultError, parse_fault
from gong_sandbox.sandbox import Sandbox
from gong_sandbox.signals import TERMINATION_SIGNALS

if TYPE_CHECKING:
    from gong_sandbox.faults import Fault


class OutputError(Exception):
    """A failed write to stdout; the message says why."""


def _faults(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> list[Fault]:
    try:
        return [parse_fault(text) for text in texts]
    except InvalidFaultError as error:
        raise click.BadParameter(str(error)) from error


def _zone(_: click.Context, __: click.Parameter, name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError) as error:
        message = f"{name!r} isn't an IANA time zone like {DEFAULT_ZONE}"
        raise click.BadParameter(message) from error


def _instant(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        # Before Python 3.11, fromisoformat doesn't accept Z.
        instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        message = f"{text!r} isn't an ISO 8601 date-time with a UTC offset like 2025-03-01T09:00:00Z"
        raise click.BadParameter(message)
    return instant


@click.command(
    name="gong-sandbox",
    context_settings={"allow_interspersed_args": False, "show_default": True, "help_option_names": ["-h", "--help"]},
    epilog=f"\b\nFaults:\n\n{GRAMMAR}",
)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Loopback port; 0 for any free port.")
@click.option("--size", type=click.IntRange(1), default=DEFAULT_SIZE, help="Number of users in the company.")
@click.option("--zone", callback=_zone, default=DEFAULT_ZONE, metavar="NAME", help="The company's time zone.")
@click.option("--seed", default=DEFAULT_SEED, help="Seed that generates the company.")
@click.option(
    "--late-days",
    type=click.IntRange(0),
    default=0,
    help="Maximum number of days by which activity shows up late.",
)
@click.option(
    "--now",
    callback=_instant,
    metavar="INSTANT",
    help="Freeze the company's current day at this ISO 8601 date-time.",
)
@click.option("--calls-per-second", type=click.IntRange(0), default=3, help="Rate limit; 0 for none.")
@click.option("--daily-quota", type=click.IntRange(0), default=10_000, help="Daily quota; 0 for none.")
@click.option("--page-size", type=click.IntRange(1), default=100, help="Number of users per page.")
@click.option(
    "--zero-rows", is_flag=True, help="Return zeros for requested users without activity instead of leaving them out."
)
@click.option("--cursor-lifetime", type=click.FloatRange(0), default=600.0, help="Seconds until a cursor expires.")
@click.option("--latency", type=click.FloatRange(0), default=0.0, help="Delay of each response, in seconds.")
@click.option("--fault", "faults", callback=_faults, multiple=True, metavar="FAULT", help="Fault to inject; see below.")
@click.option(
    "--request-log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append a JSON line to this file for each request.",
)
@click.option("--access-key", default=Sandbox.access_key, help="Access key to accept.")
@click.option("--access-key-secret", default=Sandbox.access_key_secret, help="Access key secret to accept.")
@click.option("--access-token", help="Bearer token to accept in addition to the key.")
@click.option("--without-scope", is_flag=True, help="Reject activity for a missing scope (api:stats:user-actions).")
@click.option("--without-users-scope", is_flag=True, help="Reject users for a missing scope (api:users:read).")
@click.version_option(package_name="gong-sandbox")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def gong_sandbox(
    command: tuple[str, ...],
    size: int,
    zone: str,
    seed: str,
    now: datetime | None,
    calls_per_second: int,
    daily_quota: int,
    **options: Any,  # noqa: ANN401 - with the types declared above
) -> int:
    """Serve Gong's API with a fictional company's data.

    With a COMMAND (after --), run it with environment variables that point it to the sandbox, and exit with its
    status. Without a COMMAND, print these variables and run until interrupted.
    """
    company = Company(size, zone, seed, options.pop("late_days"))
    sandbox = Sandbox(
        company=company,
        today=None if now is None else company.today(now),
        calls_per_second=calls_per_second or None,
        daily_quota=daily_quota or None,
        has_scope=not options.pop("without_scope"),
        has_users_scope=not options.pop("without_users_scope"),
        **options,
    )
    with ExitStack() as resources:
        try:
            resources.enter_context(sandbox)
        except OSError as error:
            message = f"can't start: {error.strerror}"
            raise click.UsageError(message) from error
        if command:
            return run(command, {**os.environ, **sandbox.environment})
        exports = [f"export {name}={shlex.quote(value)}" for name, value in sandbox.environment.items()]
        _write("\n".join([f"# Serving Gong's API at {sandbox.url} until interrupted", *exports, ""]))
        signal.sigwait(TERMINATION_SIGNALS)
        return 0


def _write(text: str) -> None:
    """Write to stdout.

    Raises:
        OutputError: stdout is closed or full.
    """
    if sys.__stdout__ is None:
        message = "can't write to stdout: it's closed"
        raise OutputError(message)
    try:
        # Bypasses Python's own buffer, which would fail again at exit.
        with open(sys.__stdout__.fileno(), "w", encoding="utf-8", closefd=False) as stdout:
            stdout.write(text)
    except OSError as error:
        message = f"can't write to stdout: {error.strerror}"
        raise OutputError(message) from error


def main() -> NoReturn:
    """Run the command line and exit with its status; signals must be blocked. Errors are one line on stderr."""
    try:
        with redirect_stdout(io.StringIO()) as captured:
            status = gong_sandbox.main(prog_name="gong-sandbox", standalone_mode=False)
        if text := captured.getvalue():
            _write(text)
    except click.ClickException as error:
        status = _fail(error.format_message(), error.exit_code)
    except CommandError as error:
        status = _fail(str(error), error.status)
    except OutputError as error:
        status = _fail(str(error), 1)
    sys.exit(status)


def _fail(message: str, status: int) -> int:
    """Write an error to stderr, even if it's closed or full, and return the status."""
    if sys.__stderr__ is not None:
        with suppress(OSError):
            os.write(sys.__stderr__.fileno(), f"gong-sandbox: {message}\n".encode())
    return status
