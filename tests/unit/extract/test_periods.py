"""Calendar periods, compared with a reference calendar."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hypothesis_settings import SOME
from support.reference_calendar import ONE_DAY, period_of

from tap_gong_activity.extract.periods import Grain

DAYS = st.dates(date(1, 1, 1), date(9998, 12, 31))


def test_grains_match_gongs_documentation() -> None:
    """The grains have the values that Gong documents for aggregationPeriod."""
    assert [grain.value for grain in Grain] == ["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"]


@pytest.mark.parametrize(
    ("grain", "start", "following"),
    [
        (Grain.DAY, "2024-02-29", "2024-03-01"),
        (Grain.WEEK, "2024-02-26", "2024-03-04"),
        (Grain.MONTH, "2024-02-01", "2024-03-01"),
        (Grain.QUARTER, "2024-01-01", "2024-04-01"),
        (Grain.YEAR, "2024-01-01", "2025-01-01"),
    ],
)
def test_leap_day_is_in_its_periods(grain: Grain, start: str, following: str) -> None:
    """A leap day is in its day, week, month, quarter and year."""
    assert str(grain.period_start(date(2024, 2, 29))) == start
    assert str(grain.next_start(date.fromisoformat(start))) == following


@SOME
@given(grain=st.sampled_from(Grain), day=DAYS)
def test_period_starts_on_its_first_day(grain: Grain, day: date) -> None:
    """A period starts on its first day, and the day before is in another period."""
    start = grain.period_start(day)
    assert start <= day
    assert period_of(grain, start) == period_of(grain, day)
    assert start == date.min or period_of(grain, start - ONE_DAY) != period_of(grain, day)


@SOME
@given(grain=st.sampled_from(Grain), day=DAYS)
def test_next_period_follows_without_a_gap(grain: Grain, day: date) -> None:
    """The next period starts on the day after the last day of a period."""
    following = grain.next_start(grain.period_start(day))
    assert following > day
    assert period_of(grain, following) != period_of(grain, day)
    assert period_of(grain, following - ONE_DAY) == period_of(grain, day)


def test_first_day_of_the_calendar_starts_each_period() -> None:
    """The first day of the calendar starts a period of every grain."""
    assert {grain.period_start(date.min) for grain in Grain} == {date.min}
