"""Draws `windows.svg`: how a range is cut into windows, and what the next run reads again.

Run it after a change: `python docs/draw_windows.py`. It computes its windows with the tap's own calendar.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.extract.plan import first_day
from tap_gong_activity.extract.windows import Window, cut_into_windows

START_DATE, TODAY, NEXT_TODAY = date(2024, 1, 10), date(2024, 3, 9), date(2024, 3, 16)
PERIODS_PER_WINDOW, LOOKBACK_DAYS = 3, 7
LEFT, DAY_WIDTH = 96, 11.8
INK, QUIET, BLUE, LIGHT, ORANGE, RED = "#1f2937", "#6b7280", "#2563eb", "#dbeafe", "#d97706", "#dc2626"

CAPTION = (
    "Each box is one request (and its further pages), cut where weeks begin. STATE moves the bookmark",
    "when a window has been written; the dashed week is left out, or read with include_open_period.",
)

FIRST_MONDAY = Grain.WEEK.period_start(START_DATE)


def across(day: date) -> float:
    """Place of a day from the left."""
    return LEFT + (day - FIRST_MONDAY).days * DAY_WIDTH


def text(left: float, top: float, words: str, *, fill: str = INK, anchor: str = "middle", weight: int = 400) -> str:
    """Some words."""
    return f'<text x="{left:.1f}" y="{top}" fill="{fill}" text-anchor="{anchor}" font-weight="{weight}">{words}</text>'


def line(
    left: float, top: float, right: float, bottom: float, ink: str, *, dashes: str = "", arrow: bool = False
) -> str:
    """A line, perhaps with an arrow at its end."""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    head = ' marker-end="url(#arrow)"' if arrow else ""
    return (
        f'<line x1="{left:.1f}" y1="{top}" x2="{right:.1f}" y2="{bottom}" stroke="{ink}" stroke-width="1.5"'
        f"{dashed}{head}/>"
    )


def bar(window: Window, top: int, label: str) -> list[str]:
    """A window as a box, with a thin line between its periods."""
    left, right = across(window.start), across(window.end)
    fill, ink, dashes = (LIGHT, BLUE, "") if window.is_complete else ("none", ORANGE, ' stroke-dasharray="5 4"')
    box = (
        f'<rect x="{left:.1f}" y="{top}" width="{right - left:.1f}" height="34" rx="3" fill="{fill}" stroke="{ink}"'
        f' stroke-width="1.5"{dashes}/>'
    )
    between = [line(across(start), top + 4, across(start), top + 30, "#93c5fd") for start in list(window.periods())[1:]]
    return [box, *between, text((left + right) / 2, top + 22, label, fill=ink, weight=600)]


def run(top: int, name: str, start: date, today: date) -> list[str]:
    """One run: its windows, its open period, and where its today and its bookmark are."""
    windows = cut_into_windows(
        Grain.WEEK, start, today, periods_per_window=PERIODS_PER_WINDOW, include_open_period=True
    )
    drawn = [text(16, top + 22, name, anchor="start", weight=700)]
    for number, window in enumerate(windows, 1):
        drawn += bar(window, top, f"window {number}" if window.is_complete else "open")
    bookmark, now = across(windows[-1].start), across(today)
    return [
        *drawn,
        line(bookmark, top - 10, bookmark, top + 52, BLUE),
        text(bookmark - 5, top + 64, "bookmark", fill=BLUE, weight=600),
        line(now, top - 10, now, top + 52, RED),
        text(now + 5, top + 64, "today", fill=RED, weight=600, anchor="start"),
    ]


def drawing() -> str:
    """The whole picture, as SVG."""
    bookmark = Grain.WEEK.period_start(TODAY)
    start = first_day(Grain.WEEK, START_DATE, bookmark, LOOKBACK_DAYS)
    mondays = [FIRST_MONDAY + timedelta(weeks=week) for week in range(10)]
    parts = [
        *(text(across(monday), 30, f"{monday:%d %b}", fill=QUIET) for monday in mondays),
        *(line(across(monday), 36, across(monday), 236, "#e5e7eb") for monday in mondays),
        *run(66, "first run", FIRST_MONDAY, TODAY),
        line(across(START_DATE), 126, across(START_DATE), 106, INK, arrow=True),
        text(across(START_DATE), 138, "start_date", weight=600),
        *run(176, "next run", start, NEXT_TODAY),
        line(across(bookmark), 158, across(start) + 2, 158, BLUE, arrow=True),
        text((across(bookmark) + across(start)) / 2, 152, "lookback", fill=BLUE),
        text(16, 264, CAPTION[0], fill=QUIET, anchor="start"),
        text(16, 282, CAPTION[1], fill=QUIET, anchor="start"),
    ]
    body = "\n  ".join(parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 296"
     font-family="system-ui, sans-serif" font-size="13">
  <title>How a range is cut into windows, and what the next run reads again</title>
  <defs>
    <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
      <path d="M0 0 8 4 0 8z" fill="{INK}"/>
    </marker>
  </defs>
  <rect width="960" height="296" fill="white"/>
  {body}
</svg>
"""


if __name__ == "__main__":
    Path(__file__).with_name("windows.svg").write_text(drawing(), encoding="utf-8")
