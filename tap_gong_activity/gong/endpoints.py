"""Gong's endpoints: method, path, where a response holds its users, and how large it can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date

MOST_USERS_A_PAGE = 1_000
"""Gong puts 100 users on a page, and no field changes it; ten times that is still taken for a page."""

MOST_BYTES_A_PERIOD = 1_024
"""One user's item for one period takes about 600 bytes."""

SMALLEST_LIMIT = 33_554_432
"""Bytes that any answer may have, whatever its window."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint that returns users in pages.

    Attributes:
        method: POST sends its parameters, the cursor among them, as a JSON body; GET in the query string.
        path: Path below the account's host.
        users_field: Name of the response's array of users.
        id_field: Name of a user's ID in that array.
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
    """A request whose response comes in pages.

    Attributes:
        endpoint: Where to send it.
        name: What it requests, as messages name it.
        parameters: What to send, without a cursor.
        max_bytes: Size of the largest page that the response can have.
        hint_if_empty: What else a message should say if Gong found nothing.
    """

    endpoint: Endpoint
    name: str
    parameters: dict[str, Any]
    max_bytes: int
    hint_if_empty: str = ""


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users' activity is asked for; None leaves a filter out."""

    ids: tuple[str, ...] | None = None
    created_from: str | None = None
    created_to: str | None = None


def activity_request(
    aggregation_period: str, start: date, end: date, *, periods: int, users: UserFilter
) -> PagedRequest:
    """A request for users' activity.

    Args:
        aggregation_period: DAY, WEEK, MONTH, QUARTER or YEAR.
        start: First day, in the company's time zone.
        end: Exclusive end, in the company's time zone.
        periods: How many periods lie between them.
        users: Which users to ask for.
    """
    wanted: dict[str, Any] = {"fromDate": str(start), "toDate": str(end)}
    if users.ids is not None:
        wanted["userIds"] = list(users.ids)
    if users.created_from is not None:
        wanted["createdFromDateTime"] = users.created_from
    if users.created_to is not None:
        wanted["createdToDateTime"] = users.created_to
    return PagedRequest(
        AGGREGATE_BY_PERIOD,
        name=f"{start} to {end}",
        parameters={"aggregationPeriod": aggregation_period, "filter": wanted},
        max_bytes=max(SMALLEST_LIMIT, MOST_USERS_A_PAGE * MOST_BYTES_A_PERIOD * periods),
        hint_if_empty=", the setting user_ids may name no user who is active" if users.ids is not None else "",
    )


def users_request() -> PagedRequest:
    """A request for all users, Gong's own avatars included, as they can have activity too."""
    return PagedRequest(USERS, name="users", parameters={"includeAvatars": "true"}, max_bytes=SMALLEST_LIMIT)
