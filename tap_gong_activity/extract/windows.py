"""Windows: a date range, cut into requests of whole calendar periods.

Gong clips the first and last period of a request to the requested dates: for half a week, it returns half the counts.
So windows start and end on period boundaries.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from tap_gong_activity.extract.periods import Grain

LAST_ZONE_TO_BEGIN_A_DAY = timezone(timedelta(hours=-12))
"""The last time zone where a date begins: once it has begun there, it has begun everywhere."""


@dataclass(frozen=True, slots=True)
class Window:
    """The date range of one request.

    Attributes:
        grain: The period by which Gong aggregates them.
        start: First day, the start of a period.
        end: Exclusive end; the start of a period too, unless the window is the open period.
        is_complete: False only for the open period, which the end of the range cuts off.
    """

    grain: Grain
    start: date
    end: date
    is_complete: bool = True

    def periods(self) -> dict[date, date]:
        """Return the start and exclusive end of each period in the window, in order."""
        if not self.is_complete:
            return {self.start: self.end}
        return dict(_periods(self.grain, self.start, self.end))

    def __str__(self) -> str:
        """Return both ends, for messages."""
        return f"{self.start} to {self.end}"


def company_today(now: datetime, zone: ZoneInfo | None) -> date:
    """Return the company's current date, which is the latest exclusive end that Gong accepts.

    Args:
        now: The current instant, with its offset.
        zone: The company's time zone. Without it, the result is the latest date that has begun everywhere (UTC-12). It
            lags by a day, or by two for some hours east of UTC+12, and never makes an unfinished day look finished.
    """
    return now.astimezone(zone or LAST_ZONE_TO_BEGIN_A_DAY).date()


def newest_period(grain: Grain, today: date) -> Window:
    """Return the last period that has ended by the company's current date, as a window."""
    end = grain.period_start(today)
    return Window(grain, grain.period_start(end - timedelta(days=1)), end)


def cut_into_windows(
    grain: Grain,
    start: date,
    end: date,
    *,
    periods_per_window: int,
    include_open_period: bool,
) -> list[Window]:
    """Cut a date range into windows of whole periods that tile it.

    Args:
        grain: The period by which to aggregate.
        start: First day, the start of a period.
        end: Exclusive end of the range; the period that it cuts off is left out.
        periods_per_window: Maximum number of periods per window.
        include_open_period: Whether to add the period that `end` cuts off, as a separate last window.
    """
    open_start = grain.period_start(end)
    edges = [start, *(following for _, following in _periods(grain, start, open_start))]
    bounds = [*edges[:-1:periods_per_window], edges[-1]]
    windows = [Window(grain, left, right) for left, right in pairwise(bounds)]
    if include_open_period and start <= open_start < end:
        windows.append(Window(grain, open_start, end, is_complete=False))
    return windows


def _periods(grain: Grain, start: date, end: date) -> Iterator[tuple[date, date]]:
    while start < end:
        following = grain.next_start(start)
        yield start, following
        start = following
