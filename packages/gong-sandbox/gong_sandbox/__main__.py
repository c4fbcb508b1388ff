"""The entry point of `gong-sandbox`, which blocks signals before it imports anything slow."""

from gong_sandbox.signals import block_signals

block_signals()

from gong_sandbox.cli import main  # noqa: E402 - signals must be blocked first

if __name__ == "__main__":
    main()
