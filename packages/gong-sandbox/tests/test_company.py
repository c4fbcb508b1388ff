"""The company that the sandbox knows: its people and what they do."""

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
from hypothesis import strategies as some
from sandbox_support.client import COMPANY

GRAINS = ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
YEAR_2024 = (date(2024, 1, 1), date(2025, 1, 1))
some_ranges = some.builds(
    lambda first, days: (first, first + timedelta(days=days)),
    some.dates(date(2023, 11, 1), date(2025, 3, 1)),
    some.integers(1, 100),
)


def total(rows: list[Row]) -> int:
    """Add up everything."""
    return sum(sum(row.counters) for row in rows)


def first_day_after(day: date, grain: str) -> date:
    """Return the first day of the next period, calculated in another way than the sandbox does."""
    if grain == "DAY":
        return day + timedelta(days=1)
    if grain == "WEEK":
        return day + timedelta(days=7 - day.weekday())
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}[grain]
    month = (day.month - 1) // months * months + months
    return date(day.year + month // 12, month % 12 + 1, 1)


@settings(deadline=None, max_examples=60)
@given(some.sampled_from(GRAINS), some_ranges)
def test_items_tile_the_range_along_the_calendar(grain: str, days: tuple[date, date]) -> None:
    """Each user's items follow one another from the first day to the last, cut only at the calendar and the ends."""
    expected, start = [], days[0]
    while start < days[1]:
        end = min(first_day_after(start, grain), days[1])
        expected.append((start, end))
        start = end
    for found in COMPANY.activity(grain, *days):
        assert [tuple(period) for period in found.periods] == expected
        assert len(found.counters) == len(expected)


@settings(deadline=None, max_examples=40)
@given(some.sampled_from(GRAINS[1:]), some_ranges)
def test_a_period_counts_each_call_once(grain: str, days: tuple[date, date]) -> None:
    """A period has at most the sum of its days, at least their maximum, and exactly the sum of calls taken part in."""
    by_day = COMPANY.rows("DAY", *days)
    for row in COMPANY.rows(grain, *days):
        own = [day.counters for day in by_day if day.user_id == row.user_id and row.from_date <= day.from_date]
        own = own[: (row.to_date - row.from_date).days]
        for counter, number, *daily in zip(COUNTERS, row.counters, *own, strict=True):
            assert max(daily) <= number <= sum(daily)
            if counter in {"callsAsHost", "callsAttended"}:
                assert number == sum(daily)


@settings(deadline=None, max_examples=40)
@given(some.sampled_from(GRAINS), some_ranges)
def test_exactly_the_users_with_activity_are_there(grain: str, days: tuple[date, date]) -> None:
    """Whoever has a counter above zero on any day of the range is listed, and nobody else."""
    active = {row.user_id for row in COMPANY.rows("DAY", *days) if any(row.counters)}
    assert [found.user.user_id for found in COMPANY.activity(grain, *days)] == [
        user.user_id for user in COMPANY.users if user.user_id in active
    ]


@settings(deadline=None, max_examples=20)
@given(some_ranges)
def test_a_day_is_the_same_in_every_range(days: tuple[date, date]) -> None:
    """The range and the order of requests don't change what happened."""
    fresh = Company()
    last = days[1] - timedelta(days=1)
    alone = [row for row in fresh.rows("DAY", last, days[1]) if any(row.counters)]
    within = [row for row in COMPANY.rows("DAY", *days) if row.from_date == last and any(row.counters)]
    assert alone == within


def test_a_week_is_less_than_the_sum_of_its_days() -> None:
    """A client that adds up days gets other weeks than Gong's."""
    week = total(COMPANY.rows("WEEK", date(2025, 2, 3), date(2025, 2, 10)))
    assert 0 < week < total(COMPANY.rows("DAY", date(2025, 2, 3), date(2025, 2, 10)))


def test_things_are_done_again() -> None:
    """People go back to a call often enough for days and weeks to differ visibly."""
    monday = date(2024, 9, 2)
    repeated = 0
    for days in ((monday + timedelta(weeks=week), monday + timedelta(weeks=week + 1)) for week in range(10)):
        repeated += total(COMPANY.rows("DAY", *days)) - total(COMPANY.rows("WEEK", *days))
    assert repeated > 150


def test_a_cut_week_differs_from_the_whole_one() -> None:
    """A client that cuts a week gets other numbers and another first day."""
    whole = COMPANY.rows("WEEK", date(2025, 2, 3), date(2025, 2, 10))
    cut = COMPANY.rows("WEEK", date(2025, 2, 5), date(2025, 2, 10))
    assert {row.from_date for row in cut} == {date(2025, 2, 5)}
    assert total(cut) < total(whole)


FINGERPRINT = """
import hashlib
from datetime import date
from gong_sandbox import Company
company = Company(30, "Asia/Kolkata", 7)
rows = company.rows("WEEK", date(2024, 5, 1), date(2024, 6, 1))
print(hashlib.sha256(repr((company.users[:30:7], rows)).encode()).hexdigest())
"""


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_every_process_has_the_same_company(hash_seed: str) -> None:
    """The seed, the size and the zone decide everything."""
    company = Company(30, "Asia/Kolkata", 7)
    rows = company.rows("WEEK", date(2024, 5, 1), date(2024, 6, 1))
    printed = subprocess.run(
        [sys.executable, "-c", FINGERPRINT], env={"PYTHONHASHSEED": hash_seed}, capture_output=True, check=True
    ).stdout
    assert printed.decode().strip() == hashlib.sha256(repr((company.users[:30:7], rows)).encode()).hexdigest()


def test_another_seed_is_another_company() -> None:
    """Neither the people nor what they do is the same."""
    other = Company(seed="another")
    assert not {user.user_id for user in other.users} & {user.user_id for user in COMPANY.users}
    assert total(other.rows("YEAR", *YEAR_2024)) != total(COMPANY.rows("YEAR", *YEAR_2024))


def test_accounts_are_as_various_as_at_gong() -> None:
    """Ids are of up to 20 digits and unique, some too large for 64 bits; some accounts have no e-mail address."""
    users = Company(300).users
    ids = [user.user_id for user in users]
    assert len(set(ids)) == 300
    assert all(user_id.isdecimal() and len(user_id) <= 20 for user_id in ids)
    assert 50 < sum(int(user_id) >= 2**63 for user_id in ids) < 150
    assert sum(user.email_address is None for user in users) == 30
    addresses = [user.email_address for user in users if user.email_address]
    assert len(set(addresses)) == 270
    assert {address.partition("@")[2] for address in addresses} == {"example.com", "example.org", "sales.example.net"}


def test_small_companies_have_special_accounts_too() -> None:
    """Ten users are enough for a huge id, an idle account, someone who leaves, and one without e-mail address."""
    users = Company(10).users
    assert any(int(user.user_id) >= 2**63 for user in users)
    assert any(user.role == "idle" for user in users)
    assert any(user.day_after_last for user in users)
    assert any(user.email_address is None for user in users)


def test_nobody_does_anything_before_joining_or_after_leaving() -> None:
    """Activity lies between the day after the account was made and the last day."""
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
    """Comments on the calls of those who have left count for those who write them only."""
    company = Company(80)
    for user in company.users:
        if user.day_after_last is not None:
            week_after = (user.day_after_last, user.day_after_last + timedelta(days=7))
            assert not company.rows("DAY", *week_after, user_ids=[user.user_id])


def test_nothing_happens_before_the_company_was_founded() -> None:
    """The years before are empty."""
    assert not COMPANY.rows("YEAR", date(1990, 1, 1), date(2015, 1, 1))


def test_the_calendar_shows() -> None:
    """Weekends and holidays are nearly empty, Fridays, August and the end of December quiet."""
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


def test_roles_show() -> None:
    """Managers coach, sellers host calls and are coached, listeners host none."""
    done: dict[str, Counter[str]] = {"manager": Counter(), "seller": Counter(), "listener": Counter()}
    roles = {user.user_id: user.role for user in COMPANY.users}
    for row in COMPANY.rows("YEAR", *YEAR_2024):
        done[roles[row.user_id]].update(dict(zip(COUNTERS, row.counters, strict=True)))
    for coached in ("callsGaveFeedback", "callsScorecardsFilled", "callsMarkedAsFeedbackGiven"):
        assert done["manager"][coached] > 0
        assert done["seller"][coached] == 0
    for received in ("callsReceivedFeedback", "callsScorecardsReceived", "callsCommentsReceived"):
        assert done["seller"][received] > done["manager"][received]
    assert done["seller"]["callsAsHost"] > done["manager"]["callsAsHost"] > 0
    assert done["listener"]["callsAsHost"] == 0
    assert done["listener"]["othersCallsListenedTo"] > 0
    assert all(sum(counters[counter] for counters in done.values()) for counter in COUNTERS)


def test_users_can_be_chosen_by_id_and_creation() -> None:
    """The span of creation includes its start and not its end."""
    days = date(2025, 2, 3), date(2025, 2, 10)
    everyone = COMPANY.activity("DAY", *days)
    third = everyone[2].user
    assert [found.user for found in COMPANY.activity("DAY", *days, user_ids=[third.user_id])] == [third]
    later = COMPANY.activity("DAY", *days, created_from=third.created)
    earlier = COMPANY.activity("DAY", *days, created_to=third.created)
    assert third in [found.user for found in later]
    assert third not in [found.user for found in earlier]
    assert len(later) + len(earlier) == len(everyone)


def test_midnight_is_the_start_of_the_day_even_without_one() -> None:
    """Where the clocks go forward at midnight, the day starts at one o'clock."""
    assert COMPANY.midnight(date(2025, 3, 9)).isoformat() == "2025-03-09T00:00:00-08:00"
    assert COMPANY.midnight(date(2025, 3, 10)).isoformat() == "2025-03-10T00:00:00-07:00"
    assert Company(zone="America/Santiago").midnight(date(2024, 9, 8)).isoformat() == "2024-09-08T01:00:00-03:00"


def test_today_is_the_companys() -> None:
    """The same instant is another day elsewhere."""
    instant = datetime(2025, 3, 1, 20, tzinfo=timezone.utc)
    assert Company(zone="Asia/Kolkata").today(instant) == date(2025, 3, 2)
    assert Company(zone="America/Los_Angeles").today(instant) == date(2025, 3, 1)


def test_a_zone_must_exist() -> None:
    """A company needs a zone."""
    with pytest.raises(ZoneInfoNotFoundError):
        Company(zone="Mars/Olympus")


def test_the_sandbox_shares_nothing_with_the_tap() -> None:
    """Its modules import the standard library, click, msgspec and one another."""
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


def test_somebody_has_always_gone_quiet() -> None:
    """Each month, somebody who hosted calls in the month before has no activity at all, for 45 days."""
    months = [date(2026 + month // 12, month % 12 + 1, 1) for month in range(15)]
    for before, month in itertools.pairwise(months):
        hosts = {row.user_id for row in COMPANY.rows("MONTH", before, month) if row.counters[0]}
        for until in (first_day_after(month, "MONTH"), month + timedelta(days=45)):
            assert hosts - {row.user_id for row in COMPANY.rows("YEAR", month, until)}


def test_leaves_change_nothing_before_2026() -> None:
    """Nobody is on leave yet."""
    sellers = [user for user in COMPANY.users if user.role == "seller" and user.works_on(date(2025, 12, 1))]
    active = {row.user_id for row in COMPANY.rows("MONTH", date(2025, 11, 1), date(2025, 12, 1))}
    assert {user.user_id for user in sellers if user.works_on(date(2025, 11, 1))} <= active


def test_some_of_a_day_becomes_known_late() -> None:
    """Day by day there's more of it, nothing is ever taken back, and in the end it's what a company without has."""
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


def test_requested_users_without_activity_can_have_zeros() -> None:
    """If any of them has activity; nobody else is added."""
    days = date(2025, 3, 3), date(2025, 3, 5)
    idle = next(user.user_id for user in COMPANY.users if user.role == "idle")
    active = COMPANY.activity("DAY", *days)[2].user.user_id
    both = COMPANY.rows("DAY", *days, user_ids=[idle, active, "1"], zero_rows=True)
    assert {row.user_id for row in both} == {idle, active}
    assert [row.counters for row in both if row.user_id == idle] == [(0,) * 15] * 2
    assert COMPANY.rows("DAY", *days, user_ids=[idle], zero_rows=True) == []
    assert COMPANY.rows("DAY", *days, zero_rows=True) == COMPANY.rows("DAY", *days)
