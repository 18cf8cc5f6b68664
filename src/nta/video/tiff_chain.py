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


def count_directories(path: Path) -> tuple[int, bool, int]:
    """Walk the chain of image directories.

    Returns
    -------
    count : int
        Directories that lie wholly inside the file.
    whole : bool
        Whether the chain ends where it says that it ends, and every value lies inside the file.
    described : int
        Bytes of the header, the directories and their values: all of the file that is not pictures.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        layout = _layout(file.read(16))
        if layout is None:
            return 0, False, 0
        at = layout.first
        seen: set[int] = set()
        whole, described = True, _HEADER
        while at:
            directory = None if at in seen else _read(file, layout, at, size)
            if directory is None:
                return len(seen), False, described
            seen.add(at)
            at, inside, length = directory
            whole = whole and inside
            described += length
    return len(seen), whole and bool(seen), described


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


def _read(file: BinaryIO, layout: _Layout, at: int, size: int) -> tuple[int, bool, int] | None:
    """Return where the next directory is, whether all values of this one lie inside the file, and its bytes.

    ``None`` when the directory itself does not.
    """
    if at + layout.count.size > size:
        return None
    file.seek(at)
    (entries,) = layout.count.unpack(file.read(layout.count.size))
    length = entries * layout.entry.size
    if file.tell() + length + layout.offset.size > size:
        return None
    inside, extents = True, 0
    for _, kind, number, value in layout.entry.iter_unpack(file.read(length)):
        extent = number * (_TYPE_BYTES[kind] if kind < len(_TYPE_BYTES) else 0)
        if extent > layout.offset.size:
            extents += extent
            inside = inside and layout.offset.unpack(value)[0] + extent <= size
    following = int(layout.offset.unpack(file.read(layout.offset.size))[0])
    return following, inside, layout.count.size + length + layout.offset.size + extents
