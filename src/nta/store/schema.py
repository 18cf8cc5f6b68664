"""The tables of the results store, and the rules that the database itself holds them to.

Records are only ever added. What stands in a record table can be neither changed nor deleted: triggers refuse it in
SQLite and PostgreSQL alike, and the audit table chains the hash of every row (:mod:`nta.store.chain`).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

VERSION: Final = 1
"""Version of the tables; a migration of :mod:`nta.store.migrations` leads to each from the one before."""

APPLICATION_ID: Final = 0x6E746101
"""SQLite's mark of the program to which a file belongs."""

# SQLite numbers rows by itself only where the key is called INTEGER.
_Id = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()


def _record(name: str, *columns: Column[object] | UniqueConstraint) -> Table:
    return Table(name, metadata, Column("id", _Id, primary_key=True), *columns)


def _text(name: str, *, missing: bool = False, unique: bool = False) -> Column[object]:
    return Column(name, Text, nullable=missing, unique=unique)


def _refers(name: str, table: str, *, missing: bool = False) -> Column[object]:
    return Column(name, _Id, ForeignKey(f"{table}.id"), nullable=missing, index=True)


store_meta = Table("store_meta", metadata, Column("name", Text, primary_key=True), Column("value", Text))

lots = _record("lots", _text("name", unique=True))
samples = _record(
    "samples",
    _refers("lot_id", "lots"),
    _text("day"),
    _text("name"),
    UniqueConstraint("lot_id", "day", "name"),
)
settings = _record("settings", _text("sha256", unique=True), _text("document"))
calibrations = _record("calibrations", _text("sha256", unique=True), _text("document"))
captures = _record(
    "captures",
    _text("key", unique=True),
    _text("sha256", missing=True),
    _text("path"),
    Column("bytes", BigInteger, nullable=True),
    _text("status"),
    _text("status_code", missing=True),
    _text("message"),
    _text("spots_sha256", missing=True),
    _text("tracks_sha256", missing=True),
    _text("inputs"),
    _text("created_utc"),
)
measurements = _record(
    "measurements",
    _refers("sample_id", "samples"),
    _text("key"),
    _text("status"),
    _text("status_code", missing=True),
    _text("message"),
    *(Column(name, Double, nullable=True) for name in ("mode_nm", "d10_nm", "d50_nm", "d90_nm")),
    *(Column(name, Double, nullable=True) for name in ("measured_per_ml", "stock_per_ml")),
    _refers("settings_id", "settings"),
    _refers("calibration_id", "calibrations", missing=True),
    _text("inputs"),
    _text("files"),
    _text("summary"),
    _text("created_utc"),
    UniqueConstraint("sample_id", "key"),
)
measured_captures = _record(
    "measured_captures",
    _refers("measurement_id", "measurements"),
    _refers("capture_id", "captures"),
    Column("position", Integer, nullable=False),
    UniqueConstraint("measurement_id", "position"),
)
distributions = _record(
    "distributions",
    Column("measurement_id", _Id, ForeignKey("measurements.id"), nullable=False, unique=True),
    _text("csv"),
)
selections = _record(
    "selections",
    _refers("sample_id", "samples"),
    _refers("measurement_id", "measurements"),
    _text("decision"),
    _text("reason", missing=True),
    _text("created_utc"),
)
collections = _record(
    "collections",
    _refers("sample_id", "samples"),
    Column("volume_ml", Double, nullable=True),
    _text("role"),
    _text("facts"),
    _text("created_utc"),
)
assays = _record(
    "assays",
    _refers("sample_id", "samples"),
    _text("name"),
    _text("unit"),
    _text("value", missing=True),
    _text("state"),
    _text("created_utc"),
)
exclusions = _record(
    "exclusions",
    _refers("sample_id", "samples"),
    _text("path"),
    _text("sha256", missing=True),
    _text("reason"),
    _text("created_utc"),
)
attempts = _record(
    "attempts",
    _text("kind"),
    _text("name"),
    _text("status_code"),
    _text("message"),
    _text("created_utc"),
)
audit = _record(
    "audit",
    _text("at_utc"),
    _text("who"),
    _text("host"),
    _text("record"),
    Column("record_id", BigInteger, nullable=False),
    _text("old", missing=True),
    _text("new"),
    _text("reason", missing=True),
    _text("previous"),
    _text("hash", unique=True),
)
sources = Table(
    "sources",
    metadata,
    Column("path", Text, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
)
"""Which file was found to have which hash: a memory that spares reading, no record."""

Index("captures_by_sha256", captures.c.sha256)
Index("captures_by_path", captures.c.path)
Index("sources_by_bytes", sources.c.bytes)
Index("audit_by_record", audit.c.record, audit.c.record_id)

RECORDS: Final = tuple(table for table in metadata.sorted_tables if table.name not in ("store_meta", "sources"))
"""Tables to which rows are only added, the audit itself included."""

AUDITED: Final = tuple(table for table in RECORDS if table.name != "audit")

_REFUSAL: Final = "records are only ever added to, never changed or deleted"


def create(connection: Connection) -> None:
    """Make all tables, and the triggers that refuse to change or delete a record."""
    metadata.create_all(connection)
    for table in RECORDS:
        protect(connection, table.name)


def protect(connection: Connection, table: str) -> None:
    """Let the database refuse UPDATE and DELETE (and TRUNCATE, where there is one) on a table."""
    if connection.dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            )
        return
    connection.exec_driver_sql(
        "CREATE OR REPLACE FUNCTION nta_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    )
    for name, verbs in (("change", "UPDATE OR DELETE"), ("truncate", "TRUNCATE")):
        connection.exec_driver_sql(
            f"CREATE TRIGGER {table}_no_{name} BEFORE {verbs} ON {table} FOR EACH STATEMENT "
            "EXECUTE FUNCTION nta_refuse()"
        )
