"""The entry point: signals are handled from the first line, and the exit status is the one that was promised."""

from __future__ import annotations

import gc
import os
import signal

TYPE_CHECKING = False  # instead of typing's, which is slow to import
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the tap's command line and end the process."""
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            # Nothing has been written yet, so there's nothing to clean up.
            signal.signal(number, lambda received, _: os._exit(128 + received))
    # Only now, because these imports take half a second.
    from tap_gong_activity.base import memory, signals  # noqa: PLC0415 - slow

    # Before any thread starts.
    memory.fit_into_limit()
    signals.install()
    from tap_gong_activity.ending import run_to_the_end  # noqa: PLC0415 - slow, and only with signals installed

    run_to_the_end(_run)


def _run() -> None:
    """Import the tap with the garbage collector disabled, and run it.

    The SDK's modules create about a hundred thousand objects, none of them garbage. Scanning them repeatedly during the
    imports takes a third of the start-up time.
    """
    gc.disable()
    from tap_gong_activity.cli import run  # noqa: PLC0415 - only with the collector disabled

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
