"""Responses: Gong's envelope, and whether a 200 is a complete page.

Only what paging needs is parsed here; `models.py` has the rest of a page.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_gong_activity.base.errors import UnexpectedResponseError
from tap_gong_activity.gong.lenient_json import decode, decode_or_none, without_lone_surrogates

if TYPE_CHECKING:
    from tap_gong_activity.gong.endpoints import Endpoint

MAX_CURSOR_BYTES = 64_000
"""Gong's cursors take a few hundred bytes."""


class FailedResponseError(Exception):
    """A 200 that isn't a complete page; a retry may fix it.

    Attributes:
        problem: What is wrong, as the end of a sentence; empty if Gong's own errors say it.
        envelope: Gong's errors and request ID, if the response contains them.
    """

    def __init__(self, problem: str = "", envelope: ErrorEnvelope | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.envelope = envelope


class ErrorEnvelope(msgspec.Struct, rename="camel"):
    """The body of Gong's errors, which can also come with a 200."""

    request_id: str | None = None
    errors: list[str] | None = None


class _RawEnvelope(msgspec.Struct, rename="camel"):
    request_id: msgspec.Raw = msgspec.Raw()
    errors: msgspec.Raw = msgspec.Raw()


_envelope = msgspec.json.Decoder(_RawEnvelope)


def decode_envelope(body: bytes | bytearray) -> ErrorEnvelope | None:
    """Decode the body of an error, or return None if it isn't Gong's envelope."""
    try:
        raw = decode(_envelope, body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    envelope = _lenient_envelope(raw.request_id, raw.errors)
    return envelope if envelope.request_id or envelope.errors else None


class Page(NamedTuple):
    """A page, of which only what paging needs has been parsed.

    Attributes:
        body: The response's JSON, with lone surrogates replaced.
        cursor: The cursor of the next page, or None on the last page.
        total: Number of users that match the request; None if it's missing or not a whole number.
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
            ("users", list[user] | None | msgspec.UnsetType, msgspec.UNSET),  # type: ignore[valid-type] # a type made at run time
        ],
        rename={"request_id": "requestId", "users": endpoint.users_field},
    )
    return msgspec.json.Decoder(page)


_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_page(body: bytes | bytearray, endpoint: Endpoint) -> Page:
    """Parse what paging needs from the body of a 200, and check that it's a complete page.

    Raises:
        FailedResponseError: If it's incomplete, or contains errors.
        UnexpectedResponseError: If its cursor or a user's ID doesn't match Gong's documentation.
    """
    try:
        text = without_lone_surrogates(body)
        try:
            page = decode(_page_decoder(endpoint), text)
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
        message = f"Gong returned a cursor longer than {MAX_CURSOR_BYTES // 1000} kB, so pagination doesn't advance"
        raise UnexpectedResponseError(message)
    user_ids = None if not isinstance(page.users, list) else [user.id for user in page.users if user.id]
    has_replacements = text is not body
    if has_replacements and any("\ufffd" in user_id for user_id in user_ids or ()):
        message = f"Gong returned a user whose {endpoint.id_field} contains a lone surrogate, which isn't valid Unicode"
        raise UnexpectedResponseError(message)
    total = decode_or_none(records.total_records, int)
    return Page(text, records.cursor or None, total, user_ids, envelope, has_replacements)


def _misfit(text: bytes | bytearray, endpoint: Endpoint, error: msgspec.ValidationError) -> Exception:
    """Return what to raise for a page of the wrong shape: a retry may fix its top level, but not a single field."""
    mismatch = f"doesn't match Gong's documentation: {error}"
    try:
        members = decode(_members, text)
    except msgspec.ValidationError:
        return FailedResponseError(mismatch)
    none = msgspec.Raw(b"null")
    errors, request_id = members.get("errors", none), members.get("requestId", none)
    envelope = _lenient_envelope(request_id, errors)
    if _has_errors(errors):
        return FailedResponseError(envelope=envelope)
    top_level = {"records": b"{n", endpoint.users_field: b"[n"}
    if any(bytes(members.get(name, none))[:1] not in kinds for name, kinds in top_level.items()):
        return FailedResponseError(mismatch, envelope)
    return UnexpectedResponseError(f"Gong's response {mismatch}")


def _has_errors(errors: msgspec.Raw) -> bool:
    return b"".join(bytes(errors).split()) not in {b"", b"null", b"false", b"[]", b"{}", b'""'}


def _lenient_envelope(request_id: msgspec.Raw, errors: msgspec.Raw) -> ErrorEnvelope:
    value: object = decode_or_none(errors, object)
    values = value if isinstance(value, list) else [value]
    # An object may contain a useful message.
    texts = [
        one if isinstance(one, str) else msgspec.json.encode(one).decode()
        for one in values
        if isinstance(one, str | dict) and one
    ]
    return ErrorEnvelope(decode_or_none(request_id, str), texts or None)
