"""The five activity streams, one per grain."""

from __future__ import annotations

from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.streams.activity import ActivityStream


class ActivityByDayStream(ActivityStream):
    """One row per user and day."""

    name = "activity_by_day"
    grain = Grain.DAY


class ActivityByWeekStream(ActivityStream):
    """One row per user and week (Monday to Sunday)."""

    name = "activity_by_week"
    grain = Grain.WEEK
    selected_by_default = False


class ActivityByMonthStream(ActivityStream):
    """One row per user and month."""

    name = "activity_by_month"
    grain = Grain.MONTH
    selected_by_default = False


class ActivityByQuarterStream(ActivityStream):
    """One row per user and quarter."""

    name = "activity_by_quarter"
    grain = Grain.QUARTER
    selected_by_default = False


class ActivityByYearStream(ActivityStream):
    """One row per user and year."""

    name = "activity_by_year"
    grain = Grain.YEAR
    selected_by_default = False


GRAIN_STREAMS = (
    ActivityByDayStream,
    ActivityByWeekStream,
    ActivityByMonthStream,
    ActivityByQuarterStream,
    ActivityByYearStream,
)
