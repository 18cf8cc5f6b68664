"""Tables with one head and one kind of row: read at once, every row of one length, every number a number."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nta.formats.text import TextFile, damaged, read_text, shown

MAX_BYTES: Final = 512 << 20
"""Ten million positions; pandas needs a few times that in memory."""

_DELIMITERS: Final = (",", "\t", ";")
_TRUE: Final = frozenset(("true", "1", "yes"))
_FALSE: Final = frozenset(("false", "0", "no"))


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    Parameters
    ----------
    path : Path
        The file.
    sha256 : str
        Of its bytes.
    cells : DataFrame
        Text, by the names of the columns.
    """

    path: Path
    sha256: str
    cells: pd.DataFrame

    def numbers(self, column: str) -> NDArray[np.float64]:
        """Return a column as finite numbers.

        Raises
        ------
        RejectedError
            ``damaged`` where a cell is none, with its row.
        """
        if column not in self.cells:
            raise damaged(self.path, f"its column {column!r} is missing")
        found = pd.to_numeric(self.cells[column], errors="coerce").to_numpy(np.float64)
        bad = np.flatnonzero(~np.isfinite(found))
        if len(bad):
            cell = str(self.cells[column].iloc[bad[0]])
            raise damaged(self.path, f"{column} in row {bad[0] + 1} is {shown(cell)}, which is no number")
        return found

    def flags(self, column: str) -> NDArray[np.bool_]:
        """Return a column of True/False, 1/0 or Yes/No.

        Raises
        ------
        RejectedError
            ``damaged`` for anything else.
        """
        words = self.cells[column].str.strip(' "').str.lower()
        is_true, is_false = words.isin(_TRUE).to_numpy(), words.isin(_FALSE).to_numpy()
        bad = np.flatnonzero(~(is_true | is_false))
        if len(bad):
            cell = str(self.cells[column].iloc[bad[0]])
            raise damaged(self.path, f"{column} in row {bad[0] + 1} is {shown(cell)}, neither True nor False")
        return np.asarray(is_true, dtype=bool)


def head_of(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the delimiter and the names of the columns in the first line of a text."""
    line = text.lstrip("\ufeff").partition("\n")[0].rstrip("\r")
    delimiter = max(_DELIMITERS, key=line.count)
    return delimiter, tuple(cell.strip().strip('"').strip() for cell in line.split(delimiter))


def read_table(path: Path) -> Table:
    """Read a table with a head.

    Raises
    ------
    RejectedError
        ``damaged`` for a row with more or fewer cells than the head, or two columns of one name; and as
        :func:`nta.formats.text.read_text`.
    """
    file = read_text(path, MAX_BYTES)
    delimiter, names = head_of(file.text)
    # Rows may end with a delimiter that the head has not.
    while names and not names[-1]:
        names = names[:-1]
    if len(set(names)) < len(names):
        raise damaged(path, "two columns of its table have the same name")
    _check_rows(file, delimiter, len(names))
    body = file.text.partition("\n")[2]
    cells = (
        pd.read_csv(
            io.StringIO(body),
            sep=delimiter,
            header=None,
            names=list(names),
            usecols=range(len(names)),
            index_col=False,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            quoting=csv.QUOTE_NONE,  # a quotation mark in a number is damage, and must not swallow rows
        )
        if body.strip()
        else pd.DataFrame({name: pd.Series(dtype=str) for name in names})
    )
    return Table(path, file.sha256, cells)


def _check_rows(file: TextFile, delimiter: str, n_columns: int) -> None:
    """Refuse a row of another length: what follows a lost or doubled cell would be read as another quantity."""
    for number, line in enumerate(file.lines[1:], 1):
        found = line.count(delimiter) + 1
        # Cells at the end may be empty, and there may be more of these than the head has.
        needed = line.rstrip(f"{delimiter} ").count(delimiter) + 1
        if line.strip() and not needed <= n_columns <= found:
            raise damaged(file.path, f"row {number} of its table has {found} cells for {n_columns} columns")
