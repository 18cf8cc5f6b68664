"""The text of a manifest, CSV or TOML, as rows of cells with their places; what is wrong with its form."""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from nta.batch.columns import COLUMNS, REQUIRED
from nta.batch.sources import VIDEO_SUFFIXES
from nta.errors import UsageError

SAMPLE_TABLE: Final = "sample"

_SEPARATORS: Final = (",", ";", "\t")
_HEAD_BYTES: Final = 1 << 16

# Where numbers have a decimal comma a spreadsheet writes 12,5; "1,000" and "1.000" are 1 here and 1000 there.
_DECIMAL_COMMA: Final = re.compile(r"([+-]?\d+),(\d+)")
_TWO_MEANINGS: Final = re.compile(r"[+-]?\d{1,3}([.,]\d{3})+")

_SHOWN: Final = f"{', '.join(REQUIRED)} and others; nta batch --template lists them"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it stands, and its cells by column; a column that the header lacks has none."""

    place: str
    word: str
    cells: Mapping[str, str]

    def at(self, column: str) -> str:
        """Return the place of one of its cells."""
        return f"{self.place}, {self.word} {column}"


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if b"\0" in head:  # a video, say: gigabytes that need not be read
                raise _no_text(path, f"byte {head.index(0)}")
            return (head + file.read()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_text(path, f"byte {error.start}") from None
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from None


def _no_text(path: Path, place: str) -> UsageError:
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return UsageError(f"{str(path)!r} is no manifest; give its folder, or measure it alone with nta analyze")
    return UsageError(f"{str(path)!r} is not UTF-8 text ({place}); save it as CSV UTF-8")


def csv_header(path: Path) -> list[str]:
    """Return the header of a CSV as a manifest would have it, empty where there is none."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        head = file.read(_HEAD_BYTES).replace("\0", "")
    try:
        return next(iter(_numbered(head, _separator(head))), (1, []))[1]
    except csv.Error:
        return []


def csv_rows(path: Path, faults: list[str]) -> list[Row]:
    """Return the rows of a CSV; lines that begin with # are comments, and the header is row 1.

    Cells are separated by commas, semicolons or tabs, whichever the header has. Where it has semicolons, numbers may
    have a decimal comma: so a spreadsheet writes them in many countries.
    """
    text = _text(path)
    separator = _separator(text)
    try:
        numbered = list(_numbered(text, separator))
    except csv.Error as error:
        raise UsageError(f"{str(path)!r} is not a CSV: {error}; save it as CSV UTF-8") from None
    first, header = numbered[0] if numbered else (1, [])
    faults += _header_faults(header, first)
    rows = _cells(header, numbered[1:], faults)
    return [_with_points(row, faults) for row in rows] if separator == ";" else rows


def _separator(text: str) -> str:
    """Return what separates the cells of the first line that is no comment."""
    lines = (line.strip() for line in io.StringIO(text))
    header = next((line for line in lines if line.strip(",;\t") and not line.startswith(("#", '"#'))), "")
    return max(_SEPARATORS, key=header.count)


def _numbered(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield every row with the number of its line; comments and empty rows are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    start = 1
    for cells in reader:
        stripped = [cell.strip() for cell in cells]
        if any(stripped) and not stripped[0].startswith("#"):
            yield start, stripped
        start = reader.line_num + 1


def _with_points(row: Row, faults: list[str]) -> Row:
    """Return a row with points in its numbers; one that has two meanings is a fault."""
    cells = dict(row.cells)
    for name, cell in row.cells.items():
        if COLUMNS[name].kind != "number":
            continue
        if _TWO_MEANINGS.fullmatch(cell):
            faults.append(f"{row.at(name)}: {cell!r} has two meanings; write it like 1000 or 12,5, without a separator")
            cells[name] = ""
        else:
            cells[name] = _DECIMAL_COMMA.sub(r"\1.\2", cell) if _DECIMAL_COMMA.match(cell) else cell
    return replace(row, cells=cells)


def _header_faults(header: Sequence[str], row: int) -> list[str]:
    faults = [f"row {row}, column {name}: missing; the columns are {_SHOWN}" for name in REQUIRED if name not in header]
    for number, name in enumerate(header, start=1):
        if name not in COLUMNS:
            faults.append(f"row {row}, column {name or number}: not known; the columns are {_SHOWN}")
        elif name in header[: number - 1]:
            faults.append(f"row {row}, column {name}: stands twice")
    return faults


def _cells(header: Sequence[str], numbered: Sequence[tuple[int, list[str]]], faults: list[str]) -> list[Row]:
    """Return the rows with a cell for every column that is known; what is wrong elsewhere is said all the same."""
    places = {name: header.index(name) for name in header if name in COLUMNS}
    rows = []
    for number, cells in numbered:
        if len(cells) > len(header):
            faults.append(f"row {number}: has {len(cells)} cells for {len(header)} columns")
        elif places:
            padded = [*cells, *[""] * (len(header) - len(cells))]
            rows.append(Row(f"row {number}", "column", {name: padded[place] for name, place in places.items()}))
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
        stated = {**dict.fromkeys(REQUIRED, ""), **document, **named}
        merged = {name: value for name, value in stated.items() if name in COLUMNS}
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
