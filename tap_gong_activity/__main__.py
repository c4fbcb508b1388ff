"""The command: the tap, with signals handled from the first line and a status that nothing on the way out changes."""

from __future__ import annotations

import gc
import os
import signal

TYPE_CHECKING = False  # of typing, which takes a while to import
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the tap's command line and end the process."""
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            # Nothing has been written yet, so there's nothing to finish.
            signal.signal(number, lambda received, _: os._exit(128 + received))
    # Only now, as imports take half a second.
    from tap_gong_activity.base import memory, signals  # noqa: PLC0415

    # Before the first thread is started.
    memory.fit_into_limit()
    signals.install()
    from tap_gong_activity.ending import run_to_the_end  # noqa: PLC0415

    run_to_the_end(_run)


def _run() -> None:
    """Import the tap without looking for garbage in what lives to the end.

    The SDK's modules are some hundred thousand objects, none of them garbage. Python's collector goes through them
    several times while they are imported, which is a third of the time that a start takes.
    """
    gc.disable()
    from tap_gong_activity.cli import run  # noqa: PLC0415 - only now that the collector is off

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
