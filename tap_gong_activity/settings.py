"""The tap's settings: what they are called, what they mean, and the checks before any request."""

from __future__ import annotations

import math
import re
from contextlib import suppress
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
    from collections.abc import Mapping

DEFAULT_USER_AGENT = f"tap-gong-activity/{version('tap-gong-activity')}"

PROPERTIES = th.PropertiesList(
    th.Property(
        "access_key",
        th.StringType,
        secret=True,
        title="Access key",
        description=(
            "Access key of Gong's API, which a technical administrator gets in Gong under Settings > Ecosystem > API."
        ),
    ),
    th.Property(
        "access_key_secret",
        th.StringType,
        secret=True,
        title="Access key secret",
        description="The secret that Gong showed once, together with the access key.",
    ),
    th.Property(
        "access_token",
        th.StringType,
        secret=True,
        title="Access token",
        description="A bearer token that was obtained elsewhere, in place of the access key and its secret.",
    ),
    th.Property(
        "oauth_token_file",
        th.StringType,
        title="OAuth token file",
        description=(
            "Path of a JSON file with client_id, client_secret and refresh_token, which the tap keeps current, "
            "in place of the access key and its secret."
        ),
    ),
    th.Property(
        "api_url",
        th.URIType,
        default="https://api.gong.io",
        title="API URL",
        description="The host that Gong gave the account, such as https://us-12345.api.gong.io.",
    ),
    th.Property(
        "start_date",
        th.DateType,
        required=True,
        title="Start date",
        description="First day wanted (YYYY-MM-DD, company's time zone); moved back to the start of its period.",
    ),
    th.Property(
        "end_date",
        th.DateType,
        title="End date",
        description=(
            "Day before which to stop (YYYY-MM-DD, exclusive, company's time zone); "
            "never later than the company's today, which is also the default."
        ),
    ),
    th.Property(
        "company_timezone",
        th.StringType,
        title="Company time zone",
        description=(
            "The company's time zone in Gong, as an IANA name such as America/Los_Angeles. "
            "It decides when a day has ended; without it the tap waits until it has ended everywhere."
        ),
    ),
    th.Property(
        "user_ids",
        th.ArrayType(th.StringType),
        title="User ids",
        description="Only these users: Gong's ids of up to 20 digits, each as a string.",
    ),
    th.Property(
        "users_created_from",
        th.DateTimeType,
        title="Users created from",
        description="Only users created at or after this instant (ISO-8601 with an offset).",
    ),
    th.Property(
        "users_created_to",
        th.DateTimeType,
        title="Users created to",
        description="Only users created before this instant (ISO-8601 with an offset).",
    ),
    th.Property(
        "lookback_days",
        th.IntegerType(minimum=0),
        default=7,
        title="Lookback days",
        description="How many days behind the bookmark to read again, for what Gong still changes after a day's end.",
    ),
    th.Property(
        "periods_per_window",
        th.IntegerType(minimum=1),
        default=90,
        title="Periods per window",
        description="How many periods one request spans.",
    ),
    th.Property(
        "include_open_period",
        th.BooleanType,
        default=False,
        title="Include open period",
        description="Also emit the period that is still running, marked with is_complete false.",
    ),
    th.Property(
        "requests_per_second",
        th.NumberType(exclusive_minimum=0),
        default=3,
        title="Requests per second",
        description="Pace of the whole run, over all streams; Gong allows a company 3 calls a second.",
    ),
    th.Property(
        "max_parallel_windows",
        th.IntegerType(minimum=1),
        default=6,
        title="Windows in parallel",
        description="How many windows are read ahead at once; 1 reads one after another.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0),
        default=300,
        title="Request timeout",
        description="Seconds after which an answer that has not come whole counts as failed.",
    ),
    th.Property(
        "max_retries",
        th.IntegerType(minimum=0),
        default=8,
        title="Retries",
        description="How many times a request is tried again after its first try.",
    ),
    th.Property(
        "max_retry_wait",
        th.NumberType(minimum=0),
        default=600,
        title="Longest wait",
        description="Longest wait in seconds that Gong may ask for; a longer one ends the run until the next.",
    ),
    th.Property(
        "user_agent",
        th.StringType,
        default=DEFAULT_USER_AGENT,
        title="User agent",
        description="How the tap names itself to Gong.",
    ),
)

DEFAULTS = {
    name: schema["default"] for name, schema in PROPERTIES.to_dict()["properties"].items() if "default" in schema
}

CREDENTIALS = "access_key with access_key_secret, access_token, or oauth_token_file"
"""The three ways to sign in, of which exactly one must be given, as they are named in messages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The tap's own settings, checked and typed; those of the SDK stay in its config."""

    access_key: str | None
    access_key_secret: str | None
    access_token: str | None
    oauth_token_file: Path | None
    api_url: str
    api_url_is_given: bool
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


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Check a tap's configuration.

    Args:
        config: The configuration as it was given. A setting that is null counts as absent.

    Raises:
        SettingsError: If a setting can't be used; the one sentence names it and never repeats a secret.
    """
    given = _Given(config)
    _require_one_credential(given)
    start_date = given.date("start_date")
    if start_date is None:
        message = "The setting start_date is missing: give the first day wanted as YYYY-MM-DD."
        raise SettingsError(message)
    end_date = given.date("end_date")
    if end_date is not None and end_date <= start_date:
        message = (
            f"The setting end_date ({end_date}) must be after start_date ({start_date}), as it is the day before which "
            "the tap stops."
        )
        raise SettingsError(message)
    return Settings(
        access_key=given.secret("access_key"),
        access_key_secret=given.secret("access_key_secret"),
        access_token=given.secret("access_token"),
        oauth_token_file=given.path("oauth_token_file"),
        api_url=given.url("api_url"),
        api_url_is_given=config.get("api_url") is not None,
        start_date=start_date,
        end_date=end_date,
        company_timezone=given.zone("company_timezone"),
        user_ids=given.user_ids("user_ids"),
        **_creation_span(given),
        lookback_days=given.integer("lookback_days", minimum=0),
        periods_per_window=given.integer("periods_per_window", minimum=1),
        include_open_period=given.boolean("include_open_period"),
        requests_per_second=given.number("requests_per_second", above=0),
        max_parallel_windows=given.integer("max_parallel_windows", minimum=1),
        request_timeout=given.number("request_timeout", above=0),
        max_retries=given.integer("max_retries", minimum=0),
        max_retry_wait=given.number("max_retry_wait", minimum=0),
        user_agent=given.header("user_agent"),
    )


def _require_one_credential(given: _Given) -> None:
    key_parts = [name for name in ("access_key", "access_key_secret") if name in given]
    ways = [*(["access_key"] if key_parts else []), *(n for n in ("access_token", "oauth_token_file") if n in given)]
    if not ways:
        message = f"No credential is set: give {CREDENTIALS}."
        raise SettingsError(message)
    if len(ways) > 1:
        message = f"The settings {' and '.join(ways)} are both set: give exactly one of {CREDENTIALS}."
        raise SettingsError(message)
    if len(key_parts) == 1:
        missing = "access_key_secret" if key_parts == ["access_key"] else "access_key"
        message = f"The setting {missing} is missing: an access key works only together with its secret."
        raise SettingsError(message)


def _creation_span(given: _Given) -> dict[str, str | None]:
    start, end = given.instant("users_created_from"), given.instant("users_created_to")
    if start is not None and end is not None and msgspec.convert(end, datetime) <= msgspec.convert(start, datetime):
        message = f"The setting users_created_to ({end}) must be after users_created_from ({start})."
        raise SettingsError(message)
    return {"users_created_from": start, "users_created_to": end}


_CREDENTIAL_SETTINGS = {"access_key", "access_key_secret", "access_token", "oauth_token_file"}


class _Given:
    """The settings that were given, each read as the kind that it should be."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        given = {
            name: value
            for name, value in config.items()
            # An empty credential is what a pipeline passes on when its own variable is unset.
            if value is not None and not (value == "" and name in _CREDENTIAL_SETTINGS)
        }
        self._values = {**DEFAULTS, **given}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def secret(self, name: str) -> str | None:
        value = self._values.get(name)
        # Whatever can't stand in a header would make requests quote it in an error of its own.
        if value is not None and not (isinstance(value, str) and re.fullmatch(r"[!-~]+", value)):
            message = f"The setting {name} must be a string of printable characters without spaces or line breaks."
            raise SettingsError(message)
        return value

    def header(self, name: str) -> str:
        value = self._values[name]
        if not (isinstance(value, str) and re.fullmatch(r"[!-~]([ -~]*[!-~])?", value)):
            raise _unusable(name, value, "a line of printable ASCII characters")
        return value

    def path(self, name: str) -> Path | None:
        value = self._values.get(name)
        if value is None:
            return None
        # What is no path may be the contents of the file, secrets and all.
        if not isinstance(value, str) or "\0" in value or value.lstrip().startswith("{"):
            raise _unusable(name, value, "the path of a file", repeat=False)
        try:
            return Path(value).expanduser()
        except RuntimeError:
            raise _unusable(name, value, "the path of a file, in the home folder of somebody who has one") from None

    def url(self, name: str) -> str:
        value = self._values[name]
        wanted = "an address such as https://api.gong.io, with neither credentials nor a query in it"
        repeat = isinstance(value, str) and not re.search("[@?#]", value)
        if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
            raise _unusable(name, value, wanted, repeat=repeat)
        try:
            url = urlsplit(value)
            usable = bool(url.hostname) and url.port != 0 and url.scheme in {"http", "https"}
            usable = usable and not (url.query or url.fragment or "@" in value)
        except ValueError:
            usable = False
        if not usable:
            raise _unusable(name, value, wanted, repeat=repeat)
        return value.rstrip("/")

    def date(self, name: str) -> date | None:
        value = self._values.get(name)
        if value is None:
            return None
        # Python 3.11 and newer would take 20240101 and 2024-W01-1 as well.
        if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass
        raise _unusable(name, value, "a date of the calendar, written YYYY-MM-DD")

    def instant(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is None:
            return None
        # msgspec would take a blank for the T, and an offset without its colon, which Gong does not document.
        if isinstance(value, str) and re.fullmatch(r"\S{10}T\S{8}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})", value):
            try:
                msgspec.convert(value, datetime)
            except msgspec.ValidationError:
                pass
            else:
                return value
        raise _unusable(name, value, "an instant with its offset, such as 2024-01-31T00:00:00Z")

    def zone(self, name: str) -> ZoneInfo | None:
        value = self._values.get(name)
        if value is None:
            return None
        try:
            # ZoneInfo raises OSError for the name of a folder (America) and ValueError for a path out of its data.
            if isinstance(value, str) and value:
                return ZoneInfo(value)
        except (LookupError, ValueError, OSError):
            pass
        raise _unusable(name, value, "a time zone's IANA name, such as America/Los_Angeles")

    def user_ids(self, name: str) -> tuple[str, ...] | None:
        value = self._values.get(name)
        if value is None:
            return None
        wanted = 'an array of ids of up to 20 digits, each a string, such as ["234599484848423"]'
        if not isinstance(value, list) or not value:
            raise _unusable(name, value, f"{wanted}, or be left out for all users")
        for user_id in value:
            if not (isinstance(user_id, str) and re.fullmatch(r"[0-9]{1,20}", user_id)):
                raise _unusable(name, user_id, wanted)
        return tuple(dict.fromkeys(value))

    def integer(self, name: str, *, minimum: int) -> int:
        value = self._values[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise _unusable(name, value, f"a whole number of {minimum} or more")
        return value

    def number(self, name: str, *, above: float | None = None, minimum: float | None = None) -> float:
        value = self._values[name]
        bound = f"above {above}" if above is not None else f"of {minimum} or more"
        number = math.nan
        # The SDK reads a fraction in a file as Decimal.
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            # An integer can be too large for a float, and Decimal knows a NaN that raises.
            with suppress(OverflowError, ValueError):
                number = float(value)
        if (
            not math.isfinite(number)
            or (above is not None and number <= above)
            or (minimum is not None and number < minimum)
        ):
            raise _unusable(name, value, f"a number {bound}")
        return number

    def boolean(self, name: str) -> bool:
        value = self._values[name]
        if not isinstance(value, bool):
            raise _unusable(name, value, "true or false")
        return value


def _unusable(name: str, value: object, wanted: str, *, repeat: bool = True) -> SettingsError:
    given = f", not {_shown(value)}" if repeat else ""
    return SettingsError(f"The setting {name} must be {wanted}{given}.")


def _shown(value: object, longest: int = 60) -> str:
    text = str(value).lower() if isinstance(value, (bool, Decimal)) else repr(value)
    return text if len(text) <= longest else f"{text[:longest]}…"
