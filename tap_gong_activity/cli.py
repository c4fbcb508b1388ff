"""The command line: options, the files they name, and one sentence for every error a user can fix."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click
from singer_sdk.exceptions import SingerSDKError
from singer_sdk.plugin_base import SingerCommand
from singer_sdk.tap_base import CliTestOptionValue

from tap_gong_activity.base.documents import read_json_object
from tap_gong_activity.base.errors import SettingsError, TapError
from tap_gong_activity.environment import PREFIX, settings_in_environment
from tap_gong_activity.settings import SCHEMAS
from tap_gong_activity.singer.catalog import parse_catalog
from tap_gong_activity.sync import probe_streams, sync_streams
from tap_gong_activity.tap import TapGongActivity

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENVIRONMENT = "ENV"
"""The value of `--config` that reads settings from the environment instead of a file."""


class TapCommand(SingerCommand):
    """The SDK's command, with exit statuses and messages of the tap."""

    @override
    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except (TapError, SingerSDKError) as error:
            # The SDK raises its own, for a stream map that can't be evaluated, for example.
            self.logger.error("%s", error)  # noqa: TRY400 - a sentence, no traceback
            sys.exit(1)
        except ModuleNotFoundError as error:
            # The SDK needs the extras parquet, s3 and faker for the features of these names.
            self.logger.error("These settings need the Python package %s, which isn't installed.", error.name)  # noqa: TRY400 - a sentence, no traceback
            sys.exit(1)

    @override
    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        # --help and --version print while click is still parsing.
        with _output_failures():
            return super().make_context(*args, **kwargs)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        with _output_failures():
            return super().invoke(ctx)


@contextmanager
def _output_failures() -> Iterator[None]:
    """Turn a failed read or write into an error with a message; click would exit silently on a closed pipe.

    Raises:
        TapError: Instead of an OSError.
    """
    try:
        yield
    except BrokenPipeError:
        message = "The target closed the pipe early; see its own log."
        raise TapError(message) from None
    except OSError as error:
        message = f"Reading or writing failed ({error})."
        raise TapError(message) from None


class CommandLine(TapGongActivity):
    """Singer tap for Gong's user activity aggregated by day, week, month, quarter or year."""

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        sdk_command = super().get_singer_command()
        for parameter in sdk_command.params:
            if parameter.name in {"config", "discover", "test"}:
                # The SDK's callbacks act on one option while click is still parsing the others.
                parameter.callback, parameter.expose_value = None, True
            if parameter.name in {"catalog", "state"}:
                # click would fail with a usage message, also for any encoding other than the locale's.
                parameter.type = click.STRING
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
    def invoke(  # type: ignore[override]  # more options than the SDK passes
        cls,
        *,
        config: tuple[str, ...] = (),
        about: bool = False,
        about_format: str | None = None,
        discover: bool = False,
        state: str | None = None,
        catalog: str | None = None,
        test: str = CliTestOptionValue.Disabled.value,
    ) -> None:
        """Carry out the options.

        Raises:
            TapError: If an option, a setting, the catalog or the state is invalid, or the run can't continue.
        """
        if about:
            cls.print_about(about_format)
            return
        if discover:
            # The catalog doesn't depend on settings, but without this one, the SDK would warn that it's missing.
            cls(config={"start_date": "2000-01-01"}, validate_config=False, setup_mapper=False).run_discovery()
            return
        cls.print_version(print_fn=cls.logger.info)
        if test not in (options := [option.value for option in CliTestOptionValue]):
            message = f"--test takes {' or '.join(sorted(set(options) - {CliTestOptionValue.Disabled.value}))}."
            raise TapError(message)
        tap = cls(
            config=cls._read_config(config),
            state=_read("state", state) if state is not None else None,
            catalog=parse_catalog(_read("catalog", catalog)) if catalog is not None else None,
            parse_env_config=ENVIRONMENT in config,
        )
        if test == CliTestOptionValue.Schema.value:
            tap.write_schemas()
        elif not (sync_streams(tap) if test == CliTestOptionValue.Disabled.value else probe_streams(tap)):
            sys.exit(1)

    @classmethod
    def _read_config(cls, paths: tuple[str, ...]) -> dict[str, Any]:
        if any(path.lstrip().startswith("{") for path in paths):
            # Not quoted, because it contains secrets.
            message = "--config takes the path of a JSON file, or ENV, not the settings themselves."
            raise SettingsError(message)
        if not paths and settings_in_environment(SCHEMAS, os.environ):
            message = f"Settings in {PREFIX}* variables are only read with --config ENV: add that option."
            raise SettingsError(message)
        config: dict[str, Any] = {}
        for path in paths:
            if path != ENVIRONMENT:
                # An empty setting counts as absent, so it doesn't override an earlier file's.
                config |= {name: value for name, value in _read("config", path, Decimal).items() if value != ""}
        return config


def _read(kind: str, path: str, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    try:
        return read_json_object(path, parse_float)
    except ValueError as error:
        message = f"The {kind} file {path} can't be read: {str(error).rstrip('.')}."
        raise TapError(message) from None


def run() -> None:
    """Run the command line."""
    try:
        command = CommandLine.cli
    except Exception as error:  # noqa: BLE001 - a logging configuration can raise anything
        sys.exit(
            f"Logging can't be configured ({type(error).__name__}): check TAP_GONG_ACTIVITY_LOGLEVEL, LOGLEVEL and "
            "SINGER_SDK_LOG_CONFIG."
        )
    command()
