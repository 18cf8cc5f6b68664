"""Stores for the tests: the same ones run on SQLite and on a PostgreSQL server of their own."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_records import PostgresServer

from nta.store import Store


def _programs() -> Path | None:
    """Return the folder of PostgreSQL's programs: Debian keeps them out of the path."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return installed[-1].parent if installed else None


@pytest.fixture(scope="session")
def postgres(require) -> Iterator[PostgresServer]:
    """A private server on a free port of the loopback, run by a user who is not root."""
    pytest.importorskip("psycopg", reason="postgresql: its driver is not installed")
    programs = _programs()
    require("postgresql", programs is not None, "initdb is not installed")
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="nta-pg-"))
    user = "postgres" if os.getuid() == 0 else None  # the server refuses to be run by root
    if user is not None:
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = PostgresServer(programs, folder / "data", port, user)
    try:
        server.run("initdb", "--username=nta", "--auth=trust", "--no-sync", "--pgdata", server.data)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request, tmp_path: Path) -> str | Path:
    """A place where no store is yet."""
    if request.param == "sqlite":
        return tmp_path / "store" / "nta.sqlite"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def store(location, tmp_path: Path) -> Store:
    (tmp_path / "store").mkdir()
    return Store.open(location, objects=tmp_path / "store" / "objects", who="tester")
