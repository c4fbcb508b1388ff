"""Retries: which failures another attempt may fix, how often to try, and how long to wait in between."""

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
"""Longest exponential wait between two attempts, in seconds."""

MAX_RETRY_AFTER = 366 * 86_400.0
"""Seconds beyond which a Retry-After isn't a wait; an epoch, say."""

MAX_HEADER_LENGTH = 2_000
"""Characters of a header that are looked at."""

T = TypeVar("T")


class RetryableError(Exception):
    """An attempt failed in a way that another may fix.

    Attributes:
        reason: What happened, as the beginning of a sentence.
        status: The HTTP status, if there was a response.
        retry_after: Seconds that the server asks to wait, if it does.
    """

    def __init__(self, reason: str, status: int | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


class FatalError(GongError):
    """A failure that every other request of the run would meet, too."""


class Retries:
    """Retries with exponential backoff and jitter, at most `max_retries` times.

    A 429 doesn't count as a retry: it's waited for as long as the server asks, up to `max_wait` in a row.

    Args:
        max_retries: Attempts after the first.
        max_wait: Longest wait between two attempts, and longest time to be refused by 429, in seconds.
        clock: What waits between two attempts.
        tally: Counts the attempts.
        log: Takes a sentence about each attempt that failed.
        counts_refusals: Whether a 429 counts as a retry after all, for somebody who waits for the result.
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

    def call(self, attempt: Callable[[], T]) -> T:
        """Return what `attempt` returns, as soon as it returns.

        Raises:
            FatalError: If the server asks for a longer wait than `max_wait`, or refuses for longer by 429.
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
                # Half of it at least, as a 429 isn't a matter of luck.
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
            self._wait(failure, backoff, attempts)

    def _backoff(self, number: int) -> float:
        return min(2.0 ** min(number - 1, 30), MAX_BACKOFF, self._max_wait)

    def _check_refusals(self, failure: RetryableError, refusals: int, seconds: float) -> None:
        # Equality counts, or `max_wait` 0 would never end with a clock that is coarse.
        if refusals > 1 and seconds >= self._max_wait:
            message = (
                f"{failure.reason}, and has refused this request for {seconds:,.0f} s, which is longer than "
                f"max_retry_wait ({self._max_wait:g} s): run again later"
            )
            raise FatalError(message, failure.status)

    def _wait(self, failure: RetryableError, backoff: float, attempts: str) -> None:
        if failure.retry_after is not None and failure.retry_after > self._max_wait:
            until = self._clock.now() + timedelta(seconds=failure.retry_after)
            message = (
                f"{failure.reason} and asking to wait {failure.retry_after:,.0f} s, until {until:%Y-%m-%d %H:%M} UTC, "
                f"which is longer than max_retry_wait ({self._max_wait:g} s): run again after that"
            )
            raise FatalError(message, failure.status)
        seconds = max(backoff, failure.retry_after or 0.0)
        self._tally.add(retries=1)
        self._log(f"{failure.reason}; retrying in {seconds:.1f} s{attempts}")
        is_refusal = failure.status == HTTPStatus.TOO_MANY_REQUESTS
        with self._tally.waiting(Wait.TURN if is_refusal else Wait.GONG):
            self._clock.wait(seconds)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks to wait, or None if it asks for nothing that can be waited for.

    It's a number, a date, or a list of numbers where several servers have added theirs, of which the largest counts.

    Args:
        headers: Those of the response. A date is measured against their own `Date`, so no clock has to be right.
        now: The instant that a date is measured against if there's no `Date`.
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
        # Without an offset it's UTC, as in all of HTTP.
        return date if date.tzinfo else date.replace(tzinfo=timezone.utc)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
