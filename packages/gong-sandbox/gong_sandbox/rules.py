"""Validation of request bodies and queries, by the rules that Gong documents."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from gong_sandbox.periods import PERIOD_OF_DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

BODY_FIELDS = {"cursor", "filter", "aggregationPeriod"}
FILTER_FIELDS = {"fromDate", "toDate", "createdFromDateTime", "createdToDateTime", "userIds"}
USERS_PARAMETERS = {"cursor", "includeAvatars"}

# As Gong has been seen to respond.
PARSE_ERROR = "Json parse error"
REQUIRED = {"filter.fromDate": "may not be null", "filter.toDate": "may not be null"}
MUST_NOT_BE_NULL = "must not be null"

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DATE_TIME = re.compile(
    r"(?P<second>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?P<fraction>\.[0-9]{1,9})?"
    r"(?:Z|(?P<sign>[+-])(?P<hours>[0-9]{2}):(?P<minutes>[0-9]{2}))"
)
USER_ID = re.compile(r"[0-9]{1,20}")


class InvalidRequestError(ValueError):
    """A request that breaks one or more rules.

    Attributes:
        errors: One message per broken rule.
    """

    def __init__(self, *errors: str) -> None:
        super().__init__(*errors)
        self.errors = errors


@dataclass(frozen=True)
class Query:
    """A valid request for activity; dates are in the company's time zone, and `to_date` is exclusive."""

    aggregation_period: str
    from_date: date
    to_date: date
    created_from: datetime | None
    created_to: datetime | None
    user_ids: frozenset[str] | None
    cursor: str | None


def read_json(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse a body.

    Raises:
        InvalidRequestError: The body isn't valid JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidRequestError(PARSE_ERROR) from None


def read_query(document: object, today: date) -> Query:
    """Validate the body of a request for activity; `today` is the company's current day.

    Raises:
        InvalidRequestError: The body breaks a rule; names all that it breaks.
    """
    if not isinstance(document, dict):
        raise InvalidRequestError(PARSE_ERROR)
    # Gong rejects what it can't parse before it checks anything else.
    if document.get("aggregationPeriod") not in [None, *PERIOD_OF_DAY]:
        raise InvalidRequestError(PARSE_ERROR)
    body = _Fields(document, "", BODY_FIELDS)
    cursor = body.read("cursor", _text)
    aggregation_period = body.read("aggregationPeriod", _text, required=True)
    filters = _Fields(body.read("filter", _object, required=True), "filter.", FILTER_FIELDS)
    from_date = filters.read("fromDate", _date, required=True)
    to_date = filters.read("toDate", _date, required=True)
    if from_date and to_date and from_date > to_date:
        filters.errors.append("filter.fromDate: must not be after filter.toDate")
    if to_date and to_date > today:
        filters.errors.append(f"filter.toDate: must not exceed the company's current day, {today}")
    created_from = filters.read("createdFromDateTime", _instant)
    created_to = filters.read("createdToDateTime", _instant)
    user_ids = filters.read("userIds", _user_ids)
    errors = body.errors + filters.errors
    if errors or aggregation_period is None or from_date is None or to_date is None:
        raise InvalidRequestError(*errors)
    return Query(aggregation_period, from_date, to_date, created_from, created_to, user_ids, cursor)


def read_users_query(parameters: Sequence[tuple[str, str]]) -> bool:
    """Validate the query of a request for users, and return whether to include avatars.

    Raises:
        InvalidRequestError: A parameter is unknown, repeated or malformed.
    """
    names = [name for name, _ in parameters]
    errors = [f"Unrecognized parameter {json.dumps(name)}" for name in names if name not in USERS_PARAMETERS]
    errors += [f"{name}: must not be repeated" for name in sorted(USERS_PARAMETERS) if names.count(name) > 1]
    include_avatars = dict(parameters).get("includeAvatars", "false")
    if include_avatars not in ("true", "false"):
        errors.append("includeAvatars: must be true or false")
    if errors:
        raise InvalidRequestError(*errors)
    return include_avatars == "true"


class _Fields:
    """The fields of an object, and the errors found in them so far."""

    def __init__(self, fields: dict[str, Any] | None, path: str, allowed: set[str]) -> None:
        self._fields = fields
        self._path = path
        # Names are quoted as JSON, because they can contain any character.
        self.errors = [f"Unrecognized field {json.dumps(path + name)}" for name in fields or () if name not in allowed]

    def read(self, name: str, convert: Callable[[Any], T], *, required: bool = False) -> T | None:
        """Return a converted field, or None if it's missing or invalid."""
        if self._fields is None:
            return None
        path = self._path + name
        if required and self._fields.get(name) is None:
            self.errors.append(f"{path}: {REQUIRED.get(path, MUST_NOT_BE_NULL)}")
            return None
        if name not in self._fields:
            return None
        try:
            return convert(self._fields[name])
        except ValueError as error:
            self.errors.append(f"{path}: {error}")
            return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        message = "must be a string"
        raise ValueError(message)  # noqa: TRY004 - an error in the body, like the others
    return value


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        message = "must be an object"
        raise ValueError(message)  # noqa: TRY004 - an error in the body, like the others
    return value


def _date(value: object) -> date:
    text = _text(value)
    try:
        if DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    message = "must be a valid date (YYYY-MM-DD)"
    raise ValueError(message)


def _instant(value: object) -> datetime:
    parts = DATE_TIME.fullmatch(_text(value))
    message = "must be an ISO 8601 date-time with a UTC offset"
    if parts is None:
        raise ValueError(message)
    # Before Python 3.11, fromisoformat accepts neither Z nor every fraction.
    offset = timedelta(hours=int(parts["hours"] or 0), minutes=int(parts["minutes"] or 0))
    fraction = timedelta(microseconds=int((parts["fraction"] or ".0")[1:7].ljust(6, "0")))
    try:
        zone = timezone(-offset if parts["sign"] == "-" else offset)
        return datetime.fromisoformat(parts["second"]).replace(tzinfo=zone) + fraction
    except ValueError:
        raise ValueError(message) from None


def _user_ids(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not value:
        message = "must be an array of at least one string"
        raise ValueError(message)
    if not all(isinstance(user_id, str) and USER_ID.fullmatch(user_id) for user_id in value):
        message = "must contain strings of 1 to 20 digits"
        raise ValueError(message)
    return frozenset(value)
