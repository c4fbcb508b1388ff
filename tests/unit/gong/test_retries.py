"""Retries: their number, and the waits in between."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict
from support.default_config import settings_with
from support.fake_clock import FakeClock
from support.hypothesis_settings import FEW
from support.sandbox_clients import make_retries

from tap_gong_activity.base.cancellation import CancelledError
from tap_gong_activity.base.errors import GongError
from tap_gong_activity.base.stats import Tally
from tap_gong_activity.gong.retries import FatalError, Retries, RetryableError, retry_after

if TYPE_CHECKING:
    from collections.abc import Callable


class Attempt:
    """Fails a number of times, then returns its number."""

    def __init__(self, failures: float = float("inf"), **options: Any) -> None:  # noqa: ANN401 - those of RetryableError
        self.calls = 0
        self._failures = failures
        self._options = options

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self._failures:
            reason = f"Failure {self.calls}"
            raise RetryableError(reason, **self._options)
        return self.calls


def failing_with(*statuses: int) -> Callable[[], str]:
    """Return an attempt that fails with each of these statuses, and then succeeds."""
    failures = [RetryableError("Failure", status) for status in statuses]

    def attempt() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    return attempt


def retrying(clock: FakeClock, **settings: Any) -> tuple[Retries, Tally, list[str]]:  # noqa: ANN401 - those of the tap
    """Return retries with these settings, their counts and their log."""
    tally, log = Tally(), list[str]()
    return make_retries(settings_with(**settings), clock=clock, tally=tally, log=log.append), tally, log


def test_success_is_not_retried() -> None:
    """A successful attempt isn't retried."""
    clock, attempt = FakeClock(), Attempt(0)
    retries, tally, log = retrying(clock)
    assert retries.call(attempt) == 1
    assert (clock.waits, tally.retries, log) == ([], 0, [])


@pytest.mark.parametrize("max_retries", [0, 2])
def test_max_retries_limits_attempts(max_retries: int) -> None:
    """There's one attempt more than max_retries; the error has the last failure and the number of attempts."""
    attempt = Attempt(status=503)
    retries, tally, log = retrying(FakeClock(), max_retries=max_retries)
    with pytest.raises(GongError, match=f"^Failure {max_retries + 1}; giving up after ") as raised:
        retries.call(attempt)
    assert raised.value.status == 503
    assert (attempt.calls, tally.retries, len(log)) == (max_retries + 1, max_retries, max_retries)
    assert str(raised.value).endswith(
        f"{max_retries + 1} attempts" if max_retries else "1 attempt, as max_retries is 0"
    )


def test_last_attempt_can_succeed() -> None:
    """The result of the last attempt is returned if it succeeds."""
    retries, _, _ = retrying(FakeClock(), max_retries=2)
    assert retries.call(Attempt(2)) == 3


def test_waits_double_up_to_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without jitter, waits double up to a minute."""
    monkeypatch.setattr("random.uniform", lambda _least, most: most)
    clock = FakeClock()
    retries, _, log = retrying(clock, max_retries=9)
    with pytest.raises(GongError):
        retries.call(Attempt())
    assert clock.waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert log[1] == "Failure 2; retrying in 2.0 s (attempt 3 of 10)"


@FEW
@given(max_retry_wait=st.floats(0, 100), max_retries=st.integers(0, 12))
def test_waits_have_full_jitter_below_max_retry_wait(max_retry_wait: float, max_retries: int) -> None:
    """No wait exceeds max_retry_wait or the exponential backoff."""
    clock = FakeClock()
    retries, _, _ = retrying(clock, max_retries=max_retries, max_retry_wait=max_retry_wait)
    with pytest.raises(GongError):
        retries.call(Attempt())
    assert len(clock.waits) == max_retries
    assert all(0 <= wait <= min(2**number, 60, max_retry_wait) for number, wait in enumerate(clock.waits))


def test_waits_are_random() -> None:
    """Waits are random, so that threads and runs that failed together don't retry together."""
    clock = FakeClock()
    retries, _, _ = retrying(clock, max_retries=40)
    with pytest.raises(GongError):
        retries.call(Attempt())
    assert len(set(clock.waits)) == 40


def test_429_does_not_count_as_a_retry() -> None:
    """A 429 doesn't count as a retry, and other failures in between do."""
    clock, attempt = FakeClock(), failing_with(429, 429, 503, 429, 503, 429, 429)

    retries, tally, log = retrying(clock, max_retries=2)
    assert retries.call(attempt) == "done"
    assert len(clock.waits) == tally.retries == 7
    assert [line.endswith(" of 3)") for line in log] == [False, False, True, False, True, False, False]


def test_429_waits_at_least_half_of_the_backoff() -> None:
    """A 429 waits at least half of the backoff, which any other response resets."""
    clock, attempt = FakeClock(), failing_with(429, 429, 429, 503, 429)

    retrying(clock)[0].call(attempt)
    bounds = [(0.5, 1), (1, 2), (2, 4), (0, 1), (0.5, 1)]
    assert all(least <= wait <= most for wait, (least, most) in zip(clock.waits, bounds, strict=True))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("seconds", "waits"), [(7.0, [7, 7, 7, 8]), (None, [1, 2, 4, 8])])
def test_longer_of_backoff_and_retry_after_is_waited(
    status: int, seconds: float | None, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait is the longer of backoff and Retry-After, with any status."""
    monkeypatch.setattr("random.uniform", lambda _least, most: most)
    clock = FakeClock()
    retries, _, _ = retrying(clock)
    assert retries.call(Attempt(4, status=status, retry_after=seconds)) == 5
    assert clock.waits == waits


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_above_max_retry_wait_is_fatal(status: int) -> None:
    """A Retry-After above max_retry_wait is an error with the wait and its end."""
    retries, _, log = retrying(FakeClock(), max_retry_wait=600)
    with pytest.raises(
        FatalError, match=r"with a Retry-After of 7,200 s \(until 2025-03-12 22:00 UTC\), longer"
    ) as raised:
        retries.call(Attempt(status=status, retry_after=7_200.0))
    assert raised.value.status == status
    assert log == []


@pytest.mark.parametrize(("max_retry_wait", "retry_after"), [(0, None), (600, None), (600, 1.0)])
def test_429_for_max_retry_wait_is_fatal(max_retry_wait: int, retry_after: float | None) -> None:
    """A request that is refused with 429 for max_retry_wait fails, after at least one retry."""
    clock, attempt = FakeClock(), Attempt(status=429, retry_after=retry_after)
    retries, _, _ = retrying(clock, max_retry_wait=max_retry_wait, max_retries=0)
    # Only the time since the first 429 counts.
    clock.advance(1_000)
    with pytest.raises(FatalError, match=f"max_retry_wait is {max_retry_wait} s") as raised:
        retries.call(attempt)
    assert raised.value.status == 429
    assert attempt.calls >= 2
    assert max_retry_wait <= sum(clock.waits) <= max_retry_wait + 60


NOW = datetime(2025, 3, 12, 20, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("5", None, 5),
        (" 5 ", None, 5),
        ("0.5", None, 0.5),
        ("2, 3", None, 3),
        ("30,2", None, 30),
        ("soon, 2", None, 2),
        ("2, 1773345600", None, 2),
        ("Wed, 12 Mar 2025 20:01:30 GMT", None, 90),
        ("Wed, 12 Mar 2025 20:01:30 -0000", None, 90),
        ("Wed, 12 Mar 2025 21:01:30 +0100", None, 90),
        ("Wednesday, 12-Mar-25 20:01:30 GMT", None, 90),
        ("Wed Mar 12 20:01:30 2025", None, 90),
        ("Wed, 12 Mar 2025 20:01:30 GMT, Wed, 12 Mar 2025 20:02:00 GMT", None, 120),
        ("5, Wed, 12 Mar 2025 20:01:30 GMT", None, 90),
        ("31622400", None, 31_622_400),
        # Relative to the response's Date, which may be hours off.
        ("Wed, 12 Mar 2025 22:00:02 GMT", "Wed, 12 Mar 2025 22:00:00 GMT", 2),
        ("Wed, 12 Mar 2025 20:01:30 GMT", "yesterday", 90),
        # Not a wait.
        ("", None, None),
        ("0", None, None),
        ("-5", None, None),
        ("Wed, 12 Mar 2025 19:59:00 GMT", None, None),
        ("31622401", None, None),
        ("nan", None, None),
        ("5 seconds", None, None),
        ("Wed, 12 Mar 2025 20:01:30 +99999999999999999999", None, None),
        ("2025-03-12T20:01:30Z", None, None),
        ("9" * 60_000, None, None),
    ],
)
def test_retry_after_is_a_number_a_date_or_a_list(value: str, date: str | None, seconds: float | None) -> None:
    """A Retry-After is a number, a date or a list; the past and more than a year are ignored."""
    headers = CaseInsensitiveDict({"retry-after": value, **({"date": date} if date else {})})
    assert retry_after(headers, NOW) == seconds


def test_missing_retry_after_is_none() -> None:
    """Without the header, there's no Retry-After."""
    assert retry_after({}, NOW) is None


def test_other_errors_are_not_retried() -> None:
    """Other errors are raised unchanged."""
    for error in (GongError("Refused", 400), ValueError("A bug"), CancelledError()):
        calls: list[int] = []

        def fail(error: Exception = error, calls: list[int] = calls) -> None:
            calls.append(1)
            raise error

        retries, _, _ = retrying(FakeClock())
        with pytest.raises(type(error)) as raised:
            retries.call(fail)
        assert raised.value is error
        assert calls == [1]


def test_stop_ends_the_wait() -> None:
    """The end of the run ends the wait, without a further attempt."""
    clock, attempt = FakeClock(), Attempt()
    clock.on_wait = lambda _: clock.stop()
    retries, _, _ = retrying(clock)
    with pytest.raises(CancelledError):
        retries.call(attempt)
    assert attempt.calls == 1


def test_waits_use_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits use the clock, which can be stopped, and never `time.sleep`."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    retries, _, _ = retrying(FakeClock())
    with pytest.raises(GongError):
        retries.call(Attempt())
    assert not any(slept)
