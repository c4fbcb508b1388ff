"""An answer, before it goes over the wire."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec


class Delivery(Enum):
    """How an answer is sent."""

    WHOLE = "whole"
    CUT = "cut"
    CUT_CHUNKED = "cut_chunked"
    DRIP = "drip"
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"


#: The deliveries by which a client gets everything.
COMPLETE = {Delivery.WHOLE, Delivery.DRIP}
#: The deliveries by which a client gets nothing.
SILENT = {Delivery.CLOSE, Delivery.RESET, Delivery.HANG}


@dataclass(frozen=True)
class Answer:
    """A status, headers and a body, and how they are sent.

    Attributes:
        status: HTTP's status code.
        content: What is sent as JSON, or bytes that are sent as they are.
        headers: Headers besides the length; the type is JSON's unless they say otherwise.
        delivery: How the answer is sent.
        drip_interval: Seconds between two bytes of a dripping body.
        padding: How many spaces follow the body.
    """

    status: int
    content: dict[str, Any] | bytes
    headers: dict[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE
    drip_interval: float = 1.0
    padding: int = 0

    @property
    def page(self) -> dict[str, Any] | None:
        """The page of users that the answer holds, if it is one."""
        return self.content if self.status == 200 and isinstance(self.content, dict) else None  # noqa: PLR2004 (OK)

    def body(self) -> bytes:
        """Give the body without its padding."""
        return self.content if isinstance(self.content, bytes) else msgspec.json.encode(self.content)


def request_id() -> str:
    """Invent a reference like the one that Gong's support asks for."""
    return secrets.token_hex(10)


def refusal(status: int, *errors: str, headers: dict[str, str] | None = None) -> Answer:
    """Answer in Gong's envelope: `{"requestId": …, "errors": […]}`."""
    return Answer(status, {"requestId": request_id(), "errors": list(errors)}, headers or {})


def web_page(status: int, title: str, headers: dict[str, str] | None = None) -> Answer:
    """Answer in HTML, as whatever stands before Gong does."""
    html = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Answer(status, html.encode(), {"Content-Type": "text/html; charset=utf-8", **(headers or {})})
