"""A picture of the loaded weeks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plotly import graph_objects  # type: ignore[import-untyped] # plotly brings no types

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from loads import Row

SHOWN = {
    "calls_as_host": "Calls hosted",
    "calls_attended": "Calls attended",
    "others_calls_listened_to": "Others' calls listened to",
    "calls_comments_given": "Calls commented on",
    "calls_gave_feedback": "Feedback given",
}


def draw(weeks: Iterable[Row], path: Path) -> None:
    """Draw the company's activity by week into a page that opens in a browser, without a network too."""
    rows = list(weeks)
    mondays = sorted({row["period_start_date"] for row in rows})
    figure = graph_objects.Figure()
    for counter, label in SHOWN.items():
        totals = dict.fromkeys(mondays, 0)
        for row in rows:
            totals[row["period_start_date"]] += int(row[counter] or 0)
        figure.add_scatter(x=mondays, y=list(totals.values()), name=label, mode="lines+markers")
    figure.update_layout(
        title="Activity by week, all users",
        xaxis_title="Week that starts on",
        yaxis_title="Calls",
        yaxis_rangemode="tozero",
        hovermode="x unified",
        template="plotly_white",
    )
    figure.write_html(path, include_plotlyjs=True)
