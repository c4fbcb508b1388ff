"""The plan of a run: which windows it reads, in which order, and what has been written after each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.hypothesis_settings import MANY, SOME
from support.reference_calendar import is_boundary

from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.extract.plan import Plan, Written, first_day, plan_windows

if TYPE_CHECKING:
    from tap_gong_activity.extract.windows import Window

GRAINS = st.sampled_from(Grain)
DAYS = st.dates(date(2015, 1, 1), date(2030, 12, 31))
LONG_AGO = st.dates(date(1, 1, 1), date(30, 12, 31))


def plan(grain: Grain = Grain.DAY, *, written: Written | None, **settings: object) -> Plan:
    """Plan a run on 12 March 2025, with windows of ten days unless set otherwise."""
    defaults: dict[str, object] = {
        "start_date": date(2025, 1, 1),
        "end_date": None,
        "today": date(2025, 3, 12),
        "lookback_days": 0,
        "periods_per_window": 10,
        "include_open_period": False,
    }
    return plan_windows(grain, written=written, **{**defaults, **settings})  # type: ignore[arg-type]  # by name


def spans(windows: list[Window]) -> list[str]:
    """Return both ends of each window, without the year."""
    return [f"{window.start:%m-%d}/{window.end:%m-%d}" for window in windows]


@MANY
@given(
    grain=GRAINS,
    start_date=DAYS | LONG_AGO,
    bookmark=st.none() | DAYS | st.dates(),
    lookback_days=st.integers(0, 400) | st.sampled_from([10**6, 10**12, 10**30]),
)
@example(grain=Grain.YEAR, start_date=date.min, bookmark=date.min, lookback_days=10**12)
@example(grain=Grain.WEEK, start_date=date.max, bookmark=date.max, lookback_days=0)
def test_the_first_day_is_as_late_as_it_may_be(
    grain: Grain, start_date: date, bookmark: date | None, lookback_days: int
) -> None:
    """Between the start of start_date's period and the bookmark less the lookback, at the start of a period."""
    first = first_day(grain, start_date, bookmark, lookback_days)
    earliest = grain.period_start(start_date)
    assert is_boundary(grain, first)
    assert first >= earliest
    if bookmark is None:
        assert first == earliest
        return
    days_behind = (bookmark - first).days
    assert days_behind >= lookback_days or first == earliest
    # A period more would have been enough as well.
    assert first == earliest or days_behind - lookback_days < {"DAY": 1, "WEEK": 7, "MONTH": 31, "QUARTER": 92}.get(
        grain.value, 366
    )


# The order


def test_new_days_come_first_then_the_open_period_then_missing_history_newest_first() -> None:
    """The run is by weeks, on a Wednesday, with a start_date that was moved back."""
    written = Written(date(2025, 2, 10), date(2025, 2, 24))
    found = plan(
        Grain.WEEK,
        written=written,
        start_date=date(2025, 1, 8),
        lookback_days=7,
        periods_per_window=2,
        include_open_period=True,
    )
    assert spans(found.windows) == [
        "02-17/03-03",
        "03-03/03-10",
        "03-10/03-12",
        "02-03/02-10",
        "01-20/02-03",
        "01-06/01-20",
    ]
    assert [window.is_complete for window in found.windows] == [True, True, False, True, True, True]
    assert spans(found.missing) == ["02-03/02-10", "01-20/02-03", "01-06/01-20"]
    reached = [written := found.after(window, written) for window in found.windows]
    assert [(f"{one.history_start:%m-%d}", f"{one.bookmark:%m-%d}") for one in reached] == [
        ("02-10", "03-03"),
        ("02-10", "03-10"),
        ("02-10", "03-10"),
        ("02-03", "03-10"),
        ("01-20", "03-10"),
        ("01-06", "03-10"),
    ]


def test_the_open_period_is_read_again_until_it_has_been_written_whole() -> None:
    """The bookmark is at its start until then."""
    for bookmark, is_read in ((date(2025, 3, 10), True), (date(2025, 3, 17), False)):
        written = Written(date(2024, 12, 30), bookmark)
        found = plan(Grain.WEEK, written=written, include_open_period=True)
        assert spans(found.windows) == ["03-10/03-12"] * is_read
        assert plan(Grain.WEEK, written=written).windows == []


def test_the_first_window_starts_the_history() -> None:
    """It can be the first of all, or the first after a start_date that was moved past the bookmark."""
    for written in (None, Written(date(2025, 1, 1), date(2025, 1, 20))):
        found = plan(written=written, start_date=date(2025, 2, 25))
        assert spans(found.windows) == ["02-25/03-07", "03-07/03-12"]
        after = found.after(found.windows[0], written)
        assert after == Written(date(2025, 2, 25), date(2025, 3, 7))
        assert found.after(found.windows[1], after) == Written(date(2025, 2, 25), date(2025, 3, 12))


def test_days_that_a_start_date_skipped_are_read_once_it_moves_back() -> None:
    """All of them are read, since nothing says which were written; the lookback's days aren't read twice."""
    found = plan(written=Written(date(2025, 2, 25), date(2025, 3, 12)), start_date=date(2025, 1, 30), lookback_days=7)
    assert spans(found.windows) == ["03-05/03-12", "02-19/02-25", "02-09/02-19", "01-30/02-09"]
    # Before anything after the skipped days was written, the forward range starts earlier than the history.
    found = plan(written=Written(date(2025, 2, 25), date(2025, 2, 5)), start_date=date(2025, 1, 20), lookback_days=7)
    assert spans(found.missing) == ["01-20/01-29"]
    assert spans(found.windows)[:2] == ["01-29/02-08", "02-08/02-18"]


@pytest.mark.parametrize(("end_date", "is_held_back"), [("01-20", True), ("02-01", True), ("02-02", False)])
def test_an_end_date_before_the_history_holds_it_back(end_date: str, is_held_back: bool) -> None:  # noqa: FBT001
    """So does one at its start; the bookmark can't say that only old days were requested."""
    written = Written(date(2025, 2, 1), date(2025, 3, 1))
    found = plan(written=written, end_date=date.fromisoformat(f"2025-{end_date}"))
    assert found.history_is_held_back is is_held_back
    assert bool(found.missing) is not is_held_back
    assert not plan(written=written, start_date=date(2025, 2, 1), end_date=date(2025, 2, 1)).history_is_held_back
    assert not plan(written=None, end_date=date(2025, 1, 20)).history_is_held_back


def test_a_bookmark_ahead_of_the_range_leaves_nothing_new_to_read() -> None:
    """Somebody may have edited it."""
    for include_open_period in (False, True):
        for history_start in (date(2025, 1, 1), date(2024, 1, 1)):
            written = Written(history_start, date(2999, 1, 1))
            assert plan(written=written, lookback_days=7, include_open_period=include_open_period).windows == []


# Sequences of runs


@dataclass
class Company:
    """What a target holds after some runs, by a model that knows nothing of windows.

    Attributes:
        delivered: The first days of the whole periods that have been written.
        partly: Those of periods that were written before they had ended, and not again since.
    """

    grain: Grain
    written: Written | None = None
    delivered: set[date] = field(default_factory=set)
    partly: set[date] = field(default_factory=set)

    def run(self, found: Plan, windows_written: int) -> None:
        """Write that many windows of a plan, or all of them."""
        for window in found.windows[:windows_written]:
            if window.is_complete:
                self.delivered |= window.periods().keys()
                self.partly -= window.periods().keys()
            else:
                self.partly |= window.periods().keys()
            before, self.written = self.written, found.after(window, self.written)
            self.check(before)

    def check(self, before: Written | None) -> None:
        """Check that what the state claims has been written, and that it moves one way."""
        assert self.written is not None
        day = self.written.history_start
        while day < self.written.bookmark:
            assert day in self.delivered
            assert day not in self.partly
            day = self.grain.next_start(day)
        assert is_boundary(self.grain, self.written.history_start)
        if before is not None:
            assert self.written.bookmark >= before.bookmark
            # Forward only past a bookmark, where days were skipped.
            assert self.written.history_start <= before.history_start or self.written.history_start > before.bookmark


@SOME
@given(
    grain=GRAINS,
    days=st.lists(
        st.tuples(st.integers(0, 300), st.none() | st.integers(1, 330), st.integers(0, 40), st.integers(0, 30)),
        min_size=1,
        max_size=6,
    ),
    lookback_days=st.integers(0, 60),
    periods_per_window=st.integers(1, 40),
    include_open_period=st.booleans(),
    is_old=st.booleans(),
)
def test_any_sequence_of_runs_delivers_what_one_run_would(
    grain: Grain,
    days: list[tuple[int, int | None, int, int]],
    lookback_days: int,
    periods_per_window: int,
    *,
    include_open_period: bool,
    is_old: bool,
) -> None:
    """Each run can be killed anywhere, and start_date and end_date can move between them."""
    origin, today = date(2023, 9, 1), date(2024, 7, 3)
    company = Company(grain)
    if is_old:
        # As a state of an older version: its first run is taken to have read from its start_date.
        start = grain.period_start(origin + timedelta(days=days[0][0]))
        company.written = Written(start, start)
    for start_after, end_after, windows_written, days_later in days:
        today += timedelta(days=days_later)
        start_date = origin + timedelta(days=start_after)
        end_date = start_date + timedelta(days=end_after) if end_after else None
        found = plan_windows(
            grain,
            start_date=start_date,
            end_date=end_date,
            today=today,
            lookback_days=lookback_days,
            periods_per_window=periods_per_window,
            include_open_period=include_open_period,
            written=company.written,
        )
        assert_windows_tile(found, start_date=start_date, end=min(end_date or today, today))
        company.run(found, windows_written)
    start_date = origin + timedelta(days=days[-1][0])
    for number in range(2):
        last = plan_windows(
            grain,
            start_date=start_date,
            end_date=None,
            today=today,
            lookback_days=lookback_days,
            periods_per_window=periods_per_window,
            include_open_period=False,
            written=company.written,
        )
        company.run(last, len(last.windows))
        day = grain.period_start(start_date)
        while grain.next_start(day) <= today:
            assert day in company.delivered
            assert day not in company.partly
            day = grain.next_start(day)
        if number and company.written:
            # By now the state says so too, unless the lookback reads from start_date on anyway.
            earliest = grain.period_start(start_date)
            assert company.written.history_start <= earliest or last.start == earliest


def assert_windows_tile(found: Plan, *, start_date: date, end: date) -> None:
    """Check that windows lie on the periods' boundaries, neither overlap nor leave the range, and are in order."""
    grain = found.windows[0].grain if found.windows else Grain.DAY
    missing = found.missing
    forward = found.windows[: len(found.windows) - len(missing)]
    assert found.windows[len(forward) :] == missing
    for ordered in (forward, missing[::-1]):
        for left, right in pairwise(ordered):
            assert left.end == right.start
    for window in found.windows:
        assert is_boundary(grain, window.start)
        assert window.is_complete == (is_boundary(grain, window.end))
        assert grain.period_start(start_date) <= window.start < window.end <= end
    assert all(window.is_complete for window in [*forward[:-1], *missing])
    if forward:
        assert forward[0].start == found.start
    if missing:
        assert missing[-1].start == grain.period_start(start_date)
        assert missing[0].end <= found.start


@MANY
@given(
    grain=GRAINS,
    start_date=DAYS,
    end_date=st.none() | DAYS,
    written=st.builds(Written, DAYS | st.dates(), DAYS | st.dates()),
    lookback_days=st.integers(0, 400) | st.sampled_from([10**6, 10**30]),
    include_open_period=st.booleans(),
)
@example(
    grain=Grain.YEAR,
    start_date=date.min,
    end_date=None,
    written=Written(date.max, date.max),
    lookback_days=0,
    include_open_period=True,
)
def test_whatever_a_state_says_windows_lie_in_the_range(
    grain: Grain,
    start_date: date,
    end_date: date | None,
    written: Written,
    lookback_days: int,
    *,
    include_open_period: bool,
) -> None:
    """Somebody may have edited it: dates in mid-period, in the wrong order, or at the calendar's end."""
    today = date(2025, 3, 12)
    found = plan_windows(
        grain,
        start_date=start_date,
        end_date=end_date,
        today=today,
        lookback_days=lookback_days,
        periods_per_window=10**6,
        include_open_period=include_open_period,
        written=written,
    )
    assert_windows_tile(found, start_date=start_date, end=min(end_date or today, today))
    for window in found.windows:
        written = found.after(window, written)
