"""How a run ends: one sentence and a status for everything that a user can mend."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import SingerSDKError
from singer_sdk.plugin_base import SingerCommand

from tap_gong_activity.errors import TapError

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    import click


class TerminatedError(SystemExit):
    """A signal ended the run, with the status that a shell gives for it: 143 for SIGTERM, 130 for SIGINT."""

    def __init__(self, signal_number: int) -> None:
        """Take the number of the signal that came."""
        super().__init__(128 + signal_number)
        self.signal_name = signal.Signals(signal_number).name


class TapCommand(SingerCommand):
    """The SDK's command line, with the tap's endings."""

    @override
    def main(self, *args: Any, **kwargs: Any) -> Any:
        # Around all of click's work, as the SDK reads files and discovers while click still parses.
        try:
            return super().main(*args, **kwargs)
        except (TapError, SingerSDKError) as error:
            # The SDK's own are a stream map, say, whose expression can't be evaluated.
            self.logger.error("%s", error)  # noqa: TRY400 - a sentence, no traceback
            sys.exit(1)
        except ModuleNotFoundError as error:
            # What the SDK needs for parquet batches, S3 or faker comes with the extras of those names.
            self.logger.error("The Python package %s, which these settings need, is not installed.", error.name)  # noqa: TRY400
            sys.exit(1)
        except TerminatedError as ending:
            _let_go_of_stdout()
            self.logger.error("The run was ended by %s; the last STATE stands.", ending.signal_name)  # noqa: TRY400
            raise
        except SystemExit:
            # How click ends. What is printed, a catalog say, may have a reader who has seen enough.
            try:
                sys.stdout.flush()
            except BrokenPipeError:
                _let_go_of_stdout()
            raise

    @override
    def invoke(self, ctx: click.Context) -> Any:
        # Inside click's work, which would take a broken pipe for a reason to end without a word.
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _let_go_of_stdout()
            message = "The target has gone before the tap was done; its own messages say why."
            raise TapError(message) from None
        except OSError as error:
            _let_go_of_stdout()
            message = f"The tap can't go on, as the operating system refuses it something ({error})."
            raise TapError(message) from None


def _let_go_of_stdout() -> None:
    """Keep Python from writing what is left for a target that does not read, when it flushes stdout at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
