"""Gong's answer as typed structures, and the one place that decides what Gong may send.

No field of the endpoint is documented as required, and neighbouring endpoints answer explicit nulls, so every field may
be null or missing here; what a row can't do without is checked where rows are made (`rows.py`). A field of another type
than documented is an error that names it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from tap_gong_activity.base.errors import GongError


class PeriodActivity(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
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


class UserActivity(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """One user with an item for each period of the window."""

    user_id: str | None = None
    user_email_address: str | None = None
    user_aggregate_activity: list[PeriodActivity] | None = None


class Records(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Where in the paging an answer stands; the totals count users."""

    total_records: int | None = None
    current_page_size: int | None = None
    current_page_number: int | None = None
    cursor: str | None = None


class Answer(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """One page of Gong's answer."""

    request_id: str | None = None
    records: Records | None = None
    users_aggregate_activity: list[UserActivity] | None = None

    @property
    def users(self) -> list[UserActivity]:
        """The page's users; a null or missing array holds none."""
        return self.users_aggregate_activity or []


class Page(NamedTuple):
    """An answer as it came, of which only what paging needs has been understood.

    Attributes:
        body: The answer's bytes, which are whole JSON.
        cursor: The cursor of the next page; absent, null and empty all mean that there is none.
    """

    body: bytes | bytearray
    cursor: str | None


class ErrorEnvelope(msgspec.Struct, rename="camel"):
    """What Gong answers with a status of 400 and above."""

    request_id: str | None = None
    errors: list[str] | None = None


class NotJsonError(Exception):
    """An answer is no JSON, or was cut off, which another try may mend."""


class UndocumentedError(GongError):
    """An answer is JSON but not what Gong documents; the message names the field."""


class _Paging(msgspec.Struct):
    records: _Cursor | None = None


class _Cursor(msgspec.Struct):
    cursor: str | None = None


_paging = msgspec.json.Decoder(_Paging)
_answer = msgspec.json.Decoder(Answer)
_envelope = msgspec.json.Decoder(ErrorEnvelope)


def read_page(body: bytes | bytearray) -> Page:
    """Check that the body of a 200 came whole, and find its cursor.

    Raises:
        NotJsonError: If the body is no JSON or ends too early.
        UndocumentedError: If the cursor is not where or what Gong documents.
    """
    try:
        if not body.isascii():
            # What the decoder skips, it doesn't check to be UTF-8.
            body.decode()
        records = _paging.decode(body).records
    except msgspec.ValidationError as error:
        message = f"Gong's answer is not what it documents: {error}"
        raise UndocumentedError(message) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotJsonError from error
    return Page(body, (records and records.cursor) or None)


def decode_answer(body: bytes | bytearray) -> tuple[Answer, frozenset[str]]:
    """Decode a page's body.

    Returns:
        The answer, and the names of the fields in it that Gong does not document (almost always none).

    Raises:
        UndocumentedError: If a documented field has another type than Gong documents.
    """
    unknown: set[str] = set()
    try:
        try:
            answer = _answer.decode(body)
        except msgspec.ValidationError:
            answer = msgspec.convert(_without_unknown_fields(msgspec.json.decode(body), Answer, unknown), Answer)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        message = f"Gong's answer is not what it documents: {error}"
        raise UndocumentedError(message) from None
    return answer, frozenset(unknown)


def decode_envelope(body: bytes | bytearray) -> ErrorEnvelope | None:
    """Decode the body of an error, or give None if it is not Gong's envelope."""
    try:
        envelope = _envelope.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return envelope if envelope.request_id or envelope.errors else None


_NESTED: dict[str, type[msgspec.Struct]] = {
    "records": Records,
    "usersAggregateActivity": UserActivity,
    "userAggregateActivity": PeriodActivity,
}


def _without_unknown_fields(value: Any, struct: type[msgspec.Struct], unknown: set[str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_without_unknown_fields(item, struct, unknown) for item in value]
    if not isinstance(value, dict):
        return value
    unknown.update(value.keys() - set(struct.__struct_encode_fields__))
    return {
        name: _without_unknown_fields(item, _NESTED[name], unknown) if name in _NESTED else item
        for name, item in value.items()
        if name in struct.__struct_encode_fields__
    }
