"""Opening a store: is it ours, is it whole, is it of this version; only then is it used."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine

from nta.errors import StoreError
from nta.store import migrations, schema
from nta.store.engine import explain, is_url, make_engine, reading, shown, writing

_HEADER: Final = b"SQLite format 3\x00"


def open_engine(location: str | Path, *, read_only: bool) -> Engine:
    """Return the engine of a store that is ours, whole, and of this version; a new one is made unless read only.

    Raises
    ------
    StoreError
        If it is missing (read only), damaged, of another program, of a newer version, or cannot be written to.
    """
    name = shown(location)
    if not is_url(location):
        _check_file(Path(location), name, read_only=read_only)
    if read_only and not is_url(location) and os.access(location, os.W_OK):
        _recover(Path(location), name)
    engine = make_engine(location, read_only=read_only)
    with reading(engine, name) as connection:
        if connection.dialect.name == "sqlite":
            _check_integrity(connection, name)
        version = migrations.version_of(connection, name)
        if version is not None:
            migrations.check_version(version, name)
    if version == schema.VERSION:
        if not read_only:
            _check_writable(engine, name)
        return engine
    if read_only:
        raise StoreError(_unready(version, name))
    _bring_up(engine, location, name)
    return engine


def _unready(version: int | None, name: str) -> str:
    if version is None:
        return f"{name} holds no results; name the store of a batch"
    return f"{name} has the older schema {version}; run any command that writes to it, such as nta batch, to update it"


def _check_file(path: Path, name: str, *, read_only: bool) -> None:
    """Look at a file before SQLite does, which would make a missing one and accept an empty one."""
    if path.is_dir():
        raise StoreError(f"{name} is a folder; name the file of the store, such as {str(path / 'nta.sqlite')!r}")
    if not path.exists():
        if read_only:
            raise StoreError(f"there is no store {name}; nta batch makes one")
        if not path.resolve().parent.is_dir():
            raise StoreError(f"the folder of {name} does not exist; make it, or name another store with --store")
        return
    try:
        with path.open("rb") as file:
            start = file.read(len(_HEADER))
    except OSError as error:
        raise StoreError(f"{name} cannot be read: {error.strerror}; check its permissions") from None
    # A file of no bytes is what a kill leaves before the first commit.
    if start and start != _HEADER:
        raise StoreError(f"{name} is not a database; name another with --store")


def _recover(path: Path, name: str) -> None:
    """Let SQLite take back what a killed writer left half done: who may only read cannot."""
    if path.with_name(f"{path.name}-journal").exists():
        with reading(make_engine(path, read_only=False), name) as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")


def _check_integrity(connection: Connection, name: str) -> None:
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if found != "ok":
        said = " ".join(str(found).split())
        raise StoreError(f"{name} is damaged ({said}); restore it from a backup, and keep this file for the record")
    mark = connection.exec_driver_sql("PRAGMA application_id").scalar()
    if mark not in (0, schema.APPLICATION_ID):
        raise StoreError(f"{name} is a database of another program; name another with --store")


def _check_writable(engine: Engine, name: str) -> None:
    """Find out before any computing whether rows can be added."""
    with writing(engine, name) as connection:
        if connection.dialect.name == "sqlite":
            # Writes a page: a lock alone is also given on a disk that is full.
            connection.exec_driver_sql(f"PRAGMA application_id = {schema.APPLICATION_ID}")


def _bring_up(engine: Engine, location: str | Path, name: str) -> None:
    """Make or migrate the tables; whoever comes second finds them made."""
    with writing(engine, name) as connection:
        version = migrations.version_of(connection, name)
        if version is None:
            migrations.create(connection)
        elif version < schema.VERSION:
            if not is_url(location):
                _back_up(Path(location), version, name)
            migrations.migrate(connection, version)


def _back_up(path: Path, version: int, name: str) -> Path:
    """Copy a SQLite file beside itself, whole or not at all, and return the copy."""
    target = path.with_name(f"{path.name}.schema{version}.backup")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(temporary)) as copy,
        ):
            source.backup(copy)
        temporary.replace(target)
    except sqlite3.Error as error:
        raise StoreError(f"{name} cannot be backed up before its update: {explain(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target
