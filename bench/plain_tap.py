"""A plain tap for the same rows, written with the SDK's own classes only."""

from __future__ import annotations

import re
import sys
from datetime import date, datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING, Any

from requests.auth import HTTPBasicAuth
from singer_sdk import RESTStream, StreamSchema, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import JSONPathPaginator

from tap_gong_activity.singer.schemas import SCHEMAS

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests
    from singer_sdk.helpers.types import Context, Record


@cache
def to_utc(text: str) -> str:
    """Return a time in UTC."""
    return datetime.fromisoformat(text).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def to_snake_case(name: str) -> str:
    """Return the column name of a counter."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


class ActivityByDay(RESTStream[str]):
    """One row per user and day."""

    name = "activity_by_day"
    path = "/v2/stats/activity/aggregate-by-period"
    http_method = "POST"
    payload_as_json = True
    schema = StreamSchema(SCHEMAS, key="activity")
    primary_keys = ("user_id", "period_start_date")
    replication_key = "period_end_date"
    state_partitioning_keys = ()

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @property
    @override
    def authenticator(self) -> HTTPBasicAuth:
        return HTTPBasicAuth(self.config["access_key"], self.config["access_key_secret"])

    @property
    @override
    def partitions(self) -> list[dict[str, str]]:
        start, end = (date.fromisoformat(self.config[name]) for name in ("start_date", "end_date"))
        days = self.config["periods_per_window"]
        starts = (start + timedelta(days=number) for number in range(0, (end - start).days, days))
        return [{"fromDate": str(day), "toDate": str(min(day + timedelta(days=days), end))} for day in starts]

    @override
    def get_new_paginator(self) -> JSONPathPaginator:
        return JSONPathPaginator("$.records.cursor")

    @override
    def prepare_request_payload(self, context: Context | None, next_page_token: str | None) -> dict[str, Any]:
        body: dict[str, Any] = {"aggregationPeriod": "DAY", "filter": dict(context or {})}
        return {**body, "cursor": next_page_token} if next_page_token else body

    @override
    def parse_response(self, response: requests.Response) -> Iterable[Record]:
        for user in response.json()["usersAggregateActivity"]:
            for item in user["userAggregateActivity"]:
                yield {"userId": user["userId"], "userEmailAddress": user["userEmailAddress"], **item}

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record:
        start, end = row.pop("fromDate"), row.pop("toDate")
        return {
            "user_id": row.pop("userId"),
            "user_email_address": row.pop("userEmailAddress"),
            "aggregation_period": "DAY",
            "period_start_date": start[:10],
            "period_end_date": end[:10],
            "period_start_at": to_utc(start),
            "period_end_at": to_utc(end),
            "is_complete": True,
            **{to_snake_case(name): value for name, value in row.items()},
        }


class PlainTap(Tap):
    """The benchmark's plain tap."""

    name = "plain-tap-gong-activity"
    config_jsonschema = th.PropertiesList(
        th.Property("access_key", th.StringType, required=True, secret=True),
        th.Property("access_key_secret", th.StringType, required=True, secret=True),
        th.Property("api_url", th.StringType, required=True),
        th.Property("start_date", th.DateType, required=True),
        th.Property("end_date", th.DateType, required=True),
        th.Property("periods_per_window", th.IntegerType, default=90),
    ).to_dict()

    @override
    def discover_streams(self) -> list[ActivityByDay]:
        return [ActivityByDay(self)]


if __name__ == "__main__":
    PlainTap.cli()
