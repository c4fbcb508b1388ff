"""The README's picture, `docs/activity.png`: the demo's chart for fixed dates.

After changing the chart, run `python demo/draw_png.py`. It needs Chromium; set CHROMIUM if it isn't on the PATH.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from chart import write_chart
from gong_sandbox import COUNTERS, Company
from run import USERS

if TYPE_CHECKING:
    from loads import Row

START, END = date(2025, 1, 6), date(2026, 3, 2)
PICTURE = Path(__file__).parents[1] / "docs" / "activity.png"
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
OPTIONS += ["--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=5000"]


def weeks() -> list[Row]:
    """Return the company's weeks as target-csv writes them."""
    columns = [re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name) for name in COUNTERS]
    return [
        {
            "user_id": row.user_id,
            "user_email_address": row.user_email_address or "",
            "period_start_date": str(row.from_date),
            **dict(zip(columns, map(str, row.counters), strict=True)),
        }
        for row in Company(USERS).rows("WEEK", START, END)
    ]


def main() -> None:
    """Render the chart in a browser, and save a screenshot."""
    browser = os.environ.get("CHROMIUM", "chromium")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "chart.html"
        write_chart(weeks(), page)
        size = ["--window-size=1280,676", f"--user-data-dir={folder}/profile"]
        subprocess.run([browser, *OPTIONS, *size, f"--screenshot={PICTURE}", page.as_uri()], check=True)


if __name__ == "__main__":
    main()
