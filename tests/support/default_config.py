"""The default configuration of tests, and its credentials."""

from __future__ import annotations

from typing import Any

import pytest

from tap_gong_activity.base.errors import SettingsError
from tap_gong_activity.settings import Settings, read_settings

ACCESS_KEY = "sandbox-access-key"
ACCESS_KEY_SECRET = "sandbox-access-key-secret"
KEY: dict[str, Any] = {"access_key": ACCESS_KEY, "access_key_secret": ACCESS_KEY_SECRET}
CONFIG: dict[str, Any] = {**KEY, "start_date": "2025-03-03"}


def settings_with(**settings: Any) -> Settings:  # noqa: ANN401 - any setting
    """Return the default settings, updated with these."""
    return read_settings({**CONFIG, **settings})


def settings_error(config: dict[str, Any]) -> str:
    """Return the error message of an invalid configuration."""
    with pytest.raises(SettingsError) as error:
        read_settings(config)
    return str(error.value)
