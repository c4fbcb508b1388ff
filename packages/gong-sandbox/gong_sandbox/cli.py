"""The command `gong-sandbox`."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import click

from gong_sandbox.commands import CommandNotRunError, run
from gong_sandbox.company import DEFAULT_SEED, DEFAULT_SIZE, DEFAULT_ZONE, Company
from gong_sandbox.faults import GRAMMAR, Fault, FaultNotUnderstoodError, parse_fault
from gong_sandbox.sandbox import Sandbox

#: Real credentials are not for the sandbox, and the tap takes one kind only.
OTHER_CREDENTIALS = {"TAP_GONG_ACTIVITY_ACCESS_TOKEN", "TAP_GONG_ACTIVITY_OAUTH_TOKEN_FILE"}
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)
BAD_OPTION = 2


def _faults(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> list[Fault]:
    try:
        return [parse_fault(text) for text in texts]
    except FaultNotUnderstoodError as error:
        raise click.BadParameter(str(error)) from error


def _zone(_: click.Context, __: click.Parameter, name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError) as error:
        msg = f"{name!r} is no IANA time zone, like {DEFAULT_ZONE}"
        raise click.BadParameter(msg) from error


def _instant(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        # Before Python 3.11, fromisoformat does not know Z.
        instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        msg = f"{text!r} is no ISO-8601 instant with an offset, like 2025-03-01T09:00:00Z"
        raise click.BadParameter(msg)
    return instant


@click.command(
    name="gong-sandbox",
    context_settings={"allow_interspersed_args": False, "show_default": True, "help_option_names": ["-h", "--help"]},
    epilog=f"\b\nFaults:\n\n{GRAMMAR}",
)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Loopback port to listen on; 0 is a free one.")
@click.option("--size", type=click.IntRange(1), default=DEFAULT_SIZE, help="Users of the company.")
@click.option("--zone", callback=_zone, default=DEFAULT_ZONE, metavar="NAME", help="The company's time zone.")
@click.option("--seed", default=DEFAULT_SEED, help="Another text, another company.")
@click.option(
    "--now",
    callback=_instant,
    metavar="INSTANT",
    help="Freeze the company's current day at that of an ISO-8601 instant.",
)
@click.option("--calls-per-second", type=click.IntRange(0), default=3, help="Calls within any second; 0: no limit.")
@click.option("--daily-quota", type=click.IntRange(0), default=10_000, help="Calls within a day; 0: no limit.")
@click.option("--page-size", type=click.IntRange(1), default=100, help="Users a page.")
@click.option("--cursor-lifetime", type=click.FloatRange(0), default=600.0, help="Seconds for which a cursor is good.")
@click.option("--latency", type=click.FloatRange(0), default=0.0, help="Seconds that each answer takes.")
@click.option(
    "--fault", "faults", callback=_faults, multiple=True, metavar="FAULT", help="Something to go wrong; see below."
)
@click.option("--request-log", type=click.Path(dir_okay=False, path_type=Path), help="File for a JSON line a request.")
@click.option("--access-key", default=Sandbox.access_key, help="The user name to accept.")
@click.option("--access-key-secret", default=Sandbox.access_key_secret, help="The password to accept.")
@click.option("--access-token", help="A bearer token to accept as well.")
@click.option("--without-scope", is_flag=True, help="Refuse these for want of the endpoint's scope.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def gong_sandbox(
    command: tuple[str, ...],
    size: int,
    zone: str,
    seed: str,
    now: datetime | None,
    calls_per_second: int,
    daily_quota: int,
    *,
    without_scope: bool,
    **options: Any,  # noqa: ANN401 (each is an argument of Sandbox, with the type declared above)
) -> int:
    """Serve Gong's user activity, aggregated by period, of an invented company.

    With a COMMAND (after --), run it with the environment that turns tap-gong-activity to the sandbox, and exit with
    its status. Without one, print that environment and serve until interrupted.
    """
    company = Company(size, zone, seed)
    sandbox = Sandbox(
        company=company,
        today=None if now is None else company.today(now),
        calls_per_second=calls_per_second or None,
        daily_quota=daily_quota or None,
        has_scope=not without_scope,
        **options,
    )
    if not command:
        # Before any thread exists, so that the signals reach nobody but `_serve`.
        signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTIONS)
    with ExitStack() as started:
        try:
            started.enter_context(sandbox)
        except OSError as error:
            msg = f"cannot start: {error.strerror}"
            raise click.UsageError(msg) from error
        return _run(command, sandbox) if command else _serve(sandbox)


def _run(command: tuple[str, ...], sandbox: Sandbox) -> int:
    inherited = {name: value for name, value in os.environ.items() if name not in OTHER_CREDENTIALS}
    return run(command, {**inherited, **sandbox.environment})


def _serve(sandbox: Sandbox) -> int:
    click.echo(f"# Gong's stand-in is at {sandbox.url} until interrupted. To turn the tap to it:")
    for name, value in sandbox.environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    sys.stdout.flush()
    signal.sigwait(INTERRUPTIONS)
    return 0


def main() -> NoReturn:
    """Run the command line; exits with a status, and says what is wrong in one sentence."""
    try:
        status = gong_sandbox.main(prog_name="gong-sandbox", standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"gong-sandbox: {error.format_message()}", err=True)
        status = BAD_OPTION
    except CommandNotRunError as error:
        click.echo(f"gong-sandbox: {error}", err=True)
        status = error.status
    sys.exit(status)
