"""The tap's client, asking the sandbox over a real socket, with a clock that waits for nobody."""

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
"""Shared, so that it invents each day once."""

TODAY = date(2025, 3, 12)
WINDOW = Window(Grain.DAY, date(2025, 3, 3), date(2025, 3, 5))
"""A Monday and a Tuesday, on which nearly everybody worked."""

LARGEST_ANSWER = 1_000_000
UNPACED = 1e300
"""Requests a second that never have to wait for each other."""


@dataclass
class Asking:
    """A client and the sandbox that it asks."""

    sandbox: Sandbox
    client: GongClient
    settings: Settings
    clock: FakeClock
    tally: Tally
    log: list[str]
    warnings: dict[str, str]

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests for activity that arrived."""
        return [record for record in self.sandbox.requests if "token" not in record.path]

    @property
    def statuses(self) -> list[int | None]:
        """What they were answered with."""
        return [record.status for record in self.requests]

    def ask(self, *, window: Window = WINDOW, largest_answer: int = LARGEST_ANSWER) -> Page:
        """Ask for a window's first page."""
        request = window_request(self.settings, window)
        return self.client.request(
            request.endpoint,
            request.parameters,
            lambda body: read_page(body, request.endpoint),
            max_bytes=largest_answer,
        )

    def failure(self, **options: Any) -> str:  # noqa: ANN401 (those of `ask`)
        """Ask, and give the sentence with which it fails."""
        try:
            self.ask(**options)
        except GongError as error:
            return str(error)
        message = "Gong was expected to refuse"
        raise AssertionError(message)

    def pages(self, window: Window = WINDOW) -> Iterator[bytes | bytearray]:
        """Read a window, page by page."""
        return self.page_reader.read(window_request(self.settings, window))

    @cached_property
    def page_reader(self) -> PageReader:
        """What all of it is read by."""
        return PageReader(self.client, warn=self._warn, clock=self.clock)

    def _warn(self, kind: str, sentence: str) -> None:
        self.warnings.setdefault(kind, sentence)


def client_options(settings: Settings) -> ClientOptions:
    """How these settings have a client talk to Gong."""
    return ClientOptions(
        api_url=settings.api_url,
        user_agent=settings.user_agent,
        request_timeout=settings.request_timeout,
        max_retry_wait=settings.max_retry_wait,
        connections=settings.max_parallel_windows,
    )


def retries_of(settings: Settings, *, clock: Clock, tally: Tally, log: Callable[[str], None]) -> Retries:
    """The retries of these settings."""
    return Retries(
        max_retries=settings.max_retries, max_wait=settings.max_retry_wait, clock=clock, tally=tally, log=log
    )


@contextmanager
def asking(
    *faults: str | Fault,
    given: dict[str, Any] | None = None,
    credentials: Callable[[Sandbox, Settings, FakeClock, Retries], Credentials] | None = None,
    tick: float = 0.0,
    **options: Any,  # noqa: ANN401 (those of Sandbox)
) -> Iterator[Asking]:
    """A client of a sandbox that goes wrong in these ways, with these settings."""
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
        settings = settings_with(**{"api_url": sandbox.url, "requests_per_second": UNPACED, **(given or {})})
        tally, log, warnings = Tally(clock.hand.seconds), list[str](), dict[str, str]()
        retries = retries_of(settings, clock=clock, tally=tally, log=log.append)
        client = GongClient(
            client_options(settings),
            credentials=(
                credentials(sandbox, settings, clock, retries)
                if credentials
                else access_key_credentials(ACCESS_KEY, ACCESS_KEY_SECRET)
            ),
            limiter=RateLimiter(settings.requests_per_second, clock),
            clock=clock,
            tally=tally,
            retries=retries,
            warn=lambda kind, sentence: warnings.update({kind: sentence}),
        )
        try:
            yield Asking(sandbox, client, settings, clock, tally, log, warnings)
        finally:
            client.close()
