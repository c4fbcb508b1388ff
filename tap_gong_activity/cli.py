"""The command line: options, files, and a status and one sentence for everything that a user can fix."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.exceptions import SingerSDKError
from singer_sdk.plugin_base import SingerCommand
from singer_sdk.singerlib import Catalog
from singer_sdk.tap_base import CliTestOptionValue

from tap_gong_activity.base.errors import TapError
from tap_gong_activity.tap import TapGongActivity

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click
    from singer_sdk.plugin_base import _ConfigInput


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

    @override
    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        # --discover and --about print while click still parses.
        with _output_failures():
            return super().make_context(*args, **kwargs)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        with _output_failures():
            return super().invoke(ctx)


@contextmanager
def _output_failures() -> Iterator[None]:
    """Say what failed, inside click's work, which would take a closed pipe for a reason to end without a word.

    Raises:
        TapError: Instead of an OSError.
    """
    try:
        yield
    except BrokenPipeError:
        message = "The target closed the pipe early; see its own log."
        raise TapError(message) from None
    except OSError as error:
        message = f"The operating system refused the tap a read or write ({error})."
        raise TapError(message) from None


class CommandLine(TapGongActivity):
    """Singer tap for Gong's user activity aggregated by day, week, month, quarter or year."""

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        sdk_command = super().get_singer_command()
        for parameter in sdk_command.params:
            if parameter.name == "test":
                # The SDK tests while click still parses, so without the catalog and with every stream.
                parameter.callback, parameter.expose_value = None, True
        return TapCommand(
            name=sdk_command.name,
            callback=sdk_command.callback,
            context_settings=sdk_command.context_settings,
            params=sdk_command.params,
            help=sdk_command.help,
            logger=cls.logger,
        )

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        if any(path.lstrip().startswith("{") for path in value):
            # Not repeated, as it is the settings themselves, with their secrets.
            message = "The option --config takes the path of a JSON file, or ENV, not the settings themselves."
            raise TapError(message)
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError) as error:
            message = f"A config file can't be read as a JSON object ({error}): --config was {', '.join(value)}."
            raise TapError(message) from None

    @classmethod
    @override
    def invoke(  # type: ignore[override]  # --test is an option of its own, as the SDK's own are
        cls,
        *,
        config: _ConfigInput,
        about: bool = False,
        about_format: str | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
        test: str = CliTestOptionValue.Disabled.value,
    ) -> None:
        """Do what the command line asks for, with the options of the SDK's own."""
        if about:
            cls.print_about(about_format)
            return
        cls.print_version(print_fn=cls.logger.info)
        tap = cls(
            config=config.config,
            state=_read_json(state, "state") if state else None,
            catalog=_read_catalog(catalog) if catalog else None,
            parse_env_config=config.parse_env,
        )
        if test == CliTestOptionValue.Schema.value:
            tap.write_schemas()
        else:
            tap.run(test=test != CliTestOptionValue.Disabled.value)


def _read_json(file: IO[str], kind: str) -> dict[str, Any]:
    try:
        content = json.loads(file.read())
    except (OSError, ValueError) as error:
        message = f"The {kind} file {file.name} can't be read as JSON: {error}."
        raise TapError(message) from None
    if not isinstance(content, dict):
        message = f"The {kind} file {file.name} must hold a JSON object."
        raise TapError(message)
    return content


def _read_catalog(file: IO[str]) -> Catalog:
    content = _read_json(file, "catalog")
    try:
        return Catalog.from_dict(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"The catalog file {file.name} is no Singer catalog ({type(error).__name__}: {error})."
        raise TapError(message) from None
