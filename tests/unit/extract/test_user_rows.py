"""Rows of pages of users: Gong's values, and no other fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tap_gong_activity.base.errors import UnexpectedResponseError
from tap_gong_activity.base.redaction import redact
from tap_gong_activity.extract.user_rows import USER_COLUMNS, UserRow, UserRowReader
from tap_gong_activity.gong.models import UserSettings

SCHEMA = Path(__file__).parents[3] / "schemas" / "users.json"

USER: dict[str, Any] = {
    "id": "99999999999999999999",
    "emailAddress": "ann@example.com",
    "created": "2018-02-17T02:30:00-08:00",
    "active": False,
    "emailAliases": ["ann@crm.example.com", None],
    "trustedEmailAddress": "trusted@example.com",
    "firstName": "Ann",
    "lastName": "Lee",
    "title": "Account executive",
    "phoneNumber": "+1 555 0100",
    "extension": "42",
    "personalMeetingUrls": ["https://meet.example.com/ann"],
    "settings": {
        "webConferencesRecorded": True,
        "preventWebConferenceRecording": False,
        "telephonyCallsImported": None,
        "emailsImported": True,
        "preventEmailImport": False,
        "nonRecordedMeetingsImported": False,
        "gongConnectEnabled": True,
    },
    "managerId": "7",
    "meetingConsentPageUrl": "https://consent.example.com",
    "conferencingProviders": ["zoom"],
    "spokenLanguages": [{"language": "en", "primary": True}],
}
"""A user with every field that Gong documents."""


def read(*users: object) -> tuple[list[UserRow], dict[str, str]]:
    """Return the rows of a page with these users, and the warnings by kind."""
    warnings: dict[str, str] = {}
    page = json.dumps({"requestId": "x", "records": {"totalRecords": 1}, "users": users}).encode()
    (rows,) = UserRowReader(warn=lambda *warning: warnings.update([warning]), redact=redact).rows(iter([page]))
    return rows, warnings


def test_user_becomes_a_row_without_other_fields() -> None:
    """A user's row has its columns only, and other documented fields are left out without a warning."""
    rows, warnings = read(USER)
    assert not warnings
    assert [msgspec.structs.asdict(row) for row in rows] == [
        {
            "user_id": "99999999999999999999",
            "email_address": "ann@example.com",
            "email_aliases": ["ann@crm.example.com"],
            "first_name": "Ann",
            "last_name": "Lee",
            "title": "Account executive",
            "manager_id": "7",
            "is_active": False,
            "created_at": "2018-02-17T10:30:00Z",
            "web_conferences_recorded": True,
            "prevent_web_conference_recording": False,
            "telephony_calls_imported": None,
            "emails_imported": True,
            "prevent_email_import": False,
            "non_recorded_meetings_imported": False,
            "gong_connect_enabled": True,
        }
    ]


def test_everything_but_the_id_can_be_null_or_missing() -> None:
    """Everything except the ID can be null or missing."""
    nulls = [None] * (len(USER_COLUMNS) - 1)
    rows, warnings = read({"id": "1"}, {**dict.fromkeys(USER), "id": "2"})
    assert [list(msgspec.structs.astuple(row)) for row in rows] == [["1", *nulls], ["2", *nulls]]
    assert not warnings


@pytest.mark.parametrize("user_id", [None, ""])
def test_user_without_an_id_is_an_error(user_id: str | None) -> None:
    """A user without an ID is an error, because its row would have no key."""
    with pytest.raises(UnexpectedResponseError, match="without id"):
        read({**USER, "id": user_id})


@pytest.mark.parametrize(
    ("field", "value"),
    [("emailAddress", 3), ("active", "yes"), ("emailAliases", "none"), ("settings", []), ("managerId", 12345678901234)],
)
def test_field_of_another_type_is_named(field: str, value: object) -> None:
    """A field of another type is an error that names it."""
    with pytest.raises(UnexpectedResponseError, match=field):
        read({**USER, field: value})


def test_unknown_fields_cause_one_warning() -> None:
    """Unknown fields, including those of the settings, cause one warning."""
    unusual = {**USER, "shoeSize": 9, "settings": {**USER["settings"], "smsImported": True}}
    rows, warnings = read(unusual, unusual)
    assert rows == read(USER, USER)[0]
    assert list(warnings) == ["unknown fields"]
    assert "2 unknown fields" in warnings["unknown fields"]
    assert "'shoeSize', 'smsImported'" in warnings["unknown fields"]


def test_invalid_time_becomes_null_with_a_warning() -> None:
    """An invalid time is null in the row, with a warning."""
    rows, warnings = read({**USER, "created": "long ago"})
    assert [row.created_at for row in rows] == [None]
    assert "'long ago'" in warnings["instant"]


def test_columns_match_the_schema() -> None:
    """The columns have the order and types of the schema, with null first."""
    properties = json.loads(SCHEMA.read_text())["properties"]
    assert tuple(properties) == USER_COLUMNS
    assert USER_COLUMNS[-7:] == UserSettings.__struct_fields__
    kinds = {"string": str, "boolean": bool, "array": list[str], "null": type(None)}
    for field in msgspec.structs.fields(UserRow):
        types = properties[field.name]["type"]
        assert field.name == "user_id" or types[0] == "null"
        schema_types = {kinds[name] for name in ([types] if isinstance(types, str) else types)}
        assert schema_types == set(getattr(field.type, "__args__", (field.type,))), field.name
    assert properties["user_id"]["maxLength"] == 255
