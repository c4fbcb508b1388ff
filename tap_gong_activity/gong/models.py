"""Models of the pages that Gong documents, and a warning about fields that it doesn't.

Gong documents no field as required, and neighboring endpoints return explicit nulls, so every field can be null or
missing; the row readers check the ones they need. Undocumented fields are dropped, whatever their values.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence  # noqa: TC003 - msgspec reads the hints
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from tap_gong_activity.base.errors import UnexpectedResponseError
from tap_gong_activity.gong.lenient_json import decode

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MAX_NAMES = 10
"""Number of unknown fields that a warning lists."""

MAX_NAME_LENGTH = 100
"""Characters of a field's name in that warning."""


class PeriodActivity(msgspec.Struct, rename="camel", gc=False):
    """A user's counters in a period, in Gong's order, followed by the period's dates."""

    calls_as_host: int | None = None
    calls_gave_feedback: int | None = None
    calls_requested_feedback: int | None = None
    calls_received_feedback: int | None = None
    own_calls_listened_to: int | None = None
    others_calls_listened_to: int | None = None
    calls_shared_internally: int | None = None
    calls_shared_externally: int | None = None
    calls_scorecards_filled: int | None = None
    calls_scorecards_received: int | None = None
    calls_attended: int | None = None
    calls_comments_given: int | None = None
    calls_comments_received: int | None = None
    calls_marked_as_feedback_given: int | None = None
    calls_marked_as_feedback_received: int | None = None
    from_date: str | None = None
    to_date: str | None = None


class UserActivity(msgspec.Struct, rename="camel", gc=False):
    """A user, with an item for each period of the window."""

    user_id: str | None = None
    user_email_address: str | None = None
    user_aggregate_activity: Sequence[PeriodActivity] | None = None


class ActivityPage(msgspec.Struct, rename="camel"):
    """A page of activity."""

    users_aggregate_activity: Sequence[UserActivity] | None = None


class _KnownRecords(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    total_records: msgspec.Raw = msgspec.Raw()
    current_page_size: msgspec.Raw = msgspec.Raw()
    current_page_number: msgspec.Raw = msgspec.Raw()
    cursor: msgspec.Raw = msgspec.Raw()


class _KnownPeriodActivity(PeriodActivity, forbid_unknown_fields=True):
    pass


class _KnownUserActivity(UserActivity, forbid_unknown_fields=True):
    user_aggregate_activity: Sequence[_KnownPeriodActivity] | None = None


class _KnownActivityPage(ActivityPage, forbid_unknown_fields=True):
    request_id: msgspec.Raw = msgspec.Raw()
    errors: msgspec.Raw = msgspec.Raw()
    records: _KnownRecords | None = None
    users_aggregate_activity: Sequence[_KnownUserActivity] | None = None


class UserSettings(msgspec.Struct, rename="camel", gc=False):
    """A user's settings, in Gong's order."""

    web_conferences_recorded: bool | None = None
    prevent_web_conference_recording: bool | None = None
    telephony_calls_imported: bool | None = None
    emails_imported: bool | None = None
    prevent_email_import: bool | None = None
    non_recorded_meetings_imported: bool | None = None
    gong_connect_enabled: bool | None = None


class User(msgspec.Struct, rename="camel", gc=False):
    """A user's profile, limited to fields that have a column."""

    id: str | None = None
    email_address: str | None = None
    created: str | None = None
    active: bool | None = None
    email_aliases: list[str | None] | None = None
    first_name: str | None = None
    last_name: str | None = None
    title: str | None = None
    manager_id: str | None = None
    settings: UserSettings | None = None


class UsersPage(msgspec.Struct, rename="camel"):
    """A page of users."""

    users: Sequence[User] | None = None


class _KnownUserSettings(UserSettings, forbid_unknown_fields=True):
    pass


class _KnownUser(User, forbid_unknown_fields=True):
    settings: _KnownUserSettings | None = None
    trusted_email_address: msgspec.Raw = msgspec.Raw()
    phone_number: msgspec.Raw = msgspec.Raw()
    extension: msgspec.Raw = msgspec.Raw()
    personal_meeting_urls: msgspec.Raw = msgspec.Raw()
    meeting_consent_page_url: msgspec.Raw = msgspec.Raw()
    conferencing_providers: msgspec.Raw = msgspec.Raw()
    spoken_languages: msgspec.Raw = msgspec.Raw()


class _KnownUsersPage(UsersPage, forbid_unknown_fields=True):
    request_id: msgspec.Raw = msgspec.Raw()
    errors: msgspec.Raw = msgspec.Raw()
    records: _KnownRecords | None = None
    users: Sequence[_KnownUser] | None = None


class PageDecoder(Generic[T]):
    """Decodes pages; not safe to share between threads.

    Args:
        page: The model to decode into; it ignores unknown fields.
        known: A subclass of it with all fields that Gong documents; it forbids others.
    """

    def __init__(self, page: type[T], known: type[T]) -> None:
        self._page = msgspec.json.Decoder(page)
        self._known = msgspec.json.Decoder(known)
        self._known_type = known
        self._found_unknown = False

    def decode(self, body: bytes | bytearray) -> tuple[T, set[str]]:
        """Decode a page.

        Returns:
            The page, and the names of its undocumented fields; only the first time that there are any.

        Raises:
            UnexpectedResponseError: If a field doesn't have the documented type.
        """
        try:
            if not self._found_unknown:
                try:
                    return decode(self._known, body), set()
                except msgspec.ValidationError:
                    pass
            page = decode(self._page, body)
        except msgspec.DecodeError as error:
            message = f"Gong's response doesn't match its documentation: {error}"
            raise UnexpectedResponseError(message) from None
        unknown: set[str] = set()
        if not self._found_unknown:
            self._found_unknown = True
            _find_unknown_fields(body, self._known_type, unknown)
        return page, unknown


def activity_decoder() -> PageDecoder[ActivityPage]:
    """Return a decoder for pages of activity."""
    return PageDecoder(ActivityPage, _KnownActivityPage)


def users_decoder() -> PageDecoder[UsersPage]:
    """Return a decoder for pages of users."""
    return PageDecoder(UsersPage, _KnownUsersPage)


def describe_unknown_fields(names: set[str], redact: Callable[[str], str]) -> str:
    """Return a warning with at most `MAX_NAMES` of the names, each passed through `redact`."""
    shown = ", ".join(repr(redact(name)[:MAX_NAME_LENGTH]) for name in heapq.nsmallest(MAX_NAMES, names))
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    fields = "1 unknown field, which is" if len(names) == 1 else f"{len(names):,} unknown fields, which are"
    return f"Gong returned {fields} ignored: {shown}{more}."


_NESTED: dict[str, type[Any]] = {
    "records": _KnownRecords,
    "usersAggregateActivity": _KnownUserActivity,
    "userAggregateActivity": _KnownPeriodActivity,
    "users": _KnownUser,
    "settings": _KnownUserSettings,
}

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])


def _find_unknown_fields(value: Any, known: type[Any], unknown: set[str]) -> None:  # noqa: ANN401 - JSON, raw or not
    members = decode(_members, value)
    unknown.update(members.keys() - set(known.__struct_encode_fields__))
    for name in members.keys() & _NESTED.keys() & set(known.__struct_encode_fields__):
        kind = bytes(members[name])[:1]
        for item in decode(_elements, members[name]) if kind == b"[" else [members[name]] if kind == b"{" else []:
            _find_unknown_fields(item, _NESTED[name], unknown)
