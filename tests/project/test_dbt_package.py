"""The dbt package matches the tap's schemas."""

from __future__ import annotations

import runpy
from pathlib import Path

DBT = Path(__file__).parents[2] / "dbt"


def test_column_descriptions_are_those_of_the_schemas() -> None:
    """models/columns.md is the output of describe_columns.py."""
    describe = runpy.run_path(str(DBT / "describe_columns.py"))
    assert (DBT / "models" / "columns.md").read_text(encoding="utf-8") == describe["descriptions"]()
