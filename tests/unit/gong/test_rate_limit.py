"""The rate limit: no combination of threads, timing and responses exceeds it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_clock import FakeClock, SharedClock
from support.hypothesis_settings import FEW

from tap_gong_activity.base.cancellation import Cancellation, CancelledError
from tap_gong_activity.base.clock import Clock
from tap_gong_activity.gong.rate_limit import MARGIN, WIDENING, RateLimiter, priority

if TYPE_CHECKING:
    from collections.abc import Callable

RATES = st.sampled_from([0.1, 0.5, 1.0, 1.5, 2.5, 3.0, 3.9, 10.0, 1000.0]) | st.floats(0.05, 50)
ROUNDING = 1e-6


def gaps(sent: list[float]) -> list[float]:
    """Return the seconds between each request and the next."""
    return [later - earlier for earlier, later in pairwise(sent)]


def send(limiter: RateLimiter, clock: Clock, number: int) -> list[float]:
    """Send that many requests as soon as possible, and return when each was sent."""
    sent = []
    for _ in range(number):
        limiter.acquire()
        sent.append(clock.monotonic())
    return sent


@FEW
@given(
    rate=RATES,
    threads=st.lists(
        st.lists(
            st.tuples(st.floats(0, 2) | st.just(0.0), st.sampled_from(["succeeded", "refused", "pause"])),
            min_size=1,
            max_size=10,
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_spacing_is_never_below_the_limit(rate: float, threads: list[list[tuple[float, str]]]) -> None:
    """Whatever threads, timing and responses, requests keep their spacing, and a pause applies to every thread."""
    clock = SharedClock()
    limiter = RateLimiter(rate, clock)
    sent: list[float] = []
    paused_until: list[float] = [0.0]

    def make_sender(steps: list[tuple[float, str]]) -> Callable[[], None]:
        def work() -> None:
            for gap, outcome in steps:
                clock.wait(gap)
                limiter.acquire()
                sent.append(clock.monotonic())
                assert sent[-1] >= paused_until[0] - ROUNDING
                if outcome == "succeeded":
                    limiter.succeeded()
                else:
                    paused_until[0] = max(paused_until[0], clock.monotonic() + gap)
                    getattr(limiter, outcome)(gap)

        return work

    clock.run(*map(make_sender, threads))
    assert len(sent) == sum(map(len, threads))
    assert all(gap >= MARGIN / rate - ROUNDING for gap in gaps(sorted(sent)))


@pytest.mark.parametrize("rate", [0.5, 1000])
def test_rate_is_used_up(rate: float) -> None:
    """The spacing is exactly 5 % wider than the rate allows."""
    clock = FakeClock()
    sent = send(RateLimiter(rate, clock), clock, 20)
    assert gaps(sent) == pytest.approx([1.05 / rate] * 19)


@pytest.mark.parametrize("rate", [1e-320, 1e308])
def test_extreme_rates_work(rate: float) -> None:
    """Extreme rates work, and the first request doesn't wait."""
    clock = FakeClock()
    limiter = RateLimiter(rate, clock)
    limiter.acquire()
    if rate > 1:
        clock.advance(10)
        limiter.acquire()
    assert clock.waits == []


def test_break_earns_no_burst() -> None:
    """After a break, requests have the same spacing as before."""
    clock = FakeClock()
    limiter = RateLimiter(3, clock)
    limiter.acquire()
    clock.advance(10)
    assert gaps(send(limiter, clock, 4)) == pytest.approx([0.35] * 3)


def test_most_urgent_request_goes_first_then_the_oldest() -> None:
    """The request with the lowest priority at the time of the slot goes first, or the oldest of equals."""
    clock = SharedClock()
    limiter = RateLimiter(1, clock)
    order: list[str] = []
    urgencies = {"a": 1, "b": 1, "c": 0, "d": 5, "e": 1}

    def sending_as(name: str) -> Callable[[], None]:
        def send() -> None:
            priority.set(lambda: urgencies[name])
            clock.wait("abcde".index(name) / 100)
            limiter.acquire()
            order.append(name)

        return send

    def change() -> None:
        clock.wait(1.5)
        urgencies["d"] = -1

    clock.run(*map(sending_as, "abcde"), change)
    assert order == ["a", "c", "d", "b", "e"]


def test_no_thread_starves() -> None:
    """With equal priorities, threads take turns."""
    clock = SharedClock()
    limiter = RateLimiter(1, clock)
    order: list[int] = []

    def sending_as(number: int) -> Callable[[], None]:
        def send() -> None:
            clock.wait(number / 100)
            for _ in range(5):
                limiter.acquire()
                order.append(number)

        return send

    clock.run(*map(sending_as, range(6)))
    # The first thread gets the first slot, and waits again before any other does.
    assert order[1:25] == [*range(6)] * 4


def test_pause_applies_to_waiting_threads() -> None:
    """A pause applies to every thread, including those that already wait, and a shorter one doesn't shorten it."""
    clock = SharedClock()
    limiter = RateLimiter(1, clock)
    sent: list[float] = []

    def send() -> None:
        limiter.acquire()
        sent.append(clock.monotonic())

    def pause() -> None:
        clock.wait(0.5)
        limiter.pause(100)
        limiter.pause(5)

    clock.run(pause, *[send] * 5)
    assert sent == pytest.approx([0.0, *(100.5 + number * MARGIN for number in range(4))])


def test_429_widens_the_spacing_and_successes_narrow_it() -> None:
    """A 429 widens the spacing, and successful responses narrow it down to its initial value."""
    clock = FakeClock()
    limiter = RateLimiter(3, clock)
    limiter.acquire()
    limiter.refused(1)
    assert gaps(send(limiter, clock, 3)) == pytest.approx([0.35 * WIDENING] * 2)
    for _ in range(30):
        limiter.succeeded()
    assert 0.36 < gaps(send(limiter, clock, 2))[0] < 0.39
    for _ in range(300):
        limiter.succeeded()
    assert gaps(send(limiter, clock, 3))[1:] == pytest.approx([0.35])


def test_several_429s_at_once_widen_the_spacing_once() -> None:
    """Several requests in flight that are refused with 429 widen the spacing once."""
    clock = SharedClock()
    limiter = RateLimiter(3, clock)
    sent: list[float] = []

    def refused() -> None:
        limiter.acquire()
        clock.wait(5 - clock.monotonic())
        limiter.refused(1)

    def later() -> None:
        clock.wait(20)
        sent.extend(send(limiter, clock, 3))

    clock.run(later, *[refused] * 5)
    assert gaps(sent) == pytest.approx([0.35 * WIDENING] * 2)


def test_spacing_has_a_maximum() -> None:
    """The spacing has a maximum, however many 429s there are."""
    clock = FakeClock()
    limiter = RateLimiter(3, clock)
    for _ in range(1_000):
        limiter.acquire()
        limiter.refused(0)
    assert gaps(send(limiter, clock, 2)) == pytest.approx([3.5])


def test_stop_ends_the_wait() -> None:
    """The end of the run ends the wait for a slot."""
    clock = Clock()
    limiter = RateLimiter(0.001, clock)
    limiter.acquire()
    clock.stop()
    with pytest.raises(CancelledError):
        limiter.acquire()


def test_cancelled_request_takes_no_slot() -> None:
    """A cancelled request takes no slot."""
    clock = FakeClock()
    limiter = RateLimiter(1, clock)
    limiter.acquire()
    window = Cancellation()
    window.cancel()
    with window.bound(), pytest.raises(CancelledError):
        limiter.acquire()
    assert clock.waits == []
    assert send(limiter, clock, 1) == pytest.approx([MARGIN])
