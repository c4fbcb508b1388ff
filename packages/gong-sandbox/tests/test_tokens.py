"""OAuth's tokens."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from gong_sandbox import HandClock, Sandbox
from sandbox_support.client import NOON, PATIENCE, Client, asking, serving


def refresh(
    sandbox: Sandbox,
    token: str,
    *,
    method: str = "POST",
    **options: Any,  # noqa: ANN401 - those of requests
) -> requests.Response:
    """Use a refresh token as Gong wants it: in the query."""
    options.setdefault("params", {"grant_type": "refresh_token", "refresh_token": token})
    options.setdefault("auth", (sandbox.tokens.client_id, sandbox.tokens.client_secret))
    return requests.request(method, sandbox.token_url, timeout=PATIENCE, **options)


def call(client: Client, access_token: str) -> int:
    """Call with a bearer token."""
    client.session.auth = lambda request: request
    return client.post(asking(), headers={"Authorization": f"Bearer {access_token}"}).status_code


def test_a_refresh_token_is_exchanged_for_new_tokens() -> None:
    """The response has everything that Gong's has, and its access token is valid."""
    with serving(token_lifetime=3600) as (sandbox, client):
        first = sandbox.tokens.refresh_token
        response = refresh(sandbox, first)
        assert response.status_code == 200
        granted = response.json()
        assert set(granted) == {
            "access_token",
            "refresh_token",
            "expires_in",
            "token_type",
            "scope",
            "api_base_url_for_customer",
        }
        assert granted["refresh_token"] == sandbox.tokens.refresh_token != first
        assert granted["expires_in"] == 3600
        assert granted["api_base_url_for_customer"] == sandbox.url
        assert "api:stats:user-actions" in granted["scope"]
        assert call(client, granted["access_token"]) == 200


def test_a_refresh_token_works_once() -> None:
    """A second use of the old one is a 400, and the new one stays valid."""
    with serving() as (sandbox, _):
        first = sandbox.tokens.refresh_token
        second = refresh(sandbox, first).json()["refresh_token"]
        again = refresh(sandbox, first)
        assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})
        assert refresh(sandbox, second).status_code == 200


def test_an_access_token_expires() -> None:
    """It's valid for its lifetime; the previous one stays valid for its own."""
    clock = HandClock(NOON)
    with serving(clock=clock, token_lifetime=100) as (sandbox, client):
        old = refresh(sandbox, sandbox.tokens.refresh_token).json()["access_token"]
        clock.sleep(60)
        new = refresh(sandbox, sandbox.tokens.refresh_token).json()["access_token"]
        assert (call(client, old), call(client, new)) == (200, 200)
        clock.sleep(40)
        assert (call(client, old), call(client, new)) == (401, 200)
        clock.sleep(60)
        assert call(client, new) == 401


def test_only_the_app_may_refresh() -> None:
    """Wrong and missing client credentials are refused, and use nothing up."""
    with serving() as (sandbox, _):
        token = sandbox.tokens.refresh_token
        for auth in (("wrong", "wrong"), (sandbox.access_key, sandbox.access_key_secret)):
            assert refresh(sandbox, token, auth=auth).status_code == 401
        assert refresh(sandbox, token, auth=None).status_code == 401
        assert refresh(sandbox, token).status_code == 200


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"params": {}, "data": {"grant_type": "refresh_token", "refresh_token": "TOKEN"}}, 400),
        ({"params": {"grant_type": "authorization_code", "refresh_token": "TOKEN"}}, 400),
        ({"params": {"grant_type": "refresh_token"}}, 400),
        ({"params": {"grant_type": "refresh_token", "refresh_token": "é\ud800".encode("utf-8", "replace")}}, 400),
        ({"method": "GET"}, 405),
    ],
)
def test_the_token_belongs_into_the_query(options: dict[str, Any], status: int) -> None:
    """Elsewhere it isn't read, and stays valid."""
    with serving() as (sandbox, _):
        token = sandbox.tokens.refresh_token
        for place in ("params", "data"):
            if options.get(place, {}).get("refresh_token") == "TOKEN":
                options[place]["refresh_token"] = token
        assert refresh(sandbox, token, **options).status_code == status
        assert refresh(sandbox, token).status_code == 200


def test_faults_can_strike_at_tokens() -> None:
    """A status leaves the token valid; a lost response has used it up."""
    faults = ["status=503,retry_after=60,on=token,at=1", "close,on=token,at=2"]
    with serving(faults=faults, clock=HandClock(NOON)) as (sandbox, client):
        token = sandbox.tokens.refresh_token
        assert refresh(sandbox, token).status_code == 503
        # A Retry-After for tokens doesn't hold for activity.
        assert client.post(asking()).status_code == 200
        assert sandbox.tokens.refresh_token == token
        with pytest.raises(requests.exceptions.ConnectionError):
            refresh(sandbox, token)
        assert sandbox.tokens.refresh_token != token
        assert refresh(sandbox, token).status_code == 400


def test_the_log_keeps_no_token() -> None:
    """The query is not recorded."""
    with serving() as (sandbox, _):
        token = sandbox.tokens.refresh_token
        refresh(sandbox, token)
    (record,) = sandbox.requests
    assert (record.path, record.status) == ("/oauth2/generate-customer-token", 200)
    assert token not in repr(record)
