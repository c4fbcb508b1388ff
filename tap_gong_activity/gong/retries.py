"""Trying again: which failures another try may mend, how often, and how long to wait between."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import backoff

from tap_gong_activity.base.errors import GongError
from tap_gong_activity.base.stats import Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_gong_activity.base.clock import Clock
    from tap_gong_activity.base.stats import Tally

LONGEST_BACKOFF = 60.0
"""Longest exponential wait between two tries, in seconds."""

T = TypeVar("T")


class TryAgainError(Exception):
    """A try failed in a way that another may mend.

    Attributes:
        reason: What happened, as the beginning of a sentence.
        status: The answer's status, if there was an answer.
        is_held: Whether the next try will have to wait for the limiter, so that no other wait is needed.
    """

    def __init__(self, reason: str, status: int | None = None, *, is_held: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.is_held = is_held


class Retries:
    """Tries again with exponential backoff and full jitter, `max_retries` times.

    Args:
        max_retries: Tries after the first.
        max_wait: Longest wait between two tries, in seconds, below `LONGEST_BACKOFF`.
        clock: What waits between two tries.
        tally: Counts the tries.
        log: Takes a sentence about each try that failed.
    """

    def __init__(
        self, *, max_retries: int, max_wait: float, clock: Clock, tally: Tally, log: Callable[[str], None]
    ) -> None:
        self._tries = max_retries + 1
        self._longest_wait = min(LONGEST_BACKOFF, max_wait)
        self._clock = clock
        self._tally = tally
        self._log = log

    def call(self, attempt: Callable[[], T]) -> T:
        """Give what `attempt` gives, as soon as it gives anything.

        Raises:
            GongError: If no try was of use.
        """
        # backoff counts and decides; the wait itself is the clock's, so that the end of the run can end it.
        retrying = backoff.on_exception(
            backoff.constant,
            TryAgainError,
            interval=0,
            jitter=None,
            max_tries=self._tries,
            on_backoff=lambda details: self._wait(details["exception"], details["tries"]),
            logger=None,
        )(attempt)
        try:
            return retrying()
        except TryAgainError as failure:
            tried = f"{self._tries} times" if self._tries > 1 else "once, as max_retries is 0"
            message = f"{failure.reason}; it was tried {tried}"
            raise GongError(message, failure.status) from None

    def _wait(self, failure: TryAgainError, tries: int) -> None:
        self._tally.add(retries=1)
        if failure.is_held:
            self._log(f"{failure.reason}; try {tries + 1} of {self._tries} follows after that")
            return
        wait = backoff.full_jitter(min(2.0 ** min(tries - 1, 30), self._longest_wait))
        self._log(f"{failure.reason}; try {tries + 1} of {self._tries} follows in {wait:.1f} s")
        with self._tally.waiting(Wait.GONG):
            self._clock.wait(wait)
