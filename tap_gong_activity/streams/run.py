"""What a stream needs of the run that it is part of."""

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
    """One run, which all streams share; the tap is one.

    Attributes:
        message_writer: Where messages go.
    """

    message_writer: MessageWriter

    @property
    def settings(self) -> Settings:
        """The tap's own settings, checked."""

    @property
    def clock(self) -> Clock:
        """Time, for the whole run."""

    @property
    def today(self) -> date:
        """The company's current day, which stays the same however long the run takes."""

    @property
    def tally(self) -> Tally:
        """What the run has done so far."""

    @property
    def client(self) -> GongClient:
        """The one client of the run, and with it the one limiter."""

    @property
    def page_reader(self) -> PageReader:
        """What reads pages through the client, for all streams and threads."""

    def write_message(self, message: Message) -> None:
        """Write a Singer message."""

    def warn_once(self, kind: str, sentence: str) -> None:
        """Log a warning, unless the run has logged one of the same kind before."""
