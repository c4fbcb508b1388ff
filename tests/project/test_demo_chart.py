"""The demo's chart: loaded data on suitable scales, marked as invented."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

CHART = Path(__file__).parents[2] / "demo" / "chart.py"


def row(user: str, week: str, hosted: int, feedback: int) -> dict[str, str]:
    """Return a week of one user, as target-csv writes it; counters can be empty."""
    counters = {"calls_as_host": str(hosted), "calls_attended": "", "calls_gave_feedback": str(feedback)}
    counters |= {"calls_comments_given": "2", "calls_received_feedback": str(feedback)}
    return {"user_id": f"1{user}", "user_email_address": user, "period_start_date": week, **counters}


def test_chart_shows_the_weeks() -> None:
    """Calls and feedback have separate y-axes, and representatives are ranked by feedback per call."""
    weeks = [
        *(row("often@example.com", "2025-04-21", 900, 9), row("often@example.com", "2025-04-28", 300, 3)),
        *(row("rarely@example.com", "2025-04-28", 100, 7), row("", "2025-04-28", 0, 0)),
    ]
    figure: Any = runpy.run_path(str(CHART))["figure"](iter(weeks))
    hosted, _, feedback, _, bars = figure.data

    assert "invented data" in figure.layout.title.text
    assert (list(hosted.x), list(hosted.y)) == (["2025-04-21", "2025-04-28"], [900, 400])
    assert list(feedback.y) == [9, 10]
    assert hosted.yaxis != feedback.yaxis
    assert list(zip(figure.layout.yaxis2.ticktext, bars.x, strict=True)) == [("often", 1.0), ("rarely", 7.0)]


def test_dips_are_explained() -> None:
    """Quiet times within the weeks are shaded and named, and others aren't."""
    weeks = [row("often@example.com", week, 1, 1) for week in ("2025-04-21", "2025-04-28", "2025-05-05")]
    figure: Any = runpy.run_path(str(CHART))["figure"](weeks)

    assert [str(shape.x0) for shape in figure.layout.shapes] == ["2025-04-25", "2025-04-25"]
    named = {annotation.text for annotation in figure.layout.annotations}
    assert named & {"1 May", "summer vacation", "end of year"} == {"1 May"}
