"""Gong's API, from a request to its response."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gong_sandbox.credentials import Credentials, matches_basic
from gong_sandbox.cursors import Cursors, InvalidCursorError
from gong_sandbox.effects import Status
from gong_sandbox.exchanges import Exchange
from gong_sandbox.pages import Listing, activity_to_json, profile_to_json
from gong_sandbox.request_log import RequestLog, RequestRecord
from gong_sandbox.responses import COMPLETE, SILENT, Response, error_response, page_response, web_page
from gong_sandbox.rules import InvalidRequestError, read_json, read_query, read_users_query
from gong_sandbox.tokens import TOKEN_PATH, InvalidGrantError, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
    from datetime import date

    from gong_sandbox.clocks import Clock
    from gong_sandbox.company import Company
    from gong_sandbox.faults import Fault
    from gong_sandbox.limits import CallLimits

ENDPOINTS = {
    "/v2/stats/activity/aggregate-by-period": ("activity", "POST"),
    "/v2/users": ("users", "GET"),
    TOKEN_PATH: ("token", "POST"),
}
"""Name and method of each endpoint by path."""

# As recorded against Gong: an empty result is a 404 with the envelope.
NOTHING_FOUND = "No user activity found corresponding to the provided filters"


@dataclass
class Api:
    """The API of a company.

    Attributes:
        clock: The current time.
        company: The data.
        today: Function that returns the company's current day.
        credentials: The accepted credentials.
        tokens: The OAuth tokens.
        limits: The rate limit and daily quota.
        cursors: Issues cursors.
        page_size: Number of users per page.
        zero_rows: Whether requested users without activity are returned with zeros.
        faults: The faults to apply.
        log: Records requests and responses.
        api_url: The URL that token responses name as the customer's API.
    """

    clock: Clock
    company: Company
    today: Callable[[], date]
    credentials: Credentials
    tokens: Tokens
    limits: CallLimits
    cursors: Cursors
    page_size: int
    zero_rows: bool
    faults: Sequence[Fault]
    log: RequestLog
    api_url: str = ""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), init=False, repr=False)

    def respond(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, connection: Hashable
    ) -> Response:
        """Return the response to a request, and record both."""
        url = urlsplit(target)
        exchange = Exchange(
            number=next(self._numbers),
            now=self.clock.now(),
            seconds=self.clock.seconds(),
            method=method,
            url=url,
            headers=headers,
            body=body,
            connection=connection,
            cursors=self.cursors,
            endpoint=ENDPOINTS.get(url.path, (None, None))[0],
        )
        self._read_ahead(exchange)
        faults = [fault for fault in self.faults if fault.matches(exchange)]
        response, violation = self._faultless_response(
            exchange, discard=any(fault.effect.replaces_response for fault in faults)
        )
        for fault in faults:
            response = fault.effect.apply(response, exchange)
            if isinstance(fault.effect, Status) and fault.effect.wait is not None and exchange.endpoint != "token":
                self.limits.start_wait(fault.effect.wait, connection)
        self.log.add(_record(exchange, response, faults, violation=violation))
        return response

    def _read_ahead(self, exchange: Exchange) -> None:
        """Read what faults match on, before the request is checked."""
        try:
            exchange.document = read_json(exchange.body)
        except InvalidRequestError:
            if exchange.endpoint != "users":
                return
        exchange.page_number = 0 if exchange.cursor is None else self.cursors.page(exchange.cursor)

    def _faultless_response(self, exchange: Exchange, *, discard: bool) -> tuple[Response, bool]:
        """Return the response without faults, and whether the request violates a Retry-After.

        With `discard`, a fault replaces the response, so its content isn't computed.
        """
        name, method = ENDPOINTS.get(exchange.url.path, (None, None))
        if name is None or method is None:
            return web_page(404, "Not Found"), False
        if exchange.method != method:
            return web_page(405, "Method Not Allowed", {"Allow": method}), False
        unused = web_page(503, "Unused")
        if name == "token":
            return (unused if discard else self._refresh(exchange)), False
        error = self.credentials.error(exchange.headers.get("authorization"), name)
        if error is not None:
            return error_response(401, error), False
        retry_after, violation = self.limits.admit(exchange.connection)
        if retry_after is not None:
            headers = {"Retry-After": str(retry_after)}
            refusal = error_response(429, "API request limit exceeded", headers=headers)
            return refusal, violation
        return (unused if discard else self._page(exchange)), violation

    def _page(self, exchange: Exchange) -> Response:
        media_type = (exchange.headers.get("content-type") or "").partition(";")[0].strip().lower()
        if exchange.endpoint == "activity" and media_type != "application/json":
            return error_response(415, "Content-Type must be application/json")
        try:
            listing = self._users(exchange) if exchange.endpoint == "users" else self._activity(exchange)
            cursor = listing.request.get("cursor")
            number = 0 if cursor is None else self.cursors.read(cursor, listing.request)
        except InvalidRequestError as error:
            return error_response(400, *error.errors)
        except InvalidCursorError as error:
            return error_response(400, str(error))
        if not listing.records:
            return error_response(404, NOTHING_FOUND)
        exchange.listing = listing
        return page_response(listing.page(number))

    def _activity(self, exchange: Exchange) -> Listing:
        body = read_json(exchange.body)
        query = read_query(body, self.today())
        activity = self.company.activity(
            query.aggregation_period,
            query.from_date,
            query.to_date,
            user_ids=query.user_ids,
            created_from=query.created_from,
            created_to=query.created_to,
            as_of=self.today(),
            zero_rows=self.zero_rows,
        )
        to_json = activity_to_json(self.company, activity)
        return Listing("usersAggregateActivity", activity, to_json, body, self.cursors, self.page_size)

    def _users(self, exchange: Exchange) -> Listing:
        include_avatars = read_users_query(exchange.parameter_list)
        profiles = self.company.profiles(self.today(), include_avatars=include_avatars)
        to_json = profile_to_json(self.company)
        return Listing("users", profiles, to_json, exchange.parameters, self.cursors, self.page_size)

    def _refresh(self, exchange: Exchange) -> Response:
        scheme, _, presented = (exchange.headers.get("authorization") or "").partition(" ")
        if scheme.lower() != "basic" or not matches_basic(presented, self.tokens.client_id, self.tokens.client_secret):
            return Response(401, {"error": "invalid_client"})
        parameters = exchange.parameters
        if parameters.get("grant_type") != "refresh_token":
            return Response(400, {"error": "unsupported_grant_type"})
        try:
            return Response(200, self.tokens.refresh(parameters.get("refresh_token", ""), self.api_url))
        except InvalidGrantError:
            return Response(400, {"error": "invalid_grant"})


def _record(exchange: Exchange, response: Response, faults: list[Fault], *, violation: bool) -> RequestRecord:
    page = response.page if exchange.listing is not None else None
    array = exchange.listing.array if exchange.listing is not None else ""
    users = _objects(page, array) if response.delivery in COMPLETE else []
    errors = response.content.get("errors") if isinstance(response.content, dict) else None
    return RequestRecord(
        number=exchange.number,
        at=exchange.now,
        seconds=exchange.seconds,
        method=exchange.method,
        path=exchange.url.path,
        query=exchange.parameters if exchange.endpoint == "users" else {},
        body=exchange.document,
        status=None if response.delivery in SILENT else response.status,
        errors=errors if isinstance(errors, list) else [],
        retry_after=response.headers.get("Retry-After"),
        page=None if page is None else exchange.page_number,
        users=len(users),
        items=sum(len(_objects(user, "userAggregateActivity")) for user in users),
        faults=[fault.text for fault in faults],
        violation=violation,
    )


def _objects(parent: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """Return the objects in an array, which a fault may have replaced with any other value."""
    array = (parent or {}).get(name)
    return [value for value in array if isinstance(value, dict)] if isinstance(array, list) else []
