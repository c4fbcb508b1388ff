"""Load Gong's activity into PostgreSQL with COPY and an upsert, without a loader.

    python load.py postgresql://user@host/database --config config.json --catalog catalog.json

All arguments after the URL go to the tap. Rows are upserted by key and committed at each STATE message. The state is
stored in the table `gong_activity.state`, in the same transaction as its rows, so a failed run can be repeated and
resumes from the last commit. If the tap fails, the script exits with status 1.
"""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import groupby
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterable

Message = dict[str, Any]
TYPES = {
    "string": "text",
    "date": "date",
    "date-time": "timestamptz",
    "integer": "bigint",
    "boolean": "boolean",
    "array": "text[]",
}


def main(url: str, *tap_arguments: str) -> str | None:
    """Run the tap from the state in the database, and load its rows; return an error message or None."""
    with psycopg.connect(url) as database:
        # Held until the connection closes.
        if database.execute("select pg_try_advisory_lock(hashtext('gong_activity'))").fetchone() != (True,):
            return "Another run is loading into this database."
        database.execute("create schema if not exists gong_activity")
        database.execute("create table if not exists gong_activity.state (state json)")
        (state,) = database.execute("select state::text from gong_activity.state").fetchone() or ("{}",)
        database.commit()

        command = ["tap-gong-activity", *tap_arguments, "--state", "/dev/stdin"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tap:
            tap.stdin.write(state.encode())
            tap.stdin.close()
            try:
                # If the tap is killed, its last line can be truncated.
                load(database, (json.loads(line) for line in tap.stdout if line.endswith(b"\n")))
            except BaseException:
                tap.terminate()
                raise
    return (
        f"The tap failed with status {tap.returncode}; its rows up to the last STATE are loaded."
        if tap.returncode
        else None
    )


def load(database: psycopg.Connection, messages: Iterable[Message]) -> None:
    """Load rows, and commit them with the next STATE."""
    schemas: dict[str, Message] = {}
    for (kind, stream), group in groupby(messages, lambda message: (message["type"], message.get("stream"))):
        if kind == "RECORD":
            upsert(database, schemas[stream], (message["record"] for message in group))
            continue
        *_, last = group
        if kind == "SCHEMA":
            schemas[stream] = last
            create_table(database, last)
        elif kind == "STATE":
            database.execute("delete from gong_activity.state")
            database.execute("insert into gong_activity.state values (%s)", [json.dumps(last["value"])])
            database.commit()


def create_table(database: psycopg.Connection, schema: Message) -> None:
    """Create a stream's table or its missing columns, and a temporary table for new rows."""
    stream, keys = schema["stream"], ", ".join(schema["key_properties"])
    columns = [f"{name} {column_type(property_)}" for name, property_ in schema["schema"]["properties"].items()]
    database.execute(f"create table if not exists gong_activity.{stream} ({', '.join(columns)}, primary key ({keys}))")
    for column in columns:
        database.execute(f"alter table gong_activity.{stream} add column if not exists {column}")
    database.execute(f"drop table if exists pg_temp.{stream}")
    database.execute(
        f"create temp table {stream} (like gong_activity.{stream}, number bigint generated always as identity)"
    )


def upsert(database: psycopg.Connection, schema: Message, rows: Iterable[Message]) -> None:
    """Upsert rows."""
    stream, keys = schema["stream"], ", ".join(schema["key_properties"])
    names = list(schema["schema"]["properties"])
    columns, new_values = ", ".join(names), ", ".join(f"{name} = excluded.{name}" for name in names)
    with database.cursor().copy(f"copy pg_temp.{stream} ({columns}) from stdin") as copy:
        for row in rows:
            copy.write_row([row.get(name) for name in names])
    # A run can contain a key twice; the last row wins.
    database.execute(
        f"insert into gong_activity.{stream} ({columns}) "
        f"select distinct on ({keys}) {columns} from pg_temp.{stream} order by {keys}, number desc "
        f"on conflict ({keys}) do update set {new_values}"
    )
    database.execute(f"truncate pg_temp.{stream}")


def column_type(schema: dict[str, Any]) -> str:
    """Return a column's type in PostgreSQL."""
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    kind = next(kind for kind in types if kind != "null")
    return TYPES.get(schema.get("format", kind), "jsonb")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
