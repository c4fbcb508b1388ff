"""The pace of a run, which no combination of threads and moments may exceed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_clock import FakeClock, SharedClock
from support.properties import FEW, SOME

from tap_gong_activity.base.clock import Clock, RunStoppedError
from tap_gong_activity.gong.rate_limit import MARGIN, RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

RATES = st.sampled_from([0.1, 0.5, 1.0, 1.5, 2.5, 3.0, 3.9, 10.0, 1000.0]) | st.floats(0.05, 50)
ROUNDING = 1e-6


def assert_paced(begun: list[float], rate: float) -> None:
    """No second with more than the rate's calls; for a fraction, no longer span with more than fit into it."""
    calls = math.ceil(rate)
    times = sorted(begun)
    for first, behind in zip(times, times[calls:], strict=False):
        assert behind - first >= max(1.0, calls / rate) - ROUNDING


@SOME
@given(rate=RATES, gaps=st.lists(st.floats(0, 3) | st.just(0.0), min_size=1, max_size=60))
def test_one_thread_never_calls_too_often(rate: float, gaps: list[float]) -> None:
    """However long it does something else between its calls."""
    clock = FakeClock()
    limiter = RateLimiter(rate, clock)
    begun = []
    for gap in gaps:
        clock.pass_by(gap)
        limiter.wait_for_turn()
        begun.append(clock.monotonic())
    assert_paced(begun, rate)


@FEW
@given(
    rate=RATES,
    threads=st.lists(st.lists(st.floats(0, 2) | st.just(0.0), min_size=1, max_size=10), min_size=2, max_size=6),
)
def test_several_threads_together_never_call_too_often(rate: float, threads: list[list[float]]) -> None:
    """They share the pace."""
    clock = SharedClock()
    limiter = RateLimiter(rate, clock)
    begun: list[float] = []

    def working(gaps: list[float]) -> Callable[[], None]:
        def work() -> None:
            for gap in gaps:
                clock.wait(gap)
                limiter.wait_for_turn()
                begun.append(clock.monotonic())

        return work

    clock.run(*map(working, threads))
    assert len(begun) == sum(map(len, threads))
    assert_paced(begun, rate)


@pytest.mark.parametrize("rate", [0.5, 1, 2.5, 3, 10, 1000])
def test_the_pace_is_used_up(rate: float) -> None:
    """Nobody waits for longer than a few hundredths more than needed."""
    clock = FakeClock()
    limiter = RateLimiter(rate, clock)
    calls = math.ceil(rate) * 5
    for _ in range(calls):
        limiter.wait_for_turn()
    assert clock.monotonic() <= 4 * 1.05 * math.ceil(rate) / rate


@pytest.mark.parametrize("rate", [1e-320, 1e-9, 1e9, 1e19, 1e308])
def test_any_rate_that_a_setting_can_have_is_taken(rate: float) -> None:
    """The first call never waits."""
    clock = FakeClock()
    RateLimiter(rate, clock).wait_for_turn()
    assert clock.waits == []


@SOME
@given(
    rate=st.sampled_from([0.5, 1.0, 3.0, 100.0]),
    holds=st.dictionaries(st.integers(0, 9), st.floats(0, 600), max_size=3),
)
def test_a_hold_keeps_every_call_back(rate: float, holds: dict[int, float]) -> None:
    """None begins before the longest of the holds has passed."""
    clock = FakeClock()
    limiter = RateLimiter(rate, clock)
    held_until = 0.0
    begun = []
    for number in range(10):
        if number in holds:
            limiter.hold(holds[number])
            held_until = max(held_until, clock.monotonic() + holds[number])
        limiter.wait_for_turn()
        begun.append(clock.monotonic())
        assert begun[-1] >= held_until - ROUNDING
    assert_paced(begun, rate)


def test_a_hold_keeps_those_back_who_wait_already() -> None:
    """Four threads wait for their turns when a fifth is told to come back later."""
    clock = SharedClock()
    limiter = RateLimiter(1, clock)
    begun: list[float] = []

    def ask() -> None:
        limiter.wait_for_turn()
        begun.append(clock.monotonic())

    def hold() -> None:
        clock.wait(0.5)
        limiter.hold(100)

    clock.run(hold, *[ask] * 5)
    assert begun[0] == 0.0
    assert begun[1:] == pytest.approx([100.5 + number * MARGIN for number in range(4)])


def test_turns_come_in_the_order_in_which_they_are_asked_for() -> None:
    """Otherwise one window would fall behind and end alone."""
    clock = SharedClock()
    limiter = RateLimiter(2, clock)
    order: list[int] = []

    def asking_as(number: int) -> Callable[[], None]:
        def ask() -> None:
            clock.wait(number / 100)
            limiter.wait_for_turn()
            order.append(number)

        return ask

    clock.run(*map(asking_as, [5, 1, 4, 7, 2, 6, 3]))
    assert sorted(order[:2]) == [1, 2]
    assert [sorted(order[first : first + 2]) for first in (2, 4, 6)] == [[3, 4], [5, 6], [7]]


def test_a_shorter_hold_does_not_shorten_a_longer_one() -> None:
    """Gong may have told two threads different things."""
    clock = FakeClock()
    limiter = RateLimiter(3, clock)
    limiter.hold(50)
    limiter.hold(5)
    limiter.wait_for_turn()
    assert clock.monotonic() == pytest.approx(50)


def test_a_call_that_began_late_counts_from_then() -> None:
    """It waited for its connection, so the next ones wait for it."""
    clock = FakeClock()
    limiter = RateLimiter(1, clock)
    limiter.wait_for_turn()
    clock.pass_by(0.4)
    limiter.begin_late()
    limiter.wait_for_turn()
    assert clock.monotonic() == pytest.approx(0.4 + MARGIN)


def test_the_end_of_the_run_ends_the_wait() -> None:
    """By the real clock: it is stopped before anybody waits, so nobody does."""
    clock = Clock()
    limiter = RateLimiter(0.001, clock)
    limiter.wait_for_turn()
    clock.stop()
    with pytest.raises(RunStoppedError):
        limiter.wait_for_turn()


def test_the_end_of_the_run_wakes_those_who_wait() -> None:
    """A turn that is hours away is given up."""
    clock = FakeClock()
    clock.on_wait = lambda _: clock.stop()
    limiter = RateLimiter(0.001, clock)
    limiter.wait_for_turn()
    with pytest.raises(RunStoppedError):
        limiter.wait_for_turn()
    assert clock.waits == []
