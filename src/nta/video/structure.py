"""Whether an MP4, MOV or MKV file is whole, from the sizes that its outermost boxes state.

References
----------
ISO/IEC 14496-12 (box structure); RFC 8794 (EBML) and RFC 9559 (Matroska).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_SEGMENT = b"\x18\x53\x80\x67"


def mov_cut(path: Path) -> str | None:
    """Return how an MP4 or MOV file breaks off, ``None`` when every top-level box ends inside it."""
    size = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            length, kind = struct.unpack(">I4s", file.read(8))
            if length == 1:
                wide = file.read(8)
                if len(wide) < 8:
                    return "its last box is cut"
                (length,) = struct.unpack(">Q", wide)
            if length == 0:
                return None  # this box runs to the end of the file
            if length < 8 or at + length > size:
                missing = at + length - size
                name = kind.decode("ascii", "replace")
                return f"{missing} of {at + length} bytes are missing ({name} box)" if missing > 0 else None
            at += length
    return None


def matroska_cut(path: Path) -> str | None:
    """Return how an MKV file breaks off, ``None`` when its segment ends inside it or has no stated size."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(4)
        head = _vint(file)
        if head is None:
            return None
        file.seek(head, 1)
        if file.read(4) != _SEGMENT:
            return None
        length = _vint(file)
        if length is None:
            return None
        end = file.tell() + length
    return f"{end - size} of {end} bytes are missing" if end > size else None


def _vint(file: BinaryIO) -> int | None:
    """Read an EBML variable-length size (RFC 8794, 4); ``None`` for "unknown" or a broken one."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    width = 9 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0xFF >> width)]) + file.read(width - 1), "big")
    return None if value == (1 << (7 * width)) - 1 else value
