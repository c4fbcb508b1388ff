"""Real databases, each with the loader that `meltano.yml` declares for it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg

from support.loader_runs import load
from support.loaders import definition, install
from support.postgres_server import postgres_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Warehouse:
    """A database and its loader; empty at first.

    Attributes:
        loader: The loader's command.
        folder: A folder for files.
        environment: Environment variables of the loader.
        connection: Environment variables with which other programs connect.
        query: Runs a query and returns its rows.
    """

    loader: Sequence[str | Path]
    folder: Path
    environment: Mapping[str, str]
    connection: Mapping[str, str]
    query: Callable[[str], list[tuple[Any, ...]]]

    def load(self, settings: Mapping[str, Any], streams: Sequence[str], state: str | None = None) -> str:
        """Run the tap into the database, and return the state."""
        return load(
            self.loader, self.folder, settings, streams=streams, state=state, loader_environment=self.environment
        )


@contextmanager
def postgres(folder: Path, **settings: object) -> Iterator[Warehouse]:
    """Create a database on a real PostgreSQL server; `settings` are further settings of the loader."""
    with (
        postgres_database() as conninfo,
        psycopg.connect(**conninfo, options="-c timezone=UTC", autocommit=True) as connection,
    ):
        info = connection.info
        config = {"host": info.host, "port": info.port, "user": info.user, "password": info.password}
        yield _warehouse(
            "target-postgres",
            folder,
            {**config, "database": info.dbname, **settings},
            {
                "PGHOST": info.host,
                "PGPORT": str(info.port),
                "PGUSER": info.user,
                "PGPASSWORD": info.password,
                "PGDATABASE": info.dbname,
            },
            # The queries are the project's own.
            lambda query: connection.execute(query.encode()).fetchall(),
        )


@contextmanager
def duckdb_file(folder: Path) -> Iterator[Warehouse]:
    """Create a DuckDB file."""
    path = folder / "gong.duckdb"

    def query(text: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(path, read_only=True) as connection:
            return connection.execute(text).fetchall()

    yield _warehouse("target-duckdb", folder, {"filepath": str(path)}, {"GONG_ACTIVITY_DUCKDB": str(path)}, query)


def _warehouse(
    target: str,
    folder: Path,
    config: Mapping[str, Any],
    connection: Mapping[str, str],
    query: Callable[[str], list[tuple[Any, ...]]],
) -> Warehouse:
    declared = definition(target)
    config_file = folder / "loader.json"
    config_file.write_text(json.dumps({**declared["config"], **config}), encoding="utf-8")
    command: list[str | Path] = [install(target, folder / "environment"), "--config", config_file]
    return Warehouse(command, folder, declared.get("env", {}), connection, query)
