"""The rate limit, the daily quota and Retry-After."""

from __future__ import annotations

import math

from gong_sandbox import HandClock
from gong_sandbox.limits import CallLimits
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox_support.client import NOON, Client, request_body, serving


def test_rate_limit() -> None:
    """The fourth call in a second is a 429, and succeeds after its Retry-After."""
    clock = HandClock(NOON)
    with serving(clock=clock, calls_per_second=3) as (sandbox, client):
        for _ in range(3):
            assert client.post(request_body()).status_code == 200
            clock.sleep(0.3)
        refused = client.post(request_body())
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["errors"] == ["API request limit exceeded"]
        clock.sleep(1)
        assert client.post(request_body()).status_code == 200
    assert sandbox.violations == []


def test_rate_limit_is_a_sliding_window() -> None:
    """A call counts for one second from its arrival, not until the clock's next second."""
    clock = HandClock(NOON)
    with serving(clock=clock, calls_per_second=3) as (_, client):
        statuses = []
        for pause in (0.0, 0.5, 0.4, 0.1, 0.5, 0.3):
            clock.sleep(pause)
            statuses.append(client.post(request_body()).status_code)
    # At 0.0, 0.5, 0.9, 1.0 (the first is over), 1.5 (the second is over), 1.8 (0.9, 1.0 and 1.5 are not).
    assert statuses == [200, 200, 200, 200, 200, 429]


def test_early_call_is_a_violation() -> None:
    """A call during a wait is a 429 with the remaining seconds, a violation, and doesn't extend the wait."""
    clock = HandClock(NOON)
    with serving(clock=clock, faults=["status=429,retry_after=5,at=1"]) as (sandbox, client):
        assert client.post(request_body()).headers["Retry-After"] == "5"
        clock.sleep(2.5)
        early = client.post(request_body())
        assert (early.status_code, early.headers["Retry-After"]) == (429, "3")
        clock.sleep(2.5)
        assert client.post(request_body()).status_code == 200
        assert [record.violation for record in sandbox.requests] == [False, True, False]
        assert [record.number for record in sandbox.violations] == [2]
        assert [record.retry_after for record in sandbox.requests] == ["5", "3", None]


def test_grace_excludes_the_same_connection() -> None:
    """The grace period applies to other connections only."""
    with serving(clock=HandClock(NOON), calls_per_second=1, grace=0.25) as (sandbox, client):
        assert [client.post(request_body()).status_code for _ in range(3)] == [200, 429, 429]
    assert [record.number for record in sandbox.violations] == [3]


def test_wait_applies_to_all_connections() -> None:
    """A call on another connection is refused, and is a violation only after the grace period."""
    clock = HandClock(NOON)
    with serving(clock=clock, faults=["status=429,retry_after=5,at=2"], grace=0.25) as (sandbox, client):
        other = Client(sandbox)
        with other.session:
            assert other.post(request_body()).status_code == 200
            assert client.post(request_body()).status_code == 429
            assert other.post(request_body()).status_code == 429
            assert sandbox.violations == []
            assert other.post(request_body()).status_code == 429
            assert [record.number for record in sandbox.violations] == [4]
            clock.sleep(0.25)
            third = Client(sandbox)
            with third.session:
                assert third.post(request_body()).status_code == 429
            assert [record.number for record in sandbox.violations] == [4, 5]


def test_wait_from_a_date_and_another_status() -> None:
    """A 503 with an HTTP date starts a wait too."""
    clock = HandClock(NOON)
    with serving(clock=clock, faults=["status=503,retry_after=date:5,at=1"]) as (sandbox, client):
        response = client.post(request_body())
        assert response.status_code == 503
        assert response.headers["Date"] == "Wed, 12 Mar 2025 20:00:00 GMT"
        assert response.headers["Retry-After"] == "Wed, 12 Mar 2025 20:00:05 GMT"
        clock.sleep(4.9)
        assert client.post(request_body()).status_code == 429
        clock.sleep(0.1)
        assert client.post(request_body()).status_code == 200
        assert len(sandbox.violations) == 1


def test_daily_quota() -> None:
    """Once the quota is spent, Retry-After lasts until the next day, which has its own quota."""
    clock = HandClock(NOON)
    with serving(clock=clock, daily_quota=5) as (_, client):
        for _ in range(5):
            assert client.post(request_body()).status_code == 200
            clock.sleep(60)
        refused = client.post(request_body())
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, str(86_400 - 300))
        clock.sleep(86_400 - 300)
        assert client.post(request_body()).status_code == 200


def test_refused_calls_dont_count() -> None:
    """Neither a 401 nor a 429 counts toward the quota."""
    clock = HandClock(NOON)
    with serving(clock=clock, daily_quota=2, calls_per_second=1) as (_, client):
        key, client.session.auth = client.session.auth, ("wrong", "wrong")
        assert client.post(request_body()).status_code == 401
        client.session.auth = key
        assert client.post(request_body()).status_code == 200
        assert client.post(request_body()).status_code == 429
        clock.sleep(1)
        assert client.post(request_body()).status_code == 200


def test_bad_requests_count() -> None:
    """Invalid requests and failed ones count toward the limits."""
    clock = HandClock(NOON)
    with serving(clock=clock, calls_per_second=2, faults=["status=503,at=1"]) as (_, client):
        assert client.post(request_body()).status_code == 503
        assert client.post({}).status_code == 400
        assert client.post(request_body()).status_code == 429


def test_no_limits() -> None:
    """None disables a limit."""
    with serving(clock=HandClock(NOON), calls_per_second=None, daily_quota=None) as (_, client):
        assert {client.post(request_body(), timeout=5).status_code for _ in range(30)} == {200}


@settings(deadline=None)
@given(st.lists(st.floats(0, 2), max_size=60), st.integers(1, 5), st.integers(1, 30))
def test_limits_are_never_exceeded(pauses: list[float], per_second: int, quota: int) -> None:
    """Whenever calls arrive, those admitted stay within both limits, and a call after the wait is admitted."""
    clock = HandClock(NOON)
    limits = CallLimits(clock, per_second, quota, grace=0)
    admitted: list[float] = []
    for pause in pauses:
        clock.sleep(pause)
        if limits.admit(0).retry_after is None:
            admitted.append(clock.seconds())
    for time in admitted:
        assert sum(time <= later < time + 0.99999 for later in admitted) <= per_second
    assert len(admitted) <= quota
    refused = limits.admit(0)
    if refused.retry_after is not None:
        assert refused.retry_after == math.floor(refused.retry_after) >= 1
        clock.sleep(refused.retry_after)
        assert limits.admit(0).retry_after is None
