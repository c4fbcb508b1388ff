"""The plan of a run: its windows in order, and the written days after each."""

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
    return plan_windows(grain, written=written, **{**defaults, **settings})  # type: ignore[arg-type] # by name


def dates_of(windows: list[Window]) -> list[str]:
    """Return the start and end of each window, without the year."""
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
def test_first_day_is_as_late_as_the_lookback_allows(
    grain: Grain, start_date: date, bookmark: date | None, lookback_days: int
) -> None:
    """The first day starts a period, between start_date and the bookmark minus the lookback."""
    first = first_day(grain, start_date, bookmark, lookback_days)
    earliest = grain.period_start(start_date)
    assert is_boundary(grain, first)
    assert first >= earliest
    if bookmark is None:
        assert first == earliest
        return
    days_behind = (bookmark - first).days
    assert days_behind >= lookback_days or first == earliest
    # One more period would suffice as well.
    assert first == earliest or days_behind - lookback_days < {"DAY": 1, "WEEK": 7, "MONTH": 31, "QUARTER": 92}.get(
        grain.value, 366
    )


# The order


def test_new_days_precede_the_open_period_and_missing_history() -> None:
    """New days are read first, then the open period, then the missing history, newest first."""
    written = Written(date(2025, 2, 10), date(2025, 2, 24))
    planned = plan(
        Grain.WEEK,
        written=written,
        start_date=date(2025, 1, 8),
        lookback_days=7,
        periods_per_window=2,
        include_open_period=True,
    )
    assert dates_of(planned.windows) == [
        "02-17/03-03",
        "03-03/03-10",
        "03-10/03-12",
        "02-03/02-10",
        "01-20/02-03",
        "01-06/01-20",
    ]
    assert [window.is_complete for window in planned.windows] == [True, True, False, True, True, True]
    assert dates_of(planned.missing) == ["02-03/02-10", "01-20/02-03", "01-06/01-20"]
    positions = [written := planned.after(window, written) for window in planned.windows]
    assert [(f"{position.history_start:%m-%d}", f"{position.bookmark:%m-%d}") for position in positions] == [
        ("02-10", "03-03"),
        ("02-10", "03-10"),
        ("02-10", "03-10"),
        ("02-03", "03-10"),
        ("01-20", "03-10"),
        ("01-06", "03-10"),
    ]


def test_open_period_is_read_again_until_it_is_complete() -> None:
    """The open period is read again until it's complete, because the bookmark stays at its start."""
    for bookmark, is_read in ((date(2025, 3, 10), True), (date(2025, 3, 17), False)):
        written = Written(date(2024, 12, 30), bookmark)
        planned = plan(Grain.WEEK, written=written, include_open_period=True)
        assert dates_of(planned.windows) == ["03-10/03-12"] * is_read
        assert plan(Grain.WEEK, written=written).windows == []


def test_first_window_starts_the_history() -> None:
    """The history starts with the first window, or the first one after start_date moved past the bookmark."""
    for written in (None, Written(date(2025, 1, 1), date(2025, 1, 20))):
        planned = plan(written=written, start_date=date(2025, 2, 25))
        assert dates_of(planned.windows) == ["02-25/03-07", "03-07/03-12"]
        after = planned.after(planned.windows[0], written)
        assert after == Written(date(2025, 2, 25), date(2025, 3, 7))
        assert planned.after(planned.windows[1], after) == Written(date(2025, 2, 25), date(2025, 3, 12))


def test_skipped_days_are_read_when_start_date_moves_back() -> None:
    """Days that start_date skipped are read when it moves back, and days of the lookback only once."""
    planned = plan(written=Written(date(2025, 2, 25), date(2025, 3, 12)), start_date=date(2025, 1, 30), lookback_days=7)
    assert dates_of(planned.windows) == ["03-05/03-12", "02-19/02-25", "02-09/02-19", "01-30/02-09"]
    # If nothing after the skipped days was written, the forward range starts before the history.
    planned = plan(written=Written(date(2025, 2, 25), date(2025, 2, 5)), start_date=date(2025, 1, 20), lookback_days=7)
    assert dates_of(planned.missing) == ["01-20/01-29"]
    assert dates_of(planned.windows)[:2] == ["01-29/02-08", "02-08/02-18"]


@pytest.mark.parametrize(("end_date", "is_deferred"), [("01-20", True), ("02-01", True), ("02-02", False)])
def test_end_date_before_the_history_defers_its_extension(end_date: str, is_deferred: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    """An end_date at or before the history start defers the extension of the history."""
    written = Written(date(2025, 2, 1), date(2025, 3, 1))
    planned = plan(written=written, end_date=date.fromisoformat(f"2025-{end_date}"))
    assert planned.is_history_blocked is is_deferred
    assert bool(planned.missing) is not is_deferred
    assert not plan(written=written, start_date=date(2025, 2, 1), end_date=date(2025, 2, 1)).is_history_blocked
    assert not plan(written=None, end_date=date(2025, 1, 20)).is_history_blocked


def test_bookmark_after_the_range_leaves_nothing_to_read() -> None:
    """With a bookmark after the range, which someone may have edited, nothing is read."""
    for include_open_period in (False, True):
        for history_start in (date(2025, 1, 1), date(2024, 1, 1)):
            written = Written(history_start, date(2999, 1, 1))
            assert plan(written=written, lookback_days=7, include_open_period=include_open_period).windows == []


# Sequences of runs


@dataclass
class Target:
    """The rows in a target after some runs, modeled without windows.

    Attributes:
        delivered: The first days of complete periods that were written.
        partial: The first days of periods that were last written while they were open.
    """

    grain: Grain
    written: Written | None = None
    delivered: set[date] = field(default_factory=set)
    partial: set[date] = field(default_factory=set)

    def run(self, planned: Plan, windows_written: int) -> None:
        """Write that many windows of a plan, or all of them."""
        for window in planned.windows[:windows_written]:
            if window.is_complete:
                self.delivered |= window.periods().keys()
                self.partial -= window.periods().keys()
            else:
                self.partial |= window.periods().keys()
            before, self.written = self.written, planned.after(window, self.written)
            self.check(before)

    def check(self, before: Written | None) -> None:
        """Assert that everything up to the bookmark was written, and that the state moves one way."""
        assert self.written is not None
        day = self.written.history_start
        while day < self.written.bookmark:
            assert day in self.delivered
            assert day not in self.partial
            day = self.grain.next_start(day)
        assert is_boundary(self.grain, self.written.history_start)
        if before is not None:
            assert self.written.bookmark >= before.bookmark
            # Forward only past the bookmark, if days were skipped.
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
def test_sequence_of_runs_delivers_every_row(
    grain: Grain,
    days: list[tuple[int, int | None, int, int]],
    lookback_days: int,
    periods_per_window: int,
    *,
    include_open_period: bool,
    is_old: bool,
) -> None:
    """Any sequence of killed runs with changing dates delivers the rows that one run would."""
    origin, today = date(2023, 9, 1), date(2024, 7, 3)
    target = Target(grain)
    if is_old:
        # Like a state of an older version, whose history is assumed to start at start_date.
        start = grain.period_start(origin + timedelta(days=days[0][0]))
        target.written = Written(start, start)
    for start_after, end_after, windows_written, days_later in days:
        today += timedelta(days=days_later)
        start_date = origin + timedelta(days=start_after)
        end_date = start_date + timedelta(days=end_after) if end_after else None
        planned = plan_windows(
            grain,
            start_date=start_date,
            end_date=end_date,
            today=today,
            lookback_days=lookback_days,
            periods_per_window=periods_per_window,
            include_open_period=include_open_period,
            written=target.written,
        )
        assert_windows_tile(planned, start_date=start_date, end=min(end_date or today, today))
        target.run(planned, windows_written)
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
            written=target.written,
        )
        target.run(last, len(last.windows))
        day = grain.period_start(start_date)
        while grain.next_start(day) <= today:
            assert day in target.delivered
            assert day not in target.partial
            day = grain.next_start(day)
        if number and target.written:
            # The history starts at start_date, unless the lookback does.
            earliest = grain.period_start(start_date)
            assert target.written.history_start <= earliest or last.start == earliest


def assert_windows_tile(planned: Plan, *, start_date: date, end: date) -> None:
    """Assert that windows start and end with periods, are in order, and neither overlap nor leave the range."""
    grain = planned.windows[0].grain if planned.windows else Grain.DAY
    missing = planned.missing
    forward = planned.windows[: len(planned.windows) - len(missing)]
    assert planned.windows[len(forward) :] == missing
    for ordered in (forward, missing[::-1]):
        for left, right in pairwise(ordered):
            assert left.end == right.start
    for window in planned.windows:
        assert is_boundary(grain, window.start)
        assert window.is_complete == (is_boundary(grain, window.end))
        assert grain.period_start(start_date) <= window.start < window.end <= end
    assert all(window.is_complete for window in [*forward[:-1], *missing])
    if forward:
        assert forward[0].start == planned.start
    if missing:
        assert missing[-1].start == grain.period_start(start_date)
        assert missing[0].end <= planned.start


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
def test_windows_are_in_the_range_for_every_state(
    grain: Grain,
    start_date: date,
    end_date: date | None,
    written: Written,
    lookback_days: int,
    *,
    include_open_period: bool,
) -> None:
    """Windows are in the range for every state, even if someone edited it."""
    today = date(2025, 3, 12)
    planned = plan_windows(
        grain,
        start_date=start_date,
        end_date=end_date,
        today=today,
        lookback_days=lookback_days,
        periods_per_window=10**6,
        include_open_period=include_open_period,
        written=written,
    )
    assert_windows_tile(planned, start_date=start_date, end=min(end_date or today, today))
    for window in planned.windows:
        written = planned.after(window, written)
