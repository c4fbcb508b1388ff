"""OAuth tokens."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from gong_sandbox import HandClock, Sandbox
from sandbox_support.client import NOON, TIMEOUT, Client, request_body, serving


def refresh(
    sandbox: Sandbox,
    token: str,
    *,
    method: str = "POST",
    **options: Any,  # noqa: ANN401 - the options of requests
) -> requests.Response:
    """Use a refresh token, by default in the query as Gong requires."""
    options.setdefault("params", {"grant_type": "refresh_token", "refresh_token": token})
    options.setdefault("auth", (sandbox.tokens.client_id, sandbox.tokens.client_secret))
    return requests.request(method, sandbox.token_url, timeout=TIMEOUT, **options)


def call(client: Client, access_token: str) -> int:
    """Return the status of a request with a bearer token."""
    client.session.auth = lambda request: request
    return client.post(request_body(), headers={"Authorization": f"Bearer {access_token}"}).status_code


def test_refresh_returns_new_tokens() -> None:
    """The response has the fields of Gong's, and its access token is valid."""
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


def test_refresh_token_works_once() -> None:
    """A used refresh token is a 400, and the new one stays valid."""
    with serving() as (sandbox, _):
        first = sandbox.tokens.refresh_token
        second = refresh(sandbox, first).json()["refresh_token"]
        again = refresh(sandbox, first)
        assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})
        assert refresh(sandbox, second).status_code == 200


def test_access_token_expires() -> None:
    """Each access token is valid for its own lifetime."""
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


def test_client_credentials_are_required() -> None:
    """Wrong or missing client credentials are a 401, and don't use up the refresh token."""
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
def test_parameters_belong_in_the_query(options: dict[str, Any], status: int) -> None:
    """A refresh token anywhere else is rejected, and stays valid."""
    with serving() as (sandbox, _):
        token = sandbox.tokens.refresh_token
        for place in ("params", "data"):
            if options.get(place, {}).get("refresh_token") == "TOKEN":
                options[place]["refresh_token"] = token
        assert refresh(sandbox, token, **options).status_code == status
        assert refresh(sandbox, token).status_code == 200


def test_faults_on_tokens() -> None:
    """A replaced response leaves the refresh token valid; a lost response uses it up."""
    faults = ["status=503,retry_after=60,on=token,at=1", "close,on=token,at=2"]
    with serving(faults=faults, clock=HandClock(NOON)) as (sandbox, client):
        token = sandbox.tokens.refresh_token
        assert refresh(sandbox, token).status_code == 503
        # A Retry-After for tokens doesn't apply to activity.
        assert client.post(request_body()).status_code == 200
        assert sandbox.tokens.refresh_token == token
        with pytest.raises(requests.exceptions.ConnectionError):
            refresh(sandbox, token)
        assert sandbox.tokens.refresh_token != token
        assert refresh(sandbox, token).status_code == 400


def test_log_contains_no_token() -> None:
    """The query of a token request isn't logged."""
    with serving() as (sandbox, _):
        token = sandbox.tokens.refresh_token
        refresh(sandbox, token)
    (record,) = sandbox.requests
    assert (record.path, record.status) == ("/oauth2/generate-customer-token", 200)
    assert token not in repr(record)
