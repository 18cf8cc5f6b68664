"""Text that other programs wrote: read once, hashed, decoded strictly, and its numbers taken only as numbers."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nta.errors import RejectedError, UsageError

MAX_BYTES: Final = 64 << 20
"""A hundred times the largest export that was seen; a table of tracks has a limit of its own."""

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_STATED: Final = frozenset(("", "not recorded", "n/a", "unknown", "auto", "-"))
# Tab, line feed and carriage return are the only control characters that a table holds.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file as it was read.

    Parameters
    ----------
    path : Path
        The file.
    text : str
        Its text, lines ended by a line feed.
    sha256 : str
        Of its bytes, lower-case hexadecimal.
    """

    path: Path
    text: str
    sha256: str

    @property
    def lines(self) -> list[str]:
        """The lines, without what ends them."""
        return self.text.split("\n")

    def rows(self, delimiter: str = ",") -> list[list[str]]:
        """Return the cells of each line, white space around them removed.

        Raises
        ------
        RejectedError
            ``damaged`` for a quotation mark that never closes.
        """
        # One reader a line: a quotation mark that is lost must not swallow the lines after it.
        rows = []
        for number, line in enumerate(self.lines, 1):
            try:
                row = next(csv.reader(io.StringIO(line), delimiter=delimiter, strict=True), [])
            except csv.Error as error:
                raise damaged(self.path, f"line {number} is not a row of a table ({error})") from None
            rows.append([cell.strip() for cell in row])
        return rows


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> TextFile:
    """Read a text file: UTF-8 with or without a byte order mark, else Windows-1252 or ISO-8859-1.

    Raises
    ------
    UsageError
        If there is no such file or it is not a regular one.
    RejectedError
        ``empty``, ``unreadable``, ``too_large``, ``not_text``.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{str(path)!r} is not a regular file; give the exported text file")
        if found.st_size > max_bytes:
            raise RejectedError(
                f"{path.name!r} has {found.st_size / 1e6:.0f} MB, above the limit of {max_bytes / 1e6:.0f} MB for a "
                "file of this kind; check that it is what it seems",
                code="too_large",
            )
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"no such file: {str(path)!r}") from None
    except (OSError, ValueError) as error:
        raise RejectedError(
            f"{path.name!r} cannot be read: {error}; check its permissions", code="unreadable"
        ) from None
    if not data:
        raise RejectedError(f"{path.name!r} is empty (0 bytes); export it again", code="empty")
    text = _decoded(data).replace("\r\n", "\n").replace("\r", "\n")
    if _CONTROL.search(text) is not None:
        raise RejectedError(
            f"{path.name!r} is not a text file: it holds control characters; export it again as text", code="not_text"
        )
    return TextFile(path, text, hashlib.sha256(data).hexdigest())


def _decoded(data: bytes) -> str:
    data = data.removeprefix(b"\xef\xbb\xbf")  # a byte order mark stays one where the rest is not UTF-8
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("iso-8859-1")


def number(path: Path, text: str, what: str) -> float:
    """Return a number; NaN where the file says that there is none.

    Raises
    ------
    RejectedError
        ``damaged`` for anything else.
    """
    cell = text.strip()
    if cell.lower() in _NOT_STATED:
        return math.nan
    if _NUMBER.fullmatch(cell) is None or not math.isfinite(value := float(cell)):
        raise damaged(path, f"{what} is {shown(cell)}, which is no number")
    return value


def numbers(path: Path, cells: Sequence[str], what: str) -> tuple[float, ...]:
    """Return the numbers of several cells; see :func:`number`."""
    return tuple(number(path, cell, what) for cell in cells)


def shown(text: str, longest: int = 40) -> str:
    """Return a text for a message: quoted, on one line, not longer than it needs."""
    return repr(text if len(text) <= longest else f"{text[:longest]}…")


def damaged(path: Path, detail: str) -> RejectedError:
    """Return the error for an export that contradicts its own layout."""
    return RejectedError(f"{path.name!r} is damaged: {detail}; export it again", code="damaged")


def truncated(path: Path, detail: str) -> RejectedError:
    """Return the error for an export that ends too early."""
    return RejectedError(f"{path.name!r} is truncated: {detail}; copy or export it again", code="truncated")
