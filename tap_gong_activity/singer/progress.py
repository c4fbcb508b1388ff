"""Progress: one log line per window, and a progress bar on a terminal."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tqdm import tqdm
    from typing_extensions import Self

    from tap_gong_activity.base.clock import Clock
    from tap_gong_activity.base.stats import Tally
    from tap_gong_activity.extract.windows import Window


class Progress:
    """Shows the progress of one stream; a context manager around its windows.

    Args:
        stream: The stream's name.
        windows: Number of windows to read.
        tally: Counts of the run.
        clock: Clock for the estimate of the remaining time.
        log: Called with each line.
    """

    def __init__(self, stream: str, windows: int, *, tally: Tally, clock: Clock, log: Callable[[str], None]) -> None:
        self._stream = stream
        self._windows = windows
        self._done = 0
        self._tally = tally
        self._clock = clock
        self._log = log
        self._begun = clock.monotonic()
        self._bar: tqdm[NoReturn] | None = None
        self._shown = ExitStack()

    def __enter__(self) -> Self:
        """Show the bar, if stderr is a terminal."""
        if self._windows and sys.stderr.isatty():
            from tqdm import tqdm  # noqa: PLC0415 - only needed on a terminal
            from tqdm.contrib.logging import logging_redirect_tqdm  # noqa: PLC0415 - likewise

            self._bar = self._shown.enter_context(
                tqdm(total=self._windows, desc=self._stream, unit="window", dynamic_ncols=True, leave=False)
            )
            # Prints every log line, including other threads', above the bar.
            self._shown.enter_context(logging_redirect_tqdm())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove the bar."""
        self._shown.close()

    def window_done(self, window: Window, rows: int) -> None:
        """Log that a window's rows and STATE have been written."""
        self._done += 1
        seconds_left = (self._clock.monotonic() - self._begun) / self._done * (self._windows - self._done)
        self._log(
            f"{self._stream}: {window}, window {self._done} of {self._windows}, {rows:,} rows, "
            f"{self._tally.requests:,} requests so far, {_duration(seconds_left)} left"
        )
        if self._bar is not None:
            self._bar.set_postfix_str(f"{window}, {self._tally.requests:,} requests")
            self._bar.update()


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
