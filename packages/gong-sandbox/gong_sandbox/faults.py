"""When something goes wrong, and the words in which that is said."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from gong_sandbox.answers import Delivery
from gong_sandbox.effects import (
    BrokenGzip,
    ChangingTotals,
    CursorExpired,
    CursorSeen,
    CursorUnchanged,
    Dropped,
    Effect,
    EmptyPage,
    Huge,
    MalformedToDate,
    RepeatedUser,
    Replaced,
    Sent,
    Status,
    UtcDates,
    WebPage,
)
from gong_sandbox.tokens import TOKEN_PATH

if TYPE_CHECKING:
    from collections.abc import Callable

    from gong_sandbox.exchanges import Exchange

GRAMMAR = """\
A fault is one effect and any of its options and conditions, with commas between: status=503,retry_after=5,at=3

\b
In place of the answer:
  status=CODE         options: retry_after=SECONDS, retry_after=date:SECONDS
                      or any text; envelope=no (a web page); error=TEXT;
                      location=URL (redirects have one in any case)
  html                a web page with status 200
  cursor_expired      400 to a request with a cursor
\b
The answer, sent badly:
  cut, cut_chunked    the connection ends in the middle of the body
  close, reset        the connection ends before the answer
  hang                no answer ever
  drip[=SECONDS]      a byte every so often (1)
  huge[=BYTES]        padded with spaces (67108864)
  broken_gzip         said to be compressed
\b
The answer, changed:
  empty_page          no users, and a cursor to the page asked for
  cursor_unchanged    the cursor that was sent
  cursor_seen         the cursor that was sent one page earlier
  repeated_user       the last user of the page before, once more
  changing_totals     another totalRecords on each page
  utc_dates           2019-01-20T08:00:00Z
  malformed_to_date   2019-01-21T000:00:00-08:00
  drop=PATH           without a field, null=PATH: with null in it,
  set=PATH:JSON       with a value in it (without commas). A path is like
                      usersAggregateActivity.0.userAggregateActivity.*.toDate
\b
Conditions (all must hold):
  page=N              the page asked for, from 0
  period=WEEK         the aggregationPeriod asked for
  from=YYYY-MM-DD     the fromDate asked for
  on=token            requests for OAuth tokens rather than for activity
  at=N, at=N-M, at=N-, at=N/K
                      of the requests for which the others hold, the Nth, the
                      Nth to Mth, from the Nth, from the Nth every Kth; without
                      it, every one"""

ORDINALS = re.compile(r"(?P<first>[1-9][0-9]*)(?:(?P<dash>-)(?P<last>[1-9][0-9]*)?|/(?P<step>[1-9][0-9]*))?")


class FaultNotUnderstoodError(ValueError):
    """A text does not describe a fault; the message says why."""


@dataclass
class Fault:
    """An effect on some of the requests.

    Attributes:
        effect: What happens.
        at: Which of the requests that meet the other conditions, from 1: one, a range, or None for every one.
        page: The page that must be asked for, from 0.
        period: The aggregationPeriod that must be asked for.
        from_date: The fromDate that must be asked for, as YYYY-MM-DD.
        on_token: Whether it happens to requests for OAuth tokens, rather than for activity.
        text: How the request log calls it.
    """

    effect: Effect
    at: int | range | None = None
    page: int | None = None
    period: str | None = None
    from_date: str | None = None
    on_token: bool = False
    text: str = ""
    _met: int = field(default=0, init=False, repr=False)
    _counting: Lock = field(default_factory=Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        """Name the fault after its effect."""
        self.text = self.text or repr(self.effect)

    def strikes(self, exchange: Exchange) -> bool:
        """Count a request, and tell whether it is one of those to which the fault happens."""
        if not self._concerns(exchange):
            return False
        with self._counting:
            self._met += 1
            return self.at is None or self._met in (self.at if isinstance(self.at, range) else (self.at,))

    def _concerns(self, exchange: Exchange) -> bool:
        period = exchange.document.get("aggregationPeriod") if isinstance(exchange.document, dict) else None
        return (
            self.on_token == (exchange.url.path == TOKEN_PATH)
            and self.page in {None, exchange.page_number}
            and self.period in (None, period)
            and self.from_date in (None, exchange.filter.get("fromDate"))
            and self.effect.concerns(exchange)
        )


def parse_fault(text: str) -> Fault:
    """Read a fault as it is written on the command line; `GRAMMAR` describes it.

    Raises:
        FaultNotUnderstoodError: It is written otherwise.
    """
    words: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name in words:
            msg = f"{name!r} stands twice in {text!r}"
            raise FaultNotUnderstoodError(msg)
        words[name] = value
    named = [name for name in words if name in EFFECTS]
    if len(named) != 1:
        msg = f"{text!r} must name exactly one of {', '.join(EFFECTS)}"
        raise FaultNotUnderstoodError(msg)
    try:
        effect = EFFECTS[named[0]](words.pop(named[0]), words)
        fault = _with_conditions(effect, words, text)
    except (ValueError, KeyError) as error:
        msg = f"{text!r} has a value that makes no sense: {error}"
        raise FaultNotUnderstoodError(msg) from error
    if words:
        msg = f"{', '.join(map(repr, words))} means nothing in {text!r}"
        raise FaultNotUnderstoodError(msg)
    return fault


def _with_conditions(effect: Effect, words: dict[str, str], text: str) -> Fault:
    page = words.pop("page", None)
    return Fault(
        effect,
        at=_ordinals(words.pop("at", None)),
        page=None if page is None else int(page),
        period=words.pop("period", None),
        from_date=words.pop("from", None),
        on_token={"token": True, "activity": False}[words.pop("on", "activity")],
        text=text,
    )


def _ordinals(text: str | None) -> int | range | None:
    if text is None:
        return None
    parts = ORDINALS.fullmatch(text)
    if parts is None:
        msg = f"at={text}"
        raise ValueError(msg)
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


def _replaced(value: str, _: dict[str, str]) -> Effect:
    path, _colon, replacement = value.partition(":")
    return Replaced(path, json.loads(replacement))


def _plain(effect: Effect) -> Callable[[str, dict[str, str]], Effect]:
    def make(value: str, _: dict[str, str]) -> Effect:
        if value:
            msg = f"{value!r} where nothing belongs"
            raise ValueError(msg)
        return effect

    return make


#: How each effect is made of what follows its name, and of the options, which it takes out.
EFFECTS: dict[str, Callable[[str, dict[str, str]], Effect]] = {
    "status": _status,
    "html": _plain(WebPage()),
    "cursor_expired": _plain(CursorExpired()),
    "cut": _plain(Sent(Delivery.CUT)),
    "cut_chunked": _plain(Sent(Delivery.CUT_CHUNKED)),
    "close": _plain(Sent(Delivery.CLOSE)),
    "reset": _plain(Sent(Delivery.RESET)),
    "hang": _plain(Sent(Delivery.HANG)),
    "drip": lambda value, _: Sent(Delivery.DRIP, float(value or 1)),
    "huge": lambda value, _: Huge(int(value)) if value else Huge(),
    "broken_gzip": _plain(BrokenGzip()),
    "empty_page": _plain(EmptyPage()),
    "cursor_unchanged": _plain(CursorUnchanged()),
    "cursor_seen": _plain(CursorSeen()),
    "repeated_user": _plain(RepeatedUser()),
    "changing_totals": _plain(ChangingTotals()),
    "utc_dates": _plain(UtcDates()),
    "malformed_to_date": _plain(MalformedToDate()),
    "drop": lambda value, _: Dropped(value),
    "null": lambda value, _: Replaced(value, None),
    "set": _replaced,
}
