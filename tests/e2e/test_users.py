"""The users stream: every user, after all activity, whose failures leave the activity complete."""

from __future__ import annotations

from datetime import timezone
from typing import TYPE_CHECKING, Any

import pytest
from support.catalogs import catalog_selecting
from support.expected_rows import company
from support.fake_clock import TODAY
from support.fake_time_runs import run, serve_sandbox
from support.run_results import assert_failed, assert_succeeded

if TYPE_CHECKING:
    from gong_sandbox import Sandbox
    from support.run_results import RunResult

BOTH = ["activity_by_month", "users"]


def user_rows(result: RunResult) -> list[dict[str, Any]]:
    """Return the rows of the users stream."""
    return [
        message["record"] for message in result.messages if message.get("stream") == "users" and "record" in message
    ]


def expected_users(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Return the rows of the sandbox's profiles."""
    names = {
        "webConferencesRecorded": "web_conferences_recorded",
        "preventWebConferenceRecording": "prevent_web_conference_recording",
        "telephonyCallsImported": "telephony_calls_imported",
        "emailsImported": "emails_imported",
        "preventEmailImport": "prevent_email_import",
        "nonRecordedMeetingsImported": "non_recorded_meetings_imported",
        "gongConnectEnabled": "gong_connect_enabled",
    }
    return [
        {
            "user_id": profile.user_id,
            "email_address": profile.email_address,
            "email_aliases": list(profile.email_aliases),
            "first_name": profile.first_name,
            "last_name": profile.last_name,
            "title": profile.title,
            "manager_id": profile.manager_id,
            "is_active": profile.is_active,
            "created_at": f"{profile.created.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
            **{names[name]: value for name, value in profile.settings.items()},
        }
        for profile in sandbox.company.profiles(TODAY, include_avatars=True)
    ]


def message_types(result: RunResult) -> list[tuple[str, str]]:
    """Return the type and stream of each message except RECORD."""
    return [(message["type"], message.get("stream", "")) for message in result.messages if message["type"] != "RECORD"]


def test_users_are_read_after_all_activity() -> None:
    """Users are read by GET, page by page and including inactive ones and avatars, after all activity."""
    with serve_sandbox(page_size=7, company=company(40)) as sandbox:
        result = run(
            sandbox, streams=BOTH, start_date="2025-02-01", user_ids=["1"], users_created_from="2030-01-01T00:00:00Z"
        )
        requests = [record for record in result.requests if record.path.startswith("/v2/users")]
        assert user_rows(result) == expected_users(sandbox)
    assert_succeeded(result)
    assert any(not user["is_active"] for user in user_rows(result))
    assert any(user["first_name"] == "Gong" for user in user_rows(result))
    assert result.requests[-len(requests) :] == requests
    assert {record.method for record in requests} == {"GET"}
    assert len(requests) == -(-len(user_rows(result)) // 7)
    assert message_types(result)[-2:] == [("SCHEMA", "users"), ("STATE", "")]
    assert "users" not in result.bookmarks


def test_users_are_deselected_by_default() -> None:
    """Users aren't selected by default, because they're personal data and need another scope."""
    with serve_sandbox() as sandbox:
        result = run(sandbox, start_date="2025-03-01")
    assert_succeeded(result)
    assert not user_rows(result)
    assert not [record for record in result.requests if "users" in record.path]


@pytest.mark.parametrize("state", [None, {"bookmarks": {"users": {}}}])
def test_users_are_always_full_table(state: dict[str, Any] | None) -> None:
    """Users are read completely in every run, even if the catalog says INCREMENTAL."""
    catalog = catalog_selecting("users")
    for entry in catalog["streams"]:
        entry["replication_method"] = "INCREMENTAL"
    with serve_sandbox() as sandbox:
        result = run(sandbox, catalog=catalog, state=state)
        assert user_rows(result) == expected_users(sandbox)
    assert_succeeded(result)
    assert message_types(result)[-1] == ("STATE", "")


def test_missing_users_scope_leaves_activity_complete() -> None:
    """Without the scope of users, all activity is read, and the run fails with an error that names the scope."""
    fault = "status=401,error=You don't have permission to use 'api:users:read' in your app.,on=users"
    with serve_sandbox(faults=[fault]) as sandbox:
        result = run(sandbox, streams=BOTH, start_date="2025-01-01")
        complete = run(sandbox, streams=["activity_by_month"], start_date="2025-01-01")
    error = assert_failed(result)
    assert "'api:users:read'" in error
    assert "users: " in error
    assert result.rows == complete.rows
    assert result.state == complete.state
    assert message_types(result)[-1] == ("STATE", "")


def test_connection_test_names_the_missing_scope() -> None:
    """--test sends one request per stream, and names the scope that is missing."""
    fault = "status=401,error=You don't have permission to use 'api:users:read' in your app.,on=users"
    with serve_sandbox(faults=[fault]) as sandbox:
        result = run(sandbox, "--test", streams=BOTH)
    assert "'api:users:read'" in assert_failed(result)
    assert "activity_by_month: OK, Gong returned" in result.log
    assert len(result.requests) == 2


@pytest.mark.parametrize("scope", ["activity", "both"])
def test_missing_activity_scope_leaves_users_complete(scope: str) -> None:
    """Without the scope of activity, users are read, and each failed stream has its own error."""
    fault = "status=401,error=You don't have permission to use 'api:stats:user-actions' in your app."
    with serve_sandbox(faults=[fault, *([f"{fault},on=users"] if scope == "both" else [])]) as sandbox:
        result = run(sandbox, streams=BOTH, start_date="2025-01-01")
        expected = expected_users(sandbox) if scope == "activity" else []
    assert result.status == 1
    assert user_rows(result) == expected
    assert len(result.errors) == (1 if scope == "activity" else 2)
    assert "activity_by_month, 2025-01-01 to 2025-03-01: " in result.errors[0]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ('set=errors:["Gong says why"]', "Gong says why"),
        ("null=users", "users"),
        ("set=users:{}", "users"),
        ("drop=*", "neither records nor users"),
    ],
)
def test_incomplete_users_response_is_retried(fault: str, message: str) -> None:
    """An incomplete page of users is retried, and fails the run if it stays incomplete."""
    with serve_sandbox(page_size=7, faults=[f"{fault},on=users,page=1,at=1-2"]) as sandbox:
        result = run(sandbox, streams=["users"])
        assert user_rows(result) == expected_users(sandbox)
    assert_succeeded(result)
    with serve_sandbox(page_size=7, faults=[f"{fault},on=users,page=1"]) as sandbox:
        failed = run(sandbox, streams=["users"], max_retries=1)
    assert message in assert_failed(failed)
    assert len(failed.requests) == 3
    assert len(user_rows(failed)) == 7


def test_missing_users_are_read_again() -> None:
    """If a missing cursor ends the pages early, the users are read again."""
    with serve_sandbox(page_size=7, faults=["drop=records.cursor,on=users,page=0,at=1"]) as sandbox:
        result = run(sandbox, streams=["users"])
        assert {user["user_id"] for user in user_rows(result)} == {user["user_id"] for user in expected_users(sandbox)}
    assert_succeeded(result)
    assert result.warnings == []
