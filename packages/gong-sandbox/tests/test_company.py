"""The fictional company: its users and their activity."""

from __future__ import annotations

import ast
import hashlib
import itertools
import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

import gong_sandbox
import pytest
from gong_sandbox import COUNTERS, Company, Row
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox_support.client import COMPANY

GRAINS = ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
YEAR_2024 = (date(2024, 1, 1), date(2025, 1, 1))
date_ranges = st.builds(
    lambda first, days: (first, first + timedelta(days=days)),
    st.dates(date(2023, 11, 1), date(2025, 3, 1)),
    st.integers(1, 100),
)


def total(rows: list[Row]) -> int:
    """Return the sum of all counters."""
    return sum(sum(row.counters) for row in rows)


def first_day_after(day: date, grain: str) -> date:
    """Return the first day of the next period, computed independently of the sandbox."""
    if grain == "DAY":
        return day + timedelta(days=1)
    if grain == "WEEK":
        return day + timedelta(days=7 - day.weekday())
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}[grain]
    month = (day.month - 1) // months * months + months
    return date(day.year + month // 12, month % 12 + 1, 1)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(GRAINS), date_ranges)
def test_periods_tile_the_range(grain: str, days: tuple[date, date]) -> None:
    """Each user's periods tile the range without gap or overlap, along the calendar and clipped to the range."""
    expected, start = [], days[0]
    while start < days[1]:
        end = min(first_day_after(start, grain), days[1])
        expected.append((start, end))
        start = end
    for found in COMPANY.activity(grain, *days):
        assert [tuple(period) for period in found.periods] == expected
        assert len(found.counters) == len(expected)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(GRAINS[1:]), date_ranges)
def test_period_counts_each_call_once(grain: str, days: tuple[date, date]) -> None:
    """A period's counters lie between the maximum and the sum of its days', and hosted and attended calls add up."""
    by_day = COMPANY.rows("DAY", *days)
    for row in COMPANY.rows(grain, *days):
        own = [day.counters for day in by_day if day.user_id == row.user_id and row.from_date <= day.from_date]
        own = own[: (row.to_date - row.from_date).days]
        for counter, number, *daily in zip(COUNTERS, row.counters, *own, strict=True):
            assert max(daily) <= number <= sum(daily)
            if counter in {"callsAsHost", "callsAttended"}:
                assert number == sum(daily)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(GRAINS), date_ranges)
def test_only_users_with_activity_are_returned(grain: str, days: tuple[date, date]) -> None:
    """The users returned are those with a counter above zero on any day of the range."""
    active = {row.user_id for row in COMPANY.rows("DAY", *days) if any(row.counters)}
    assert [found.user.user_id for found in COMPANY.activity(grain, *days)] == [
        user.user_id for user in COMPANY.users if user.user_id in active
    ]


@settings(deadline=None, max_examples=20)
@given(date_ranges)
def test_day_is_the_same_in_every_range(days: tuple[date, date]) -> None:
    """A day's activity doesn't depend on the range or the order of requests."""
    fresh = Company()
    last = days[1] - timedelta(days=1)
    alone = [row for row in fresh.rows("DAY", last, days[1]) if any(row.counters)]
    within = [row for row in COMPANY.rows("DAY", *days) if row.from_date == last and any(row.counters)]
    assert alone == within


def test_week_is_less_than_the_sum_of_its_days() -> None:
    """A client that adds up days doesn't get the week's counts."""
    week = total(COMPANY.rows("WEEK", date(2025, 2, 3), date(2025, 2, 10)))
    assert 0 < week < total(COMPANY.rows("DAY", date(2025, 2, 3), date(2025, 2, 10)))


def test_actions_are_repeated() -> None:
    """Users return to a call often enough for days and weeks to differ clearly."""
    monday = date(2024, 9, 2)
    repeated = 0
    for days in ((monday + timedelta(weeks=week), monday + timedelta(weeks=week + 1)) for week in range(10)):
        repeated += total(COMPANY.rows("DAY", *days)) - total(COMPANY.rows("WEEK", *days))
    assert repeated > 150


def test_clipped_week_has_lower_counts() -> None:
    """A client that requests part of a week gets lower counts and a later first day."""
    whole = COMPANY.rows("WEEK", date(2025, 2, 3), date(2025, 2, 10))
    clipped = COMPANY.rows("WEEK", date(2025, 2, 5), date(2025, 2, 10))
    assert {row.from_date for row in clipped} == {date(2025, 2, 5)}
    assert total(clipped) < total(whole)


FINGERPRINT = """
import hashlib
from datetime import date
from gong_sandbox import Company
company = Company(30, "Asia/Kolkata", 7)
rows = company.rows("WEEK", date(2024, 5, 1), date(2024, 6, 1))
print(hashlib.sha256(repr((company.users[:30:7], rows)).encode()).hexdigest())
"""


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_company_is_the_same_in_every_process(hash_seed: str) -> None:
    """Seed, size and time zone determine the company."""
    company = Company(30, "Asia/Kolkata", 7)
    rows = company.rows("WEEK", date(2024, 5, 1), date(2024, 6, 1))
    printed = subprocess.run(
        [sys.executable, "-c", FINGERPRINT], env={"PYTHONHASHSEED": hash_seed}, capture_output=True, check=True
    ).stdout
    assert printed.decode().strip() == hashlib.sha256(repr((company.users[:30:7], rows)).encode()).hexdigest()


def test_another_seed_is_another_company() -> None:
    """With another seed, both the users and their activity differ."""
    other = Company(seed="another")
    assert not {user.user_id for user in other.users} & {user.user_id for user in COMPANY.users}
    assert total(other.rows("YEAR", *YEAR_2024)) != total(COMPANY.rows("YEAR", *YEAR_2024))


def test_users_have_edge_cases() -> None:
    """IDs are unique, have up to 20 digits, and some exceed 64 bits; some users have no email address."""
    users = Company(300).users
    ids = [user.user_id for user in users]
    assert len(set(ids)) == 300
    assert all(user_id.isdecimal() and len(user_id) <= 20 for user_id in ids)
    assert 50 < sum(int(user_id) >= 2**63 for user_id in ids) < 150
    assert sum(user.email_address is None for user in users) == 30
    addresses = [user.email_address for user in users if user.email_address]
    assert len(set(addresses)) == 270
    assert {address.partition("@")[2] for address in addresses} == {"example.com", "example.org", "sales.example.net"}


def test_small_companies_have_edge_cases_too() -> None:
    """A company of ten has a user with a large ID, an idle one, one who leaves, and one without an email address."""
    users = Company(10).users
    assert any(int(user.user_id) >= 2**63 for user in users)
    assert any(user.role == "idle" for user in users)
    assert any(user.day_after_last for user in users)
    assert any(user.email_address is None for user in users)


def test_activity_lies_between_joining_and_leaving() -> None:
    """A user has activity only from the day after the account was created to the user's last day."""
    company = Company(40)
    users = {user.user_id: user for user in company.users}
    active = [row for row in company.rows("DAY", date(2016, 1, 1), date(2019, 1, 1)) if any(row.counters)]
    assert {users[row.user_id].role for row in active} == {"manager", "seller", "listener"}
    for row in active:
        user = users[row.user_id]
        assert user.created < company.midnight(row.from_date)
        assert user.day_after_last is None or row.from_date < user.day_after_last
    assert {row.user_id for row in active} < set(users)


def test_nothing_is_received_after_leaving() -> None:
    """A comment on a call of a user who has left counts only for the commenter."""
    company = Company(80)
    for user in company.users:
        if user.day_after_last is not None:
            week_after = (user.day_after_last, user.day_after_last + timedelta(days=7))
            assert not company.rows("DAY", *week_after, user_ids=[user.user_id])


def test_nothing_happens_before_the_company_was_founded() -> None:
    """There is no activity before the company was founded."""
    assert not COMPANY.rows("YEAR", date(1990, 1, 1), date(2015, 1, 1))


def test_activity_follows_the_calendar() -> None:
    """Weekends and holidays have almost no activity; Fridays, August and the end of December have less."""
    rows = COMPANY.rows("DAY", *YEAR_2024)
    weekdays: Counter[int] = Counter()
    months: Counter[int] = Counter()
    for row in rows:
        weekdays[row.from_date.weekday()] += sum(row.counters)
        months[row.from_date.month] += sum(row.counters)
    assert weekdays[5] + weekdays[6] < 0.1 * weekdays[1]
    assert weekdays[4] < weekdays[1]
    assert months[8] == min(months.values())
    end_of_year = [row for row in rows if row.from_date >= date(2024, 12, 22)]
    assert total(end_of_year) < 0.5 * total(
        [row for row in rows if date(2024, 12, 2) <= row.from_date < date(2024, 12, 12)]
    )
    assert total([row for row in rows if row.from_date == date(2024, 5, 1)]) < 0.2 * weekdays[2] / 52


def test_activity_follows_the_roles() -> None:
    """Managers coach, sellers host calls and receive coaching, and listeners host no calls."""
    counters_by_role: dict[str, Counter[str]] = {"manager": Counter(), "seller": Counter(), "listener": Counter()}
    roles = {user.user_id: user.role for user in COMPANY.users}
    for row in COMPANY.rows("YEAR", *YEAR_2024):
        counters_by_role[roles[row.user_id]].update(dict(zip(COUNTERS, row.counters, strict=True)))
    for coached in ("callsGaveFeedback", "callsScorecardsFilled", "callsMarkedAsFeedbackGiven"):
        assert counters_by_role["manager"][coached] > 0
        assert counters_by_role["seller"][coached] == 0
    for received in ("callsReceivedFeedback", "callsScorecardsReceived", "callsCommentsReceived"):
        assert counters_by_role["seller"][received] > counters_by_role["manager"][received]
    assert counters_by_role["seller"]["callsAsHost"] > counters_by_role["manager"]["callsAsHost"] > 0
    assert counters_by_role["listener"]["callsAsHost"] == 0
    assert counters_by_role["listener"]["othersCallsListenedTo"] > 0
    assert all(sum(counters[counter] for counters in counters_by_role.values()) for counter in COUNTERS)


def test_filters() -> None:
    """Users can be filtered by ID and by creation, whose range excludes its end."""
    days = date(2025, 2, 3), date(2025, 2, 10)
    everyone = COMPANY.activity("DAY", *days)
    third = everyone[2].user
    assert [found.user for found in COMPANY.activity("DAY", *days, user_ids=[third.user_id])] == [third]
    later = COMPANY.activity("DAY", *days, created_from=third.created)
    earlier = COMPANY.activity("DAY", *days, created_to=third.created)
    assert third in [found.user for found in later]
    assert third not in [found.user for found in earlier]
    assert len(later) + len(earlier) == len(everyone)


def test_midnight_follows_daylight_saving_time() -> None:
    """If clocks go forward at midnight, the day starts at one o'clock."""
    assert COMPANY.midnight(date(2025, 3, 9)).isoformat() == "2025-03-09T00:00:00-08:00"
    assert COMPANY.midnight(date(2025, 3, 10)).isoformat() == "2025-03-10T00:00:00-07:00"
    assert Company(zone="America/Santiago").midnight(date(2024, 9, 8)).isoformat() == "2024-09-08T01:00:00-03:00"


def test_today_is_in_the_companys_time_zone() -> None:
    """The current day depends on the company's time zone."""
    instant = datetime(2025, 3, 1, 20, tzinfo=timezone.utc)
    assert Company(zone="Asia/Kolkata").today(instant) == date(2025, 3, 2)
    assert Company(zone="America/Los_Angeles").today(instant) == date(2025, 3, 1)


def test_unknown_time_zone_is_an_error() -> None:
    """A time zone that doesn't exist is an error."""
    with pytest.raises(ZoneInfoNotFoundError):
        Company(zone="Mars/Olympus")


def test_imports_are_independent_of_the_tap() -> None:
    """The package imports only itself, the standard library, click and msgspec."""
    folder = Path(gong_sandbox.__file__).parent
    imported = set()
    for module in folder.glob("**/*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                imported.add(str(node.module))
    others = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in others if not name.startswith("gong_sandbox.")} == {
        "click",
        "msgspec",
    }


def test_a_user_has_always_gone_quiet() -> None:
    """Each month, a user who hosted calls in the month before has no activity for 45 days."""
    months = [date(2026 + month // 12, month % 12 + 1, 1) for month in range(15)]
    for before, month in itertools.pairwise(months):
        hosts = {row.user_id for row in COMPANY.rows("MONTH", before, month) if row.counters[0]}
        for until in (first_day_after(month, "MONTH"), month + timedelta(days=45)):
            assert hosts - {row.user_id for row in COMPANY.rows("YEAR", month, until)}


def test_nobody_is_on_leave_before_2026() -> None:
    """Every seller has activity in a month before the first leave."""
    sellers = [user for user in COMPANY.users if user.role == "seller" and user.works_on(date(2025, 12, 1))]
    active = {row.user_id for row in COMPANY.rows("MONTH", date(2025, 11, 1), date(2025, 12, 1))}
    assert {user.user_id for user in sellers if user.works_on(date(2025, 11, 1))} <= active


def test_late_activity() -> None:
    """With `late_days`, counts only grow day by day, up to those of a company without late activity."""
    late = Company(late_days=3)
    week = date(2025, 3, 3), date(2025, 3, 8)
    for grain in ("DAY", "WEEK"):
        known = [total(late.rows(grain, *week, as_of=week[1] + timedelta(days=days))) for days in range(5)]
        assert 0 < known[0] < known[1] < known[2] < known[3] == known[4]
        assert late.rows(grain, *week) == COMPANY.rows(grain, *week)
        assert late.rows(grain, *week, as_of=date(2025, 3, 11)) == COMPANY.rows(grain, *week)
    early = {row[:3]: row.counters for row in late.rows("DAY", *week, as_of=week[1])}
    for row in COMPANY.rows("DAY", *week):
        assert all(map(int.__le__, early.get(row[:3], (0,) * 15), row.counters))


def test_zero_rows() -> None:
    """With `zero_rows`, requested users without activity have zeros, if another requested user has activity."""
    days = date(2025, 3, 3), date(2025, 3, 5)
    idle = next(user.user_id for user in COMPANY.users if user.role == "idle")
    active = COMPANY.activity("DAY", *days)[2].user.user_id
    both = COMPANY.rows("DAY", *days, user_ids=[idle, active, "1"], zero_rows=True)
    assert {row.user_id for row in both} == {idle, active}
    assert [row.counters for row in both if row.user_id == idle] == [(0,) * 15] * 2
    assert COMPANY.rows("DAY", *days, user_ids=[idle], zero_rows=True) == []
    assert COMPANY.rows("DAY", *days, zero_rows=True) == COMPANY.rows("DAY", *days)
