"""Settings in environment variables, where everything is text."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.default_config import CONFIG, settings_error
from support.hypothesis_settings import MANY, TEXTS

from tap_gong_activity.base.errors import SettingsError
from tap_gong_activity.environment import PREFIX, load_dotenv_file, settings_in_environment, unknown_variables
from tap_gong_activity.settings import SCHEMAS, read_settings

if TYPE_CHECKING:
    from pathlib import Path


def read(**variables: str) -> dict[str, Any]:
    """Return the settings in an environment with only these variables."""
    return settings_in_environment(SCHEMAS, {PREFIX + name.upper(): text for name, text in variables.items()})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("access_key", "123", "123"),
        ("access_key", " a ", " a "),
        ("lookback_days", "14", 14),
        ("requests_per_second", "0.1", Decimal("0.1")),
        ("request_timeout", "1e2", Decimal(100)),
        ("user_ids", '["1", "2"]', ["1", "2"]),
        ("user_ids", "null", None),
        ("include_open_period", "true", True),
        ("include_open_period", " yes ", True),
        ("include_open_period", "on", True),
        ("include_open_period", "1", True),
        ("include_open_period", "false", False),
        ("include_open_period", "No", False),
        ("include_open_period", "off", False),
        ("include_open_period", "0", False),
    ],
)
def test_variable_is_parsed_as_its_settings_type(name: str, text: str, value: object) -> None:
    """A variable is parsed as its setting's type; strings stay as they are, even if they look like numbers."""
    settings = read(**{name: text})
    assert settings == {name: value}
    assert type(settings[name]) is type(value)


def test_blank_variable_is_ignored() -> None:
    """A blank variable is ignored, because pipelines pass one for a setting that isn't set."""
    for text in ("", " \n"):
        assert read(**dict.fromkeys(SCHEMAS, text)) == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lookback_days", "seven"),
        ("lookback_days", "9" * 5_000),
        ("requests_per_second", "nan"),
        ("requests_per_second", "sNaN"),
        ("requests_per_second", "1e-400"),
        ("max_retry_wait", "1e400"),
        ("user_ids", "1,2"),
        ("user_ids", "[1]"),
        ("user_ids", "[" * 100_000),
        ("include_open_period", "maybe"),
    ],
)
def test_unparsable_text_is_one_error(name: str, text: str) -> None:
    """Text that can't be parsed is one error that names the setting."""
    error = settings_error({**CONFIG, **read(**{name: text})})
    assert name in error
    assert len(error) < 300


def test_only_the_taps_variables_are_read() -> None:
    """Variables with another prefix or case are ignored."""
    others = {"ACCESS_KEY": "a", "TAP_GONG_ACCESS_KEY": "b", "tap_gong_activity_access_key": "c", PREFIX + "OTHER": "d"}
    assert settings_in_environment(SCHEMAS, others) == {}


@MANY
@given(
    name=st.sampled_from(sorted(SCHEMAS)),
    text=TEXTS | st.from_regex(r"[-+]?[0-9._eE]{1,8}") | st.from_regex(r"[\[{].{0,9}"),
)
def test_any_text_is_accepted_or_one_error(name: str, text: str) -> None:
    """Any text for any setting is accepted, or is one error that names the setting."""
    config: dict[str, Any] = {**CONFIG, **read(**{name: text})}
    try:
        read_settings(config)
    except SettingsError as error:
        assert name in str(error)  # noqa: PT017 - it may pass


def test_unknown_variables() -> None:
    """Variables of Meltano and the SDK, and properties of settings that are objects, aren't unknown."""
    schemas = {"user_ids": {"type": ["array"]}, "batch_config": {"type": ["object", "null"]}}
    known = ("USER_IDS", "BATCH_CONFIG", "BATCH_CONFIG_STORAGE_ROOT", "_SELECT", "_LOAD_SCHEMA", "LOGLEVEL")
    environment = dict.fromkeys((PREFIX + name for name in (*known, "USER_ID", "LOOKBACK")), "x")
    environment |= {PREFIX + "EMPTY": "", "OTHER": "x"}
    assert unknown_variables(schemas, environment) == [PREFIX + "LOOKBACK", PREFIX + "USER_ID"]


def test_environment_overrides_dotenv_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment variables, even empty ones, override the .env file; parent folders aren't searched for one."""
    monkeypatch.setattr(os, "environ", {"A": "environment", "B": ""})
    (tmp_path / ".env").write_text("A=above\nC=above\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    load_dotenv_file()
    assert os.environ == {"A": "environment", "B": ""}
    (folder / ".env").write_bytes(b"\xef\xbb\xbfA=file\nB=file\nexport D='file'\n")
    load_dotenv_file()
    assert os.environ == {"A": "environment", "B": "", "D": "file"}


@pytest.mark.parametrize("content", [b"A=\xe9\n", b"A=b\0c\n", "fifo", "folder", "loop"])
def test_unreadable_dotenv_file_is_one_error(
    content: bytes | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A .env file that can't be read is one error, and a FIFO isn't waited for."""
    path = tmp_path / ".env"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        {"fifo": os.mkfifo, "folder": os.mkdir, "loop": lambda path: path.symlink_to(path)}[content](path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"^The \.env .* current folder [^.]+\.$"):
        load_dotenv_file()
