"""The dbt package describes what the tap writes."""

from __future__ import annotations

import runpy
from pathlib import Path

DBT = Path(__file__).parents[2] / "dbt"


def test_columns_are_described_as_in_the_schemas() -> None:
    """models/columns.md is what describe_columns.py writes."""
    describe = runpy.run_path(str(DBT / "describe_columns.py"))
    assert (DBT / "models" / "columns.md").read_text(encoding="utf-8") == describe["descriptions"]()
