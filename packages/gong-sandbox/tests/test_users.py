"""The endpoint for users: what it accepts, rejects and returns."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from gong_sandbox import Company, HandClock, Profile
from sandbox_support.client import COMPANY, NOON, TIMEOUT, TODAY, Client, request_body, serving

FIELDS = [
    "id",
    "emailAddress",
    "created",
    "active",
    "emailAliases",
    "trustedEmailAddress",
    "firstName",
    "lastName",
    "title",
    "phoneNumber",
    "extension",
    "personalMeetingUrls",
    "settings",
    "managerId",
    "meetingConsentPageUrl",
    "conferencingProviders",
    "spokenLanguages",
]
SETTINGS = [
    "webConferencesRecorded",
    "preventWebConferenceRecording",
    "telephonyCallsImported",
    "emailsImported",
    "preventEmailImport",
    "nonRecordedMeetingsImported",
    "gongConnectEnabled",
]
LARGE = Company(300)


def all_users(client: Client, **parameters: object) -> list[dict[str, Any]]:
    """Return the users of all pages."""
    page = client.users(**parameters).json()
    users: list[dict[str, Any]] = page["users"]
    while cursor := page["records"].get("cursor"):
        page = client.users(**parameters, cursor=cursor).json()
        users += page["users"]
    assert page["records"]["totalRecords"] == len(users)
    return users


def test_response_format() -> None:
    """Fields and their order are those of Gong's documentation, and times have the company's offset."""
    with serving() as (_, client):
        response = client.users()
    assert response.status_code == 200
    page = response.json()
    assert list(page) == ["requestId", "records", "users"]
    assert response.headers["x-traceid"] == page["requestId"]
    assert [list(user) for user in page["users"]] == [FIELDS] * len(page["users"])
    assert all(list(user["settings"]) == SETTINGS for user in page["users"])
    assert page["users"][0]["created"] == "2015-01-05T21:07:55-08:00"


@pytest.mark.parametrize("include_avatars", [True, False])
def test_users_over_http_are_the_companys(include_avatars: bool) -> None:  # noqa: FBT001 - a parameter
    """A client gets the users that `Company.profiles` returns, page by page."""
    with serving(page_size=7) as (sandbox, client):
        users = all_users(client, includeAvatars=str(include_avatars).lower())
        requests = len(sandbox.requests)
    read = [
        Profile(
            user_id=user["id"],
            email_address=user["emailAddress"],
            created=datetime.fromisoformat(user["created"]),
            is_active=user["active"],
            email_aliases=tuple(user["emailAliases"]),
            first_name=user["firstName"],
            last_name=user["lastName"],
            title=user["title"],
            manager_id=user["managerId"],
            settings=user["settings"],
            is_avatar=user["lastName"] == "Avatar",
        )
        for user in users
    ]
    assert read == COMPANY.profiles(TODAY, include_avatars=include_avatars)
    assert requests == -(-len(users) // 7)


def test_avatar_is_listed_on_request_only() -> None:
    """`includeAvatars=true` adds one user, whose ID occurs in the activity."""
    with serving() as (_, client):
        without, with_avatar = (all_users(client, **given) for given in ({}, {"includeAvatars": "true"}))
        active = {user["userId"] for user in client.post(request_body()).json()["usersAggregateActivity"]}
    (avatar,) = [user for user in with_avatar if user not in without]
    assert avatar["id"] in active
    assert len(with_avatar) == len(without) + 1


def test_hierarchy() -> None:
    """Every manager is a user, some have left, and no user is their own manager at any level."""
    profiles = {profile.user_id: profile for profile in LARGE.profiles(TODAY)}
    depths = set()
    for profile in profiles.values():
        path = [profile.user_id]
        while (manager_id := profiles[path[-1]].manager_id) is not None:
            assert manager_id not in path
            path.append(manager_id)
        depths.add(len(path))
    assert max(depths) >= 4
    managers = [profiles[profile.manager_id] for profile in profiles.values() if profile.manager_id]
    assert any(not manager.is_active for manager in managers)
    assert sum(profile.manager_id is None for profile in profiles.values()) > 1


def test_profiles_have_edge_cases() -> None:
    """Titles and addresses can be null, and users have zero, one or two aliases."""
    profiles = LARGE.profiles(TODAY)
    assert {len(profile.email_aliases) for profile in profiles} == {0, 1, 2}
    assert any(profile.title is None for profile in profiles)
    assert any(profile.email_address is None for profile in profiles)
    assert {user.user_id: user.email_address for user in LARGE.users} == {
        profile.user_id: profile.email_address for profile in LARGE.profiles(TODAY, include_avatars=True)
    }


def test_profiles_change_over_time() -> None:
    """Users appear once created, stay as inactive after they leave, and some change managers each quarter."""
    leaver = next(user for user in LARGE.users if user.day_after_last and user.day_after_last > date(2024, 1, 1))
    newcomer = max(LARGE.users, key=lambda user: user.created)
    assert leaver.day_after_last

    def on(day: date) -> dict[str, Profile]:
        return {profile.user_id: profile for profile in LARGE.profiles(day)}

    assert on(leaver.day_after_last - timedelta(days=1))[leaver.user_id].is_active
    assert not on(leaver.day_after_last)[leaver.user_id].is_active
    created_on = newcomer.created.astimezone(LARGE.zone).date()
    assert newcomer.user_id not in on(created_on - timedelta(days=1))
    assert newcomer.user_id in on(created_on)
    before, after = on(date(2025, 3, 31)), on(date(2025, 4, 1))
    moved = {user_id for user_id in before if before[user_id].manager_id != after[user_id].manager_id}
    assert 0 < len(moved) < len(before) / 4


def test_profiles_follow_the_clock() -> None:
    """The company's current day decides who is active."""
    leaver = next(user for user in COMPANY.users if user.day_after_last)
    assert leaver.day_after_last
    clock = HandClock(COMPANY.midnight(leaver.day_after_last) - timedelta(seconds=1))
    with serving(today=None, clock=clock) as (_, client):
        before = {user["id"]: user["active"] for user in all_users(client)}
        clock.sleep(1)
        after = {user["id"]: user["active"] for user in all_users(client)}
    assert (before[leaver.user_id], after[leaver.user_id]) == (True, False)


def test_scopes_are_independent() -> None:
    """Credentials can lack either scope, and get Gong's error."""
    with serving(has_users_scope=False) as (_, client):
        assert client.post(request_body()).status_code == 200
        refused = client.users()
    assert refused.status_code == 401
    assert refused.json()["errors"] == ["You don't have permission to use 'api:users:read' in your app."]
    with serving(has_scope=False) as (_, client):
        assert (client.users().status_code, client.post(request_body()).status_code) == (200, 401)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("pageSize=5", 'Unrecognized parameter "pageSize"'),
        ("includeavatars=true", 'Unrecognized parameter "includeavatars"'),
        ("includeAvatars=1", "includeAvatars: must be true or false"),
        ("includeAvatars=", "includeAvatars: must be true or false"),
        ("includeAvatars=true&includeAvatars=true", "includeAvatars: must not be repeated"),
        ("cursor=", "The cursor is invalid"),
        ("cursor=abc", "The cursor is invalid"),
    ],
)
def test_invalid_query(query: str, error: str) -> None:
    """An invalid query is a 400 that says what is wrong."""
    with serving() as (_, client):
        response = client.session.get(f"{client.users_url}?{query}", timeout=TIMEOUT)
    assert (response.status_code, response.json()["errors"]) == (400, [error])


def test_cursor_is_valid_for_its_query_only() -> None:
    """A cursor with another query or endpoint is rejected, and one in the body is ignored."""
    with serving(page_size=5) as (_, client):
        cursor = client.users(includeAvatars="true").json()["records"]["cursor"]
        assert client.users(includeAvatars="true", cursor=cursor).json()["records"]["currentPageNumber"] == 1
        assert client.users(cursor=cursor).status_code == 400
        assert client.post({**request_body(), "cursor": cursor}).status_code == 400
        in_body = client.session.get(client.users_url, json={"cursor": cursor}, timeout=TIMEOUT)
    assert in_body.json()["records"]["currentPageNumber"] == 0


@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_only_get_is_allowed(method: str) -> None:
    """Other methods than GET are a 405."""
    with serving() as (_, client):
        response = client.session.request(method, client.users_url, timeout=TIMEOUT)
    assert (response.status_code, response.headers["Allow"]) == (405, "GET")


def test_limits_apply_to_both_endpoints() -> None:
    """Both endpoints share the limits, and a Retry-After applies to both."""
    clock = HandClock(datetime(2025, 3, 12, 20, tzinfo=timezone.utc))
    faults = ["status=429,retry_after=5,on=users,at=2"]
    with serving(clock=clock, calls_per_second=2, faults=faults) as (_, client):
        assert [client.users().status_code, client.post(request_body()).status_code] == [200, 200]
        assert client.post(request_body()).status_code == 429
        clock.sleep(1)
        assert [client.users().status_code, client.post(request_body()).status_code] == [429, 429]
        clock.sleep(5)
        assert client.post(request_body()).status_code == 200


def test_faults_on_users() -> None:
    """Faults apply to activity by default, or to users; page effects work on both."""
    faults = ["status=500,at=1", "status=503,on=users,at=1", "empty_page,on=users,at=2", "null=users.*.title,on=users"]
    with serving(page_size=50, faults=[*faults, "repeated_user,on=users"]) as (sandbox, client):
        assert [client.users().status_code, client.post(request_body()).status_code] == [503, 500]
        page = client.users().json()
        assert page["users"] == []
        page = client.users(cursor=page["records"]["cursor"]).json()
        assert {user["title"] for user in page["users"]} == {None}
        assert sandbox.requests[-1].users == len(page["users"])


def test_log_contains_the_query() -> None:
    """The query of a request for users is logged."""
    with serving(page_size=5, clock=HandClock(NOON)) as (sandbox, client):
        cursor = client.users(includeAvatars="true").json()["records"]["cursor"]
        client.users(includeAvatars="true", cursor=cursor)
    assert [record.query for record in sandbox.requests] == [
        {"includeAvatars": "true"},
        {"includeAvatars": "true", "cursor": cursor},
    ]
