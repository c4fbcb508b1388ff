"""Responses, and how to deliver them."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any

import msgspec


class Delivery(Enum):
    """How to deliver a response."""

    WHOLE = "whole"
    CUT = "cut"
    CUT_CHUNKED = "cut_chunked"
    DRIP = "drip"
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"


COMPLETE = {Delivery.WHOLE, Delivery.DRIP}
"""Deliveries of the whole response."""

SILENT = {Delivery.CLOSE, Delivery.RESET, Delivery.HANG}
"""Deliveries without a response."""


@dataclass(frozen=True)
class Response:
    """A status, headers and a body, and how to deliver them.

    Attributes:
        status: HTTP status code.
        content: A JSON value, or bytes to send unchanged.
        headers: Headers other than the length; the content type defaults to JSON.
        delivery: How to deliver the response.
        delay: Seconds to wait before the response.
        drip_interval: Seconds between two bytes if the body drips.
        padding: Number of spaces to append to the body.
    """

    status: int
    content: Any
    headers: dict[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE
    delay: float = 0.0
    drip_interval: float = 1.0
    padding: int = 0

    @property
    def page(self) -> dict[str, Any] | None:
        """The JSON object of a successful response, or None."""
        return self.content if self.status == HTTPStatus.OK and isinstance(self.content, dict) else None

    def body(self) -> bytes:
        """Return the body without its padding."""
        if isinstance(self.content, bytes):
            return self.content
        try:
            return msgspec.json.encode(self.content)
        except UnicodeEncodeError:  # a lone surrogate, which only an escape sequence can express
            return json.dumps(self.content).encode()


def page_response(page: dict[str, Any]) -> Response:
    """Return a page with a request ID, which a header repeats as Gong's does."""
    request_id = new_request_id()
    return Response(200, {"requestId": request_id, **page}, {"x-traceid": request_id})


def error_response(status: int, *errors: str, headers: dict[str, str] | None = None) -> Response:
    """Return errors in Gong's envelope, `{"requestId": …, "errors": […]}`, with the same header."""
    request_id = new_request_id()
    envelope = {"requestId": request_id, "errors": list(errors)}
    return Response(status, envelope, {"x-traceid": request_id, **(headers or {})})


def web_page(status: int, title: str, headers: dict[str, str] | None = None) -> Response:
    """Return a web page, as a load balancer in front of Gong would."""
    html = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Response(status, html.encode(), {"Content-Type": "text/html; charset=utf-8", **(headers or {})})


def new_request_id() -> str:
    """Return a random request ID."""
    return secrets.token_hex(10)
