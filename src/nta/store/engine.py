"""How the database is reached: SQLite as a file by default, PostgreSQL by URL; what each must be told."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from nta.errors import MissingExtraError, StoreError

DEFAULT_NAME: Final = "nta.sqlite"

_BUSY_MS: Final = 120_000
"""How long a writer waits for the others: they hold the lock for milliseconds."""

_WRITING: Final = "nta_writing"
_LOCK: Final = 0x6E7461
"""Number of the PostgreSQL advisory lock under which rows are added; it goes with its connection, even by kill."""


def is_url(location: str | Path) -> bool:
    """Whether a store is named by a URL rather than by a file."""
    return re.match(r"^[a-z][a-z0-9+]*://", str(location)) is not None


def make_engine(location: str | Path, *, read_only: bool) -> Engine:
    """Return the engine for a file or a ``postgresql://`` URL, without a connection yet.

    Raises
    ------
    StoreError
        If the URL names another kind of database.
    MissingExtraError
        If the driver of PostgreSQL is not installed.
    """
    if not is_url(location):
        return _sqlite_engine(Path(location), read_only=read_only)
    try:
        url = make_url(str(location))
    except ArgumentError:
        raise StoreError(f"{shown(location)} is not a URL; give postgresql://user@host/database, or a file") from None
    if url.get_backend_name() != "postgresql":
        raise StoreError(
            f"{shown(location)} names {url.get_backend_name()}; a store is a SQLite file or postgresql://user@host/name"
        )
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"), poolclass=NullPool, isolation_level="REPEATABLE READ"
        )
    except ImportError:
        raise MissingExtraError('a PostgreSQL store needs its driver; pip install "nta[postgres]"') from None


def _sqlite_engine(path: Path, *, read_only: bool) -> Engine:
    def connect() -> sqlite3.Connection:
        target = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        connection = sqlite3.connect(target, uri=True, timeout=_BUSY_MS / 1000.0, check_same_thread=False)
        # Transactions begin when we say so, and in the way we say.
        connection.isolation_level = None
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401  # SQLAlchemy's own
        # A DELETE journal and full flushing survive a kill and a power cut on any disk.
        pragmas = ["foreign_keys = ON", "trusted_schema = OFF"]
        pragmas += [] if read_only else ["journal_mode = DELETE", "synchronous = FULL"]
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get(_WRITING, False)
        # A deferred transaction that turns into a writing one fails under concurrency instead of waiting.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


@contextlib.contextmanager
def reading(engine: Engine, name: str) -> Iterator[Connection]:
    """Yield a connection with one view of the database."""
    with _explained(name), engine.connect() as connection, connection.begin():
        yield connection


@contextlib.contextmanager
def writing(engine: Engine, name: str) -> Iterator[Connection]:
    """Yield a connection that alone may add rows until the block ends; commit there, or roll back on an error."""
    with _explained(name), engine.connect() as plain:
        level = {} if engine.dialect.name == "sqlite" else {"isolation_level": "READ COMMITTED"}
        connection = plain.execution_options(**{_WRITING: True}, **level)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield connection


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what a database says into one line with the way out."""
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"{name}: {explain(error)}") from error
    except SQLAlchemyError as error:
        raise StoreError(f"{name} cannot be used: {_one_line(error)}") from error


def explain(error: BaseException) -> str:
    """Return in one clause what is wrong with the database and what to do."""
    said = _one_line(getattr(error, "orig", None) or error)
    for words, advice in (
        ("disk is full", "the disk is full; free some space and run again, what was stored stays"),
        ("readonly", "it cannot be written to; check its permissions, or name another with --store"),
        ("unable to open", "it cannot be opened; check the folder and its permissions, or name another with --store"),
        ("not a database", "it is not a database; name another with --store"),
        ("malformed", "the file is damaged; restore it from a backup"),
        ("locked", "another program has locked it for more than two minutes; end that and run again"),
        ("disk I/O error", "the disk reports an error; check it and its free space, then run again"),
        ("connection", f"the server cannot be reached ({said}); check the URL and that it runs"),
        ("resolve host", f"the server cannot be found ({said}); check the URL"),
        ("append", said),
    ):
        if words in said:
            return advice
    return said


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def shown(location: str | Path) -> str:
    """Return the name of a store for people: a URL without its password."""
    if not is_url(location):
        return repr(str(location))
    try:
        return make_url(str(location)).render_as_string(hide_password=True)
    except ArgumentError:
        return repr(str(location).partition("://")[0] + "://…")
