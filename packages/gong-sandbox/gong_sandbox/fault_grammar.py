"""The grammar of faults, as used on the command line."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING

from gong_sandbox.effects import BrokenGzip, CursorExpired, DeliveredAs, Header, Huge, Status, WebPage
from gong_sandbox.faults import Fault
from gong_sandbox.page_effects import (
    ChangingTotals,
    CursorLoop,
    CursorSeen,
    CursorUnchanged,
    DroppedField,
    EmptyPage,
    Mutation,
    RenamedField,
    RepeatedUser,
    SetField,
    malformed_to_date,
    utc_dates,
)
from gong_sandbox.responses import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from gong_sandbox.effects import Effect

GRAMMAR = """\
A fault is one effect with any of its options and conditions, separated by
commas: status=503,retry_after=5,at=3. Quote values that contain a comma as
JSON strings: status=429,retry_after="5, 60"

\b
Replace the response:
  status=CODE         options: retry_after=SECONDS, retry_after=date:SECONDS
                      or any text; envelope=no (a web page); error=TEXT;
                      location=URL (redirects have one by default)
  html                a web page with status 200
  cursor_expired      400 for a request with a cursor
\b
Deliver the response badly:
  cut, cut_chunked    close the connection in the middle of the body
  close, reset        close or reset the connection without a response
  hang                never respond
  delay=SECONDS       respond late
  drip[=SECONDS]      send one byte at a time, by default one per second
  huge[=BYTES]        pad with spaces, by default to 67108864 bytes
  broken_gzip         send invalid gzip
\b
Change the response:
  header=NAME:VALUE   add or replace a header
  empty_page          remove the users, and set a cursor to this page
  cursor_loop         set a new cursor to this page
  cursor_unchanged    set the cursor that the request sent
  cursor_seen         set the cursor that requested the previous page
  repeated_user       repeat the previous page's last user
  changing_totals     set a different totalRecords on each page
  utc_dates           format dates like 2019-01-20T08:00:00Z
  malformed_to_date   format toDate like 2019-01-21T000:00:00-08:00
  drop=PATH           remove a field
  null=PATH           set a field to null
  set=PATH:JSON       set a field to another value
  rename=PATH:NAME    rename a field
                      A path is like usersAggregateActivity.0.userId or
                      users.*.managerId; the empty path is the whole page.
\b
Conditions (all must match):
  on=ENDPOINT         activity (the default), users or token
  page=N              the requested page, from 0
  period=WEEK         the requested aggregationPeriod
  from=YYYY-MM-DD     the requested fromDate
  at=N, at=N-M, at=N-, at=N/K
                      which of the requests that match the other conditions:
                      the Nth, the Nth to Mth, the Nth and later, or every
                      Kth from the Nth; by default, all"""

ENDPOINTS = ("activity", "users", "token")
WORD = re.compile(r"(?P<name>[^=,]*)(?:=(?P<value>[^,]*))?")
ORDINALS = re.compile(r"(?P<first>[1-9][0-9]*)(?:(?P<dash>-)(?P<last>[1-9][0-9]*)?|/(?P<step>[1-9][0-9]*))?")


class InvalidFaultError(ValueError):
    """A text that isn't a valid fault; the message says why."""


def parse_fault(text: str) -> Fault:
    """Parse a fault; see `GRAMMAR`.

    Raises:
        InvalidFaultError: The text doesn't follow the grammar.
    """
    try:
        words = _words(text)
        fault = _with_conditions(_effect(words), words, text)
        if words:
            message = f"unknown {', '.join(map(repr, words))}"
            raise ValueError(message)  # noqa: TRY301 - caught below with the others
    except (ValueError, KeyError) as error:
        message = f"Invalid fault {text!r}: {error}"
        raise InvalidFaultError(message) from error
    return fault


def _effect(words: dict[str, str]) -> Effect:
    """Return the effect, and remove its name and options from `words`."""
    names = [name for name in words if name in EFFECTS]
    if len(names) != 1:
        message = f"must name exactly one of {', '.join(EFFECTS)}"
        raise ValueError(message)
    return EFFECTS[names[0]](words.pop(names[0]), words)


def _words(text: str) -> dict[str, str]:
    """Split a fault at commas outside of JSON, and each word at its equals sign."""
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
    """Return the name and value of the first word, and the remaining text with its comma."""
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
        message = f"at={text} isn't N, N-M, N- or N/K"
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


def _set_field(value: str, _: dict[str, str]) -> Effect:
    path, replacement = _pair(value)
    return SetField(path, json.loads(replacement))


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
    "cut": _plain(DeliveredAs(Delivery.CUT)),
    "cut_chunked": _plain(DeliveredAs(Delivery.CUT_CHUNKED)),
    "close": _plain(DeliveredAs(Delivery.CLOSE)),
    "reset": _plain(DeliveredAs(Delivery.RESET)),
    "hang": _plain(DeliveredAs(Delivery.HANG)),
    "delay": lambda value, _: DeliveredAs(delay=float(value)),
    "drip": lambda value, _: DeliveredAs(Delivery.DRIP, float(value or 1)),
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
    "drop": lambda value, _: DroppedField(value),
    "null": lambda value, _: SetField(value, None),
    "set": _set_field,
    "rename": lambda value, _: RenamedField(*_pair(value)),
}
"""Functions that make each effect from its value and its options, which they remove."""
