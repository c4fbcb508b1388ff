"""Rows of users: pages of profiles, converted to the columns in `schemas/users.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tap_gong_activity.base.errors import UnexpectedResponseError
from tap_gong_activity.extract.instants import in_utc, read_instant
from tap_gong_activity.gong.models import UserSettings, describe_unknown_fields, users_decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_gong_activity.gong.models import User


class UserRow(msgspec.Struct, gc=False):
    """A row; the fields are the columns in order, and instants are UTC and end in `Z`."""

    user_id: str
    email_address: str | None
    email_aliases: list[str] | None
    first_name: str | None
    last_name: str | None
    title: str | None
    manager_id: str | None
    is_active: bool | None
    created_at: str | None
    web_conferences_recorded: bool | None
    prevent_web_conference_recording: bool | None
    telephony_calls_imported: bool | None
    emails_imported: bool | None
    prevent_email_import: bool | None
    non_recorded_meetings_imported: bool | None
    gong_connect_enabled: bool | None


USER_COLUMNS = UserRow.__struct_fields__
"""The columns of a row, in order."""


class UserRowReader:
    """Converts pages of users to rows.

    Args:
        warn: Called with the kind and the text of a warning; logs each kind once.
        redact: Makes foreign text safe for messages.
    """

    def __init__(self, *, warn: Callable[[str, str], None], redact: Callable[[str], str]) -> None:
        self._warn = warn
        self._redact = redact
        self._decoder = users_decoder()

    def rows(self, pages: Iterator[bytes | bytearray]) -> Iterator[list[UserRow]]:
        """Yield the rows of each page as a list.

        Raises:
            UnexpectedResponseError: If a user has no ID.
        """
        return map(self._rows_of_page, pages)

    def _rows_of_page(self, body: bytes | bytearray) -> list[UserRow]:
        page, unknown_fields = self._decoder.decode(body)
        if unknown_fields:
            self._warn("unknown fields", describe_unknown_fields(unknown_fields, self._redact))
        return [self._row(user) for user in page.users or ()]

    def _row(self, user: User) -> UserRow:
        if not user.id:
            message = "Gong returned a user without id"
            raise UnexpectedResponseError(message)
        aliases = user.email_aliases
        return UserRow(
            user.id,
            user.email_address,
            None if aliases is None else [alias for alias in aliases if alias is not None],
            user.first_name,
            user.last_name,
            user.title,
            user.manager_id,
            user.active,
            self._created_at(user.created),
            *msgspec.structs.astuple(user.settings or UserSettings()),
        )

    def _created_at(self, text: str | None) -> str | None:
        if not text:
            return None
        instant = read_instant(text)
        if instant is None:
            self._warn(
                "instant", f"Gong's created {self._redact(text)[:40]!r} isn't a valid time, so created_at is null."
            )
        return in_utc(instant)
