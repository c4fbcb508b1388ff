"""The tap's client, asking the sandbox over a real socket, with a clock that waits for nobody."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from fake_clock import FakeClock
from given_settings import ACCESS_KEY, ACCESS_KEY_SECRET, settings_of

from tap_gong_activity.client import Credentials, GongClient
from tap_gong_activity.credentials import access_key_credentials
from tap_gong_activity.errors import GongError
from tap_gong_activity.limiter import RateLimiter
from tap_gong_activity.pages import read_pages, window_body
from tap_gong_activity.periods import Grain
from tap_gong_activity.retries import Retries
from tap_gong_activity.sandbox import Company, Fault, Sandbox
from tap_gong_activity.tally import Tally
from tap_gong_activity.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_gong_activity.answers import Page
    from tap_gong_activity.sandbox import RequestRecord
    from tap_gong_activity.settings import Settings

COMPANY = Company()
"""Shared, so that it invents each day once."""

TODAY = date(2025, 3, 12)
WINDOW = Window(Grain.DAY, date(2025, 3, 3), date(2025, 3, 5))
"""A Monday and a Tuesday, on which nearly everybody worked."""

LARGEST_ANSWER = 1_000_000


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

    def ask(
        self,
        *,
        window: Window = WINDOW,
        largest_answer: int = LARGEST_ANSWER,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Page:
        """Ask for a window's first page."""
        body = window_body(self.settings, window)
        return self.client.ask(body, largest_answer=largest_answer, is_wanted=is_wanted)

    def failure(self, **options: Any) -> str:  # noqa: ANN401 (those of `ask`)
        """Ask, and give the sentence with which it fails."""
        try:
            self.ask(**options)
        except GongError as error:
            return str(error)
        message = "Gong was expected to refuse"
        raise AssertionError(message)

    def pages(
        self, window: Window = WINDOW, *, is_wanted: Callable[[], bool] = lambda: True
    ) -> Iterator[bytes | bytearray]:
        """Read a window, page by page."""
        return read_pages(self.client, self.settings, window, warn=self._warn, is_wanted=is_wanted)

    def _warn(self, kind: str, sentence: str) -> None:
        self.warnings.setdefault(kind, sentence)


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
        settings = settings_of(**{"api_url": sandbox.url, **(given or {})})
        tally, log = Tally(), list[str]()
        retries = Retries(settings, clock=clock, tally=tally, log=log.append)
        client = GongClient(
            settings=settings,
            credentials=(
                credentials(sandbox, settings, clock, retries)
                if credentials
                else access_key_credentials(ACCESS_KEY, ACCESS_KEY_SECRET)
            ),
            limiter=RateLimiter(settings.requests_per_second, clock),
            clock=clock,
            tally=tally,
            retries=retries,
        )
        try:
            yield Asking(sandbox, client, settings, clock, tally, log, {})
        finally:
            client.close()
