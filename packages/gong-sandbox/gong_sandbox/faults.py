"""Faults: an effect, and the requests that it applies to."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gong_sandbox.effects import Effect
    from gong_sandbox.exchanges import Exchange


@dataclass
class Fault:
    """An effect on the responses to some requests.

    Attributes:
        effect: The effect.
        at: Number (from 1) or range of the requests that meet the other conditions, or None for all.
        page: The requested page, from 0.
        period: The requested aggregationPeriod.
        from_date: The requested fromDate, as YYYY-MM-DD.
        on: The endpoint: `activity`, `users` or `token`.
        text: The fault as shown in the request log.
    """

    effect: Effect
    at: int | range | None = None
    page: int | None = None
    period: str | None = None
    from_date: str | None = None
    on: str = "activity"
    text: str = ""
    _matched: int = field(default=0, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        """Default the text to that of the effect."""
        self.text = self.text or repr(self.effect)

    def matches(self, exchange: Exchange) -> bool:
        """Return whether the fault applies to a request, and count the requests that meet its conditions."""
        if not self._meets_conditions(exchange):
            return False
        with self._lock:
            self._matched += 1
            return self.at is None or self._matched in (self.at if isinstance(self.at, range) else (self.at,))

    def _meets_conditions(self, exchange: Exchange) -> bool:
        period = exchange.document.get("aggregationPeriod") if isinstance(exchange.document, dict) else None
        return (
            self.on == exchange.endpoint
            and self.page in {None, exchange.page_number}
            and self.period in (None, period)
            and self.from_date in (None, exchange.filter.get("fromDate"))
            and self.effect.applies_to(exchange)
        )
