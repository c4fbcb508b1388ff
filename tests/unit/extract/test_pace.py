"""Threads, windows and the rate limit together, in simulated time: three requests per second, each taking a second."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from support.fake_clock import SharedClock, SharedCondition

from tap_gong_activity.base.cancellation import Cancellation
from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.extract.prefetch import ReadAhead
from tap_gong_activity.extract.windows import Window
from tap_gong_activity.gong.rate_limit import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUESTS_PER_SECOND = 3
LATENCY = 1.0
FIRST_DAY = date(2025, 1, 1)


class QuotaExhaustedError(Exception):
    """The daily quota is exhausted."""


class SimulatedReadAhead(ReadAhead):
    """Fetches windows of a number of pages from a service with a quota, in simulated time.

    Attributes:
        sent: The time of each request.
        written: The time at which each window was written completely.
    """

    def __init__(self, windows: int, pages: int, *, parallel: int = 6, quota: int = 10_000) -> None:
        self.sent: list[float] = []
        self.written: list[float] = []
        self._clock = SharedClock()
        self._limiter = RateLimiter(REQUESTS_PER_SECOND, self._clock)
        self._pages = pages
        self._quota = quota
        days = [FIRST_DAY + timedelta(days=number) for number in range(windows)]
        super().__init__(
            [Window(Grain.DAY, day, day + timedelta(days=1)) for day in days],
            self._request,
            run=Cancellation(),
            parallel=parallel,
        )
        self._changed = SharedCondition(self._clock)

    def write_all(self) -> None:
        """Write every window, or those before the quota is exhausted."""

        def write() -> None:
            self._clock.add_threads(self._parallel)
            for _, pages in self:
                list(pages)
                self.written.append(self._clock.monotonic())

        self._clock.run(write)

    def _request(self, _window: Window) -> Iterator[bytes]:
        for _ in range(self._pages):
            self._limiter.acquire()
            self.sent.append(self._clock.monotonic())
            if len(self.sent) > self._quota:
                raise QuotaExhaustedError
            self._clock.wait(LATENCY)
            self._limiter.succeeded()
            yield b"a page"

    def _work(self) -> None:
        try:
            super()._work()
        finally:
            self._clock.remove_thread()


@pytest.mark.parametrize(("windows", "pages"), [(60, 1), (20, 3), (5, 12), (4, 15), (3, 20), (13, 5), (8, 8)])
def test_every_shape_is_as_fast_as_the_limit(windows: int, pages: int) -> None:
    """A run with any number of windows and pages is at most 6 % slower than the rate limit, and never faster."""
    ahead = SimulatedReadAhead(windows, pages)
    ahead.write_all()
    assert len(ahead.sent) == windows * pages
    assert ahead.sent[-1] - ahead.sent[0] <= 1.06 * (windows * pages - 1) / REQUESTS_PER_SECOND + 0.01
    assert all(later - earlier > 1 for earlier, later in zip(ahead.sent, ahead.sent[3:], strict=False))


@pytest.mark.parametrize(("windows", "pages"), [(20, 3), (5, 12), (8, 20)])
def test_first_window_is_written_without_delay(windows: int, pages: int) -> None:
    """The first window is written as soon as its pages arrive, with at most one slot of delay per page."""
    ahead = SimulatedReadAhead(windows, pages)
    ahead.write_all()
    assert ahead.written[0] <= pages * LATENCY + (pages - 1) * 0.36
    assert ahead.written[0] <= 1.2 * pages * LATENCY


def test_exhausted_quota_leaves_complete_windows() -> None:
    """With half of the requests for eight windows, three windows are complete."""
    ahead = SimulatedReadAhead(8, 10, quota=40)
    with pytest.raises(QuotaExhaustedError):
        ahead.write_all()
    assert len(ahead.written) == 3


def test_one_thread_sends_a_request_after_each_response() -> None:
    """A single thread sends a request right after each response."""
    ahead = SimulatedReadAhead(3, 4, parallel=1)
    ahead.write_all()
    assert ahead.written == pytest.approx([4.0, 8.0, 12.0])
