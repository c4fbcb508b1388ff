"""Windows, which tile a range, and the company's current date, which ends it."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.hypothesis_settings import MANY, SOME
from support.reference_calendar import ONE_DAY, is_boundary, period_of

from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.extract.windows import Window, company_today, cut_into_windows, newest_period

GRAINS = st.sampled_from(Grain)
DAYS = st.dates(date(2015, 1, 1), date(2030, 12, 31))
LONG_AGO = st.dates(date(1, 1, 1), date(30, 12, 31))


def days_of(window: Window) -> list[date]:
    """Return every day of a window."""
    return [window.start + number * ONE_DAY for number in range((window.end - window.start).days)]


@MANY
@given(
    grain=GRAINS,
    days=st.tuples(DAYS, DAYS) | st.tuples(LONG_AGO, LONG_AGO),
    periods_per_window=st.integers(1, 12) | st.sampled_from([90, 10**12, 10**30]),
    include_open_period=st.booleans(),
)
@example(grain=Grain.WEEK, days=(date.min, date(1, 1, 3)), periods_per_window=1, include_open_period=True)
def test_windows_tile_the_complete_periods_of_the_range(
    grain: Grain,
    days: tuple[date, date],
    periods_per_window: int,
    *,
    include_open_period: bool,
) -> None:
    """Windows tile the range's complete periods in order and within their length; the open one is separate."""
    start, end = grain.period_start(days[0]), days[1]
    windows = cut_into_windows(
        grain, start, end, periods_per_window=periods_per_window, include_open_period=include_open_period
    )
    is_cut = not is_boundary(grain, end)
    expected = [start + number * ONE_DAY for number in range(max(0, (end - start).days))]
    if not include_open_period:
        expected = [day for day in expected if not is_cut or period_of(grain, day) != period_of(grain, end)]
    assert [day for window in windows for day in days_of(window)] == expected
    for window in windows:
        assert window.grain is grain
        assert window.start < window.end
        assert is_boundary(grain, window.start)
        assert is_boundary(grain, window.end) or not window.is_complete
        assert len({period_of(grain, day) for day in days_of(window)}) <= periods_per_window
    is_open = bool(include_open_period and is_cut and expected)
    assert [window.is_complete for window in windows] == [True] * (len(windows) - is_open) + [False] * is_open
    if is_open:
        assert {period_of(grain, day) for day in days_of(windows[-1])} == {period_of(grain, end)}
    complete = [window for window in windows if window.is_complete]
    counts = [len({period_of(grain, day) for day in days_of(window)}) for window in complete]
    assert all(count == periods_per_window for count in counts[:-1])


@SOME
@given(grain=GRAINS, start=DAYS, length=st.integers(1, 6))
def test_window_has_each_of_its_periods(grain: Grain, start: date, length: int) -> None:
    """A window's periods have their first day and their exclusive end."""
    start = grain.period_start(start)
    end = start
    for _ in range(length):
        end = grain.next_start(end)
    window = Window(grain, start, end)
    periods = window.periods()
    assert [first + number * ONE_DAY for first, last in periods.items() for number in range((last - first).days)] == (
        days_of(window)
    )
    assert len(periods) == length
    assert all(period_of(grain, first) == period_of(grain, last - ONE_DAY) for first, last in periods.items())


def test_open_window_is_one_period_that_ends_early() -> None:
    """The open window is one period that ends with the range."""
    window = Window(Grain.MONTH, date(2025, 3, 1), date(2025, 3, 12), is_complete=False)
    assert window.periods() == {date(2025, 3, 1): date(2025, 3, 12)}
    assert str(window) == "2025-03-01 to 2025-03-12"


@pytest.mark.parametrize(
    ("grain", "start", "end"),
    [(Grain.DAY, "2025-03-09", "2025-03-10"), (Grain.WEEK, "2025-03-03", "2025-03-10")],
)
def test_newest_period_is_complete(grain: Grain, start: str, end: str) -> None:
    """The newest period is complete, even on the first day of the next one."""
    newest = Window(grain, date.fromisoformat(start), date.fromisoformat(end))
    assert newest_period(grain, date(2025, 3, 10)) == newest


# Today


@SOME
@given(
    now=st.datetimes(datetime(2016, 1, 1), datetime(2030, 1, 1), timezones=st.just(timezone.utc)),  # noqa: DTZ001 - hypothesis adds the zone
    offset=st.integers(-12, 14),
)
def test_today_is_the_companys_date(now: datetime, offset: int) -> None:
    """The current date is that of the company's time zone."""
    zone = ZoneInfo(f"Etc/GMT{-offset:+d}" if offset else "Etc/GMT")
    assert company_today(now, zone) == (now + timedelta(hours=offset)).date()


@pytest.mark.parametrize(
    ("now", "zone", "today"),
    [
        ("2025-03-12T06:59:59+00:00", "America/Los_Angeles", "2025-03-11"),
        ("2025-03-12T07:00:00+00:00", "America/Los_Angeles", "2025-03-12"),
        ("2025-11-03T07:59:59+00:00", "America/Los_Angeles", "2025-11-02"),
        ("2025-11-03T08:00:00+00:00", "America/Los_Angeles", "2025-11-03"),
        ("2025-03-11T18:29:59.999999+00:00", "Asia/Kolkata", "2025-03-11"),
        ("2025-03-11T18:30:00+00:00", "Asia/Kolkata", "2025-03-12"),
        ("2024-09-08T03:59:59+00:00", "America/Santiago", "2024-09-07"),
        ("2024-09-08T04:00:00+00:00", "America/Santiago", "2024-09-08"),
        ("2025-03-11T10:00:00+00:00", "Pacific/Kiritimati", "2025-03-12"),
        ("2025-03-11T09:59:59+00:00", "Pacific/Kiritimati", "2025-03-11"),
        ("2025-03-12T11:59:59+00:00", None, "2025-03-11"),
        ("2025-03-12T12:00:00+00:00", None, "2025-03-12"),
        ("2025-03-12T21:59:59+10:00", None, "2025-03-11"),
    ],
)
def test_today_changes_at_the_companys_midnight(now: str, zone: str | None, today: str) -> None:
    """The current date changes at midnight in the company's time zone, or in UTC-12 if it's unknown."""
    assert str(company_today(datetime.fromisoformat(now), ZoneInfo(zone) if zone else None)) == today


@SOME
@given(
    now=st.datetimes(datetime(2016, 1, 1), datetime(2030, 1, 1), timezones=st.just(timezone.utc)),  # noqa: DTZ001 - hypothesis adds the zone
    zone=st.sampled_from(["Pacific/Kiritimati", "Etc/GMT+12", "America/Los_Angeles", "Asia/Kolkata", "UTC"]),
)
@example(now=datetime(2025, 3, 11, 11, 59, tzinfo=timezone.utc), zone="Pacific/Kiritimati")
def test_without_a_zone_no_open_day_is_read(now: datetime, zone: str) -> None:
    """Without a time zone, the current date is never ahead of the company's, and at most two days behind."""
    lag = (company_today(now, ZoneInfo(zone)) - company_today(now, None)).days
    assert lag in ({0, 1, 2} if zone == "Pacific/Kiritimati" and 10 <= now.hour < 12 else {0, 1})
