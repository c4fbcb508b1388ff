"""The users stream: everybody whom Gong knows, after all activity, and at nobody's expense."""

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


def users_of(ran: RunResult) -> list[dict[str, Any]]:
    """The rows of the users stream."""
    return [message["record"] for message in ran.messages if message.get("stream") == "users" and "record" in message]


def expected_of(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The rows that the company's profiles give."""
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


def types_of(ran: RunResult) -> list[tuple[str, str]]:
    """The messages' types and streams, rows aside."""
    return [(message["type"], message.get("stream", "")) for message in ran.messages if message["type"] != "RECORD"]


def test_all_users_come_page_by_page_after_all_activity() -> None:
    """By GET, with the cursor in the query string, avatars and people who left included; a STATE is last."""
    with serve_sandbox(page_size=7, company=company(40)) as sandbox:
        ran = run(
            sandbox, streams=BOTH, start_date="2025-02-01", user_ids=["1"], users_created_from="2030-01-01T00:00:00Z"
        )
        requests = [record for record in ran.requests if record.path.startswith("/v2/users")]
        assert users_of(ran) == expected_of(sandbox)
    assert_succeeded(ran)
    assert any(not user["is_active"] for user in users_of(ran))
    assert any(user["first_name"] == "Gong" for user in users_of(ran))
    assert ran.requests[-len(requests) :] == requests
    assert {record.method for record in requests} == {"GET"}
    assert len(requests) == -(-len(users_of(ran)) // 7)
    assert types_of(ran)[-2:] == [("SCHEMA", "users"), ("STATE", "")]
    assert "users" not in ran.bookmarks


def test_users_are_deselected_by_default() -> None:
    """They hold personal data, and need a scope of their own."""
    with serve_sandbox() as sandbox:
        ran = run(sandbox, start_date="2025-03-01")
    assert_succeeded(ran)
    assert not users_of(ran)
    assert not [record for record in ran.requests if "users" in record.path]


@pytest.mark.parametrize("state", [None, {"bookmarks": {"users": {}}}])
def test_users_alone_are_read_whole_each_time(state: dict[str, Any] | None) -> None:
    """Whatever a state holds, also where a catalog says INCREMENTAL; a STATE follows."""
    catalog = catalog_selecting("users")
    for entry in catalog["streams"]:
        entry["replication_method"] = "INCREMENTAL"
    with serve_sandbox() as sandbox:
        ran = run(sandbox, catalog=catalog, state=state)
        assert users_of(ran) == expected_of(sandbox)
    assert_succeeded(ran)
    assert types_of(ran)[-1] == ("STATE", "")


def test_a_missing_users_scope_loses_nothing_of_the_activity() -> None:
    """The run ends with 1 and Gong's words, which name the scope."""
    fault = "status=401,error=You don't have permission to use 'api:users:read' in your app.,on=users"
    with serve_sandbox(faults=[fault]) as sandbox:
        ran = run(sandbox, streams=BOTH, start_date="2025-01-01")
        complete = run(sandbox, streams=["activity_by_month"], start_date="2025-01-01")
    sentence = assert_failed(ran)
    assert "'api:users:read'" in sentence
    assert "users: " in sentence
    assert ran.rows == complete.rows
    assert ran.state == complete.state
    assert types_of(ran)[-1] == ("STATE", "")


def test_a_test_says_which_scope_is_missing() -> None:
    """And that the other stream's is there, each with one request."""
    fault = "status=401,error=You don't have permission to use 'api:users:read' in your app.,on=users"
    with serve_sandbox(faults=[fault]) as sandbox:
        ran = run(sandbox, "--test", streams=BOTH)
    assert "'api:users:read'" in assert_failed(ran)
    assert "activity_by_month: OK, Gong returned" in ran.log
    assert len(ran.requests) == 2


@pytest.mark.parametrize("scope", ["activity", "both"])
def test_a_missing_scope_of_the_activity_leaves_the_users(scope: str) -> None:
    """Each stream's end is told in a sentence that names it."""
    words = "status=401,error=You don't have permission to use 'api:stats:user-actions' in your app."
    with serve_sandbox(faults=[words, *([f"{words},on=users"] if scope == "both" else [])]) as sandbox:
        ran = run(sandbox, streams=BOTH, start_date="2025-01-01")
        expected = expected_of(sandbox) if scope == "activity" else []
    assert ran.status == 1
    assert users_of(ran) == expected
    assert len(ran.errors) == (1 if scope == "activity" else 2)
    assert "activity_by_month, 2025-01-01 to 2025-03-01: " in ran.errors[0]


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ('set=errors:["Gong says why"]', "Gong says why"),
        ("null=users", "users"),
        ("set=users:{}", "users"),
        ("drop=*", "neither records nor users"),
    ],
)
def test_an_incomplete_answer_is_retried_then_ends_the_run(fault: str, named: str) -> None:
    """As for activity."""
    with serve_sandbox(page_size=7, faults=[f"{fault},on=users,page=1,at=1-2"]) as sandbox:
        ran = run(sandbox, streams=["users"])
        assert users_of(ran) == expected_of(sandbox)
    assert_succeeded(ran)
    with serve_sandbox(page_size=7, faults=[f"{fault},on=users,page=1"]) as sandbox:
        failed = run(sandbox, streams=["users"], max_retries=1)
    assert named in assert_failed(failed)
    assert len(failed.requests) == 3
    assert len(users_of(failed)) == 7


def test_users_who_are_missing_are_read_again() -> None:
    """Once; a cursor that's missing loses nobody."""
    with serve_sandbox(page_size=7, faults=["drop=records.cursor,on=users,page=0,at=1"]) as sandbox:
        ran = run(sandbox, streams=["users"])
        assert {user["user_id"] for user in users_of(ran)} == {user["user_id"] for user in expected_of(sandbox)}
    assert_succeeded(ran)
    assert ran.warnings == []
