"""Markdown tables of measurements."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def spread(values: Sequence[float], format_spec: str = ".2f") -> str:
    """Format measurements as median (min to max)."""
    return f"{median(values):{format_spec}} ({min(values):{format_spec}} to {max(values):{format_spec}})"


def show(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [headings, ["-" * width for width in widths], *rows]
    print(f"\n{title}\n")
    for line in lines:
        print(f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |", flush=True)
