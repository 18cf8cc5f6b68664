"""The layout that NanoSight's summaries share: sections, rows of one key, one column a capture.

The same key stands in several sections, rows are ragged, and the columns of averages may be absent: nothing here counts
lines or columns from the beginning of a file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from nta.formats.text import TextFile, damaged, number, truncated

Row = list[str]

_HEADING: Final = re.compile(r"\[([^\]]+)\]")


@dataclass(slots=True)
class Sections:
    """A summary file by section.

    Parameters
    ----------
    file : TextFile
        What was read.
    rows : dict of list
        Rows of each section, by its name in lower case; ``""`` is what stands before the first one.
    names : tuple of str
        Captures, one a column.
    has_averages : bool
        Whether the columns "Average" and "Standard Error" follow those of the captures.
    """

    file: TextFile
    rows: dict[str, list[Row]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    has_averages: bool = False

    def cells(self, section: str, *starts: str) -> Row | None:
        """Return the cells after the key of the one row of a section whose key begins so, ``None`` without one."""
        found = [row for row in self.rows.get(section, []) if row and row[0].lower().startswith(starts)]
        if len(found) > 1:
            raise damaged(self.file.path, f"[{section}] states {found[0][0]!r} twice")
        return found[0][1:] if found else None

    def text(self, section: str, *starts: str) -> str:
        """Return the first cell after a key, empty where there is none."""
        cells = self.cells(section, *starts)
        return cells[0] if cells else ""

    def numbers(self, section: str, *starts: str) -> tuple[float, ...]:
        """Return one number a capture; NaN for each where the section has no such row."""
        cells = self.cells(section, *starts)
        if cells is None:
            return (math.nan,) * len(self.names)
        return numbers_of(self, cells, f"{starts[0]!r} in [{section}]")

    def averages(self, section: str, *starts: str) -> tuple[float, float]:
        """Return average and standard error of a row; NaN where the file has none."""
        return averages_of(self, self.cells(section, *starts) or [], f"the average of {starts[0]!r} in [{section}]")


def numbers_of(sections: Sections, cells: Sequence[str], what: str) -> tuple[float, ...]:
    """Return the numbers of the captures in a row without its key."""
    if len(cells) < len(sections.names):
        raise damaged(sections.file.path, f"{what} has {len(cells)} values for {len(sections.names)} captures")
    return tuple(number(sections.file.path, cell, what) for cell in cells[: len(sections.names)])


def averages_of(sections: Sections, cells: Sequence[str], what: str) -> tuple[float, float]:
    """Return average and standard error behind the captures of a row without its key; NaN where there are none."""
    start = len(sections.names)
    if not sections.has_averages or len(cells) < start + 2:
        return math.nan, math.nan
    path = sections.file.path
    return number(path, cells[start], what), number(path, cells[start + 1], what)


def read_sections(file: TextFile) -> Sections:
    """Return a summary by section.

    Raises
    ------
    RejectedError
        ``truncated`` without results or sizes, ``damaged`` where sections are doubled or captures have no names.
    """
    found = Sections(file, {"": []})
    current = found.rows[""]
    for row in file.rows():
        heading = _HEADING.fullmatch(row[0]) if row else None
        if heading is None:
            current.append(row)
            continue
        name = heading[1].strip().lower()
        if name in found.rows:
            raise damaged(file.path, f"the section [{heading[1]}] stands in it twice")
        current = found.rows[name] = [["", *row[1:]]]
    for needed in ("results", "size data"):
        if needed not in found.rows:
            raise truncated(file.path, f"it ends before its section [{needed.title()}]")
    found.names = _capture_names(found)
    header = found.rows["results"][0][1:]
    found.has_averages = header[len(found.names) :][:2] == ["Average", "Standard Error"]
    if "Average" in header and not found.has_averages:
        raise damaged(file.path, f"its averages do not follow its {len(found.names)} captures")
    return found


def _capture_names(sections: Sections) -> tuple[str, ...]:
    """Return the names of the captures: a row that stands outside what its place suggests."""
    rows = [row for name in ("", "experiment details") for row in sections.rows.get(name, [])]
    named = [row[1:] for row in rows if row and row[0].lower().startswith("filename")]
    cells = named[0] if named else []
    while cells and not cells[-1]:
        cells = cells[:-1]
    if len(named) != 1 or not cells or not all(cells) or len(set(cells)) < len(cells):
        raise damaged(sections.file.path, "it does not name its captures in one row 'Filename:'")
    return tuple(cells)


@dataclass(slots=True)
class Block:
    """One weighting of a section of distributions: its single rows and its table of bins."""

    weighting: str
    rows: list[Row] = field(default_factory=list)
    bins: list[Row] = field(default_factory=list)

    def cells(self, key: str) -> Row:
        """Return the cells after a key, none where it is not stated."""
        return next((row[1:] for row in self.rows if row and row[0].lower() == key), [])


def blocks(sections: Sections, section: str) -> Iterator[Block]:
    """Yield the weightings of a section of distributions, each begun by its row "Weighting"."""
    block: Block | None = None
    in_bins = False
    for row in sections.rows.get(section, []):
        key = row[0].lower() if row else ""
        if key == "weighting":
            if block is not None:
                yield block
            block, in_bins = Block(row[1].lower() if len(row) > 1 else ""), False
        elif block is None:
            continue
        elif key.startswith("bin centre"):
            in_bins = True
        elif in_bins and key and not key.startswith("percentile"):
            block.bins.append(row)
        else:
            in_bins = False
            block.rows.append(row)
    if block is not None:
        yield block
