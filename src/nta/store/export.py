"""The records of a store as tables for other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import Connection, select

from nta.csvtable import csv_text, write_whole
from nta.errors import FailedError
from nta.store import engine as engines
from nta.store import reading, schema
from nta.store.store import Store

Form = Literal["csv", "json", "parquet"]

FORMS: Final = ("csv", "json", "parquet")

Row = dict[str, Any]


def _samples(connection: Connection) -> Iterator[Row]:
    yield from reading.rows(connection)


def _distributions(connection: Connection) -> Iterator[Row]:
    """Yield every row of every current distribution, with its sample beside it."""
    table = schema.distributions
    for row in reading.rows(connection):
        if row["id"] is None:
            continue
        text = connection.execute(select(table.c.csv).where(table.c.measurement_id == row["id"])).scalar_one()
        names = {name: row[name] for name in ("id", "lot", "day", "sample")}
        for line in csv.DictReader(io.StringIO(text)):
            yield names | {name: float(value) if value else None for name, value in line.items()}


def _captures(connection: Connection) -> Iterator[Row]:
    for row in connection.execute(select(schema.captures).order_by(schema.captures.c.id)).mappings():
        yield {name: value for name, value in row.items() if name != "inputs"}


def _audit(connection: Connection) -> Iterator[Row]:
    yield from map(dict, connection.execute(select(schema.audit).order_by(schema.audit.c.id)).mappings())


TABLES: Final[dict[str, Callable[[Connection], Iterator[Row]]]] = {
    "samples": _samples,
    "distributions": _distributions,
    "captures": _captures,
    "audit": _audit,
}
"""What can be exported."""


def export(store: Store, table: str, form: Form, path: Path) -> int:
    """Write a table of a store to a file, whole or not at all, and return its number of rows.

    Parameters
    ----------
    store : Store
        Which store.
    table : str
        A key of :data:`TABLES`.
    form : {"csv", "json", "parquet"}
        CSV cells that a spreadsheet would run as a formula get a leading quote; JSON and Parquet keep the raw text.
    path : Path
        Where to.

    Raises
    ------
    FailedError
        If the file cannot be written.
    """
    with engines.reading(store.engine, store.name) as connection:
        rows = list(TABLES[table](connection))
    try:
        if form == "parquet":
            _write_parquet(rows, path)
        elif form == "json":
            write_whole(path, json.dumps(rows, allow_nan=False, ensure_ascii=False, indent=2) + "\n")
        else:
            write_whole(path, csv_text(list(rows[0]) if rows else [], rows))
    except OSError as error:
        raise FailedError(f"cannot write {str(path)!r}: {error.strerror or error}", code="not_writable") from error
    return len(rows)


def _write_parquet(rows: list[Row], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    temporary = path.with_name(f".{path.name}.tmp")
    try:
        pq.write_table(pa.Table.from_pylist(rows), temporary, compression="zstd")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
