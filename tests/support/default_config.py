"""Settings as a user would give them, with the credentials that the tests look for in every output."""

from __future__ import annotations

from typing import Any

import pytest

from tap_gong_activity.base.errors import SettingsError
from tap_gong_activity.settings import Settings, read_settings

ACCESS_KEY = "sandbox-access-key"
ACCESS_KEY_SECRET = "sandbox-access-key-secret"
KEY: dict[str, Any] = {"access_key": ACCESS_KEY, "access_key_secret": ACCESS_KEY_SECRET}
CONFIG: dict[str, Any] = {**KEY, "start_date": "2025-03-03"}


def settings_of(**given: Any) -> Settings:  # noqa: ANN401 (any setting)
    """Settings with a key and a start date, and what is given besides."""
    return read_settings({**CONFIG, **given})


def refusal(config: dict[str, Any]) -> str:
    """The sentence with which a configuration is refused."""
    with pytest.raises(SettingsError) as caught:
        read_settings(config)
    return str(caught.value)
