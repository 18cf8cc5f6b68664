"""The audit chain: every record's row hashed, each entry holding the hash of the one before.

One changed byte in a record breaks its own entry; one changed entry breaks the chain from there on. What a chain
alone cannot show is a tail cut off together with its records: for that the head is printed in reports, and
:func:`verify` takes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, select

from nta.store import schema

GENESIS: Final = "0" * 64
"""What the first entry has in place of the hash before it."""

_HASHED: Final = ("at_utc", "who", "host", "record", "record_id", "old", "new", "reason", "previous")
_LONGEST: Final = 200
"""Longer texts stand in the audit as their hash: the record itself holds them."""

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Verdict:
    """What :func:`verify` found.

    Parameters
    ----------
    entries : int
        Entries of the chain that were walked.
    head : str
        Hash of the last of them.
    broken : str or None
        The first row that is not what it was, and in which way; ``None`` where all hold.
    """

    entries: int
    head: str
    broken: str | None = None

    @property
    def holds(self) -> bool:
        """Whether every row is what it was when it was written."""
        return self.broken is None


def sha256_of(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8; lone surrogates of odd file names are kept apart."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def canonical(row: Mapping[str, Any]) -> str:
    """Return a row as JSON with sorted keys: the same text from SQLite and PostgreSQL."""
    return json.dumps(dict(row), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def image(row: Mapping[str, Any]) -> str:
    """Return what the audit keeps of a row: every value, long texts as their hash."""
    short = {
        name: {"sha256": sha256_of(value)} if isinstance(value, str) and len(value) > _LONGEST else value
        for name, value in row.items()
    }
    return canonical(short)


def entry_hash(entry: Mapping[str, Any]) -> str:
    """Return the hash of an audit entry, that of the entry before it included."""
    return sha256_of(canonical({name: entry[name] for name in _HASHED}))


def head(connection: Connection) -> str:
    """Return the hash of the last entry."""
    last = connection.execute(select(schema.audit.c.hash).order_by(schema.audit.c.id.desc()).limit(1)).scalar()
    return GENESIS if last is None else str(last)


def verify(connection: Connection, expected_head: str | None = None) -> Verdict:
    """Walk the chain from its first entry and compare every record with what was written.

    Parameters
    ----------
    connection : Connection
        With one view of the database for the whole walk.
    expected_head : str, optional
        A head that was noted before: it must be in the chain.
    """
    previous, entries, last_id = GENESIS, 0, 0
    seen = expected_head in (None, GENESIS)
    counted = {table.name: 0 for table in schema.AUDITED}
    while page := _page(connection, last_id):
        for entry in page:
            fault = _fault(connection, entry, previous)
            if fault is not None:
                return Verdict(entries, previous, fault)
            previous, last_id = entry["hash"], entry["id"]
            seen = seen or previous == expected_head
            entries += 1
            counted[entry["record"]] += 1
    for table in schema.AUDITED:
        rows = connection.execute(select(func.count()).select_from(table)).scalar_one()
        if rows != counted[table.name]:
            return Verdict(entries, previous, f"{table.name}: {rows} rows, but the audit knows {counted[table.name]}")
    if not seen:
        return Verdict(entries, previous, f"the head {expected_head} is not in the chain: its end has been cut off")
    return Verdict(entries, previous)


def _page(connection: Connection, after: int) -> list[Mapping[str, Any]]:
    query = select(schema.audit).where(schema.audit.c.id > after).order_by(schema.audit.c.id).limit(_PAGE)
    return [dict(row) for row in connection.execute(query).mappings()]


def _fault(connection: Connection, entry: Mapping[str, Any], previous: str) -> str | None:
    where = f"audit row {entry['id']}"
    if entry["previous"] != previous:
        return f"{where} does not follow the one before it: a row was taken out, put in or changed"
    if entry_hash(entry) != entry["hash"]:
        return f"{where} has been changed"
    table = schema.metadata.tables.get(entry["record"])
    if table is None or table not in schema.AUDITED:
        return f"{where} speaks of {entry['record']!r}, which is no record"
    row = connection.execute(select(table).where(table.c.id == entry["record_id"])).mappings().first()
    if row is None:
        return f"{entry['record']} row {entry['record_id']} has been deleted (audit row {entry['id']})"
    if image(dict(row)) != entry["new"]:
        return f"{entry['record']} row {entry['record_id']} has been changed (audit row {entry['id']})"
    return None
