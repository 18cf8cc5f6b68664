"""The text of a manifest, CSV or TOML, as rows of cells with their places; what is wrong with its form."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nta.batch.columns import COLUMNS, REQUIRED
from nta.errors import UsageError

SAMPLE_TABLE: Final = "sample"

_SHOWN: Final = f"{', '.join(REQUIRED)} and others; nta batch --template lists them"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it stands, and its cells by column."""

    place: str
    word: str
    cells: Mapping[str, str]

    def at(self, column: str) -> str:
        """Return the place of one of its cells."""
        return f"{self.place}, {self.word} {column}"


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{str(path)!r} is not UTF-8 text (byte {error.start}); save it as CSV UTF-8") from None
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from None


def csv_rows(path: Path, faults: list[str]) -> list[Row]:
    """Return the rows of a CSV; lines that begin with # are comments, and the header is row 1."""
    try:
        numbered = list(_numbered(_text(path)))
    except csv.Error as error:
        raise UsageError(f"{str(path)!r} is not a CSV: {error}; save it as CSV UTF-8") from None
    first, header = numbered[0] if numbered else (1, [])
    found = _header_faults(header, first)
    faults += found
    return [] if found else _cells(header, numbered[1:], faults)


def _numbered(text: str) -> list[tuple[int, list[str]]]:
    """Return every row with the number of its line; comments and empty rows are left out."""
    reader = csv.reader(io.StringIO(text, newline=""))
    numbered = []
    start = 1
    for cells in reader:
        stripped = [cell.strip() for cell in cells]
        if any(stripped) and not stripped[0].startswith("#"):
            numbered.append((start, stripped))
        start = reader.line_num + 1
    return numbered


def _header_faults(header: Sequence[str], row: int) -> list[str]:
    if len(header) == 1 and ";" in header[0]:
        return [f"row {row}: the columns are separated by semicolons; save it with commas"]
    faults = [f"row {row}, column {name}: missing; the columns are {_SHOWN}" for name in REQUIRED if name not in header]
    for number, name in enumerate(header, start=1):
        if name not in COLUMNS:
            faults.append(f"row {row}, column {name or number}: not known; the columns are {_SHOWN}")
        elif name in header[: number - 1]:
            faults.append(f"row {row}, column {name}: stands twice")
    return faults


def _cells(header: Sequence[str], numbered: Sequence[tuple[int, list[str]]], faults: list[str]) -> list[Row]:
    rows = []
    for number, cells in numbered:
        if len(cells) > len(header):
            faults.append(f"row {number}: has {len(cells)} cells for {len(header)} columns")
        else:
            rows.append(Row(f"row {number}", "column", dict(zip(header, cells, strict=False))))
    return rows


def toml_rows(path: Path, faults: list[str]) -> list[Row]:
    """Return one row for each ``[[sample]]``; keys above the first one hold for all samples."""
    try:
        document = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{str(path)!r} is not a TOML file: {error}") from None
    tables = document.pop(SAMPLE_TABLE, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{str(path)!r}: samples are written under [[{SAMPLE_TABLE}]], one heading each")
    faults += [f"key {name}: not known; the keys are {_SHOWN}" for name in document if name not in COLUMNS]
    rows = []
    for number, table in enumerate(tables, start=1):
        place = f"sample {number}"
        # Inside [[sample]] its name is called "name" as well as "sample".
        named = {("sample" if key == "name" else key): value for key, value in table.items()}
        faults += [f"{place}, key {name}: not known; the keys are {_SHOWN}" for name in named if name not in COLUMNS]
        merged = {name: value for name, value in {**document, **named}.items() if name in COLUMNS}
        cells = {name: _cell(place, name, value, faults) for name, value in merged.items()}
        rows.append(Row(place, "key", cells))
    return rows


def _cell(place: str, name: str, value: Any, faults: list[str]) -> str:  # noqa: ANN401  # whatever TOML holds
    if isinstance(value, list) and COLUMNS[name].kind == "paths" and all(isinstance(part, str) for part in value):
        return ";".join(value)
    if isinstance(value, bool | list | dict):
        faults.append(f"{place}, key {name}: {value!r} is not possible here; write a text or a number")
        return ""
    return value.strip() if isinstance(value, str) else str(value)
