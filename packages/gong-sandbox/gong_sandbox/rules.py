"""What the body of a request may hold, after Gong's page for the endpoint."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from gong_sandbox.periods import PERIOD_OF_DAY

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

BODY_FIELDS = {"cursor", "filter", "aggregationPeriod"}
FILTER_FIELDS = {"fromDate", "toDate", "createdFromDateTime", "createdToDateTime", "userIds"}

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DATE_TIME = re.compile(
    r"(?P<second>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?P<fraction>\.[0-9]{1,9})?"
    r"(?:Z|(?P<sign>[+-])(?P<hours>[0-9]{2}):(?P<minutes>[0-9]{2}))"
)
USER_ID = re.compile(r"[0-9]{1,20}")


class BodyRefusedError(ValueError):
    """A body breaks the rules.

    Attributes:
        errors: A sentence for each rule that it breaks.
    """

    def __init__(self, *errors: str) -> None:
        """Take the sentences."""
        super().__init__(*errors)
        self.errors = errors


@dataclass(frozen=True)
class Query:
    """What a body asks for; the dates are in the company's time zone, `to_date` is exclusive."""

    aggregation_period: str
    from_date: date
    to_date: date
    created_from: datetime | None
    created_to: datetime | None
    user_ids: frozenset[str] | None
    cursor: str | None


def read_json(body: bytes) -> Any:  # noqa: ANN401 (whatever the client sent)
    """Give the JSON that the body holds.

    Raises:
        BodyRefusedError: It holds none.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        msg = "The request body is not valid JSON"
        raise BodyRefusedError(msg) from None


def read_query(document: object, today: date) -> Query:
    """Check a body against every rule; `today` is the company's current day.

    Raises:
        BodyRefusedError: It breaks some.
    """
    if not isinstance(document, dict):
        msg = "The request body must be a JSON object"
        raise BodyRefusedError(msg)
    body = _Fields(document, "", BODY_FIELDS)
    cursor = body.read("cursor", _text)
    aggregation_period = body.read("aggregationPeriod", _aggregation_period, required=True)
    filters = _Fields(body.read("filter", _object, required=True), "filter.", FILTER_FIELDS)
    from_date = filters.read("fromDate", _date, required=True)
    to_date = filters.read("toDate", _date, required=True)
    if from_date and to_date and from_date > to_date:
        filters.errors.append("filter.fromDate must not be after filter.toDate")
    if to_date and to_date > today:
        filters.errors.append(f"filter.toDate must not exceed the company's current day, {today}")
    created_from = filters.read("createdFromDateTime", _instant)
    created_to = filters.read("createdToDateTime", _instant)
    user_ids = filters.read("userIds", _user_ids)
    errors = body.errors + filters.errors
    if errors or aggregation_period is None or from_date is None or to_date is None:
        raise BodyRefusedError(*errors)
    return Query(aggregation_period, from_date, to_date, created_from, created_to, user_ids, cursor)


class _Fields:
    """Reads the fields of an object, and notes what is wrong with them."""

    def __init__(self, fields: dict[str, Any] | None, place: str, allowed: set[str]) -> None:
        self._fields = fields
        self._place = place
        # The names are quoted as JSON: they may be anything.
        self.errors = [f"Unrecognized field {json.dumps(place + name)}" for name in fields or () if name not in allowed]

    def read(self, name: str, as_what: Callable[[Any], T], *, required: bool = False) -> T | None:
        """Give a field as what it should be, or None if it is missing, or something else."""
        if self._fields is None:
            return None
        if name not in self._fields:
            if required:
                self.errors.append(f"{self._place}{name} is required")
            return None
        try:
            return as_what(self._fields[name])
        except ValueError as complaint:
            self.errors.append(f"{self._place}{name} {complaint}")
            return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        msg = "must be a string"
        raise ValueError(msg)  # noqa: TRY004 (a complaint about the body, as in the others)
    return value


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        msg = "must be an object"
        raise ValueError(msg)  # noqa: TRY004 (a complaint about the body, as in the others)
    return value


def _aggregation_period(value: object) -> str:
    if value not in list(PERIOD_OF_DAY):
        msg = f"must be one of {', '.join(PERIOD_OF_DAY)}"
        raise ValueError(msg)
    return str(value)


def _date(value: object) -> date:
    text = _text(value)
    try:
        if DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    msg = "must be a real date, written YYYY-MM-DD"
    raise ValueError(msg)


def _instant(value: object) -> datetime:
    parts = DATE_TIME.fullmatch(_text(value))
    msg = "must be an ISO-8601 date-time with an offset"
    if parts is None:
        raise ValueError(msg)
    # Before Python 3.11, fromisoformat knows neither Z nor every fraction.
    offset = timedelta(hours=int(parts["hours"] or 0), minutes=int(parts["minutes"] or 0))
    fraction = timedelta(microseconds=int((parts["fraction"] or ".0")[1:7].ljust(6, "0")))
    try:
        zone = timezone(-offset if parts["sign"] == "-" else offset)
        return datetime.fromisoformat(parts["second"]).replace(tzinfo=zone) + fraction
    except ValueError:
        raise ValueError(msg) from None


def _user_ids(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not value:
        msg = "must be an array of at least one string"
        raise ValueError(msg)
    if not all(isinstance(user_id, str) and USER_ID.fullmatch(user_id) for user_id in value):
        msg = "must hold strings of 1 to 20 digits"
        raise ValueError(msg)
    return frozenset(value)
