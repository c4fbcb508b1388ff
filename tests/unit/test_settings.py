"""Settings: an invalid value is one error that names the setting and contains no secret."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from gong_sandbox.rules import DATE_TIME
from hypothesis import given
from hypothesis import strategies as st
from support.default_config import CONFIG, KEY, settings_error, settings_with
from support.hypothesis_settings import JSON, MANY

from tap_gong_activity.base.errors import SettingsError
from tap_gong_activity.settings import PROPERTIES, Settings, read_settings

SECRET_VALUES = {
    "access_key": "K3Y-7f0c2a9d41",
    "access_key_secret": "S3CR3T-b86e5530f2",
    "access_token": "T0K3N-19d3c07ea8",
}


TOO_LARGE = 10**400
NOT_A_NUMBER = Decimal("sNaN")

INVALID: dict[str, list[Any]] = {
    "access_key": [3, "a b", "a\n", "ä"],
    "access_key_secret": [[]],
    "access_token": [{}],
    "oauth_token_file": [3, "a\0b", ' {"client_secret": "x"}', "~nobody-of-that-name/tokens.json"],
    "api_url": [
        *(3, "api.gong.io", "ftp://api.gong.io", "https:///v2", "https://api.gong.io:0", "https://api.gong.io:port"),
        *("https://[::1", "https://api.gong.io/?a=b", "https://api.gong.io/#a", "https://user:hunter2@api.gong.io"),
        "https://api.gong.io /",
    ],
    "start_date": [3, "2025-02-29", "20250303", "2025-03-03 ", "2025-03-03T24:00:00Z", "\u0662025-03-03"],
    "end_date": [True],
    "company_timezone": [3, "America", "America/Nowhere", "../../etc/passwd", "a\0b"],
    "user_ids": [[], "1,2", [1], ["1", ""], ["x"], ["1" * 21], ["\u0661"]],
    "users_created_from": [
        *(3, "2025-03-03", "2025-03-03T00:00:00", "2025-02-29T00:00:00Z", "2025-03-03 00:00:00Z"),
        "2025-03-03T00:00:00+0000",
    ],
    "users_created_to": [False],
    "lookback_days": [-1, "7", True, 3.5, Decimal("3.0")],
    "periods_per_window": [0],
    "include_open_period": ["true", 0, 1],
    "requests_per_second": [0, Decimal("1e-400"), TOO_LARGE, math.nan, NOT_A_NUMBER, "3", True],
    "max_parallel_windows": [0],
    "request_timeout": [0, math.inf],
    "max_retries": [-1],
    "max_retry_wait": [-1],
    "user_agent": [3, " ", "a\r\nX: y", "ä"],
}
"""Invalid values of each setting, each for a different rule."""

CREDENTIALS = ("access_key", "access_key_secret", "access_token", "oauth_token_file")


def config_with(name: str, value: object) -> dict[str, Any]:
    """Return a configuration that is valid except for this value."""
    credential = {} if name in {"access_token", "oauth_token_file"} else KEY
    return {"start_date": "2025-03-03", **credential, name: value}


def is_one_sentence(text: str) -> bool:
    """Return whether a text is one short line that ends with a period."""
    return text.isprintable() and text.endswith(".") and len(text) < 400


def test_every_setting_has_invalid_values_here() -> None:
    """The table of invalid values covers every setting."""
    assert set(INVALID) == set(PROPERTIES.to_dict()["properties"])


def test_defaults() -> None:
    """Each optional setting has its documented default."""
    settings = settings_with()
    assert settings == Settings(
        access_key="sandbox-access-key",
        access_key_secret="sandbox-access-key-secret",
        access_token=None,
        oauth_token_file=None,
        api_url="https://api.gong.io",
        api_url_is_set=False,
        start_date=date(2025, 3, 3),
        end_date=None,
        company_timezone=None,
        user_ids=None,
        users_created_from=None,
        users_created_to=None,
        lookback_days=7,
        periods_per_window=90,
        include_open_period=False,
        requests_per_second=3,
        max_parallel_windows=6,
        request_timeout=300,
        max_retries=8,
        max_retry_wait=600,
        user_agent=settings.user_agent,
    )
    name, _, version = settings.user_agent.partition("/")
    assert (name, version[0].isdecimal()) == ("tap-gong-activity", True)


def test_valid_values() -> None:
    """Valid values are converted to their types; the SDK parses a fraction in a file as a Decimal."""
    settings = read_settings(
        {
            "oauth_token_file": "tokens.json",
            "api_url": "https://us-12345.api.gong.io/",
            "start_date": "2024-02-29",
            "end_date": "2024-03-01",
            "company_timezone": "America/Los_Angeles",
            "user_ids": ["234599484848423", "00000000000000000007", "234599484848423"],
            "users_created_from": "2024-01-31T00:00:00Z",
            "users_created_to": "2024-01-31T00:00:00.5-08:00",
            "lookback_days": 0,
            "periods_per_window": 1,
            "include_open_period": True,
            "requests_per_second": Decimal("0.5"),
            "max_parallel_windows": 1,
            "request_timeout": Decimal("2.5"),
            "max_retries": 0,
            "max_retry_wait": 0,
            "user_agent": "Example Corp (data@example.com)",
        }
    )
    assert settings == Settings(
        access_key=None,
        access_key_secret=None,
        access_token=None,
        oauth_token_file=Path("tokens.json"),
        api_url="https://us-12345.api.gong.io",
        api_url_is_set=True,
        start_date=date(2024, 2, 29),
        end_date=date(2024, 3, 1),
        company_timezone=ZoneInfo("America/Los_Angeles"),
        user_ids=("234599484848423", "00000000000000000007"),
        users_created_from="2024-01-31T00:00:00Z",
        users_created_to="2024-01-31T00:00:00.5-08:00",
        lookback_days=0,
        periods_per_window=1,
        include_open_period=True,
        requests_per_second=0.5,
        max_parallel_windows=1,
        request_timeout=2.5,
        max_retries=0,
        max_retry_wait=0,
        user_agent="Example Corp (data@example.com)",
    )
    assert {type(settings.requests_per_second), type(settings.request_timeout), type(settings.max_retry_wait)} == {
        float
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in INVALID.items() for value in values],
    ids=lambda value: f"{value!r:.30}",
)
def test_invalid_value_is_one_error(name: str, value: object) -> None:
    """An invalid value is one error that names the setting; no value is converted to another type."""
    text = settings_error(config_with(name, value))
    assert name in text
    assert is_one_sentence(text), text


@pytest.mark.parametrize("absent", ["", None])
def test_null_and_empty_string_are_ignored(absent: str | None) -> None:
    """Null and the empty string are ignored, because pipelines pass them for a setting that isn't set."""
    names = [name for name in INVALID if name not in {"access_key", "access_key_secret", "start_date"}]
    assert settings_with(**dict.fromkeys(names, absent)) == settings_with()
    assert "start_date is missing" in settings_error({**KEY, "start_date": absent})
    assert "No credential is set" in settings_error({"start_date": "2025-03-03", **dict.fromkeys(CREDENTIALS, absent)})


@pytest.mark.parametrize(
    "text",
    ["2025-03-03T23:59:59Z", "2025-03-03T00:00:00.123456+05:30", "2025-03-03 00:00", "2025-03-03T12:30:00-0800"],
)
def test_date_time_is_parsed_as_its_date(text: str) -> None:
    """A date-time, as Meltano passes it for "30 days ago", is parsed as its date."""
    assert settings_with(start_date=text).start_date == date(2025, 3, 3)


def test_error_does_not_contain_private_values() -> None:
    """An error doesn't contain values that may be private, such as email addresses instead of user IDs."""
    for name, value in (("user_ids", ["zoe@example.com"]), ("user_ids", ["Zoe"]), ("user_agent", "zoë@example.com")):
        text = settings_error({**CONFIG, name: value})
        assert name in text
        assert "zo" not in text.lower()


@pytest.mark.parametrize("end_date", ["2025-03-03", "2025-03-02"])
def test_end_date_must_be_after_start_date(end_date: str) -> None:
    """end_date must be after start_date, at least by a day."""
    text = settings_error({**CONFIG, "end_date": end_date})
    assert "end_date" in text
    assert end_date in text
    assert settings_with(end_date="2025-03-04").end_date == date(2025, 3, 4)


@pytest.mark.parametrize("end", ["2025-03-03T05:30:00+05:30", "2025-03-02T12:00:00-08:00"])
def test_users_created_to_must_be_after_users_created_from(end: str) -> None:
    """users_created_to must be after users_created_from, whatever their offsets."""
    text = settings_error({**CONFIG, "users_created_from": "2025-03-03T00:00:00Z", "users_created_to": end})
    assert "users_created_to" in text
    assert "users_created_from" in text
    span = {"users_created_from": "2025-03-03T00:00:00Z", "users_created_to": "2025-03-02T17:00:00-08:00"}
    assert settings_with(**span).users_created_to == "2025-03-02T17:00:00-08:00"


@pytest.mark.parametrize("tail", ["Z", ".123456Z", "-08:00", ".5+05:30"])
def test_instant_is_unchanged(tail: str) -> None:
    """An instant is sent unchanged, in a format that Gong documents."""
    text = f"2024-01-31T00:00:00{tail}"
    assert settings_with(users_created_from=text).users_created_from == text
    assert DATE_TIME.fullmatch(text)


# Credentials

CREDENTIAL_VALUES = {**SECRET_VALUES, "oauth_token_file": "tokens.json"}


@pytest.mark.parametrize(
    "names",
    [
        *([], ["access_key"], ["access_key_secret"]),
        *(["access_key", "access_key_secret"], ["access_token"], ["oauth_token_file"]),
        *(["access_key_secret", "access_token"], ["access_token", "oauth_token_file"]),
        [*CREDENTIALS],
    ],
    ids="+".join,
)
def test_exactly_one_credential_is_accepted(names: list[str]) -> None:
    """Exactly one credential is accepted; anything else is an error that doesn't contain its value."""
    config = {"start_date": "2025-03-03", **{name: CREDENTIAL_VALUES[name] for name in names}}
    if names in (["access_key", "access_key_secret"], ["access_token"], ["oauth_token_file"]):
        settings = read_settings(config)
        assert {name for name in CREDENTIALS if getattr(settings, name) is not None} == set(names)
        return
    text = settings_error(config)
    assert is_one_sentence(text)
    assert not any(secret in text for secret in SECRET_VALUES.values())
    if not names:
        assert all(name in text for name in CREDENTIALS)
    elif len(names) == 1:
        assert {"access_key": "access_key_secret", "access_key_secret": "access_key"}[names[0]] in text
    else:
        kinds = {"access_key" if name == "access_key_secret" else name for name in names}
        assert all(kind in text for kind in kinds)


@pytest.mark.parametrize("secret", ["access_key", "access_key_secret", "access_token"])
def test_error_does_not_contain_invalid_secret(secret: str) -> None:
    """An error about a secret with invalid characters contains no part of it."""
    key = {} if secret == "access_token" else KEY
    text = settings_error({"start_date": "2025-03-03", **key, secret: SECRET_VALUES[secret] + "\r\n"})
    assert secret in text
    assert SECRET_VALUES[secret][:6] not in text


def test_error_does_not_contain_password_in_api_url() -> None:
    """An error about api_url doesn't contain its password, query or fragment."""
    for url in (
        "https://somebody:hunter2@api.gong.io",
        "https://api.gong.io/?access_key=hunter2",
        "https://api.gong.io/#hunter2 ",
    ):
        text = settings_error({**CONFIG, "api_url": url})
        assert "api_url" in text
        assert "hunter2" not in text


def test_error_does_not_contain_token_file_content() -> None:
    """An error about oauth_token_file doesn't contain a token file's content set instead of its path."""
    for value in ('{"client_id": "a", "client_secret": "hunter2"}', ' {"client_secret":"hunter2"}', {"a": "hunter2"}):
        text = settings_error({"start_date": "2025-03-03", "oauth_token_file": value})
        assert "oauth_token_file" in text
        assert "hunter2" not in text


@MANY
@given(name=st.sampled_from(sorted(INVALID)), value=JSON, kind=st.sampled_from([1, 2, 3]))
def test_any_json_for_any_setting_is_accepted_or_one_error(name: str, value: object, kind: int) -> None:
    """Any JSON for any setting is accepted, or is one error that names the setting and contains no credential."""
    credentials = {
        1: {"access_key": SECRET_VALUES["access_key"], "access_key_secret": SECRET_VALUES["access_key_secret"]},
        2: {"access_token": SECRET_VALUES["access_token"]},
        3: {"oauth_token_file": "tokens.json"},
    }
    try:
        settings = read_settings({"start_date": "2025-03-03", **credentials[kind], name: value})
    except SettingsError as error:
        text = str(error)
    else:
        assert isinstance(settings, Settings)
        return
    assert name in text
    assert is_one_sentence(text), text
    assert not any(secret in text for secret in SECRET_VALUES.values())


@MANY
@given(config=st.dictionaries(st.sampled_from(sorted(INVALID)), JSON, max_size=6))
def test_any_configuration_is_accepted_or_one_error(config: dict[str, Any]) -> None:
    """Any configuration is accepted, or is one error, even if several settings are invalid."""
    try:
        read_settings(config)
    except SettingsError as error:
        assert is_one_sentence(str(error))  # noqa: PT017 - it may pass
