"""Settings out of the environment, where everything is text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.given_settings import CONFIG, refusal
from support.properties import MANY, TEXTS

from tap_gong_activity.base.errors import SettingsError
from tap_gong_activity.environment import settings_in_environment
from tap_gong_activity.settings import PROPERTIES, read_settings

SCHEMAS = PROPERTIES.to_dict()["properties"]
PREFIX = "TAP_GONG_ACTIVITY_"


def read(**variables: str) -> dict[str, Any]:
    """The settings in an environment that has nothing but these variables of the tap's."""
    return settings_in_environment(SCHEMAS, PREFIX, {PREFIX + name.upper(): text for name, text in variables.items()})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("access_key", "true", "true"),
        ("access_key", "123", "123"),
        ("access_key", " a ", " a "),
        ("start_date", "2025-03-03", "2025-03-03"),
        ("company_timezone", "UTC", "UTC"),
        ("lookback_days", "14", 14),
        ("lookback_days", "0", 0),
        ("periods_per_window", "-1", -1),
        ("requests_per_second", "3", Decimal(3)),
        ("requests_per_second", "0.1", Decimal("0.1")),
        ("request_timeout", "1e2", Decimal(100)),
        ("user_ids", '["1", "2"]', ["1", "2"]),
        ("user_ids", "null", None),
        ("include_open_period", "true", True),
        ("include_open_period", "TRUE", True),
        ("include_open_period", " yes ", True),
        ("include_open_period", "on", True),
        ("include_open_period", "1", True),
        ("include_open_period", "false", False),
        ("include_open_period", "No", False),
        ("include_open_period", "off", False),
        ("include_open_period", "0", False),
    ],
)
def test_a_text_becomes_what_its_setting_is(name: str, text: str, value: object) -> None:
    """Strings stay as they are, whatever they look like."""
    found = read(**{name: text})
    assert found == {name: value}
    assert type(found[name]) is type(value)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
@pytest.mark.parametrize("text", ["", " ", "\t", "\n"])
def test_a_blank_variable_counts_as_absent(name: str, text: str) -> None:
    """A pipeline passes it on where its own variable is unset."""
    assert read(**{name: text}) == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lookback_days", "seven"),
        ("lookback_days", "7.5"),
        ("lookback_days", "7 days"),
        ("lookback_days", "9" * 5_000),
        ("max_retries", "true"),
        ("requests_per_second", "fast"),
        ("requests_per_second", "1,5"),
        ("requests_per_second", "nan"),
        ("requests_per_second", "sNaN"),
        ("requests_per_second", "Infinity"),
        ("requests_per_second", "1e-400"),
        ("max_retry_wait", "1e400"),
        ("user_ids", "1,2"),
        ("user_ids", "[1]"),
        ("user_ids", "[" * 100_000),
        ("user_ids", '"1"'),
        ("include_open_period", "maybe"),
        ("include_open_period", "2"),
    ],
)
def test_a_text_that_cannot_be_read_is_told_by_the_settings(name: str, text: str) -> None:
    """It is kept for them, who name the setting."""
    refused = refusal({**CONFIG, **read(**{name: text})})
    assert name in refused
    assert len(refused) < 300


def test_nothing_but_the_taps_own_variables_is_read() -> None:
    """Neither another prefix nor another case."""
    others = {"ACCESS_KEY": "a", "TAP_GONG_ACCESS_KEY": "b", "tap_gong_activity_access_key": "c", PREFIX + "OTHER": "d"}
    assert settings_in_environment(SCHEMAS, PREFIX, others) == {}


@MANY
@given(
    name=st.sampled_from(sorted(SCHEMAS)),
    text=TEXTS | st.from_regex(r"[-+]?[0-9._eE]{1,8}") | st.from_regex(r"[\[{].{0,9}"),
)
def test_any_text_is_taken_or_told(name: str, text: str) -> None:
    """Nothing but a sentence that names its setting ends a run."""
    config: dict[str, Any] = {**CONFIG, **read(**{name: text})}
    try:
        read_settings(config)
    except SettingsError as error:
        assert name in str(error)  # noqa: PT017 (it may pass)
