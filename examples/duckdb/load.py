"""Load Gong's activity into a DuckDB file, without a loader.

    python load.py gong.duckdb --config config.json --catalog catalog.json

All arguments after the file go to the tap. Rows are upserted by key. The state is stored in the table
`gong_activity.state`, in the same transaction as the rows, so a failed run can be repeated. If the tap fails, the rows
that it wrote are loaded with its last state, and the script exits with status 1.
"""

from __future__ import annotations

import json
import subprocess
import sys

import duckdb

TYPES = {
    "string": "VARCHAR",
    "date": "DATE",
    "date-time": "TIMESTAMPTZ",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "array": "VARCHAR[]",
}
READ_MESSAGES = """
    create temp table message as
    select row_number() over () as number, *
    -- If the tap is killed, its last line can be truncated; ignore_errors turns it into nulls.
    from read_json($pipe, format = 'newline_delimited', ignore_errors = true, columns = {
        type: 'VARCHAR', stream: 'VARCHAR', schema: 'JSON', key_properties: 'VARCHAR[]', record: 'JSON', value: 'JSON'
    })
"""


def main(path: str, *tap_arguments: str) -> str | None:
    """Run the tap from the state in the file, and load its rows; return an error message or None."""
    with duckdb.connect(path) as database:
        database.execute("create schema if not exists gong_activity")
        database.execute("create table if not exists gong_activity.state (state json)")
        (state,) = database.execute("from gong_activity.state").fetchone() or ("{}",)

        command = ["tap-gong-activity", *tap_arguments, "--state", "/dev/stdin"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tap:
            tap.stdin.write(state.encode())
            tap.stdin.close()
            database.execute(READ_MESSAGES, {"pipe": f"/dev/fd/{tap.stdout.fileno()}"})

        database.begin()
        schemas = (
            "select stream, any_value(schema), any_value(key_properties) from message where type = 'SCHEMA' group by 1"
        )
        for stream, schema, keys in database.execute(schemas).fetchall():
            upsert(database, stream, json.loads(schema)["properties"], keys)
        database.execute(
            "create temp table new_state as select value from message where type = 'STATE' order by number desc limit 1"
        )
        database.execute("delete from gong_activity.state where exists (from new_state)")
        database.execute("insert into gong_activity.state from new_state")
        database.commit()
    return f"The tap failed with status {tap.returncode}; the rows it wrote are loaded." if tap.returncode else None


def upsert(database: duckdb.DuckDBPyConnection, stream: str, properties: dict, keys: list[str]) -> None:
    """Upsert a stream's rows, and create its table or missing columns."""
    table = f"gong_activity.{stream}"
    columns = {name: column_type(schema) for name, schema in properties.items()}
    definitions = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
    database.execute(f"create table if not exists {table} ({definitions}, primary key ({', '.join(keys)}))")
    for name, type_ in columns.items():
        database.execute(f"alter table {table} add column if not exists {name} {type_}")
    key_values = ", ".join(f"record.{key}" for key in keys)
    database.execute(
        f"insert or replace into {table} by name "
        "select unnest(json_transform_strict(record, $columns)) from message "
        "where type = 'RECORD' and stream = $stream "
        # A run can contain a key twice; the last row wins.
        f"qualify row_number() over (partition by {key_values} order by number desc) = 1",
        {"columns": json.dumps(columns), "stream": stream},
    )


def column_type(schema: dict) -> str:
    """Return a column's type in DuckDB."""
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    kind = next(kind for kind in types if kind != "null")
    return TYPES.get(schema.get("format", kind), "JSON")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
