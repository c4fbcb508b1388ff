"""The rate limit, which no combination of threads, timing and responses exceeds."""

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
def test_requests_are_never_closer_than_the_pace_allows(rate: float, threads: list[list[tuple[float, str]]]) -> None:
    """That holds for any number of threads, timing and responses; a pause holds for every thread."""
    clock = SharedClock()
    limiter = RateLimiter(rate, clock)
    sent: list[float] = []
    paused_until: list[float] = [0.0]

    def working(steps: list[tuple[float, str]]) -> Callable[[], None]:
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

    clock.run(*map(working, threads))
    assert len(sent) == sum(map(len, threads))
    assert all(gap >= MARGIN / rate - ROUNDING for gap in gaps(sorted(sent)))


@pytest.mark.parametrize("rate", [0.5, 1000])
def test_the_pace_is_used_up(rate: float) -> None:
    """The spacing is 5 % wider than the rate allows, and no more."""
    clock = FakeClock()
    sent = send(RateLimiter(rate, clock), clock, 20)
    assert gaps(sent) == pytest.approx([1.05 / rate] * 19)


@pytest.mark.parametrize("rate", [1e-320, 1e308])
def test_any_rate_that_a_setting_can_have_works(rate: float) -> None:
    """The first request doesn't wait."""
    clock = FakeClock()
    limiter = RateLimiter(rate, clock)
    limiter.acquire()
    if rate > 1:
        clock.pass_by(10)
        limiter.acquire()
    assert clock.waits == []


def test_a_break_earns_no_burst() -> None:
    """After ten seconds without a request, the spacing is the same."""
    clock = FakeClock()
    limiter = RateLimiter(3, clock)
    limiter.acquire()
    clock.pass_by(10)
    assert gaps(send(limiter, clock, 4)) == pytest.approx([0.35] * 3)


def test_the_most_urgent_request_goes_first_then_the_oldest() -> None:
    """What counts is its priority when the slot comes, not when it began to wait."""
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
    """With equal priorities, each of six threads gets every sixth slot."""
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


def test_a_pause_holds_for_every_thread_also_those_already_waiting() -> None:
    """The spacing after it is the same, and a shorter pause doesn't shorten it."""
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


def test_a_429_widens_the_spacing_and_good_responses_narrow_it_again() -> None:
    """It never gets narrower than at the beginning."""
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
    """Their requests were sent at the same spacing, so together they say no more about it than one does."""
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


def test_the_spacing_has_an_upper_bound() -> None:
    """A day of 429s doesn't leave the run with one request per hour."""
    clock = FakeClock()
    limiter = RateLimiter(3, clock)
    for _ in range(1_000):
        limiter.acquire()
        limiter.refused(0)
    assert gaps(send(limiter, clock, 2)) == pytest.approx([3.5])


def test_the_end_of_the_run_ends_the_wait() -> None:
    """With the real clock, which is stopped before the wait begins."""
    clock = Clock()
    limiter = RateLimiter(0.001, clock)
    limiter.acquire()
    clock.stop()
    with pytest.raises(CancelledError):
        limiter.acquire()


def test_a_cancelled_request_takes_no_slot() -> None:
    """The next request is sent as if it had never waited."""
    clock = FakeClock()
    limiter = RateLimiter(1, clock)
    limiter.acquire()
    window = Cancellation()
    window.cancel()
    with window.bound(), pytest.raises(CancelledError):
        limiter.acquire()
    assert clock.waits == []
    assert send(limiter, clock, 1) == pytest.approx([MARGIN])
