"""The tap's client, connected to a sandbox over a real socket, on a fake clock."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gong_sandbox import Company, Fault, Sandbox

from support.default_config import ACCESS_KEY, ACCESS_KEY_SECRET, settings_with
from support.fake_clock import FakeClock
from tap_gong_activity.base.errors import GongError
from tap_gong_activity.base.stats import Tally
from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.extract.windows import Window
from tap_gong_activity.gong.auth import access_key_credentials
from tap_gong_activity.gong.client import ClientOptions, Credentials, GongClient
from tap_gong_activity.gong.paging import PageReader
from tap_gong_activity.gong.rate_limit import RateLimiter
from tap_gong_activity.gong.responses import read_page
from tap_gong_activity.gong.retries import Retries
from tap_gong_activity.streams.activity import window_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gong_sandbox import RequestRecord

    from tap_gong_activity.base.clock import Clock
    from tap_gong_activity.gong.responses import Page
    from tap_gong_activity.settings import Settings

COMPANY = Company()
"""Shared, so that each day is generated once."""

TODAY = date(2025, 3, 12)
WINDOW = Window(Grain.DAY, date(2025, 3, 3), date(2025, 3, 5))
"""A Monday and a Tuesday, on which nearly every user is active."""

MAX_BYTES = 1_000_000
UNTHROTTLED = 1e300
"""Requests per second without any wait for a slot."""


@dataclass
class SandboxClient:
    """A client and its sandbox."""

    sandbox: Sandbox
    gong: GongClient
    settings: Settings
    clock: FakeClock
    tally: Tally
    log: list[str]
    warnings: dict[str, str]

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests for activity that the sandbox received."""
        return [record for record in self.sandbox.requests if "token" not in record.path]

    @property
    def statuses(self) -> list[int | None]:
        """The statuses of their responses."""
        return [record.status for record in self.requests]

    def request_page(self, *, window: Window = WINDOW, max_bytes: int = MAX_BYTES) -> Page:
        """Request a window's first page."""
        request = window_request(self.settings, window)
        return self.gong.request(
            request.endpoint,
            request.parameters,
            lambda body: read_page(body, request.endpoint),
            name=request.name,
            max_bytes=max_bytes,
        )

    def failure(self, **options: Any) -> str:  # noqa: ANN401 - those of `request_page`
        """Request a page, and return the error message."""
        try:
            self.request_page(**options)
        except GongError as error:
            return str(error)
        message = "the request should have failed"
        raise AssertionError(message)

    def pages(self, window: Window = WINDOW) -> Iterator[bytes | bytearray]:
        """Yield the pages of a window."""
        return self.page_reader.read(window_request(self.settings, window))

    @cached_property
    def page_reader(self) -> PageReader:
        """The reader of all pages."""
        return PageReader(self.gong, warn=self._warn, clock=self.clock)

    def _warn(self, kind: str, message: str) -> None:
        self.warnings.setdefault(kind, message)


def client_options(settings: Settings) -> ClientOptions:
    """Return a client's options with these settings."""
    return ClientOptions(
        api_url=settings.api_url,
        user_agent=settings.user_agent,
        request_timeout=settings.request_timeout,
        max_retry_wait=settings.max_retry_wait,
        connections=settings.max_parallel_windows,
    )


def make_retries(settings: Settings, *, clock: Clock, tally: Tally, log: Callable[[str], None]) -> Retries:
    """Return retries with these settings."""
    return Retries(
        max_retries=settings.max_retries, max_wait=settings.max_retry_wait, clock=clock, tally=tally, log=log
    )


@contextmanager
def sandbox_client(
    *faults: str | Fault,
    settings: dict[str, Any] | None = None,
    credentials: Callable[[Sandbox, Settings, FakeClock, Retries], Credentials] | None = None,
    tick: float = 0.0,
    **options: Any,  # noqa: ANN401 - those of Sandbox
) -> Iterator[SandboxClient]:
    """Yield a client of a sandbox with these faults, settings and options."""
    clock = FakeClock(tick=tick)
    defaults: dict[str, Any] = {
        "company": COMPANY,
        "clock": clock.hand,
        "today": TODAY,
        "calls_per_second": None,
        "daily_quota": None,
        "faults": faults,
    }
    with Sandbox(**{**defaults, **options}) as sandbox:
        all_settings = settings_with(**{"api_url": sandbox.url, "requests_per_second": UNTHROTTLED, **(settings or {})})
        tally, log, warnings = Tally(clock.hand.seconds), list[str](), dict[str, str]()
        retries = make_retries(all_settings, clock=clock, tally=tally, log=log.append)
        client = GongClient(
            client_options(all_settings),
            credentials=(
                credentials(sandbox, all_settings, clock, retries)
                if credentials
                else access_key_credentials(ACCESS_KEY, ACCESS_KEY_SECRET)
            ),
            limiter=RateLimiter(all_settings.requests_per_second, clock),
            clock=clock,
            tally=tally,
            retries=retries,
            warn=lambda kind, message: warnings.update({kind: message}),
        )
        try:
            yield SandboxClient(sandbox, client, all_settings, clock, tally, log, warnings)
        finally:
            client.close()
