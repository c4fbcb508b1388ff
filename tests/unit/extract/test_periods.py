"""Calendar periods, compared with calendars that the tap doesn't use."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hypothesis_settings import SOME
from support.reference_calendar import ONE_DAY, period_of

from tap_gong_activity.extract.periods import Grain

DAYS = st.dates(date(1, 1, 1), date(9998, 12, 31))


def test_the_grains_are_those_that_gong_documents() -> None:
    """They're in upper case, like aggregationPeriod."""
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
def test_a_leap_day_is_in_each_of_its_periods(grain: Grain, start: str, following: str) -> None:
    """The dates are written out, so that no formula is needed."""
    assert str(grain.period_start(date(2024, 2, 29))) == start
    assert str(grain.next_start(date.fromisoformat(start))) == following


@SOME
@given(grain=st.sampled_from(Grain), day=DAYS)
def test_a_period_starts_on_its_first_day(grain: Grain, day: date) -> None:
    """The day before belongs to another period, and every day from then on to the same one."""
    start = grain.period_start(day)
    assert start <= day
    assert period_of(grain, start) == period_of(grain, day)
    assert start == date.min or period_of(grain, start - ONE_DAY) != period_of(grain, day)


@SOME
@given(grain=st.sampled_from(Grain), day=DAYS)
def test_the_next_period_starts_on_the_day_after_the_last(grain: Grain, day: date) -> None:
    """Nothing lies between two periods, and nothing in both."""
    following = grain.next_start(grain.period_start(day))
    assert following > day
    assert period_of(grain, following) != period_of(grain, day)
    assert period_of(grain, following - ONE_DAY) == period_of(grain, day)


def test_the_first_day_of_the_calendar_starts_each_period() -> None:
    """It's a Monday, too."""
    assert {grain.period_start(date.min) for grain in Grain} == {date.min}
