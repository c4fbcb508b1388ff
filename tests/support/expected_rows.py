"""The rows of the sandbox's company in the tap's columns, put together without the tap's code."""

from __future__ import annotations

import re
from datetime import timezone
from typing import TYPE_CHECKING, Any

from gong_sandbox import COUNTERS

if TYPE_CHECKING:
    from datetime import date

    from gong_sandbox import Company

COUNTER_COLUMNS = tuple(re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name) for name in COUNTERS)


def company_rows(
    company: Company, aggregation_period: str, start: date, end: date, *, is_complete: bool = True
) -> list[dict[str, Any]]:
    """Give the rows of one window, as JSON has them."""
    return [
        {
            "user_id": row.user_id,
            "user_email_address": row.user_email_address,
            "aggregation_period": aggregation_period,
            "period_start_date": row.from_date.isoformat(),
            "period_end_date": row.to_date.isoformat(),
            "period_start_at": _instant(company, row.from_date),
            "period_end_at": _instant(company, row.to_date),
            "is_complete": is_complete,
            **dict(zip(COUNTER_COLUMNS, row.counters, strict=True)),
        }
        for row in company.rows(aggregation_period, start, end)
    ]


def _instant(company: Company, day: date) -> str:
    return f"{company.midnight(day).astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
