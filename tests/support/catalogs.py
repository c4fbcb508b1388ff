"""Catalogs: the discovered one, with a selection."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any

from support.child_processes import TAP, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterable


@cache
def _discovered() -> str:
    return subprocess.run(
        [TAP, "--discover"], check=True, env=clean_environment(), capture_output=True, text=True
    ).stdout


def catalog_selecting(*streams: str, without: Iterable[str] = (), full_table: bool = False) -> dict[str, Any]:
    """Return the discovered catalog with only these streams selected, and some of their columns deselected."""
    catalog: dict[str, Any] = json.loads(_discovered())
    for entry in catalog["streams"]:
        is_selected = entry["tap_stream_id"] in streams
        if full_table:
            entry["replication_method"] = "FULL_TABLE"
        for metadata in entry["metadata"]:
            if not metadata["breadcrumb"]:
                metadata["metadata"]["selected"] = is_selected
                if full_table:
                    metadata["metadata"]["forced-replication-method"] = "FULL_TABLE"
            elif metadata["breadcrumb"][-1] in without:
                metadata["metadata"]["selected"] = False
    return catalog
