"""The command: the tap, with signals handled from the first line and a status that nothing on the way out changes."""

from __future__ import annotations

import gc
from typing import NoReturn

from tap_gong_activity.base import signals


def main() -> NoReturn:
    """Run the tap's command line and end the process."""
    # Before anything else is imported, which takes half a second.
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
