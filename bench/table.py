"""Figures with their spread, in a table that reads as well on a terminal as in a document."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def spread(figures: Sequence[float], form: str = ".2f") -> str:
    """Format the figures of several runs as their median (min to max)."""
    return f"{median(figures):{form}} ({min(figures):{form}} to {max(figures):{form}})"


def show(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [headings, ["-" * width for width in widths], *rows]
    print(f"\n{title}\n")
    for line in lines:
        print(f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |", flush=True)
