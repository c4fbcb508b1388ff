"""The users stream: profiles of the users in the activity streams."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING

from singer_sdk import StreamSchema

from tap_gong_activity.extract.user_rows import USER_COLUMNS, UserRowReader
from tap_gong_activity.gong.endpoints import users_request
from tap_gong_activity.singer.schemas import SCHEMAS
from tap_gong_activity.streams.stream import GongStream

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_gong_activity.extract.user_rows import UserRow


class UsersStream(GongStream):
    """One row per Gong user."""

    name = "users"
    columns = USER_COLUMNS
    schema = StreamSchema(SCHEMAS, key="users")
    primary_keys = ("user_id",)
    # It contains personal data and needs a scope of its own.
    selected_by_default = False

    @property
    @override
    def has_bookmark(self) -> bool:
        """False, even if a catalog says otherwise: every run reads all users."""
        return False

    @override
    def parts(self) -> Iterator[Iterator[list[UserRow]]]:
        tap = self._tap
        pages = tap.page_reader.read(users_request())
        reader = UserRowReader(warn=self._warn_once, redact=tap.client.redact)
        rows_before = tap.tally.rows
        yield self._rows(reader.rows, islice(pages, 1) if self.is_test else pages)
        if not self.is_test:
            self.logger.info("%s: %s rows", self.name, f"{tap.tally.rows - rows_before:,}")

    def _warn_once(self, kind: str, sentence: str) -> None:
        self._tap.warn_once(kind, f"{self.name}: {sentence}")
