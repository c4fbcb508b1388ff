"""When something goes wrong, and the grammar to describe it in."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from gong_sandbox.effects import (
    BrokenGzip,
    ChangingTotals,
    CursorExpired,
    CursorLoop,
    CursorSeen,
    CursorUnchanged,
    Dropped,
    Effect,
    EmptyPage,
    Header,
    Huge,
    Mutation,
    Renamed,
    RepeatedUser,
    Replaced,
    Sent,
    Status,
    WebPage,
    malformed_to_date,
    utc_dates,
)
from gong_sandbox.responses import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from gong_sandbox.exchanges import Exchange

GRAMMAR = """\
A fault is one effect and any of its options and conditions, separated by
commas: status=503,retry_after=5,at=3. Quote a value that contains a comma
as JSON: status=429,retry_after="5, 60"

\b
Instead of the response:
  status=CODE         options: retry_after=SECONDS, retry_after=date:SECONDS
                      or any text; envelope=no (a web page); error=TEXT;
                      location=URL (redirects have one by default)
  html                a web page with status 200
  cursor_expired      400 to a request with a cursor
\b
The response, badly sent:
  cut, cut_chunked    the connection ends in the middle of the body
  close, reset        the connection ends before the response
  hang                no response ever
  delay=SECONDS       late
  drip[=SECONDS]      a byte every so often (1)
  huge[=BYTES]        padded with spaces (67108864)
  broken_gzip         declared as compressed
\b
The response, changed:
  header=NAME:VALUE   another header
  empty_page          no users, and a cursor to the requested page
  cursor_loop         a new cursor to the requested page
  cursor_unchanged    the cursor that was sent
  cursor_seen         the cursor that was sent one page earlier
  repeated_user       the last user of the previous page, once more
  changing_totals     another totalRecords on each page
  utc_dates           2019-01-20T08:00:00Z
  malformed_to_date   2019-01-21T000:00:00-08:00
  drop=PATH           without a field
  null=PATH           with null in it
  set=PATH:JSON       with another value in it
  rename=PATH:NAME    with another name for it
                      A path is like usersAggregateActivity.0.userId or
                      users.*.managerId; the empty path is the whole page.
\b
Conditions (all must hold):
  on=ENDPOINT         activity (the default), users or token
  page=N              the requested page, from 0
  period=WEEK         the requested aggregationPeriod
  from=YYYY-MM-DD     the requested fromDate
  at=N, at=N-M, at=N-, at=N/K
                      among the requests that meet the other conditions: the
                      Nth, the Nth to Mth, from the Nth on, every Kth from
                      the Nth; by default all"""

ENDPOINTS = ("activity", "users", "token")
WORD = re.compile(r"(?P<name>[^=,]*)(?:=(?P<value>[^,]*))?")
ORDINALS = re.compile(r"(?P<first>[1-9][0-9]*)(?:(?P<dash>-)(?P<last>[1-9][0-9]*)?|/(?P<step>[1-9][0-9]*))?")


class FaultNotUnderstoodError(ValueError):
    """A text that doesn't describe a fault; the message says why."""


@dataclass
class Fault:
    """An effect on some of the requests.

    Attributes:
        effect: What happens.
        at: Which of the requests that meet the other conditions, from 1: one, a range, or None for all.
        page: The requested page, from 0.
        period: The requested aggregationPeriod.
        from_date: The requested fromDate, as YYYY-MM-DD.
        on: The endpoint: `activity`, `users` or `token`.
        text: The name in the request log.
    """

    effect: Effect
    at: int | range | None = None
    page: int | None = None
    period: str | None = None
    from_date: str | None = None
    on: str = "activity"
    text: str = ""
    _met: int = field(default=0, init=False, repr=False)
    _counting: Lock = field(default_factory=Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        """Default the name to that of the effect."""
        self.text = self.text or repr(self.effect)

    def strikes(self, exchange: Exchange) -> bool:
        """Count a request, and return whether the fault affects it."""
        if not self._concerns(exchange):
            return False
        with self._counting:
            self._met += 1
            return self.at is None or self._met in (self.at if isinstance(self.at, range) else (self.at,))

    def _concerns(self, exchange: Exchange) -> bool:
        period = exchange.document.get("aggregationPeriod") if isinstance(exchange.document, dict) else None
        return (
            self.on == exchange.endpoint
            and self.page in {None, exchange.page_number}
            and self.period in (None, period)
            and self.from_date in (None, exchange.filter.get("fromDate"))
            and self.effect.concerns(exchange)
        )


def parse_fault(text: str) -> Fault:
    """Parse a fault as written on the command line; `GRAMMAR` describes it.

    Raises:
        FaultNotUnderstoodError: It doesn't follow the grammar.
    """
    try:
        words = _words(text)
        fault = _with_conditions(_effect(words), words, text)
        if words:
            message = f"unknown {', '.join(map(repr, words))}"
            raise ValueError(message)  # noqa: TRY301 - phrased below, like the others
    except (ValueError, KeyError) as error:
        message = f"Invalid fault {text!r}: {error}"
        raise FaultNotUnderstoodError(message) from error
    return fault


def _effect(words: dict[str, str]) -> Effect:
    """Make the effect, and remove its name and options from `words`."""
    names = [name for name in words if name in EFFECTS]
    if len(names) != 1:
        message = f"must name exactly one of {', '.join(EFFECTS)}"
        raise ValueError(message)
    return EFFECTS[names[0]](words.pop(names[0]), words)


def _words(text: str) -> dict[str, str]:
    """Split a fault at the commas that aren't within JSON, and then at the equals signs."""
    words: dict[str, str] = {}
    rest = text
    while True:
        name, value, rest = (part.strip() for part in _first_word(rest))
        if name in words:
            message = f"{name} is repeated"
            raise ValueError(message)
        words[name] = value
        if not rest:
            return words
        if rest[0] != ",":
            message = f"unexpected {rest!r}"
            raise ValueError(message)
        rest = rest[1:]


def _first_word(text: str) -> tuple[str, str, str]:
    """Return the name and the value of the first word, and the rest of the text, with its comma."""
    word = WORD.match(text)
    assert word is not None  # noqa: S101 - it matches any text
    name, value, end = word["name"].strip(), word["value"] or "", word.end()
    start = word.start("value")
    if name == "set" and ":" in text[start:]:
        path = text.index(":", start) + 1
        _, end = json.JSONDecoder().raw_decode(text, path)
        return name, text[start:end], text[end:]
    if value.startswith('"'):
        unquoted, end = json.JSONDecoder().raw_decode(text, start)
        return name, str(unquoted), text[end:]
    return name, value, text[end:]


def _with_conditions(effect: Effect, words: dict[str, str], text: str) -> Fault:
    page = words.pop("page", None)
    on = words.pop("on", "activity")
    return Fault(
        effect,
        at=_ordinals(words.pop("at", None)),
        page=None if page is None else int(page),
        period=words.pop("period", None),
        from_date=words.pop("from", None),
        on=ENDPOINTS[ENDPOINTS.index(on)],
        text=text,
    )


def _ordinals(text: str | None) -> int | range | None:
    if text is None:
        return None
    parts = ORDINALS.fullmatch(text)
    if parts is None:
        message = f"at={text}"
        raise ValueError(message)
    first = int(parts["first"])
    if parts["step"]:
        return range(first, sys.maxsize, int(parts["step"]))
    if parts["dash"]:
        return range(first, int(parts["last"]) + 1 if parts["last"] else sys.maxsize)
    return first


def _status(value: str, words: dict[str, str]) -> Effect:
    return Status(
        int(value),
        retry_after=words.pop("retry_after", None),
        envelope={"yes": True, "no": False}[words.pop("envelope", "yes")],
        error=words.pop("error", Status.error),
        location=words.pop("location", None),
    )


def _pair(value: str) -> tuple[str, str]:
    first, colon, second = value.partition(":")
    if not colon:
        message = f"{value!r} needs a colon"
        raise ValueError(message)
    return first, second


def _replaced(value: str, _: dict[str, str]) -> Effect:
    path, replacement = _pair(value)
    return Replaced(path, json.loads(replacement))


def _plain(effect: Effect) -> Callable[[str, dict[str, str]], Effect]:
    def make(value: str, _: dict[str, str]) -> Effect:
        if value:
            message = f"unexpected {value!r}"
            raise ValueError(message)
        return effect

    return make


EFFECTS: dict[str, Callable[[str, dict[str, str]], Effect]] = {
    "status": _status,
    "html": _plain(WebPage()),
    "cursor_expired": _plain(CursorExpired()),
    "cut": _plain(Sent(Delivery.CUT)),
    "cut_chunked": _plain(Sent(Delivery.CUT_CHUNKED)),
    "close": _plain(Sent(Delivery.CLOSE)),
    "reset": _plain(Sent(Delivery.RESET)),
    "hang": _plain(Sent(Delivery.HANG)),
    "delay": lambda value, _: Sent(delay=float(value)),
    "drip": lambda value, _: Sent(Delivery.DRIP, float(value or 1)),
    "huge": lambda value, _: Huge(int(value)) if value else Huge(),
    "broken_gzip": _plain(BrokenGzip()),
    "header": lambda value, _: Header(*_pair(value)),
    "empty_page": _plain(EmptyPage()),
    "cursor_loop": _plain(CursorLoop()),
    "cursor_unchanged": _plain(CursorUnchanged()),
    "cursor_seen": _plain(CursorSeen()),
    "repeated_user": _plain(RepeatedUser()),
    "changing_totals": _plain(ChangingTotals()),
    "utc_dates": _plain(Mutation(utc_dates)),
    "malformed_to_date": _plain(Mutation(malformed_to_date)),
    "drop": lambda value, _: Dropped(value),
    "null": lambda value, _: Replaced(value, None),
    "set": _replaced,
    "rename": lambda value, _: Renamed(*_pair(value)),
}
"""Makes each effect from the text after its name, and from the options, which it removes."""
