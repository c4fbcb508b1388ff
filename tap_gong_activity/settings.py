"""The tap's own settings: names, types, descriptions, and the validation of their values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
from singer_sdk import typing as th

from tap_gong_activity.base.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_USER_AGENT = f"tap-gong-activity/{version('tap-gong-activity')}"

PROPERTIES = th.PropertiesList(
    th.Property(
        "access_key",
        th.StringType,
        secret=True,
        title="Access key",
        description=(
            "Access key for Gong's API. A technical administrator creates it in Gong under Admin center > Settings > "
            "Ecosystem > API."
        ),
    ),
    th.Property(
        "access_key_secret",
        th.StringType,
        secret=True,
        title="Access key secret",
        description="Secret of the access key. Gong shows it only once, when the key is created.",
    ),
    th.Property(
        "access_token",
        th.StringType,
        secret=True,
        title="Access token",
        description="Bearer token to use instead of an access key. The tap doesn't refresh it.",
    ),
    th.Property(
        "oauth_token_file",
        th.StringType,
        title="OAuth token file",
        description=(
            "Path to a JSON file with client_id, client_secret and refresh_token, to use instead of an access key. "
            "The tap updates the file after every token refresh."
        ),
    ),
    th.Property(
        "api_url",
        th.URIType,
        default="https://api.gong.io",
        title="API URL",
        description="Base URL of your Gong account's API, such as https://us-12345.api.gong.io.",
    ),
    th.Property(
        "start_date",
        th.DateType,
        required=True,
        title="Start date",
        description="Earliest date to sync (YYYY-MM-DD, company time zone), rounded down to the start of its period.",
    ),
    th.Property(
        "end_date",
        th.DateType,
        title="End date",
        description=(
            "End date (YYYY-MM-DD, exclusive, company time zone). Defaults to today; a later date counts as today."
        ),
    ),
    th.Property(
        "company_timezone",
        th.StringType,
        title="Company time zone",
        description=(
            "Your company's time zone in Gong, as an IANA name such as America/Los_Angeles. It determines when a day "
            "has ended. If it isn't set, the tap waits until the day has ended everywhere on Earth."
        ),
    ),
    th.Property(
        "user_ids",
        th.ArrayType(th.StringType),
        title="User IDs",
        description="Gong user IDs to sync, as strings of up to 20 digits. Defaults to all users.",
    ),
    th.Property(
        "users_created_from",
        th.DateTimeType,
        title="Users created from",
        description="Sync only users created at or after this time (ISO 8601 with a UTC offset).",
    ),
    th.Property(
        "users_created_to",
        th.DateTimeType,
        title="Users created to",
        description="Sync only users created before this time (ISO 8601 with a UTC offset).",
    ),
    th.Property(
        "lookback_days",
        th.IntegerType(minimum=0),
        default=7,
        title="Lookback days",
        description=(
            "Number of days before the bookmark to sync again, because Gong keeps updating a day after it has ended."
        ),
    ),
    th.Property(
        "periods_per_window",
        th.IntegerType(minimum=1),
        default=90,
        title="Periods per window",
        description=(
            "Number of periods (days, weeks, months, quarters or years) in a window, the date range that one request "
            "covers."
        ),
    ),
    th.Property(
        "include_open_period",
        th.BooleanType,
        default=False,
        title="Include open period",
        description="Also emit the period that hasn't ended yet, with is_complete set to false.",
    ),
    th.Property(
        "requests_per_second",
        th.NumberType(exclusive_minimum=0),
        default=3,
        title="Requests per second",
        description="Maximum number of requests per second, across all streams. Gong allows 3 for the whole company.",
    ),
    th.Property(
        "max_parallel_windows",
        th.IntegerType(minimum=1),
        default=6,
        title="Max parallel windows",
        description="Maximum number of windows to fetch in parallel. Set it to 1 to fetch one at a time.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0),
        default=300,
        title="Request timeout",
        description="Timeout for a request, in seconds, from sending it to receiving the last byte of the response.",
    ),
    th.Property(
        "max_retries",
        th.IntegerType(minimum=0),
        default=8,
        title="Max retries",
        description="Maximum number of retries per request.",
    ),
    th.Property(
        "max_retry_wait",
        th.NumberType(minimum=0),
        default=600,
        title="Max retry wait",
        description=(
            "Longest Retry-After to honor, in seconds, and the maximum backoff. If Retry-After is longer, the run "
            "fails and the next run resumes."
        ),
    ),
    th.Property(
        "user_agent",
        th.StringType,
        default=DEFAULT_USER_AGENT,
        title="User agent",
        description="User-Agent header of every request.",
    ),
)

SCHEMAS: dict[str, dict[str, Any]] = PROPERTIES.to_dict()["properties"]
"""The JSON Schema of each setting."""

CREDENTIALS = "access_key with access_key_secret, access_token, or oauth_token_file"
"""The kinds of credentials, of which exactly one must be set, as messages list them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The tap's own settings, validated and typed; the SDK's stay in the tap's config."""

    access_key: str | None
    access_key_secret: str | None
    access_token: str | None
    oauth_token_file: Path | None
    api_url: str
    api_url_is_set: bool
    start_date: date
    end_date: date | None
    company_timezone: ZoneInfo | None
    user_ids: tuple[str, ...] | None
    users_created_from: str | None
    users_created_to: str | None
    lookback_days: int
    periods_per_window: int
    include_open_period: bool
    requests_per_second: float
    max_parallel_windows: int
    request_timeout: float
    max_retries: int
    max_retry_wait: float
    user_agent: str


def present(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are set; null and the empty string count as absent, because pipelines pass them."""
    return {name: value for name, value in config.items() if value is not None and value != ""}


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Validate a configuration and convert it.

    Raises:
        SettingsError: If a setting is invalid; the message names it and never contains a secret.
    """
    config = present(config)
    _require_one_credential(config)
    if "start_date" not in config:
        message = "The setting start_date is missing: set it to the earliest date to sync (YYYY-MM-DD)."
        raise SettingsError(message)
    values: dict[str, Any] = {name: config.get(name, schema.get("default")) for name, schema in SCHEMAS.items()}
    checked: dict[str, Any] = {name: None if value is None else _read(name, value) for name, value in values.items()}
    settings = Settings(**checked, api_url_is_set="api_url" in config)
    if settings.end_date is not None and settings.end_date <= settings.start_date:
        message = (
            f"The setting end_date ({settings.end_date}) must be after start_date ({settings.start_date}), "
            "because it's exclusive."
        )
        raise SettingsError(message)
    start, end = settings.users_created_from, settings.users_created_to
    if start is not None and end is not None and msgspec.convert(end, datetime) <= msgspec.convert(start, datetime):
        message = f"The setting users_created_to ({end}) must be after users_created_from ({start})."
        raise SettingsError(message)
    return settings


def _require_one_credential(config: Mapping[str, Any]) -> None:
    key_parts = [name for name in ("access_key", "access_key_secret") if name in config]
    kinds = [*key_parts[:1], *(name for name in ("access_token", "oauth_token_file") if name in config)]
    if not kinds:
        message = f"No credential is set: set {CREDENTIALS}, with --config FILE or --config ENV."
        raise SettingsError(message)
    if len(kinds) > 1:
        message = f"The settings {' and '.join(kinds)} are both set: set exactly one of {CREDENTIALS}."
        raise SettingsError(message)
    if len(key_parts) == 1:
        missing = "access_key_secret" if key_parts == ["access_key"] else "access_key"
        message = f"The setting {missing} is missing: an access key works only together with its secret."
        raise SettingsError(message)


# The validation of one value: first by its JSON Schema, then by what no schema can express


def _read(name: str, value: Any) -> Any:  # noqa: ANN401 - as many types as there are settings
    schema = SCHEMAS[name]
    read, expected = _CHECKS.get(name) or _CHECKS[schema.get("format") or _type(schema)]
    try:
        if th.DEFAULT_JSONSCHEMA_VALIDATOR(schema).is_valid(value):
            return read(value)
    # Decimal's signaling NaN raises an ArithmeticError, an unknown home folder a RuntimeError, and ZoneInfo an OSError
    # for a folder of its data.
    except (ValueError, ArithmeticError, RuntimeError, LookupError, OSError):
        pass
    bound = f"of {schema['minimum']} or more" if "minimum" in schema else "above 0"
    message = f"The setting {name} must be {expected.format(bound=bound)}{_shown(name, schema, value)}."
    raise SettingsError(message)


def _type(schema: Mapping[str, Any]) -> str:
    name: str = next(name for name in schema["type"] if name != "null")
    return name


def _shown(name: str, schema: Mapping[str, Any], value: object, longest: int = 60) -> str:
    text = str(value).lower() if isinstance(value, (bool, Decimal)) else repr(value)
    # A path may be the file's content by mistake, an ID a name or an email address; and a URL can contain a password.
    if schema.get("secret") or name in {"oauth_token_file", "user_ids"} or re.search("[@?#]", text):
        return ""
    return f", not {text if len(text) <= longest else text[:longest] + '…'}"


def _secret(text: str) -> str:
    # Requests would quote a value that can't be sent in a header.
    return _matching(r"[!-~]+", text)


def _header(text: str) -> str:
    return _matching(r"[!-~]([ -~]*[!-~])?", text)


def _path(text: str) -> Path:
    return Path(_matching(r"(?!\s*\{)[^\0]+", text)).expanduser()


def _url(text: str) -> str:
    url = urlsplit(_matching(r"[!-~]+", text))
    if url.scheme not in {"http", "https"} or not url.hostname or url.port == 0 or re.search("[@?#]", text):
        raise ValueError
    return text.rstrip("/")


def _date(text: str) -> date:
    # Python 3.11 and newer also accept 20240101 and 2024-W01-1.
    return date.fromisoformat(_matching(_DATE_OR_DATE_TIME, text)[:10])


def _instant(text: str) -> str:
    # msgspec also accepts a space for the T and an offset without a colon, which Gong doesn't document.
    _matching(r"\S{10}T\S{8}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})", text)
    msgspec.convert(text, datetime)
    return text


def _user_ids(ids: list[str]) -> tuple[str, ...]:
    if not ids:
        raise ValueError
    return tuple(dict.fromkeys(_matching("[0-9]{1,20}", user_id) for user_id in ids))


def _finite(number: float | Decimal) -> float:
    # An integer can be too large for a float, and a fraction too small.
    value = float(number)
    if not math.isfinite(value) or (number != 0 and value == 0):
        raise ValueError
    return value


def _matching(pattern: str, text: str) -> str:
    if not re.fullmatch(pattern, text):
        raise ValueError
    return text


_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.,][0-9]+)?)?"
_DATE_OR_DATE_TIME = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ]{_CLOCK}(Z|[+-][0-9]{{2}}:?[0-9]{{2}})?)?"
"""A date, or a date-time, of which only the date counts: Meltano passes one for "30 days ago"."""

_CHECKS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "oauth_token_file": (_path, "the path of a file, not its content"),
    "company_timezone": (ZoneInfo, "a time zone's IANA name, such as America/Los_Angeles"),
    "user_ids": (_user_ids, "an array of user IDs of up to 20 digits, each as a string; leave it out for all users"),
    "user_agent": (_header, "a line of printable ASCII characters"),
    "uri": (_url, "a URL such as https://api.gong.io, without credentials or a query"),
    "date": (_date, "a calendar date (YYYY-MM-DD)"),
    "date-time": (_instant, "a time with a UTC offset, such as 2024-01-31T00:00:00Z"),
    "string": (_secret, "a string of printable ASCII characters without spaces or line breaks"),
    "integer": (int, "a whole number {bound}"),
    "number": (_finite, "a number {bound}"),
    "boolean": (bool, "true or false"),
}
"""How to convert a value and what it must be, by the setting's name, format or type."""
