"""A picture of the loaded weeks: calls, coaching, and who receives feedback on how many of their calls."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from plotly.graph_objects import Bar, Figure, Scatter  # type: ignore[import-untyped] # plotly brings no types
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
REPRESENTATIVES = 12
PAPER, INK, QUIET, SHADE = "#fbfaf6", "#26313a", "#7b858c", "#ece8dc"
#: When a company is known to be quiet: month and day of the first day, of the last day, and why.
QUIET_TIMES = (((5, 1), (5, 1), "1 May"), ((8, 1), (8, 31), "summer vacation"), ((12, 22), (12, 31), "end of year"))


def draw(weeks: Iterable[Row], path: Path) -> None:
    """Draw a company's weeks into a page that opens in a browser, also without a network."""
    figure(weeks).write_html(path, include_plotlyjs=True, config={"displayModeBar": False})


def figure(weeks: Iterable[Row]) -> Figure:
    """Draw calls and coaching by week, each on a scale of its own, and representatives by the feedback they receive."""
    rows = list(weeks)
    drawn = make_subplots(
        shared_xaxes=True,
        rows=2,
        cols=2,
        specs=[[{}, {"rowspan": 2}], [{}, None]],
        column_widths=[0.62, 0.38],
        horizontal_spacing=0.23,
        vertical_spacing=0.14,
        subplot_titles=[
            "<b>Calls</b> per week",
            f"<b>Feedback received</b> per 100 calls: top {REPRESENTATIVES} hosts",
            "<b>Coaching</b>: calls per week",
        ],
    )
    # Left-aligned, so that they leave room for what explains the shades.
    for title, panel in zip(drawn.layout.annotations, ("x", "x2", "x3"), strict=True):
        title.update(x=drawn.layout[panel.replace("x", "xaxis")].domain[0], xanchor="left", yshift=16, font_size=15)
    for place, counters in ((1, CALLS), (2, COACHING)):
        _draw_weeks(drawn, rows, counters, place)
    _draw_representatives(drawn, rows)
    drawn.update_layout(
        title={
            "text": "<b>Gong activity by week</b> of an invented company (invented data)",
            "subtitle": {
                "text": "Shaded: weeks with holidays. Within a week, weekends are quiet.",
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
    return drawn


def _draw_weeks(drawn: Figure, rows: list[Row], counters: Mapping[str, tuple[str, str]], place: int) -> None:
    """Draw one line per counter, named at its end, over shaded weeks in which little happens."""
    mondays = sorted({row["period_start_date"] for row in rows})
    for counter, (label, color) in counters.items():
        totals: Counter[str] = Counter()
        for row in rows:
            totals[row["period_start_date"]] += int(row[counter] or 0)
        values = [totals[monday] for monday in mondays]
        drawn.add_trace(Scatter(x=mondays, y=values, name=label, line={"color": color, "width": 2.2}), row=place, col=1)
        # The end of a line can dip; its name is placed by what is usual.
        drawn.add_annotation(
            x=mondays[-1],
            y=median(values[-6:]),
            text=label,
            font={"color": color},
            showarrow=False,
            xanchor="left",
            xshift=6,
            row=place,
            col=1,
        )
    for first, after, reason in _quiet_times(date.fromisoformat(mondays[0]), date.fromisoformat(mondays[-1])):
        drawn.add_vrect(x0=first, x1=after, fillcolor=SHADE, line_width=0, layer="below", row=place, col=1)
        if place == 1:
            drawn.add_annotation(
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
    drawn.update_yaxes(rangemode="tozero", tickformat=",", gridcolor="#e4e0d4", zeroline=False, row=place, col=1)
    # Plotly would extend the axis to make room for the lines' names.
    weeks = {"range": [mondays[0], mondays[-1]], "showgrid": False}
    drawn.update_xaxes(weeks, ticks="outside", tickcolor=QUIET, tickformat="%b<br>%Y", row=place, col=1)


def _quiet_times(first_week: date, last_week: date) -> Iterable[tuple[date, date, str]]:
    """Return the Mondays around each quiet time, and why it's quiet."""
    for year in range(first_week.year, last_week.year + 1):
        for (*first,), (*last,), reason in QUIET_TIMES:
            start, end = date(year, *first), date(year, *last)
            monday = start - timedelta(days=start.weekday())
            last_monday = end - timedelta(days=end.weekday())
            if first_week <= monday and last_monday <= last_week:
                half = timedelta(days=3)
                yield monday - half, last_monday + half, reason


def _draw_representatives(drawn: Figure, rows: list[Row]) -> None:
    """Draw a bar for each of the busiest hosts with an email address, whoever receives most feedback on top."""
    names: dict[str, str] = {}
    totals: dict[str, Counter[str]] = {}
    for row in rows:
        user = row["user_id"]
        if not row["user_email_address"]:
            continue
        names[user] = row["user_email_address"].partition("@")[0]
        counters = {counter: int(row[counter] or 0) for counter in ("calls_as_host", "calls_received_feedback")}
        totals.setdefault(user, Counter()).update(counters)
    busiest = sorted(totals, key=lambda user: (-totals[user]["calls_as_host"], user))[:REPRESENTATIVES]
    shares: dict[str, float] = {
        user: 100 * totals[user]["calls_received_feedback"] / totals[user]["calls_as_host"]
        for user in busiest
        if totals[user]["calls_as_host"]
    }
    ranked: list[Any] = sorted(shares, key=lambda user: (shares[user], user))
    drawn.add_trace(
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
    drawn.update_xaxes(showgrid=False, showticklabels=False, zeroline=False, row=1, col=2)
    drawn.update_yaxes(
        type="category",
        tickvals=ranked,
        ticktext=[names[user] for user in ranked],
        ticklabelstandoff=6,
        row=1,
        col=2,
    )
    drawn.add_annotation(
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
