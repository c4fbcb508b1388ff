"""The tap: the settings it takes, its streams, and one run from its settings to its last STATE."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.exceptions import SingerSDKError, StreamMapConfigError
from singer_sdk.helpers.capabilities import TapCapabilities
from singer_sdk.mapper import CustomStreamMap, RemoveRecordTransform
from singer_sdk.singerlib import StateMessage

from tap_gong_activity.base import signals
from tap_gong_activity.base.clock import Clock
from tap_gong_activity.base.errors import MissingScopeError, SettingsError, TapError, TerminatedError
from tap_gong_activity.base.redaction import redact
from tap_gong_activity.base.stats import Tally
from tap_gong_activity.environment import load_dotenv_file, settings_in_environment, unknown_variables
from tap_gong_activity.extract.windows import company_today
from tap_gong_activity.gong.auth import access_key_credentials, bearer_credentials
from tap_gong_activity.gong.client import ClientOptions, GongClient
from tap_gong_activity.gong.oauth import OAuthCredentials
from tap_gong_activity.gong.paging import PageReader
from tap_gong_activity.gong.rate_limit import RateLimiter
from tap_gong_activity.gong.retries import Retries
from tap_gong_activity.sdk_settings import check_sdk_settings, unknown_mapped_streams
from tap_gong_activity.settings import PROPERTIES, SCHEMAS, Settings, present, read_settings
from tap_gong_activity.singer.catalog import complete_catalog, with_all_selected
from tap_gong_activity.singer.state import check_state
from tap_gong_activity.singer.stream_maps import guard
from tap_gong_activity.singer.writer import MessageWriter
from tap_gong_activity.streams import STREAMS
from tap_gong_activity.streams.stream import GongStream

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from types import FrameType

    from tap_gong_activity.gong.client import Credentials


MAX_NAMES = 10
"""The most names that a warning of unknown ones lists."""

MAX_TEST_WAIT = 10.0
"""Seconds that `--test` waits at most, where a sync would honor a longer Retry-After."""


@contextmanager
def quiet(logger: logging.Logger) -> Iterator[None]:
    """Let a logger pass on nothing below a warning."""
    level = logger.level
    logger.setLevel(max(logging.WARNING, logger.getEffectiveLevel()))
    try:
        yield
    finally:
        logger.setLevel(level)


class TapGongActivity(Tap):
    """Singer tap for Gong's user activity aggregated by day, week, month, quarter or year."""

    name = "tap-gong-activity"
    config_jsonschema = PROPERTIES.to_dict()
    message_writer_class = MessageWriter
    # In Gong, whoever leaves stays, as inactive, so there's no row for ACTIVATE_VERSION to delete.
    capabilities: ClassVar = [one for one in Tap.capabilities if one is not TapCapabilities.ACTIVATE_VERSION]

    message_writer: MessageWriter

    def __init__(
        self,
        *,
        config: dict[str, Any] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
        **others: Any,  # noqa: ANN401 - those of the SDK
    ) -> None:
        """Read and check the settings before the SDK does, and build the tap.

        The SDK would search the parent folders for a .env, leave numbers from the environment as text, quote wrong
        values, also secret ones, and take an empty string for a value.

        Args:
            config: The settings, from files.
            parse_env_config: Whether to read settings from the environment too, which win.
            validate_config: Whether to check the settings.
            others: The SDK's other arguments.

        Raises:
            TapError: If a setting, the catalog or the state can't be used.
        """
        self._is_test = False
        self._given = present(config or {})
        schemas = self._setting_schemas()
        if parse_env_config:
            load_dotenv_file()
            self._given |= present(settings_in_environment(schemas, os.environ))
            self._warn_of_unknown("variable", unknown_variables(schemas, os.environ))
        if validate_config:
            settings = self.settings
            check_sdk_settings(self._given, {name: one for name, one in schemas.items() if name not in SCHEMAS})
            self._given["start_date"] = str(settings.start_date)
            self._warn_of_unknown("setting", [name for name in self._given if name not in schemas])
        # The SDK would say that it reads no environment variables, as the tap has done so itself.
        with quiet(self.logger):
            super().__init__(config=dict(self._given), validate_config=False, **others)
        mapped = self._given.get("stream_maps", {})
        self._warn_of_unknown("stream in stream_maps", unknown_mapped_streams(mapped, [one.name for one in STREAMS]))

    @classmethod
    def _setting_schemas(cls) -> dict[str, dict[str, Any]]:
        cls.append_builtin_config(cls.config_jsonschema)
        schemas: dict[str, dict[str, Any]] = cls.config_jsonschema["properties"]
        return schemas

    def _warn_of_unknown(self, kind: str, names: Sequence[str]) -> None:
        if names:
            shown = ", ".join(redact(name)[:60] for name in names[:MAX_NAMES])
            more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
            self.logger.warning("Unknown %s ignored: %s%s.", kind, shown, more)

    @cached_property
    def settings(self) -> Settings:
        """The tap's own settings, checked.

        Raises:
            SettingsError: If one can't be used.
        """
        return read_settings(self._given)

    @cached_property
    def clock(self) -> Clock:
        """Time, for the whole run."""
        return Clock()

    @cached_property
    def today(self) -> date:
        """The company's current day, which stays the same however long the run takes."""
        return company_today(self.clock.now(), self.settings.company_timezone)

    @cached_property
    def tally(self) -> Tally:
        """What the run has done so far."""
        return Tally(self.clock.monotonic)

    @cached_property
    def client(self) -> GongClient:
        """The one client of the run, and with it the one limiter."""
        settings = self.settings
        return GongClient(
            ClientOptions(
                api_url=settings.api_url,
                user_agent=settings.user_agent,
                request_timeout=settings.request_timeout,
                max_retry_wait=settings.max_retry_wait,
                connections=settings.max_parallel_windows,
            ),
            credentials=self._credentials,
            limiter=self._limiter,
            clock=self.clock,
            tally=self.tally,
            retries=self._retries(),
            warn=self.warn_once,
        )

    @cached_property
    def page_reader(self) -> PageReader:
        """What reads pages through the client, for all streams and threads."""
        return PageReader(self.client, warn=self.warn_once, clock=self.clock)

    @cached_property
    def _limiter(self) -> RateLimiter:
        return RateLimiter(self.settings.requests_per_second, self.clock)

    def _retries(self) -> Retries:
        return Retries(
            max_retries=self.settings.max_retries,
            max_wait=self.settings.max_retry_wait,
            clock=self.clock,
            tally=self.tally,
            log=self.logger.warning,
            counts_refusals=self._is_test,
        )

    @cached_property
    def _credentials(self) -> Credentials:
        settings = self.settings
        if settings.oauth_token_file is not None:
            return OAuthCredentials(
                settings.oauth_token_file,
                api_url=settings.api_url,
                api_url_is_given=settings.api_url_is_given,
                user_agent=settings.user_agent,
                request_timeout=settings.request_timeout,
                clock=self.clock,
                retries=self._retries(),
                log=self.logger.warning,
            )
        if settings.access_token is not None:
            return bearer_credentials(settings.access_token)
        return access_key_credentials(settings.access_key or "", settings.access_key_secret or "")

    @cached_property
    def _kinds_warned_of(self) -> dict[str, object]:
        return {}

    def warn_once(self, kind: str, sentence: str) -> None:
        """Log a warning, unless the run has logged one of the same kind before."""
        # Threads warn too, and of two that set the same key, only one finds its own value there.
        token = object()
        if self._kinds_warned_of.setdefault(kind, token) is token:
            self.logger.warning("%s", sentence)

    @override
    def discover_streams(self) -> Sequence[GongStream]:
        streams = [stream(tap=self) for stream in STREAMS]
        if self.input_catalog is not None:
            # Here, because the SDK applies the catalog to the streams next.
            self._warn_of_unknown("stream in the catalog", complete_catalog(self.input_catalog, streams))
        return streams

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        check_state(state, [stream.name for stream in STREAMS])
        super().load_state(state)

    @override
    def setup_mapper(self) -> None:
        """Set up the stream maps as if every stream were selected.

        For a deselected stream the SDK removes all columns and then refuses its map for want of the key, so a map of
        `*` would end each run that doesn't read all streams.

        Raises:
            SettingsError: If the SDK can't use the maps or the flattening.
        """
        streams = self.streams
        try:
            super(Tap, self).setup_mapper()
            self.mapper.register_raw_streams_from_catalog(with_all_selected(self.catalog))
        except Exception as error:  # noqa: BLE001 - the SDK raises whatever comes of maps, faker and flattening
            is_safe = isinstance(error, (StreamMapConfigError, ValueError))
            reason = f": {str(error).rstrip('.')}" if is_safe else f" ({type(error).__name__})"
            message = f"The settings for stream maps and flattening can't be used{reason}."
            raise SettingsError(message) from None
        for stream in streams.values():
            for stream_map in stream.stream_maps:
                if isinstance(stream_map, CustomStreamMap):
                    guard(stream.name, stream_map)

    def run(self) -> bool:
        """Sync the selected streams.

        Returns:
            Whether all of them could be read; each that couldn't has been logged.

        Raises:
            TapError: If the run can't go on; what was read has been written, and the last STATE is valid.
        """
        streams = self._streams_to_read()
        for stream in streams:
            stream.complete_state()
        try:
            # Also where nothing is selected, so that the last message is a STATE.
            if self.state or not streams:
                self.write_message(StateMessage(self.state))
            results = [self._sync(stream) for stream in streams]
        except Exception:
            # Rows have followed the last STATE, and many targets forget it then.
            self.write_message(StateMessage(self.state))
            raise
        finally:
            self._finish()
        self._log_summary(streams, results)
        return all(results)

    def _sync(self, stream: GongStream) -> bool:
        try:
            stream.sync()
        except MissingScopeError as error:
            # Another stream's endpoint may need another scope.
            self.logger.error("%s", error)  # noqa: TRY400 - a sentence, no traceback
            stream.write_state()
            return False
        return True

    def test(self) -> bool:
        """Try each selected stream with one request, and log a line on how it went.

        Returns:
            Whether all of them could be read.
        """
        self._is_test = True
        self.settings = replace(
            self.settings,
            max_retries=min(self.settings.max_retries, 1),
            max_retry_wait=min(self.settings.max_retry_wait, MAX_TEST_WAIT),
        )
        try:
            results = [self._try(stream) for stream in self._streams_to_read()]
        finally:
            self._finish()
        return all(results)

    def _try(self, stream: GongStream) -> bool:
        stream.ABORT_AT_RECORD_COUNT = 1
        # A client sends nothing more after a refusal that concerns the whole run.
        self._close_client()
        rows_before = self.tally.rows
        try:
            # So that each stream has one line, which says how it went.
            with quiet(stream.logger), quiet(self.metrics_logger):
                stream.sync()
        except (TapError, SingerSDKError) as error:
            self.logger.error("%s", error)  # noqa: TRY400 - a sentence, no traceback
            return False
        rows = self.tally.rows - rows_before
        self.logger.info("%s: Gong answered, with %d rows on the first page.", stream.name, rows)
        return True

    def _streams_to_read(self) -> list[GongStream]:
        streams = [
            stream
            for stream in self.streams.values()
            if isinstance(stream, GongStream)
            and stream.selected
            and not all(isinstance(one, RemoveRecordTransform) for one in stream.stream_maps)
        ]
        if not streams:
            self.logger.warning("No stream is selected, so nothing is read: check the catalog and stream_maps.")
        return streams

    def _finish(self) -> None:
        self.clock.stop()
        self._close_client()
        # A signal must not wait for a target that has stopped reading; its rows are read again.
        if not isinstance(sys.exc_info()[1], TerminatedError):
            self.message_writer.flush()

    def _close_client(self) -> None:
        vars(self).pop("page_reader", None)
        client = vars(self).pop("client", None)
        if client is not None:
            client.close()

    def _log_summary(self, streams: list[GongStream], results: list[bool]) -> None:
        tally = self.tally
        read, failed = (
            ", ".join(stream.name for stream, is_read in zip(streams, results, strict=True) if is_read is wanted)
            for wanted in (True, False)
        )
        self.logger.info(
            "Done: %s%s, %d rows, %d requests, %d of them retries, in %.1f s, of which %.1f s went by waiting for the "
            "rate limit and %.1f s waiting for Gong.",
            read or "no stream",
            f"; failed: {failed}" if failed else "",
            tally.rows,
            tally.requests,
            tally.retries,
            tally.seconds,
            tally.seconds_for_limit,
            tally.seconds_for_gong,
        )
        if tally.requests and not tally.rows and not failed:
            self.logger.warning(
                "Gong answered without a single row: nobody may have been active in these dates, the key may not see "
                "these users, or start_date, user_ids, users_created_from or users_created_to may leave nobody.",
            )

    # What the SDK has no public way for

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End the run, with the status of a process that a signal ended.

        The SDK writes the state again, perhaps in the middle of a row, and exits with 0, which tells an orchestrator
        that all is well.
        """
        signals.handle(signum, frame)
