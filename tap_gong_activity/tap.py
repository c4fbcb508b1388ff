"""The tap: checks the settings, and builds from them the streams and what these share in a run."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.exceptions import StreamMapConfigError
from singer_sdk.helpers.capabilities import TapCapabilities
from singer_sdk.mapper import CustomStreamMap

from tap_gong_activity.base import signals
from tap_gong_activity.base.clock import Clock
from tap_gong_activity.base.errors import SettingsError
from tap_gong_activity.base.quiet import quiet
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
from tap_gong_activity.streams.grains import GRAIN_STREAMS

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from types import FrameType

    from tap_gong_activity.gong.client import Credentials
    from tap_gong_activity.streams.stream import GongStream


MAX_NAMES = 10
"""Number of unknown names that a warning lists."""

MAX_TEST_WAIT_SECONDS = 10.0
"""Longest Retry-After that `--test` honors."""


class TapGongActivity(Tap):
    """Singer tap for Gong's user activity aggregated by day, week, month, quarter or year."""

    name = "tap-gong-activity"
    config_jsonschema = PROPERTIES.to_dict()
    message_writer_class = MessageWriter
    # Gong keeps users who leave, as inactive, so there are no rows for ACTIVATE_VERSION to delete.
    capabilities: ClassVar = [one for one in Tap.capabilities if one is not TapCapabilities.ACTIVATE_VERSION]

    message_writer: MessageWriter

    def __init__(
        self,
        *,
        config: dict[str, Any] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
        **others: Any,  # noqa: ANN401 - the SDK's
    ) -> None:
        """Read and validate the settings before the SDK does, and build the tap.

        The SDK would search parent folders for a .env file, keep numbers from the environment as text, quote invalid
        values, including secrets, and treat an empty string as a value.

        Args:
            config: Settings from files.
            parse_env_config: Whether to read settings from the environment too; those take precedence.
            validate_config: Whether to validate the settings.
            others: The SDK's other arguments.

        Raises:
            TapError: If a setting, the catalog or the state is invalid.
        """
        self._is_test = False
        self._own_config = present(config or {})
        schemas = self._setting_schemas()
        if parse_env_config:
            load_dotenv_file()
            self._own_config |= present(settings_in_environment(schemas, os.environ))
            self._warn_of_unknown("variable", unknown_variables(schemas, os.environ))
        if validate_config:
            settings = self.settings
            check_sdk_settings(self._own_config, {name: one for name, one in schemas.items() if name not in SCHEMAS})
            self._own_config["start_date"] = str(settings.start_date)
            self._warn_of_unknown("setting", [name for name in self._own_config if name not in schemas])
        # The SDK would log that it doesn't read the environment, which the tap has already done.
        with quiet(self.logger):
            super().__init__(config=dict(self._own_config), validate_config=False, **others)
        mapped = self._own_config.get("stream_maps", {})
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
        """The tap's own settings, validated.

        Raises:
            SettingsError: If one is invalid.
        """
        return read_settings(self._own_config)

    @cached_property
    def clock(self) -> Clock:
        """The clock of the run."""
        return Clock()

    @cached_property
    def today(self) -> date:
        """The company's current date when the run started."""
        return company_today(self.clock.now(), self.settings.company_timezone)

    @cached_property
    def tally(self) -> Tally:
        """The run's counts and wait times."""
        return Tally(self.clock.monotonic)

    @cached_property
    def client(self) -> GongClient:
        """The client that all streams share, and with it the rate limit."""
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
        """The reader of paginated responses that all streams and threads share."""
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
                api_url_is_set=settings.api_url_is_set,
                user_agent=settings.user_agent,
                request_timeout=settings.request_timeout,
                clock=self.clock,
                retries=self._retries(),
                log=self.logger.warning,
            )
        if settings.access_token is not None:
            return bearer_credentials(settings.access_token)
        return access_key_credentials(settings.access_key or "", settings.access_key_secret or "")

    def limit_to_test(self) -> None:
        """Retry once and wait briefly from now on, because someone is waiting for the result."""
        self._is_test = True
        self.settings = replace(
            self.settings,
            max_retries=min(self.settings.max_retries, 1),
            max_retry_wait=min(self.settings.max_retry_wait, MAX_TEST_WAIT_SECONDS),
        )

    def close_client(self) -> None:
        """Close the connections; the next request gets a new client, which knows of no earlier failure."""
        vars(self).pop("page_reader", None)
        client = vars(self).pop("client", None)
        if client is not None:
            client.close()

    @cached_property
    def _kinds_warned_of(self) -> dict[str, object]:
        return {}

    def warn_once(self, kind: str, sentence: str) -> None:
        """Log a warning, unless the run has already logged one of this kind."""
        # Threads warn too: of two that set the same key at once, only one finds its own value.
        token = object()
        if self._kinds_warned_of.setdefault(kind, token) is token:
            self.logger.warning("%s", sentence)

    @override
    def discover_streams(self) -> Sequence[GongStream]:
        streams = [stream(tap=self) for stream in STREAMS]
        if self.input_catalog is not None:
            # The SDK applies the catalog to the streams next.
            self._warn_of_unknown("stream in the catalog", complete_catalog(self.input_catalog, streams))
        return streams

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        check_state(state, [stream.name for stream in GRAIN_STREAMS])
        super().load_state(state)

    @override
    def setup_mapper(self) -> None:
        """Set up the stream maps as if every stream were selected.

        The SDK removes all columns of a deselected stream and then rejects its map for lack of a key, so a map of `*`
        would fail every run that doesn't select all streams.

        Raises:
            SettingsError: If the SDK rejects the maps or the flattening.
        """
        streams = self.streams
        try:
            super(Tap, self).setup_mapper()
            self.mapper.register_raw_streams_from_catalog(with_all_selected(self.catalog))
        except Exception as error:  # noqa: BLE001 - maps, faker and flattening can raise anything
            is_safe = isinstance(error, (StreamMapConfigError, ValueError))
            reason = f": {redact(str(error)).rstrip('.')}" if is_safe else f" ({type(error).__name__})"
            message = f"The settings for stream maps and flattening are invalid{reason}."
            raise SettingsError(message) from None
        for stream in streams.values():
            for stream_map in stream.stream_maps:
                if isinstance(stream_map, CustomStreamMap):
                    guard(stream.name, stream_map)

    # Private to the SDK, which has no public way

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End the run with the exit status that a shell reports for the signal.

        The SDK would write the state again, possibly in the middle of a row, and exit with 0, so an orchestrator would
        see a success.
        """
        signals.handle(signum, frame)
