"""Retries: how often to retry a failure, and how long to wait in between."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from tap_gong_activity.base.errors import GongError
from tap_gong_activity.base.stats import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_gong_activity.base.clock import Clock
    from tap_gong_activity.base.stats import Tally

MAX_BACKOFF = 60.0
"""Maximum exponential backoff in seconds."""

MAX_RETRY_AFTER = 366 * 86_400.0
"""Seconds above which a Retry-After is ignored, because it must be something else, such as a timestamp."""

MAX_HEADER_LENGTH = 2_000
"""Characters of a header to parse."""

T = TypeVar("T")


class RetryableError(Exception):
    """A failed attempt that a retry may fix.

    Attributes:
        reason: What happened, as the start of a sentence.
        status: The HTTP status, if there was a response.
        retry_after: The Retry-After of the response, in seconds.
    """

    def __init__(self, reason: str, status: int | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


class FatalError(GongError):
    """A failure that affects every request of the run."""


class Retries:
    """Retries with exponential backoff and jitter, at most `max_retries` times.

    A 429 doesn't count as a retry, but the request fails after being refused for longer than `max_wait`.

    Args:
        max_retries: Maximum number of retries.
        max_wait: Maximum wait between two attempts, and maximum time to be refused with 429, in seconds.
        clock: The clock of the run.
        tally: Counts the retries.
        log: Called with a sentence about each failed attempt.
        counts_refusals: Whether a 429 counts as a retry, because someone is waiting for the result.
    """

    def __init__(
        self,
        *,
        max_retries: int,
        max_wait: float,
        clock: Clock,
        tally: Tally,
        log: Callable[[str], None],
        counts_refusals: bool = False,
    ) -> None:
        self._max_retries = max_retries
        self._max_wait = max_wait
        self._clock = clock
        self._tally = tally
        self._log = log
        self._counts_refusals = counts_refusals

    def call(self, attempt: Callable[[], T], name: str = "") -> T:
        """Call `attempt` until it succeeds, and return its result.

        Args:
            attempt: The attempt; raises RetryableError if a retry may help.
            name: Name of the request in log messages.

        Raises:
            FatalError: If a Retry-After, or the time refused with 429, is longer than `max_wait`.
            GongError: If no attempt succeeded.
        """
        failures = refusals = 0
        refused_since = 0.0
        while True:
            try:
                return attempt()
            except RetryableError as error:
                failure = error
            if failure.status == HTTPStatus.TOO_MANY_REQUESTS and not self._counts_refusals:
                refusals += 1
                now = self._clock.monotonic()
                refused_since = refused_since if refusals > 1 else now
                self._check_refusals(failure, refusals, now - refused_since)
                # At least half of it, because a 429 doesn't go away by chance.
                backoff = self._backoff(refusals)
                backoff = random.uniform(backoff / 2, backoff)  # noqa: S311 - no secret
                attempts = ""
            else:
                failures, refusals = failures + 1, 0
                if failures > self._max_retries:
                    tries = f"{failures} attempts" if failures > 1 else "1 attempt, as max_retries is 0"
                    message = f"{failure.reason}; giving up after {tries}"
                    raise GongError(message, failure.status)
                backoff = random.uniform(0, self._backoff(failures))  # noqa: S311 - no secret
                attempts = f" (attempt {failures + 1} of {self._max_retries + 1})"
            self._wait(failure, backoff, attempts, f"{name}: " if name else "")

    def _backoff(self, number: int) -> float:
        return min(2.0 ** min(number - 1, 30), MAX_BACKOFF, self._max_wait)

    def _check_refusals(self, failure: RetryableError, refusals: int, seconds: float) -> None:
        # `>=`, or with a coarse clock a `max_wait` of 0 would never end.
        if refusals > 1 and seconds >= self._max_wait:
            message = (
                f"{failure.reason}; it has refused this request for {seconds:,.0f} s, and max_retry_wait is "
                f"{self._max_wait:g} s: run again later"
            )
            raise FatalError(message, failure.status)

    def _wait(self, failure: RetryableError, backoff: float, attempts: str, where: str) -> None:
        if failure.retry_after is not None and failure.retry_after > self._max_wait:
            until = self._clock.now() + timedelta(seconds=failure.retry_after)
            message = (
                f"{failure.reason}, with a Retry-After of {failure.retry_after:,.0f} s (until {until:%Y-%m-%d %H:%M} "
                f"UTC), longer than max_retry_wait ({self._max_wait:g} s): run again after that"
            )
            raise FatalError(message, failure.status)
        seconds = max(backoff, failure.retry_after or 0.0)
        self._tally.add(retries=1)
        self._log(f"{where}{failure.reason}; retrying in {seconds:.1f} s{attempts}")
        is_refusal = failure.status == HTTPStatus.TOO_MANY_REQUESTS
        with self._tally.waiting(Wait.SLOT if is_refusal else Wait.GONG):
            self._clock.wait(seconds)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds in a Retry-After header, or None if it's missing or invalid.

    It's a number, a date, or a list to which several servers have added theirs; the largest counts.

    Args:
        headers: Headers of the response. A date is relative to their `Date`, so no clock has to be right.
        now: The current time, for a date in headers without a `Date`.
    """
    now = _http_date(headers.get("Date", "")) or now
    # A date's only comma follows its weekday, without which it can be parsed as well.
    parts = headers.get("Retry-After", "")[:MAX_HEADER_LENGTH].split(",")
    waits = [seconds for part in parts if 0 < (seconds := _seconds(part.strip(), now)) <= MAX_RETRY_AFTER]
    return max(waits, default=None)


def _seconds(text: str, now: datetime) -> float:
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", text):
        return float(text)
    date = _http_date(text)
    return (date - now).total_seconds() if date else 0.0


def _http_date(text: str) -> datetime | None:
    text = text[:MAX_HEADER_LENGTH]
    if ":" not in text:
        return None
    try:
        date = parsedate_to_datetime(text)
        # Dates in HTTP are in UTC.
        return date if date.tzinfo else date.replace(tzinfo=timezone.utc)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
