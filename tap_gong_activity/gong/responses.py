"""What a response from Gong holds: whether it's a whole page, and its content as typed structs.

Gong documents no field as required, and neighboring endpoints return explicit nulls, so every field may be null or
missing here; rows check what they can't do without. Fields that Gong doesn't document are left out, whatever they hold.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence  # noqa: TC003 - msgspec reads the hints
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec

from tap_gong_activity.base.errors import GongError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_gong_activity.gong.endpoints import Endpoint

T = TypeVar("T")

MAX_DEPTH = 32
"""Levels of nesting that are read; Gong documents five."""

MAX_NAMES = 10
"""Unknown fields that a warning names."""

MAX_NAME_LENGTH = 100
"""Characters that it shows of each."""

MAX_CURSOR_BYTES = 64_000
"""Gong's cursors take a few hundred bytes."""


class FailedResponseError(Exception):
    """A 200 that isn't a whole page, which a retry may fix.

    Attributes:
        problem: What the response is or lacks, as the end of a sentence; empty if Gong's own errors say it.
        envelope: Gong's errors and request ID, as far as the response holds them.
    """

    def __init__(self, problem: str = "", envelope: ErrorEnvelope | None = None) -> None:
        """Take the problem and the envelope."""
        super().__init__(problem)
        self.problem = problem
        self.envelope = envelope


class UnexpectedResponseError(GongError):
    """A response is JSON but doesn't match Gong's documentation; the message names the field."""


class ErrorEnvelope(msgspec.Struct, rename="camel"):
    """What Gong returns with a status of 400 and above, and at times with 200."""

    request_id: str | None = None
    errors: list[str] | None = None


class _RawEnvelope(msgspec.Struct, rename="camel"):
    request_id: msgspec.Raw = msgspec.Raw()
    errors: msgspec.Raw = msgspec.Raw()


_envelope = msgspec.json.Decoder(_RawEnvelope)


def decode_envelope(body: bytes | bytearray) -> ErrorEnvelope | None:
    """Decode the body of an error, or return None if it isn't Gong's envelope."""
    try:
        raw = _envelope.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    envelope = _lenient_envelope(raw.request_id, raw.errors)
    return envelope if envelope.request_id or envelope.errors else None


# A page as paging sees it


class Page(NamedTuple):
    """A page of which only what paging needs has been decoded.

    Attributes:
        body: The response's JSON, with lone surrogates replaced.
        cursor: The cursor of the next page; absent, null and empty all mean that there is none.
        total: How many users match the request, if Gong says so in a whole number.
        user_ids: The IDs of the page's users; None if the array is null or missing.
        envelope: Gong's request ID.
        has_replacements: Whether U+FFFD replaces lone surrogates.
    """

    body: bytes | bytearray
    cursor: str | None
    total: int | None
    user_ids: list[str] | None
    envelope: ErrorEnvelope
    has_replacements: bool = False


class _Records(msgspec.Struct, rename="camel"):
    total_records: msgspec.Raw = msgspec.Raw()
    cursor: str | None = None


@cache
def _page_decoder(endpoint: Endpoint) -> msgspec.json.Decoder[Any]:
    user = msgspec.defstruct("_User", [("id", str | None, None)], rename={"id": endpoint.id_field})
    page = msgspec.defstruct(
        "_Page",
        [
            ("request_id", msgspec.Raw, msgspec.Raw()),
            ("errors", msgspec.Raw, msgspec.Raw()),
            ("records", _Records | None | msgspec.UnsetType, msgspec.UNSET),
            ("users", list[user] | None | msgspec.UnsetType, msgspec.UNSET),  # type: ignore[valid-type]
        ],
        rename={"request_id": "requestId", "users": endpoint.users_field},
    )
    return msgspec.json.Decoder(page)


def read_page(body: bytes | bytearray, endpoint: Endpoint) -> Page:
    """Check that the body of a 200 is a whole page, and find what paging needs.

    Raises:
        FailedResponseError: If it isn't whole, or says that it failed.
        UnexpectedResponseError: If its cursor or a user's ID isn't what Gong documents.
    """
    try:
        text = _without_lone_surrogates(body)
        try:
            page = _decode(_page_decoder(endpoint), text)
        except msgspec.ValidationError as error:
            raise _misfit(text, endpoint, error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        problem = f"of {len(body):,} bytes isn't valid JSON or was truncated"
        raise FailedResponseError(problem) from None
    envelope = _lenient_envelope(page.request_id, page.errors)
    if _has_errors(page.errors):
        raise FailedResponseError(envelope=envelope)
    if page.records is msgspec.UNSET and page.users is msgspec.UNSET:
        problem = f"has neither records nor {endpoint.users_field}"
        raise FailedResponseError(problem, envelope)
    records = page.records or _Records()
    if len((records.cursor or "").encode()) > MAX_CURSOR_BYTES:
        message = f"Gong returned a cursor longer than {MAX_CURSOR_BYTES // 1000} kB, so paging doesn't advance"
        raise UnexpectedResponseError(message)
    user_ids = None if not isinstance(page.users, list) else [user.id for user in page.users if user.id]
    has_replacements = text is not body
    if has_replacements and any("\ufffd" in user_id for user_id in user_ids or ()):
        message = f"Gong returned a user whose {endpoint.id_field} holds a lone surrogate, which is no character"
        raise UnexpectedResponseError(message)
    total = _lenient(records.total_records, int)
    return Page(text, records.cursor or None, total, user_ids, envelope, has_replacements)


def _misfit(text: bytes | bytearray, endpoint: Endpoint, error: msgspec.ValidationError) -> Exception:
    """What to raise for a page of another shape: a retry may fix its outermost parts, not a single field."""
    mismatch = f"doesn't match Gong's documentation: {error}"
    try:
        members = _decode(_members, text)
    except msgspec.ValidationError:
        return FailedResponseError(mismatch)
    none = msgspec.Raw(b"null")
    errors, request_id = members.get("errors", none), members.get("requestId", none)
    envelope = _lenient_envelope(request_id, errors)
    if _has_errors(errors):
        return FailedResponseError(envelope=envelope)
    outermost = {"records": b"{n", endpoint.users_field: b"[n"}
    if any(bytes(members.get(name, none))[:1] not in kinds for name, kinds in outermost.items()):
        return FailedResponseError(mismatch, envelope)
    return UnexpectedResponseError(f"Gong's response {mismatch}")


def _has_errors(errors: msgspec.Raw) -> bool:
    return b"".join(bytes(errors).split()) not in {b"", b"null", b"false", b"[]", b"{}", b'""'}


def _lenient_envelope(request_id: msgspec.Raw, errors: msgspec.Raw) -> ErrorEnvelope:
    value: object = _lenient(errors, object)
    values = value if isinstance(value, list) else [value]
    # An object may hold what Gong means to say.
    texts = [
        one if isinstance(one, str) else msgspec.json.encode(one).decode()
        for one in values
        if isinstance(one, str | dict) and one
    ]
    return ErrorEnvelope(_lenient(request_id, str), texts or None)


def _lenient(raw: msgspec.Raw, kind: type[T]) -> T | None:
    """The value, or None if it's of another kind."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


# A page as rows see it


class PeriodActivity(msgspec.Struct, rename="camel", gc=False):
    """One user's counters in one period; they come first, in Gong's order, then the period's dates."""

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
    """One user with an item for each period of the window."""

    user_id: str | None = None
    user_email_address: str | None = None
    user_aggregate_activity: Sequence[PeriodActivity] | None = None


class ActivityPage(msgspec.Struct, rename="camel"):
    """One page of activity."""

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
    """What Gong records and imports of a user, in Gong's order."""

    web_conferences_recorded: bool | None = None
    prevent_web_conference_recording: bool | None = None
    telephony_calls_imported: bool | None = None
    emails_imported: bool | None = None
    prevent_email_import: bool | None = None
    non_recorded_meetings_imported: bool | None = None
    gong_connect_enabled: bool | None = None


class User(msgspec.Struct, rename="camel", gc=False):
    """One user's profile, as far as a column holds it."""

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
    """One page of users."""

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
    """Decodes pages; safe for one thread.

    Args:
        page: What to decode into, which ignores unknown fields.
        known: A subclass of it that lists every field that Gong documents, and forbids others.
    """

    def __init__(self, page: type[T], known: type[T]) -> None:
        self._page = msgspec.json.Decoder(page)
        self._known = msgspec.json.Decoder(known)
        self._known_type = known
        self._found_unknown = False

    def decode(self, body: bytes | bytearray) -> tuple[T, set[str]]:
        """Decode a page.

        Returns:
            The page, and the names of its fields that Gong doesn't document; only once, as they're the same ever after.

        Raises:
            UnexpectedResponseError: If a documented field has another type than Gong documents.
        """
        try:
            if not self._found_unknown:
                try:
                    return _decode(self._known, body), set()
                except msgspec.ValidationError:
                    pass
            page = _decode(self._page, body)
        except msgspec.DecodeError as error:
            message = f"Gong's response doesn't match its documentation: {error}"
            raise UnexpectedResponseError(message) from None
        unknown: set[str] = set()
        if not self._found_unknown:
            self._found_unknown = True
            _find_unknown_fields(body, self._known_type, unknown)
        return page, unknown


def activity_decoder() -> PageDecoder[ActivityPage]:
    """A decoder for pages of activity."""
    return PageDecoder(ActivityPage, _KnownActivityPage)


def users_decoder() -> PageDecoder[UsersPage]:
    """A decoder for pages of users."""
    return PageDecoder(UsersPage, _KnownUsersPage)


def describe_unknown_fields(names: set[str], redact: Callable[[str], str]) -> str:
    """A warning that names at most `MAX_NAMES` of them, made fit for a log by `redact`."""
    shown = ", ".join(repr(redact(name)[:MAX_NAME_LENGTH]) for name in heapq.nsmallest(MAX_NAMES, names))
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    fields = "1 unknown field, which is" if len(names) == 1 else f"{len(names):,} unknown fields, which are"
    return f"Gong returned {fields} left out: {shown}{more}."


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
    members = _decode(_members, value)
    unknown.update(members.keys() - set(known.__struct_encode_fields__))
    for name in members.keys() & _NESTED.keys() & set(known.__struct_encode_fields__):
        kind = bytes(members[name])[:1]
        for item in _decode(_elements, members[name]) if kind == b"[" else [members[name]] if kind == b"{" else []:
            _find_unknown_fields(item, _NESTED[name], unknown)


# JSON that msgspec refuses, or reads only so far


def _decode(decoder: msgspec.json.Decoder[T], text: Any) -> T:  # noqa: ANN401 - anything with bytes in it
    try:
        return decoder.decode(text)
    except RecursionError:
        return decoder.decode(_without_deep_values(bytes(text)))


_STRUCTURE = re.compile(rb'\\.|["\[\]{}]', re.DOTALL)


def _without_deep_values(text: bytes) -> bytearray:
    """Replace arrays and objects nested deeper than `MAX_DEPTH` by null, without looking inside."""
    kept, copied, depth, in_string = bytearray(), 0, 0, False
    for token in _STRUCTURE.finditer(text):
        match token[0]:
            case b'"':
                in_string = not in_string
            case b"[" | b"{" if not in_string:
                depth += 1
                if depth == MAX_DEPTH + 1:
                    kept += text[copied : token.start()] + b"null"
            case b"]" | b"}" if not in_string:
                depth -= 1
                if depth == MAX_DEPTH:
                    copied = token.end()
    return kept + text[copied:] if depth <= MAX_DEPTH else kept


_RAW_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def _without_lone_surrogates(body: bytes | bytearray) -> bytes | bytearray:
    r"""Replace surrogates without a partner by U+FFFD, whether they are escaped (`\ud800`) or raw; else return `body`.

    Raises:
        UnicodeDecodeError: If the body isn't UTF-8 for another reason.
    """
    text = body
    if not body.isascii():
        # What msgspec skips, it doesn't check to be UTF-8.
        try:
            body.decode()
        except UnicodeDecodeError:
            text = _RAW_SURROGATE.sub("\ufffd".encode(), body)
            text.decode()
    # A single byte is found 50 times as fast as three, and few pages hold one.
    if b"\\" in text and (b"\\ud" in text or b"\\uD" in text):
        replaced = _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], text)
        text = text if replaced == text else replaced
    return text
