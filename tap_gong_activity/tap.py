"""The tap: the settings it takes, its streams, and one run from its settings to its last STATE."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import TapCapabilities
from singer_sdk.singerlib import Catalog, MetadataMapping, StateMessage, StreamMetadata

from tap_gong_activity.base import signals
from tap_gong_activity.base.clock import Clock
from tap_gong_activity.base.errors import SettingsError, TerminatedError
from tap_gong_activity.base.stats import Tally
from tap_gong_activity.environment import settings_in_environment
from tap_gong_activity.extract.windows import company_today
from tap_gong_activity.gong.auth import access_key_credentials, bearer_credentials
from tap_gong_activity.gong.client import ClientOptions, GongClient
from tap_gong_activity.gong.rate_limit import RateLimiter
from tap_gong_activity.gong.retries import Retries
from tap_gong_activity.settings import PROPERTIES, Settings, read_settings
from tap_gong_activity.singer.state import check_state
from tap_gong_activity.singer.writer import MessageWriter
from tap_gong_activity.streams import STREAMS
from tap_gong_activity.streams.stream import GongStream

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from types import FrameType

    from tap_gong_activity.gong.client import Credentials


class TapGongActivity(Tap):
    """Singer tap for Gong's user activity aggregated by day, week, month, quarter or year."""

    name = "tap-gong-activity"
    config_jsonschema = PROPERTIES.to_dict()
    message_writer_class = MessageWriter
    # In Gong, whoever leaves stays, as inactive, so there's no row for ACTIVATE_VERSION to delete.
    capabilities: ClassVar = [one for one in Tap.capabilities if one is not TapCapabilities.ACTIVATE_VERSION]

    message_writer: MessageWriter

    @cached_property
    def settings(self) -> Settings:
        """The tap's own settings, checked.

        Raises:
            SettingsError: If one can't be used.
        """
        return read_settings(self.config)

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
            credentials=self._credentials(),
            limiter=RateLimiter(settings.requests_per_second, self.clock),
            clock=self.clock,
            tally=self.tally,
            retries=self._retries(),
            warn=self.warn_once,
        )

    def _retries(self) -> Retries:
        return Retries(
            max_retries=self.settings.max_retries,
            max_wait=self.settings.max_retry_wait,
            clock=self.clock,
            tally=self.tally,
            log=self.logger.warning,
        )

    def _credentials(self) -> Credentials:
        settings = self.settings
        if settings.oauth_token_file is not None:
            # Only where it is used: filelock takes as long to import as everything else of the tap's own.
            from tap_gong_activity.gong.oauth import OAuthCredentials  # noqa: PLC0415

            return OAuthCredentials(
                settings.oauth_token_file,
                api_url=settings.api_url,
                api_url_is_given=settings.api_url_is_given,
                user_agent=settings.user_agent,
                request_timeout=settings.request_timeout,
                clock=self.clock,
                retries=self._retries(),
            )
        if settings.access_token is not None:
            return bearer_credentials(settings.access_token)
        return access_key_credentials(settings.access_key or "", settings.access_key_secret or "")

    @cached_property
    def _kinds_warned_of(self) -> set[str]:
        return set()

    def warn_once(self, kind: str, sentence: str) -> None:
        """Log a warning, unless the run has logged one of the same kind before."""
        if kind not in self._kinds_warned_of:
            self._kinds_warned_of.add(kind)
            self.logger.warning("%s", sentence)

    @override
    def discover_streams(self) -> Sequence[GongStream]:
        return [stream(tap=self) for stream in STREAMS]

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        check_state(state, [stream.name for stream in STREAMS])
        super().load_state(state)

    @override
    def setup_mapper(self) -> None:
        """Set up the stream maps as if every stream were selected.

        For a deselected stream the SDK takes all columns away and then refuses its map for want of the key, so that a
        map of `*` would end each run that does not read all streams.
        """
        super(Tap, self).setup_mapper()
        catalog = Catalog()
        for entry in self.catalog.streams:
            root = replace(entry.metadata.get((), StreamMetadata()), selected=True)
            catalog.add_stream(replace(entry, metadata=MetadataMapping({**entry.metadata, (): root})))
        self.mapper.register_raw_streams_from_catalog(catalog)

    def run(self, *, test: bool = False) -> None:
        """Sync the selected streams, or try each with one request.

        Raises:
            TapError: If the run can't go on; what was read has been written, and the last STATE stands.
        """
        selected = [stream for stream in self.streams.values() if stream.selected]
        try:
            if test:
                self.run_sync_dry_run(dry_run_record_limit=1, streams=selected)
            else:
                for stream in selected:
                    if isinstance(stream, GongStream):
                        stream.complete_state()
                self.sync_all()
        finally:
            self.clock.stop()
            self._close_client()
            error = sys.exc_info()[1]
            # A signal must not wait for a target that has stopped reading; its rows are read again.
            if not isinstance(error, TerminatedError):
                # Each stream ends with a STATE. After a failure rows have followed it, and many targets then forget it.
                if not test and (error or not selected):
                    self.write_message(StateMessage(self.state))
                self.message_writer.flush()
        self._log_summary([stream.name for stream in selected])

    def _close_client(self) -> None:
        if "client" in vars(self):
            self.client.close()

    def _log_summary(self, streams: list[str]) -> None:
        tally = self.tally
        self.logger.info(
            "Done: %s, %d rows, %d requests, %d of them retries, in %.1f s, of which %.1f s went by waiting for the "
            "rate limit and %.1f s waiting for Gong.",
            ", ".join(streams) or "no stream",
            tally.rows,
            tally.requests,
            tally.retries,
            tally.seconds,
            tally.seconds_for_limit,
            tally.seconds_for_gong,
        )
        if tally.requests and not tally.rows:
            self.logger.warning(
                "Gong answered without a single row: nobody may have been active in these dates, the key may not see "
                "these users, or start_date, user_ids, users_created_from or users_created_to may leave nobody.",
            )

    # What the SDK has no public way for

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the tap's own settings first.

        The SDK's check quotes a wrong value, also a secret one, and needs several lines for it.
        """
        if raise_errors:
            _ = self.settings
        for name in self.config.keys() - self._all_settings():
            self.logger.warning("There is no setting %s, so it does nothing.", name)
        errors = super()._validate_config(raise_errors=False)
        if raise_errors and errors:
            places = sorted({error.rpartition(" in config")[2] for error in errors})
            message = f"The SDK can't use the setting {' and '.join(places)}: --about says of what kind it must be."
            raise SettingsError(message)
        return errors

    @classmethod
    def _all_settings(cls) -> set[str]:
        cls.append_builtin_config(cls.config_jsonschema)
        return set(cls.config_jsonschema["properties"])

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - a classproperty of the SDK
        """Read the tap's own settings from the environment.

        The SDK's own way leaves numbers as strings, takes any word that it doesn't know for false, and ends with a
        traceback where an integer is none.
        """
        cls.append_builtin_config(cls.config_jsonschema)
        own = PROPERTIES.to_dict()["properties"]
        others = {name: schema for name, schema in cls.config_jsonschema["properties"].items() if name not in own}
        prefix = cls._env_var_prefix
        # The SDK's part comes first, as it also loads a .env file into the environment.
        return {
            **parse_environment_config({"properties": others}, prefix),
            **settings_in_environment(own, prefix, os.environ),
        }

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End the run, with the status of a process that a signal ended.

        The SDK writes the state again, perhaps in the middle of a row, and exits with 0, which tells an orchestrator
        that all is well.
        """
        signals.handle(signum, frame)
