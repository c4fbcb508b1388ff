"""Trying again: how often, and after which waits."""

from __future__ import annotations

import time
from typing import Any

import backoff
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_clock import FakeClock
from support.given_settings import settings_of
from support.properties import FEW
from support.sandbox_asking import retries_of

from tap_gong_activity.base.cancellation import CancelledError
from tap_gong_activity.base.errors import GongError
from tap_gong_activity.base.stats import Tally
from tap_gong_activity.gong.retries import Retries, TryAgainError


class Attempt:
    """Fails a number of times, then gives its number."""

    def __init__(self, failures: float = float("inf"), **options: Any) -> None:  # noqa: ANN401 (those of TryAgainError)
        self.calls = 0
        self._failures = failures
        self._options = options

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self._failures:
            reason = f"Failure {self.calls}"
            raise TryAgainError(reason, **self._options)
        return self.calls


def retrying(clock: FakeClock, **given_settings: Any) -> tuple[Retries, Tally, list[str]]:  # noqa: ANN401 (settings)
    """Retries with these settings, and what they count and log."""
    tally, log = Tally(), list[str]()
    return retries_of(settings_of(**given_settings), clock=clock, tally=tally, log=log.append), tally, log


def test_what_helps_at_once_is_not_tried_again() -> None:
    """Nobody waits."""
    clock, attempt = FakeClock(), Attempt(0)
    retries, tally, log = retrying(clock)
    assert retries.call(attempt) == 1
    assert (clock.waits, tally.retries, log) == ([], 0, [])


@pytest.mark.parametrize("max_retries", [0, 1, 2, 8])
def test_there_are_as_many_tries_as_the_setting_says(max_retries: int) -> None:
    """One more than retries; the last failure is told, with how often."""
    attempt = Attempt(status=503)
    retries, tally, log = retrying(FakeClock(), max_retries=max_retries)
    with pytest.raises(GongError, match=f"^Failure {max_retries + 1}; it was tried ") as caught:
        retries.call(attempt)
    assert caught.value.status == 503
    assert (attempt.calls, tally.retries, len(log)) == (max_retries + 1, max_retries, max_retries)
    assert str(caught.value).endswith(f"{max_retries + 1} times" if max_retries else "once, as max_retries is 0")


@pytest.mark.parametrize("max_retries", [1, 8])
def test_the_last_try_may_help(max_retries: int) -> None:
    """Its result is given."""
    retries, _, _ = retrying(FakeClock(), max_retries=max_retries)
    assert retries.call(Attempt(max_retries)) == max_retries + 1


def test_waits_double_up_to_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the jitter, of which these are the longest."""
    monkeypatch.setattr(backoff, "full_jitter", lambda longest: longest)
    clock = FakeClock()
    retries, _, log = retrying(clock, max_retries=9)
    with pytest.raises(GongError):
        retries.call(Attempt())
    assert clock.waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert log[1] == "Failure 2; try 3 of 10 follows in 2.0 s"


@FEW
@given(max_retry_wait=st.floats(0, 100), max_retries=st.integers(0, 12))
def test_waits_have_full_jitter_below_max_retry_wait(max_retry_wait: float, max_retries: int) -> None:
    """None is longer than the setting, nor than the doubling."""
    clock = FakeClock()
    retries, _, _ = retrying(clock, max_retries=max_retries, max_retry_wait=max_retry_wait)
    with pytest.raises(GongError):
        retries.call(Attempt())
    assert len(clock.waits) == max_retries
    assert all(0 <= wait <= min(2**number, 60, max_retry_wait) for number, wait in enumerate(clock.waits))


def test_waits_differ() -> None:
    """So that threads and runs that failed together do not come back together."""
    clock = FakeClock()
    retries, _, _ = retrying(clock, max_retries=40)
    with pytest.raises(GongError):
        retries.call(Attempt())
    assert len(set(clock.waits)) == 40


def test_a_held_try_waits_for_the_limiter_alone() -> None:
    """Gong has said how long, so no wait is added to it."""
    clock = FakeClock()
    retries, tally, log = retrying(clock, max_retries=3)
    assert retries.call(Attempt(2, is_held=True)) == 3
    assert (clock.waits, tally.retries) == ([], 2)
    assert log[0] == "Failure 1; try 2 of 4 follows after that"


def test_nothing_else_is_tried_again() -> None:
    """A refusal, a bug and the end of the run come through as they are."""
    for error in (GongError("Refused", 400), ValueError("A bug"), CancelledError()):
        calls: list[int] = []

        def fail(error: Exception = error, calls: list[int] = calls) -> None:
            calls.append(1)
            raise error

        retries, _, _ = retrying(FakeClock())
        with pytest.raises(type(error)) as caught:
            retries.call(fail)
        assert caught.value is error
        assert calls == [1]


def test_the_end_of_the_run_ends_the_waits() -> None:
    """There is no further try."""
    clock, attempt = FakeClock(), Attempt()
    clock.on_wait = lambda _: clock.stop()
    retries, _, _ = retrying(clock)
    with pytest.raises(CancelledError):
        retries.call(attempt)
    assert attempt.calls == 1


def test_no_wait_goes_past_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library that counts the tries would sleep by itself, which no signal could end."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    retries, _, _ = retrying(FakeClock())
    with pytest.raises(GongError):
        retries.call(Attempt())
    assert not any(slept)
