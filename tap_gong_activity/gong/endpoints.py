"""Endpoints: method, path, where the users are in a response, and how large it can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date

MAX_USERS_PER_PAGE = 1_000
"""Ten times the 100 users that Gong puts on a page, a number that no parameter changes."""

MAX_BYTES_PER_PERIOD = 1_024
"""A user's item for a period takes about 600 bytes."""

MIN_RESPONSE_LIMIT_BYTES = 33_554_432
"""Size that every response may have, however short the window."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint that returns pages of users.

    Attributes:
        method: POST sends parameters and cursor as a JSON body; GET sends them in the query string.
        path: Path on the account's host.
        users_field: Name of the array of users in the response.
        id_field: Name of the user's ID in that array.
    """

    method: str
    path: str
    users_field: str
    id_field: str


AGGREGATE_BY_PERIOD = Endpoint(
    "POST", "/v2/stats/activity/aggregate-by-period", users_field="usersAggregateActivity", id_field="userId"
)

USERS = Endpoint("GET", "/v2/users", users_field="users", id_field="id")


@dataclass(frozen=True, slots=True)
class PagedRequest:
    """A request with a paginated response.

    Attributes:
        endpoint: The endpoint.
        name: Name of the request in messages.
        parameters: Parameters, without a cursor.
        max_bytes: Maximum size of a page.
        hint_if_empty: Addition to the message that Gong found nothing.
    """

    endpoint: Endpoint
    name: str
    parameters: dict[str, Any]
    max_bytes: int
    hint_if_empty: str = ""


@dataclass(frozen=True, slots=True)
class UserFilter:
    """A filter for users; None leaves a condition out."""

    ids: tuple[str, ...] | None = None
    created_from: str | None = None
    created_to: str | None = None


def activity_request(
    aggregation_period: str, start: date, end: date, *, periods: int, users: UserFilter, name: str
) -> PagedRequest:
    """Return a request for activity.

    Args:
        aggregation_period: DAY, WEEK, MONTH, QUARTER or YEAR.
        start: First day, in the company's time zone.
        end: Exclusive end, in the company's time zone.
        periods: Number of periods in the range.
        users: Filter for users.
        name: Name of the request in messages.
    """
    filters: dict[str, Any] = {"fromDate": str(start), "toDate": str(end)}
    if users.ids is not None:
        filters["userIds"] = list(users.ids)
    if users.created_from is not None:
        filters["createdFromDateTime"] = users.created_from
    if users.created_to is not None:
        filters["createdToDateTime"] = users.created_to
    return PagedRequest(
        AGGREGATE_BY_PERIOD,
        name=name,
        parameters={"aggregationPeriod": aggregation_period, "filter": filters},
        max_bytes=max(MIN_RESPONSE_LIMIT_BYTES, MAX_USERS_PER_PAGE * MAX_BYTES_PER_PERIOD * periods),
        hint_if_empty=": check that user_ids has users who were active then" if users.ids is not None else "",
    )


def users_request() -> PagedRequest:
    """Return a request for all users, including Gong's avatars, which can have activity too."""
    return PagedRequest(USERS, name="users", parameters={"includeAvatars": "true"}, max_bytes=MIN_RESPONSE_LIMIT_BYTES)
