"""From an empty or older database to the tables of this version, in one transaction.

A migration is a function of the connection; number n leads from version n to n + 1. A SQLite file is copied beside
itself before the first one runs. PostgreSQL changes tables within the transaction and is backed up by its owner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, inspect, select, update

from nta.errors import StoreError
from nta.store import schema

Migration = Callable[[Connection], None]

MIGRATIONS: Final[dict[int, Migration]] = {}
"""Version -> what leads from it to the next one. There is one version so far."""

_VERSION: Final = "schema_version"


def version_of(connection: Connection, name: str) -> int | None:
    """Return the version of the tables, ``None`` for an empty database.

    Raises
    ------
    StoreError
        If the database belongs to another program.
    """
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    stated = None
    if "store_meta" in tables:
        query = select(schema.store_meta.c.value).where(schema.store_meta.c.name == _VERSION)
        stated = connection.execute(query).scalar()
    if stated is None or not str(stated).isdecimal():
        known = ", ".join(sorted(tables)[:3])
        raise StoreError(f"{name} is a database of another program (it holds {known}); name another with --store")
    return int(stated)


def check_version(version: int, name: str) -> None:
    """Refuse tables that a later nta made.

    Raises
    ------
    StoreError
        If the version is above :data:`nta.store.schema.VERSION`.
    """
    if version > schema.VERSION:
        raise StoreError(
            f"{name} was written by a newer nta (schema {version}, this one knows {schema.VERSION}); update nta, or "
            "name another store with --store"
        )


def create(connection: Connection) -> None:
    """Make the tables of this version in an empty database."""
    schema.create(connection)
    connection.execute(schema.store_meta.insert().values(name=_VERSION, value=str(schema.VERSION)))
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {schema.APPLICATION_ID}")


def migrate(connection: Connection, version: int) -> None:
    """Lead the tables from ``version`` to :data:`nta.store.schema.VERSION`."""
    for step in range(version, schema.VERSION):
        MIGRATIONS[step](connection)
    table = schema.store_meta
    connection.execute(update(table).where(table.c.name == _VERSION).values(value=str(schema.VERSION)))
