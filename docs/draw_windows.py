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
    f"Example: weeks, periods_per_window {PERIODS_PER_WINDOW}, lookback_days {LOOKBACK_DAYS}, start_date {START_DATE},"
    f" runs on {TODAY} and {NEXT_TODAY}.\n"
    "Each box is a window: one request and its additional pages. Windows and weeks start on a Monday. After each\n"
    "window, a STATE message moves the bookmark to its end. The open week is skipped, or read with include_open_period."
)

FIRST_MONDAY = Grain.WEEK.period_start(START_DATE)


def across(day: date) -> float:
    """Place of a day from the left."""
    return LEFT + (day - FIRST_MONDAY).days * DAY_WIDTH


def text(left: float, top: float, words: str, *, fill: str = INK, anchor: str = "middle", weight: int = 400) -> str:
    """Some words."""
    return f'<text x="{left:.1f}" y="{top}" fill="{fill}" text-anchor="{anchor}" font-weight="{weight}">{words}</text>'


def line(
    left: float, top: float, right: float, bottom: float, ink: str, *, arrow: bool = False, dashed: bool = False
) -> str:
    """A line, perhaps with an arrow at its end, perhaps dashed."""
    head = f' marker-end="url(#arrow-{ink[1:]})"' if arrow else ""
    head += ' stroke-dasharray="3 3"' if dashed else ""
    return f'<line x1="{left:.1f}" y1="{top}" x2="{right:.1f}" y2="{bottom}" stroke="{ink}" stroke-width="1.5"{head}/>'


def arrow_head(ink: str) -> str:
    """The end of a line of one color."""
    return (
        f'<marker id="arrow-{ink[1:]}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
        f' orient="auto"><path d="M0 0 8 4 0 8z" fill="{ink}"/></marker>'
    )


def bar(window: Window, top: int, label: str) -> list[str]:
    """A window as a box, with a thin line between its periods and its label above."""
    left, right = across(window.start), across(window.end)
    fill, ink, dashes = (LIGHT, BLUE, "") if window.is_complete else ("none", ORANGE, ' stroke-dasharray="5 4"')
    box = (
        f'<rect x="{left:.1f}" y="{top}" width="{right - left:.1f}" height="34" rx="3" fill="{fill}" stroke="{ink}"'
        f' stroke-width="1.5"{dashes}/>'
    )
    between = [line(across(start), top + 4, across(start), top + 30, "#93c5fd") for start in list(window.periods())[1:]]
    return [box, *between, text((left + right) / 2, top - 9, label, fill=ink, weight=600)]


def run(top: int, name: str, start: date, today: date) -> list[str]:
    """One run: its windows, its open period, and where its today and its bookmark are."""
    windows = cut_into_windows(
        Grain.WEEK, start, today, periods_per_window=PERIODS_PER_WINDOW, include_open_period=True
    )
    drawn = [text(16, top + 22, name, anchor="start", weight=700)]
    for number, window in enumerate(windows, 1):
        drawn += bar(window, top, f"window {number}" if window.is_complete else "open week")
    bookmark, now = across(windows[-1].start), across(today)
    return [
        *drawn,
        line(bookmark, top, bookmark, top + 50, BLUE),
        text(bookmark + 4, top + 64, "bookmark", fill=BLUE, weight=600, anchor="end"),
        line(now, top, now, top + 50, RED),
        text(now - 4, top + 64, "today", fill=RED, weight=600, anchor="start"),
    ]


def drawing() -> str:
    """The whole picture, as SVG."""
    bookmark = Grain.WEEK.period_start(TODAY)
    start = first_day(Grain.WEEK, START_DATE, bookmark, LOOKBACK_DAYS)
    mondays = [FIRST_MONDAY + timedelta(weeks=week) for week in range(10)]
    parts = [
        *(text(across(monday), 26, f"{monday:%d %b}", fill=QUIET) for monday in mondays),
        *(line(across(monday), 32, across(monday), 40, "#d1d5db") for monday in mondays),
        *run(76, "first run", FIRST_MONDAY, TODAY),
        line(across(START_DATE), 134, across(START_DATE), 114, INK, arrow=True),
        text(across(START_DATE), 148, "start_date", weight=600),
        # From the first run's bookmark back to where the next run starts.
        line(across(bookmark), 148, across(bookmark), 174, BLUE, dashed=True),
        line(across(bookmark), 174, across(start) + 2, 174, BLUE, arrow=True),
        line(across(start), 174, across(start), 212, BLUE, dashed=True),
        text((across(bookmark) + across(start)) / 2, 167, "lookback", fill=BLUE),
        *run(212, "next run", start, NEXT_TODAY),
        *(
            text(16, 306 + 18 * number, words, fill=QUIET, anchor="start")
            for number, words in enumerate(CAPTION.splitlines())
        ),
    ]
    body = "\n  ".join(parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 356"
     font-family="system-ui, sans-serif" font-size="13">
  <title>How a range is cut into windows, and what the next run reads again</title>
  <defs>
    {arrow_head(INK)}
    {arrow_head(BLUE)}
  </defs>
  <rect width="960" height="356" fill="white"/>
  {body}
</svg>
"""


if __name__ == "__main__":
    Path(__file__).with_name("windows.svg").write_text(drawing(), encoding="utf-8")
