"""Retries: how many, and after which waits."""

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
from support.sandbox_clients import retries_of

from tap_gong_activity.base.cancellation import CancelledError
from tap_gong_activity.base.errors import GongError
from tap_gong_activity.base.stats import Tally
from tap_gong_activity.gong.retries import FatalError, Retries, RetryableError, retry_after

if TYPE_CHECKING:
    from collections.abc import Callable


class Attempt:
    """Fails a number of times, then returns its number."""

    def __init__(self, failures: float = float("inf"), **options: Any) -> None:  # noqa: ANN401 (those of RetryableError)
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


def retrying(clock: FakeClock, **given_settings: Any) -> tuple[Retries, Tally, list[str]]:  # noqa: ANN401 (settings)
    """Return retries with these settings, their counts and their log."""
    tally, log = Tally(), list[str]()
    return retries_of(settings_with(**given_settings), clock=clock, tally=tally, log=log.append), tally, log


def test_a_success_is_not_retried() -> None:
    """The result is returned at once."""
    clock, attempt = FakeClock(), Attempt(0)
    retries, tally, log = retrying(clock)
    assert retries.call(attempt) == 1
    assert (clock.waits, tally.retries, log) == ([], 0, [])


@pytest.mark.parametrize("max_retries", [0, 2])
def test_there_are_as_many_attempts_as_the_setting_says(max_retries: int) -> None:
    """One more than retries; the error names the last failure and the number of attempts."""
    attempt = Attempt(status=503)
    retries, tally, log = retrying(FakeClock(), max_retries=max_retries)
    with pytest.raises(GongError, match=f"^Failure {max_retries + 1}; giving up after ") as caught:
        retries.call(attempt)
    assert caught.value.status == 503
    assert (attempt.calls, tally.retries, len(log)) == (max_retries + 1, max_retries, max_retries)
    assert str(caught.value).endswith(
        f"{max_retries + 1} attempts" if max_retries else "1 attempt, as max_retries is 0"
    )


def test_the_last_attempt_can_succeed() -> None:
    """Its result is returned."""
    retries, _, _ = retrying(FakeClock(), max_retries=2)
    assert retries.call(Attempt(2)) == 3


def test_waits_double_up_to_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits without jitter, which can only shorten them."""
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
    """No wait exceeds the setting or the exponential backoff."""
    clock = FakeClock()
    retries, _, _ = retrying(clock, max_retries=max_retries, max_retry_wait=max_retry_wait)
    with pytest.raises(GongError):
        retries.call(Attempt())
    assert len(clock.waits) == max_retries
    assert all(0 <= wait <= min(2**number, 60, max_retry_wait) for number, wait in enumerate(clock.waits))


def test_waits_differ() -> None:
    """Threads and runs that failed together don't retry together."""
    clock = FakeClock()
    retries, _, _ = retrying(clock, max_retries=40)
    with pytest.raises(GongError):
        retries.call(Attempt())
    assert len(set(clock.waits)) == 40


def test_a_429_does_not_count_as_a_retry() -> None:
    """Other failures in between do."""
    clock, attempt = FakeClock(), failing_with(429, 429, 503, 429, 503, 429, 429)

    retries, tally, log = retrying(clock, max_retries=2)
    assert retries.call(attempt) == "done"
    assert len(clock.waits) == tally.retries == 7
    assert [line.endswith(" of 3)") for line in log] == [False, False, True, False, True, False, False]


def test_a_429_waits_at_least_half_of_the_backoff() -> None:
    """Any other response in between resets the backoff."""
    clock, attempt = FakeClock(), failing_with(429, 429, 429, 503, 429)

    retrying(clock)[0].call(attempt)
    bounds = [(0.5, 1), (1, 2), (2, 4), (0, 1), (0.5, 1)]
    assert all(least <= wait <= most for wait, (least, most) in zip(clock.waits, bounds, strict=True))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("seconds", "waits"), [(7.0, [7, 7, 7, 8]), (None, [1, 2, 4, 8])])
def test_the_longer_of_backoff_and_retry_after_is_waited(
    status: int, seconds: float | None, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Retry-After counts with any status."""
    monkeypatch.setattr("random.uniform", lambda _least, most: most)
    clock = FakeClock()
    retries, _, _ = retrying(clock)
    assert retries.call(Attempt(4, status=status, retry_after=seconds)) == 5
    assert clock.waits == waits


@pytest.mark.parametrize("status", [429, 503])
def test_a_longer_wait_than_the_setting_ends_the_run(status: int) -> None:
    """The error names the wait and when it would end."""
    retries, _, log = retrying(FakeClock(), max_retry_wait=600)
    with pytest.raises(
        FatalError, match=r"with a Retry-After of 7,200 s \(until 2025-03-12 22:00 UTC\), longer"
    ) as caught:
        retries.call(Attempt(status=status, retry_after=7_200.0))
    assert caught.value.status == status
    assert log == []


@pytest.mark.parametrize(("max_retry_wait", "retry_after"), [(0, None), (600, None), (600, 1.0)])
def test_429_in_a_row_ends_the_run_after_max_retry_wait(max_retry_wait: int, retry_after: float | None) -> None:
    """The error names the setting; even with 0 the request is retried once."""
    clock, attempt = FakeClock(), Attempt(status=429, retry_after=retry_after)
    retries, _, _ = retrying(clock, max_retry_wait=max_retry_wait, max_retries=0)
    # What counts is the time since the first refusal.
    clock.pass_by(1_000)
    with pytest.raises(FatalError, match=rf"max_retry_wait \({max_retry_wait} s\)") as caught:
        retries.call(attempt)
    assert caught.value.status == 429
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
        # Measured against the response's own clock, which may be hours ahead or behind.
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
def test_a_retry_after_is_a_number_a_date_or_a_list(value: str, date: str | None, seconds: float | None) -> None:
    """Anything else is ignored, and so are the past and what is over a year away."""
    headers = CaseInsensitiveDict({"retry-after": value, **({"date": date} if date else {})})
    assert retry_after(headers, NOW) == seconds


def test_most_responses_have_no_retry_after() -> None:
    """None means that there's no wait to honor."""
    assert retry_after({}, NOW) is None


def test_other_errors_are_not_retried() -> None:
    """A refusal, a bug and the end of the run are raised unchanged."""
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


def test_the_end_of_the_run_ends_the_wait() -> None:
    """There's no further attempt."""
    clock, attempt = FakeClock(), Attempt()
    clock.on_wait = lambda _: clock.stop()
    retries, _, _ = retrying(clock)
    with pytest.raises(CancelledError):
        retries.call(attempt)
    assert attempt.calls == 1


def test_every_wait_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """It's the clock's, and not `time.sleep`, which nothing interrupts."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    retries, _, _ = retrying(FakeClock())
    with pytest.raises(GongError):
        retries.call(Attempt())
    assert not any(slept)
