"""The diagram `windows.svg`: how a range is split into windows, and what the next run re-reads.

After a change, run `python docs/draw_windows.py`. The tap's own code computes the windows.
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
INK, GRAY, BLUE, LIGHT, ORANGE, RED = "#1f2937", "#6b7280", "#2563eb", "#dbeafe", "#d97706", "#dc2626"

CAPTION = (
    f"Example: weeks, periods_per_window {PERIODS_PER_WINDOW}, lookback_days {LOOKBACK_DAYS}, start_date {START_DATE},"
    f" runs on {TODAY} and {NEXT_TODAY}.\n"
    "Each box is a window: one request and its additional pages. Lines separate its weeks, which start on Monday.\n"
    "After each window, a STATE message moves the bookmark to its end. The open week is skipped unless "
    "include_open_period is set."
)

FIRST_MONDAY = Grain.WEEK.period_start(START_DATE)


def x_of(day: date) -> float:
    """Return the x coordinate of a day."""
    return LEFT + (day - FIRST_MONDAY).days * DAY_WIDTH


def text(left: float, top: float, label: str, *, fill: str = INK, anchor: str = "middle", weight: int = 400) -> str:
    """Return a text element."""
    return f'<text x="{left:.1f}" y="{top}" fill="{fill}" text-anchor="{anchor}" font-weight="{weight}">{label}</text>'


def line(
    left: float, top: float, right: float, bottom: float, ink: str, *, arrow: bool = False, dashed: bool = False
) -> str:
    """Return a line element, optionally dashed or with an arrowhead."""
    head = f' marker-end="url(#arrow-{ink[1:]})"' if arrow else ""
    head += ' stroke-dasharray="3 3"' if dashed else ""
    return f'<line x1="{left:.1f}" y1="{top}" x2="{right:.1f}" y2="{bottom}" stroke="{ink}" stroke-width="1.5"{head}/>'


def arrowhead(ink: str) -> str:
    """Return the marker element of an arrowhead."""
    return (
        f'<marker id="arrow-{ink[1:]}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
        f' orient="auto"><path d="M0 0 8 4 0 8z" fill="{ink}"/></marker>'
    )


def bar(window: Window, top: int, label: str) -> list[str]:
    """Return a window's elements: a box with its periods, and its label above."""
    left, right = x_of(window.start), x_of(window.end)
    fill, ink, dashes = (LIGHT, BLUE, "") if window.is_complete else ("none", ORANGE, ' stroke-dasharray="5 4"')
    box = (
        f'<rect x="{left:.1f}" y="{top}" width="{right - left:.1f}" height="34" rx="3" fill="{fill}" stroke="{ink}"'
        f' stroke-width="1.5"{dashes}/>'
    )
    dividers = [line(x_of(start), top + 4, x_of(start), top + 30, "#93c5fd") for start in list(window.periods())[1:]]
    return [box, *dividers, text((left + right) / 2, top - 9, label, fill=ink, weight=600)]


def run(top: int, name: str, start: date, today: date) -> list[str]:
    """Return a run's elements: its windows, its open period, today and the bookmark."""
    windows = cut_into_windows(
        Grain.WEEK, start, today, periods_per_window=PERIODS_PER_WINDOW, include_open_period=True
    )
    elements = [text(16, top + 22, name, anchor="start", weight=700)]
    for number, window in enumerate(windows, 1):
        elements += bar(window, top, f"window {number}" if window.is_complete else "open week")
    bookmark, now = x_of(windows[-1].start), x_of(today)
    return [
        *elements,
        line(bookmark, top, bookmark, top + 50, BLUE),
        text(bookmark + 4, top + 64, "bookmark", fill=BLUE, weight=600, anchor="end"),
        line(now, top, now, top + 50, RED),
        text(now - 4, top + 64, "today", fill=RED, weight=600, anchor="start"),
    ]


def draw() -> str:
    """Return the diagram as SVG."""
    bookmark = Grain.WEEK.period_start(TODAY)
    start = first_day(Grain.WEEK, START_DATE, bookmark, LOOKBACK_DAYS)
    mondays = [FIRST_MONDAY + timedelta(weeks=week) for week in range(10)]
    parts = [
        *(text(x_of(monday), 26, f"{monday:%d %b}", fill=GRAY) for monday in mondays),
        *(line(x_of(monday), 32, x_of(monday), 40, "#d1d5db") for monday in mondays),
        *run(76, "first run", FIRST_MONDAY, TODAY),
        line(x_of(START_DATE), 134, x_of(START_DATE), 114, INK, arrow=True),
        text(x_of(START_DATE), 148, "start_date", weight=600),
        # From the first run's bookmark back to the next run's start.
        line(x_of(bookmark), 148, x_of(bookmark), 174, BLUE, dashed=True),
        line(x_of(bookmark), 174, x_of(start) + 2, 174, BLUE, arrow=True),
        line(x_of(start), 174, x_of(start), 212, BLUE, dashed=True),
        text((x_of(bookmark) + x_of(start)) / 2, 167, "lookback", fill=BLUE),
        *run(212, "next run", start, NEXT_TODAY),
        *(
            text(16, 306 + 18 * number, caption_line, fill=GRAY, anchor="start")
            for number, caption_line in enumerate(CAPTION.splitlines())
        ),
    ]
    body = "\n  ".join(parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 356"
     font-family="system-ui, sans-serif" font-size="13">
  <title>How a range is split into windows, and what the next run re-reads</title>
  <defs>
    {arrowhead(INK)}
    {arrowhead(BLUE)}
  </defs>
  <rect width="960" height="356" fill="white"/>
  {body}
</svg>
"""


if __name__ == "__main__":
    Path(__file__).with_name("windows.svg").write_text(draw(), encoding="utf-8")
