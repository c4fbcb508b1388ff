"""Failures: what a status other than 200 means, which exception it raises, and what to do about it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from tap_gong_activity.base.errors import GongError, MissingScopeError
from tap_gong_activity.base.redaction import redact
from tap_gong_activity.gong.retries import FatalError, RetryableError, retry_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from tap_gong_activity.gong.responses import ErrorEnvelope


class NothingFoundError(GongError):
    """Gong found nothing for the filters; it returns a 404 then."""


class Meaning(NamedTuple):
    """The exception for a response, and the advice in its message."""

    error: type[GongError | RetryableError]
    advice: str = ""


RETRY = Meaning(RetryableError)
REFUSED = Meaning(GongError)
MISSING_SCOPE = Meaning(MissingScopeError, "add that scope to the key or the app in Gong")
NOTHING_FOUND = Meaning(NothingFoundError)

BY_STATUS: dict[int, Meaning] = {
    HTTPStatus.UNAUTHORIZED: Meaning(
        FatalError,
        "check the access key and secret or the token, and that api_url is the host of this account",
    ),
    HTTPStatus.FORBIDDEN: Meaning(
        FatalError, "the key has expired, or this machine isn't among the trusted IP addresses in Gong"
    ),
    HTTPStatus.NOT_FOUND: Meaning(GongError, "there's no such endpoint at that host, so check api_url"),
    HTTPStatus.REQUEST_TIMEOUT: RETRY,
    HTTPStatus.TOO_MANY_REQUESTS: RETRY,
}
REDIRECT = Meaning(GongError, "redirects aren't followed, so set api_url to your account's host")


def meaning_of(status: int, envelope: ErrorEnvelope | None) -> Meaning:
    """Return the meaning of a status other than 200.

    Args:
        status: The HTTP status.
        envelope: The body, or None if it isn't Gong's envelope.
    """
    if status == HTTPStatus.UNAUTHORIZED and envelope and any("permission" in e.lower() for e in envelope.errors or ()):
        return MISSING_SCOPE
    if status == HTTPStatus.NOT_FOUND and envelope:
        return NOTHING_FOUND
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RETRY
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return REDIRECT
    return BY_STATUS.get(status, REFUSED)


def failure_of(
    status: int,
    headers: Mapping[str, str],
    envelope: ErrorEnvelope | None,
    *,
    secrets: Iterable[str],
    now: datetime,
) -> GongError | RetryableError:
    """Return the exception for a response; its message contains Gong's errors and what to do."""
    meaning = meaning_of(status, envelope)
    message = describe(status, headers, envelope, list(secrets))
    if meaning.advice:
        message = f"{message}: {meaning.advice}"
    if meaning.error is RetryableError:
        return RetryableError(message, status, retry_after=retry_after(headers, now))
    return meaning.error(message, status)


def describe(
    status: int, headers: Mapping[str, str], envelope: ErrorEnvelope | None, secrets: list[str], problem: str = ""
) -> str:
    """Describe a response: status, `problem` or Gong's errors, and request ID."""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    message = f"Gong returned {status} {phrase}".rstrip()
    if problem:
        message += f", but the response {problem}"
    elif envelope:
        errors = redact("; ".join(envelope.errors or ()) or "no reason given", secrets)
        message += f", saying {errors!r}"
    if envelope and envelope.request_id:
        return f"{message} (requestId {redact(envelope.request_id, secrets)})"
    trace_id = headers.get("x-traceid")
    return f"{message} (x-traceid {redact(trace_id, secrets)})" if trace_id else message
