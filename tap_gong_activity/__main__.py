"""The command: the tap, imported without looking for garbage in what lives to the end."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the tap's command line.

    The SDK's modules are some hundred thousand objects, none of them garbage. Python's collector goes through them
    several times while they are imported and again when the process ends, which was 0.15 of the 0.40 seconds that a
    start took.
    """
    gc.disable()
    from tap_gong_activity.cli import CommandLine  # noqa: PLC0415 - only now that the collector is off

    gc.freeze()
    gc.enable()
    CommandLine.cli()


if __name__ == "__main__":
    main()
