"""The sandbox, as tests and the command line use it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from gong_sandbox.api import Api
from gong_sandbox.clocks import Clock
from gong_sandbox.company import Company
from gong_sandbox.credentials import Credentials
from gong_sandbox.cursors import Cursors
from gong_sandbox.environment import variables
from gong_sandbox.fault_grammar import parse_fault
from gong_sandbox.limits import CallLimits
from gong_sandbox.request_log import RequestLog, RequestRecord
from gong_sandbox.server import Server
from gong_sandbox.tokens import TOKEN_PATH, Tokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path
    from types import TracebackType

    from gong_sandbox.faults import Fault


@dataclass(kw_only=True)
class Sandbox:
    """A stand-in for Gong's API, which listens on a loopback port within a `with` block.

    The defaults match Gong's documentation. None disables a limit.

    Attributes:
        company: The data; sandboxes can share a `Company`, which caches what it generates.
        clock: The clock for the company's day, the limits, and the expiry of cursors and tokens.
        today: The company's current day; overrides the clock's.
        access_key: The user name of HTTP Basic.
        access_key_secret: The password of HTTP Basic.
        access_token: A bearer token to accept too, which never expires.
        has_scope: Whether the credentials have the scope for activity.
        has_users_scope: Whether the credentials have the scope for users.
        calls_per_second: Rate limit.
        daily_quota: Calls per day, which starts with its first call.
        grace: Seconds after the start of a wait in which a call on another connection isn't a violation, because it may
            have been in flight.
        page_size: Number of users per page.
        zero_rows: Whether requested users without activity are returned with zeros if another requested user has some.
        cursor_lifetime: Seconds until a cursor expires.
        token_lifetime: Seconds until an OAuth access token expires.
        latency: Seconds by which to delay each response.
        faults: Faults to inject: `Fault` objects, or texts as on the command line (see `fault_grammar.GRAMMAR`).
        request_log: A file to append a line of JSON per request to.
        port: The port to listen on; 0 for any free port.
    """

    company: Company = field(default_factory=Company)
    clock: Clock = field(default_factory=Clock)
    today: date | None = None
    access_key: str = "sandbox-access-key"
    access_key_secret: str = field(default="sandbox-access-key-secret", repr=False)
    access_token: str | None = field(default=None, repr=False)
    has_scope: bool = True
    has_users_scope: bool = True
    calls_per_second: int | None = 3
    daily_quota: int | None = 10_000
    grace: float = 0.25
    page_size: int = 100
    zero_rows: bool = False
    cursor_lifetime: float = 600.0
    token_lifetime: float = 86_400.0
    latency: float = 0.0
    faults: Sequence[Fault | str] = ()
    request_log: Path | str | None = None
    port: int = 0

    def __enter__(self) -> Sandbox:  # noqa: PYI034 - before Python 3.11, Self needs another package
        """Start listening.

        Raises:
            InvalidFaultError: A fault doesn't follow the grammar.
            OSError: The port or the log file isn't available.
        """
        with ExitStack() as resources:
            log_file = None
            if self.request_log is not None:
                log_file = resources.enter_context(_open_log(self.request_log))
            self._log = RequestLog(log_file)
            self.tokens = Tokens(self.clock, self.token_lifetime, self.access_token)
            self._faults = [parse_fault(fault) if isinstance(fault, str) else fault for fault in self.faults]
            granted = {"activity": self.has_scope, "users": self.has_users_scope}
            api = Api(
                clock=self.clock,
                company=self.company,
                today=lambda: self.today or self.company.today(self.clock.now()),
                credentials=Credentials(
                    self.access_key,
                    self.access_key_secret,
                    self.tokens.is_valid,
                    {endpoint for endpoint, has_scope in granted.items() if has_scope},
                ),
                tokens=self.tokens,
                limits=CallLimits(self.clock, self.calls_per_second, self.daily_quota, self.grace),
                cursors=Cursors(self.clock, self.cursor_lifetime),
                page_size=self.page_size,
                zero_rows=self.zero_rows,
                faults=self._faults,
                log=self._log,
            )
            self._server = Server(self.port, api, self.latency)
            api.api_url = self._server.url
            resources.callback(self._server.close)
            self._server.start()
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening, and close all connections."""
        self._resources.close()

    def inject(self, fault: Fault | str) -> None:
        """Add a fault that applies to later requests."""
        self._faults.append(parse_fault(fault) if isinstance(fault, str) else fault)

    @property
    def url(self) -> str:
        """The base URL."""
        return self._server.url

    @property
    def token_url(self) -> str:
        """The URL that refreshes OAuth tokens."""
        return self.url + TOKEN_PATH

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that point an integration to the sandbox and override other configuration."""
        return variables(
            {
                "API_URL": self.url,
                "ACCESS_KEY": self.access_key,
                "ACCESS_KEY_SECRET": self.access_key_secret,
                "COMPANY_TIMEZONE": self.company.zone.key,
            }
        )

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests so far, with their responses."""
        return self._log.records

    @property
    def violations(self) -> list[RequestRecord]:
        """The requests that were sent before a Retry-After had passed."""
        return [record for record in self.requests if record.violation]


def _open_log(path: Path | str) -> IO[bytes]:
    """Open a file for appending, without blocking on a named pipe that has no reader."""
    return open(path, "ab", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK, 0o666))
