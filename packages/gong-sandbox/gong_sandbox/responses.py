"""A response, before it goes over the wire."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any

import msgspec


class Delivery(Enum):
    """How a response is sent."""

    WHOLE = "whole"
    CUT = "cut"
    CUT_CHUNKED = "cut_chunked"
    DRIP = "drip"
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"


COMPLETE = {Delivery.WHOLE, Delivery.DRIP}
"""Deliveries that send the whole response."""

SILENT = {Delivery.CLOSE, Delivery.RESET, Delivery.HANG}
"""Deliveries that send nothing."""


@dataclass(frozen=True)
class Response:
    """A status, headers and a body, and how to send them.

    Attributes:
        status: HTTP status code.
        content: A JSON value, or bytes to send as they are.
        headers: Headers besides the length; the content type is JSON unless they override it.
        delivery: How to send the response.
        delay: Seconds to wait before sending it.
        drip_interval: Seconds between two bytes of a dripping body.
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
        """The JSON object of a successful response."""
        return self.content if self.status == HTTPStatus.OK and isinstance(self.content, dict) else None

    def body(self) -> bytes:
        """Return the body without its padding."""
        if isinstance(self.content, bytes):
            return self.content
        try:
            return msgspec.json.encode(self.content)
        except UnicodeEncodeError:  # a lone surrogate, which only an escape can express
            return json.dumps(self.content).encode()


def page_response(page: dict[str, Any]) -> Response:
    """Return a page with a request ID; as Gong does, repeat the ID in a header."""
    request_id = new_request_id()
    return Response(200, {"requestId": request_id, **page}, {"x-traceid": request_id})


def error_response(status: int, *errors: str, headers: dict[str, str] | None = None) -> Response:
    """Return errors in Gong's envelope, `{"requestId": …, "errors": […]}`, with the ID in a header as well."""
    request_id = new_request_id()
    envelope = {"requestId": request_id, "errors": list(errors)}
    return Response(status, envelope, {"x-traceid": request_id, **(headers or {})})


def web_page(status: int, title: str, headers: dict[str, str] | None = None) -> Response:
    """Return HTML, as a load balancer in front of Gong would."""
    html = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Response(status, html.encode(), {"Content-Type": "text/html; charset=utf-8", **(headers or {})})


def new_request_id() -> str:
    """Return a random ID like those that Gong's support asks for."""
    return secrets.token_hex(10)
