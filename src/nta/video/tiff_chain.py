"""The chain of image directories in a TIFF, walked by ourselves.

tifffile logs where the chain breaks off and returns the pages before it as if they were all.

References
----------
Adobe, TIFF Revision 6.0 (1992), section 2; BigTIFF (2007) has 64-bit offsets and counts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

_HEADER: Final = 16
# Bytes of one value of each field type; 0 for a type that nobody has defined.
_TYPE_BYTES: Final = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How this kind of TIFF writes a directory: entry count, entry, offset."""

    count: struct.Struct
    entry: struct.Struct
    offset: struct.Struct
    first: int


@dataclass(frozen=True, slots=True)
class Directories:
    """The image directories of a TIFF.

    Parameters
    ----------
    count : int
        Directories that lie wholly inside the file.
    whole : bool
        Whether the chain ends where it says that it ends, and every value lies inside the file.
    extents : tuple of (int, int)
        Place and length of each directory and of each value that stands outside it: what no picture may lie on.
    """

    count: int
    whole: bool
    extents: tuple[tuple[int, int], ...] = ()

    @property
    def described(self) -> int:
        """Bytes of the header, the directories and their values: all of the file that is not pictures."""
        return _HEADER + sum(length for _, length in self.extents)


def read_directories(path: Path) -> Directories:
    """Walk the chain of image directories."""
    size = path.stat().st_size
    with path.open("rb") as file:
        layout = _layout(file.read(16))
        if layout is None:
            return Directories(0, False)
        at = layout.first
        seen: set[int] = set()
        whole, extents = True, list[tuple[int, int]]()
        while at:
            directory = None if at in seen else _read(file, layout, at, size)
            if directory is None:
                return Directories(len(seen), False, tuple(extents))
            seen.add(at)
            at, inside, found = directory
            whole = whole and inside
            extents += found
    return Directories(len(seen), whole and bool(seen), tuple(extents))


def _layout(head: bytes) -> _Layout | None:
    order = "<" if head[:2] == b"II" else ">"
    if head[2:4] in (b"+\0", b"\0+"):
        if len(head) < 16:
            return None
        offset = struct.Struct(order + "Q")
        return _Layout(offset, struct.Struct(order + "HHQ8s"), offset, offset.unpack_from(head, 8)[0])
    if len(head) < 8:
        return None
    offset = struct.Struct(order + "I")
    return _Layout(struct.Struct(order + "H"), struct.Struct(order + "HHI4s"), offset, offset.unpack_from(head, 4)[0])


def _read(file: BinaryIO, layout: _Layout, at: int, size: int) -> tuple[int, bool, list[tuple[int, int]]] | None:
    """Return where the next directory is, whether all values of this one lie inside the file, and where it all lies.

    ``None`` when the directory itself does not.
    """
    if at + layout.count.size > size:
        return None
    file.seek(at)
    (entries,) = layout.count.unpack(file.read(layout.count.size))
    length = entries * layout.entry.size
    if file.tell() + length + layout.offset.size > size:
        return None
    inside = True
    extents = [(at, layout.count.size + length + layout.offset.size)]
    for _, kind, number, value in layout.entry.iter_unpack(file.read(length)):
        extent = number * (_TYPE_BYTES[kind] if kind < len(_TYPE_BYTES) else 0)
        if extent > layout.offset.size:
            place = layout.offset.unpack(value)[0]
            extents.append((place, extent))
            inside = inside and place + extent <= size
    following = int(layout.offset.unpack(file.read(layout.offset.size))[0])
    return following, inside, extents
