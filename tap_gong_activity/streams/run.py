"""What streams need from the run they're part of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import date

    from singer_sdk.singerlib import Message

    from tap_gong_activity.base.clock import Clock
    from tap_gong_activity.base.stats import Tally
    from tap_gong_activity.gong.client import GongClient
    from tap_gong_activity.gong.paging import PageReader
    from tap_gong_activity.settings import Settings
    from tap_gong_activity.singer.writer import MessageWriter


class Run(Protocol):
    """A run, shared by all its streams; implemented by the tap.

    Attributes:
        message_writer: Writes Singer messages to stdout.
    """

    message_writer: MessageWriter

    @property
    def settings(self) -> Settings:
        """The tap's own settings, validated."""

    @property
    def clock(self) -> Clock:
        """The clock of the run."""

    @property
    def today(self) -> date:
        """The company's current date when the run started."""

    @property
    def tally(self) -> Tally:
        """The run's counts and wait times."""

    @property
    def client(self) -> GongClient:
        """The client that all streams share, and with it the rate limit."""

    @property
    def page_reader(self) -> PageReader:
        """The reader of paginated responses that all streams and threads share."""

    def write_message(self, message: Message) -> None:
        """Write a Singer message."""

    def warn_once(self, kind: str, sentence: str) -> None:
        """Log a warning, unless the run has already logged one of this kind."""
