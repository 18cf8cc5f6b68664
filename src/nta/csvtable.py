"""CSV tables that a spreadsheet opens safely, and files that are either whole or not there."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from nta.estimate import Estimate

Cell = str | float | int | None

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(value: Cell) -> str | float | int:
    """Return what is written for ``value``: text that would run as a formula gets a leading ``'``.

    Numbers stay numbers, negative ones too; ``None``, NaN and infinity are empty cells.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Cell]]) -> str:
    """Return a table as CSV; a column that a row does not have is an empty cell.

    Parameters
    ----------
    columns : sequence of str
        Names in the order of the file.
    rows : iterable of mapping
        Values by column name.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([safe_cell(row.get(column)) for column in columns])
    return buffer.getvalue()


def json_row(row: Mapping[str, Cell]) -> dict[str, Cell]:
    """Return a row with ``None`` for NaN and infinity, as strict JSON wants it; text stays as it is."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()
    }


def write_whole(path: Path, text: str) -> None:
    """Write a text file under a temporary name and rename it, so that no reader ever sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def unfinished(path: Path) -> list[Path]:
    """Return what processes that were killed in :func:`write_whole` left beside a file."""
    return sorted(path.parent.glob(f".{path.name}.*.tmp"))


def estimate_cells(name: str, unit: str, estimate: Estimate) -> dict[str, Cell]:
    """Return an estimate as three cells: ``name_unit``, ``name_low_unit``, ``name_high_unit``."""
    return {
        f"{name}{part}{unit}": number
        for part, number in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high))
    }
