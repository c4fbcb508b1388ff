"""A loader that appends every record to a DuckDB table, all of it as text: what the staging models must cope with.

python append_loader.py FILE SCHEMA < MESSAGES
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb


def main(file: str, schema: str) -> None:
    """Append the records of standard input, then print the last state."""
    streams: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    state = None
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "RECORD":
            streams[message["stream"]].append({**message["record"], "_sdc_extracted_at": message["time_extracted"]})
        elif message["type"] == "STATE":
            state = message["value"]
    with TemporaryDirectory() as folder, duckdb.connect(file) as connection:
        connection.execute(f"create schema if not exists {schema}")
        for stream, records in streams.items():
            path = Path(folder) / f"{stream}.jsonl"
            path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
            table = f"{schema}.gong_{stream}"
            columns = dict.fromkeys(records[0], "varchar")
            connection.execute(f"create table if not exists {table} ({', '.join(map(' '.join, columns.items()))})")
            connection.execute(f"insert into {table} select * from read_json('{path}', columns = {columns})")  # noqa: S608 - the names are the tap's
    print(json.dumps(state))  # noqa: T201 - what loaders do


if __name__ == "__main__":
    main(*sys.argv[1:])
