"""Connection failures: which ones a retry may fix, and which need a change of the user's TLS or proxy configuration.

That configuration is in the environment variables that requests reads.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

import requests
import urllib3
from requests.utils import prepend_scheme_if_needed

from tap_gong_activity.base.errors import GongError
from tap_gong_activity.base.redaction import redact
from tap_gong_activity.gong.connections import ResponseTimeoutError
from tap_gong_activity.gong.retries import FatalError, RetryableError
from tap_gong_activity.gong.urls import origin

if TYPE_CHECKING:
    from collections.abc import Iterator

PROXY_SCHEMES = frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"})

_PROXY_VARIABLES = "the environment variable https_proxy, http_proxy or all_proxy"
_BAD_CA_BUNDLE = (
    "The CA bundle named by the environment variable REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE can't be read: it must be a "
    "file of CA certificates in PEM format"
)


def check_ca_bundle(verify: object) -> None:
    """Check that the CA bundle, if it's a path, can be read.

    Raises:
        FatalError: If it can't.
    """
    if isinstance(verify, str) and not os.access(verify, os.R_OK):
        raise FatalError(_BAD_CA_BUNDLE)


def check_proxy(proxy: str | None) -> None:
    """Check the URL of a proxy.

    Raises:
        FatalError: If it can't be used.
    """
    if proxy is None:
        return
    try:
        parts = urllib3.util.parse_url(prepend_scheme_if_needed(proxy, "http"))  # type: ignore[no-untyped-call] # requests has no types for it
    except (ValueError, TypeError):
        # requests raises a TypeError for a user without a host.
        parts = urllib3.util.Url()
    if not parts.host or parts.scheme not in PROXY_SCHEMES:
        message = (
            f"The proxy URL in {_PROXY_VARIABLES} can't be used: it must look like http://HOST:PORT, or start with "
            "https, socks4 or socks5"
        )
        raise FatalError(message)


def connection_failure(error: Exception, url: str, proxy: str | None, timeout: float) -> GongError | RetryableError:
    """Return what to raise if there's no response.

    The texts of these exceptions aren't repeated, because they contain queries and the passwords of proxies.

    Args:
        error: The exception of requests, urllib3 or the socket.
        url: Where the request was sent.
        proxy: The proxy it was sent through, if any.
        timeout: The timeout of a response, in seconds.
    """
    causes = list(causes_of(error))
    if problem := _configuration_problem(causes, url, proxy):
        return FatalError(problem)
    if any(isinstance(cause, ResponseTimeoutError) for cause in causes):
        return RetryableError(f"{origin(url)} didn't respond within {timeout:g} s")
    if isinstance(error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError):
        through = f" through the proxy {origin(proxy)}" if proxy else ""
        return RetryableError(f"Connection to {origin(url)}{through} failed ({_root_cause(causes)})")
    return GongError(
        f"The request to {origin(url)} can't be sent ({type(error).__name__}): check api_url and the proxy settings"
    )


def proxy_refusal(proxy: str | None) -> str:
    """Say that a proxy refused the credentials."""
    return (
        f"The proxy {origin(proxy)} refuses the sign-in (407 Proxy Authentication Required): check the user name and "
        f"password in {_PROXY_VARIABLES}"
    )


def _configuration_problem(causes: list[BaseException], url: str, proxy: str | None) -> str | None:
    """Return the error in the user's TLS or proxy configuration, if that's the cause."""
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"The TLS certificate of {origin(url)} isn't trusted ({redact(cause.verify_message)}): if a proxy or "
                "firewall intercepts TLS, set the environment variable REQUESTS_CA_BUNDLE to a file with its CA "
                "certificate"
            )
        if isinstance(cause, ssl.SSLError) and cause.library in {"PEM", "X509"}:
            return _BAD_CA_BUNDLE
        if str(cause).startswith("Tunnel connection failed: 407") or type(cause).__name__ == "SOCKS5AuthError":
            return proxy_refusal(proxy)
        if isinstance(cause, requests.exceptions.InvalidSchema) and proxy:
            return (
                f"The proxy {origin(proxy)} needs the Python package PySocks: install it beside the tap, or use a "
                "proxy that speaks HTTP"
            )
    return None


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all its causes, which libraries store in different ways."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [getattr(cause, "reason", None), cause.__cause__, cause.__context__, *cause.args]


def _root_cause(causes: list[BaseException]) -> str:
    """Return the cause according to the operating system or OpenSSL, or else the type of the last exception."""
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, requests.RequestException):
            return redact(cause.strerror)
        if isinstance(cause, OSError) and str(cause).startswith("Tunnel connection failed"):
            return redact(str(cause))
    return "timed out" if any(isinstance(cause, TimeoutError) for cause in causes) else type(causes[-1]).__name__
