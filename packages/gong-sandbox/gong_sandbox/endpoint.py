"""Gong, as far as a client can tell: every request gets its answer here."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gong_sandbox.answers import COMPLETE, SILENT, Answer, refusal, web_page
from gong_sandbox.credentials import Credentials, is_basic
from gong_sandbox.cursors import CursorRefusedError, Cursors
from gong_sandbox.effects import Status
from gong_sandbox.exchanges import Exchange
from gong_sandbox.pages import Pages
from gong_sandbox.request_log import RequestLog, RequestRecord
from gong_sandbox.rules import BodyRefusedError, read_json, read_query
from gong_sandbox.tokens import TOKEN_PATH, GrantRefusedError, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
    from datetime import date

    from gong_sandbox.clocks import Clock
    from gong_sandbox.company import Company
    from gong_sandbox.faults import Fault
    from gong_sandbox.limits import CallLimits

ACTIVITY_PATH = "/v2/stats/activity/aggregate-by-period"
# Recorded against Gong: an empty result is a 404 with the envelope.
NOTHING_FOUND = "No user activity found corresponding to the provided filters"


@dataclass
class Endpoint:
    """Answers requests.

    Attributes:
        clock: What time it is.
        company: What Gong knows.
        today: Gives the company's current day.
        credentials: Who may call.
        tokens: OAuth's tokens.
        limits: How often Gong may be called.
        cursors: The cursors issued.
        page_size: Users a page.
        faults: What goes wrong.
        log: Where requests are recorded.
        api_url: The host that OAuth's answers name.
    """

    clock: Clock
    company: Company
    today: Callable[[], date]
    credentials: Credentials
    tokens: Tokens
    limits: CallLimits
    cursors: Cursors
    page_size: int
    faults: Sequence[Fault]
    log: RequestLog
    api_url: str = ""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), init=False, repr=False)

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes, connection: Hashable) -> Answer:
        """Give the answer to a request, and record both; `connection` tells connections apart."""
        exchange = Exchange(
            number=next(self._numbers),
            now=self.clock.now(),
            seconds=self.clock.seconds(),
            method=method,
            url=urlsplit(url),
            headers=headers,
            body=body,
            connection=connection,
            cursors=self.cursors,
        )
        self._peek(exchange)
        faults = [fault for fault in self.faults if fault.strikes(exchange)]
        answer, violation = self._respond(exchange, instead=any(fault.effect.instead for fault in faults))
        for fault in faults:
            answer = fault.effect.apply(answer, exchange)
            if isinstance(fault.effect, Status) and fault.effect.wait is not None and not fault.on_token:
                self.limits.hold(fault.effect.wait, exchange.connection)
        self.log.add(_record(exchange, answer, faults, violation=violation))
        return answer

    def _peek(self, exchange: Exchange) -> None:
        """Find out what the request is about, before any of it is checked."""
        try:
            exchange.document = read_json(exchange.body)
        except BodyRefusedError:
            return
        exchange.page_number = 0 if exchange.cursor is None else self.cursors.page(exchange.cursor)

    def _respond(self, exchange: Exchange, *, instead: bool) -> tuple[Answer, bool]:
        """Give the true answer, and whether the caller ignored a wait; `instead` says that it will not be used."""
        if exchange.url.path == TOKEN_PATH:
            return (web_page(503, "Not used") if instead else self._grant(exchange)), False
        if exchange.url.path != ACTIVITY_PATH:
            return web_page(404, "Not Found"), False
        if exchange.method != "POST":
            return web_page(405, "Method Not Allowed", {"Allow": "POST"}), False
        objection = self.credentials.objection(exchange.headers.get("authorization"))
        if objection is not None:
            return refusal(401, objection), False
        retry_after, violation = self.limits.admit(exchange.connection)
        if retry_after is not None:
            return refusal(429, "API request limit exceeded", headers={"Retry-After": str(retry_after)}), violation
        return (web_page(503, "Not used") if instead else self._look_up(exchange)), violation

    def _look_up(self, exchange: Exchange) -> Answer:
        media_type = (exchange.headers.get("content-type") or "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            return refusal(415, "Content-Type must be application/json")
        try:
            body = read_json(exchange.body)
            query = read_query(body, self.today())
            number = 0 if query.cursor is None else self.cursors.read(query.cursor, body)
        except BodyRefusedError as refused:
            return refusal(400, *refused.errors)
        except CursorRefusedError as refused:
            return refusal(400, str(refused))
        exchange.pages = Pages(self.company, query, body, self.cursors, self.page_size)
        if not exchange.pages.total:
            return refusal(404, NOTHING_FOUND)
        return Answer(200, exchange.pages.page(number))

    def _grant(self, exchange: Exchange) -> Answer:
        if exchange.method != "POST":
            return web_page(405, "Method Not Allowed", {"Allow": "POST"})
        scheme, _, presented = (exchange.headers.get("authorization") or "").partition(" ")
        if scheme.lower() != "basic" or not is_basic(presented, self.tokens.client_id, self.tokens.client_secret):
            return Answer(401, {"error": "invalid_client"})
        if exchange.parameter("grant_type") != "refresh_token":
            return Answer(400, {"error": "unsupported_grant_type"})
        try:
            return Answer(200, self.tokens.refresh(exchange.parameter("refresh_token"), self.api_url))
        except GrantRefusedError:
            return Answer(400, {"error": "invalid_grant"})


def _record(exchange: Exchange, answer: Answer, faults: list[Fault], *, violation: bool) -> RequestRecord:
    page = answer.page if exchange.pages is not None else None
    users = _objects(page, "usersAggregateActivity") if answer.delivery in COMPLETE else []
    errors = answer.content.get("errors") if isinstance(answer.content, dict) else None
    silent = answer.delivery in SILENT
    return RequestRecord(
        number=exchange.number,
        at=exchange.now,
        seconds=exchange.seconds,
        method=exchange.method,
        path=exchange.url.path,
        body=exchange.document,
        status=None if silent else answer.status,
        errors=list(errors or []),
        retry_after=answer.headers.get("Retry-After"),
        page=None if page is None else exchange.page_number,
        users=len(users),
        items=sum(len(_objects(user, "userAggregateActivity")) for user in users),
        faults=[fault.text for fault in faults],
        violation=violation,
    )


def _objects(parent: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """Give the objects of an array, as far as the faults have left it one."""
    array = (parent or {}).get(name)
    return [value for value in array if isinstance(value, dict)] if isinstance(array, list) else []
