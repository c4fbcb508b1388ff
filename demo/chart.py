"""The demo's chart: calls and coaching by week, and feedback received per host."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from plotly.graph_objects import Bar, Figure, Scatter  # type: ignore[import-untyped] # plotly has no types
from plotly.subplots import make_subplots  # type: ignore[import-untyped] # likewise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from loads import Row

CALLS = {"calls_as_host": ("hosted", "#0b5563"), "calls_attended": ("attended", "#5fa8a0")}
COACHING = {
    "calls_gave_feedback": ("given feedback on", "#b4450e"),
    "calls_comments_given": ("commented on", "#e0912f"),
}
TOP_HOSTS = 12
PAPER, INK, QUIET, SHADE = "#fbfaf6", "#26313a", "#7b858c", "#ece8dc"
QUIET_PERIODS = (((5, 1), (5, 1), "1 May"), ((8, 1), (8, 31), "summer vacation"), ((12, 22), (12, 31), "end of year"))
"""Periods with little activity: month and day of the first and the last day, and the reason."""


def write_chart(weeks: Iterable[Row], path: Path) -> None:
    """Write a chart of `weeks` to an HTML page that works offline."""
    figure(weeks).write_html(path, include_plotlyjs=True, config={"displayModeBar": False})


def figure(weeks: Iterable[Row]) -> Figure:
    """Return a chart with calls and coaching by week, each on its own scale, and hosts ranked by feedback received."""
    rows = list(weeks)
    chart = make_subplots(
        shared_xaxes=True,
        rows=2,
        cols=2,
        specs=[[{}, {"rowspan": 2}], [{}, None]],
        column_widths=[0.62, 0.38],
        horizontal_spacing=0.23,
        vertical_spacing=0.14,
        subplot_titles=[
            "<b>Calls</b> per week",
            f"<b>Feedback received</b> per 100 calls: top {TOP_HOSTS} hosts",
            "<b>Coaching</b>: calls per week",
        ],
    )
    # Left-aligned, to leave room for the labels of the shaded weeks.
    for title, panel in zip(chart.layout.annotations, ("x", "x2", "x3"), strict=True):
        title.update(x=chart.layout[panel.replace("x", "xaxis")].domain[0], xanchor="left", yshift=16, font_size=15)
    for panel_row, counters in ((1, CALLS), (2, COACHING)):
        _draw_weeks(chart, rows, counters, panel_row)
    _draw_hosts(chart, rows)
    chart.update_layout(
        title={
            "text": "<b>Gong activity by week</b> of an invented company (invented data)",
            "subtitle": {
                "text": "Shaded: weeks with holidays.",
                "font_color": QUIET,
            },
            "x": 0.02,
            "y": 0.965,
            "yanchor": "top",
            "font_size": 20,
        },
        font={"family": "'Helvetica Neue', Arial, 'Liberation Sans', sans-serif", "color": INK, "size": 13},
        paper_bgcolor=PAPER,
        plot_bgcolor=PAPER,
        height=660,
        margin={"l": 60, "r": 50, "t": 145, "b": 70},
        hovermode="x unified",
        showlegend=False,
    )
    return chart


def _draw_weeks(chart: Figure, rows: list[Row], counters: Mapping[str, tuple[str, str]], panel_row: int) -> None:
    """Draw a labeled line per counter, over shaded weeks with little activity."""
    mondays = sorted({row["period_start_date"] for row in rows})
    for counter, (label, color) in counters.items():
        totals: Counter[str] = Counter()
        for row in rows:
            totals[row["period_start_date"]] += int(row[counter] or 0)
        values = [totals[monday] for monday in mondays]
        chart.add_trace(
            Scatter(x=mondays, y=values, name=label, line={"color": color, "width": 2.2}), row=panel_row, col=1
        )
        # The last weeks' median, because the line can dip at its end.
        chart.add_annotation(
            x=mondays[-1],
            y=median(values[-6:]),
            text=label,
            font={"color": color},
            showarrow=False,
            xanchor="left",
            xshift=6,
            row=panel_row,
            col=1,
        )
    for first, after, reason in _quiet_periods(date.fromisoformat(mondays[0]), date.fromisoformat(mondays[-1])):
        chart.add_vrect(x0=first, x1=after, fillcolor=SHADE, line_width=0, layer="below", row=panel_row, col=1)
        if panel_row == 1:
            chart.add_annotation(
                x=first,
                y=1.0,
                yref="y domain",
                text=reason,
                showarrow=False,
                xanchor="left",
                yanchor="bottom",
                font={"color": QUIET, "size": 11},
                row=1,
                col=1,
            )
    chart.update_yaxes(rangemode="tozero", tickformat=",", gridcolor="#e4e0d4", zeroline=False, row=panel_row, col=1)
    # Otherwise, Plotly extends the axis to make room for the labels.
    weeks = {"range": [mondays[0], mondays[-1]], "showgrid": False}
    chart.update_xaxes(weeks, ticks="outside", tickcolor=QUIET, tickformat="%b<br>%Y", row=panel_row, col=1)


def _quiet_periods(first_week: date, last_week: date) -> Iterable[tuple[date, date, str]]:
    """Yield the start and end of the shading of each quiet period between two weeks, and its reason."""
    for year in range(first_week.year, last_week.year + 1):
        for (*first,), (*last,), reason in QUIET_PERIODS:
            start, end = date(year, *first), date(year, *last)
            monday = start - timedelta(days=start.weekday())
            last_monday = end - timedelta(days=end.weekday())
            if first_week <= monday and last_monday <= last_week:
                half = timedelta(days=3)
                yield monday - half, last_monday + half, reason


def _draw_hosts(chart: Figure, rows: list[Row]) -> None:
    """Draw a bar for each of the busiest hosts with an email address, most feedback per call on top."""
    names: dict[str, str] = {}
    totals: dict[str, Counter[str]] = {}
    for row in rows:
        user = row["user_id"]
        if not row["user_email_address"]:
            continue
        names[user] = row["user_email_address"].partition("@")[0]
        counters = {counter: int(row[counter] or 0) for counter in ("calls_as_host", "calls_received_feedback")}
        totals.setdefault(user, Counter()).update(counters)
    busiest = sorted(totals, key=lambda user: (-totals[user]["calls_as_host"], user))[:TOP_HOSTS]
    shares: dict[str, float] = {
        user: 100 * totals[user]["calls_received_feedback"] / totals[user]["calls_as_host"]
        for user in busiest
        if totals[user]["calls_as_host"]
    }
    ranked: list[Any] = sorted(shares, key=lambda user: (shares[user], user))
    chart.add_trace(
        Bar(
            x=[shares[user] for user in ranked],
            y=ranked,
            orientation="h",
            marker_color="#c8793a",
            customdata=[[names[user], totals[user]["calls_as_host"]] for user in ranked],
            texttemplate="%{x:.1f}",
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{customdata[0]}: %{customdata[1]:,} calls hosted<extra></extra>",
        ),
        row=1,
        col=2,
    )
    chart.update_xaxes(showgrid=False, showticklabels=False, zeroline=False, row=1, col=2)
    chart.update_yaxes(
        type="category",
        tickvals=ranked,
        ticktext=[names[user] for user in ranked],
        ticklabelstandoff=6,
        row=1,
        col=2,
    )
    chart.add_annotation(
        text="users without an email address are left out",
        showarrow=False,
        font={"color": QUIET, "size": 12},
        xref="x2 domain",
        yref="y2 domain",
        x=0,
        y=-0.04,
        xanchor="left",
        yanchor="top",
    )
