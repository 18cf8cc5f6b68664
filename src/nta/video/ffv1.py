"""The checksums of FFV1 slices, which FFmpeg only mentions in its log before it shows the damaged frame; key frames.

References
----------
RFC 9043 (FFV1 versions 0, 1 and 3), section 4.9 "Slice Footer": slice_size (24 bits), error_status (8 bits),
slice_crc_parity (32 bits); the CRC of a whole slice is zero (polynomial 0x04C11DB7, initial value 0). Section 4.4
"Frame" and 3.8.1 "Range Coding Mode": first comes the bit that says whether it is a key frame, coded with state 128.
"""

from __future__ import annotations

import zlib
from typing import Final

_FOOTER: Final = 8

# zlib computes the same polynomial with the bits of every byte mirrored: mirror them first.
_MIRROR: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def has_checksums(packet: memoryview | bytes) -> bool:
    """Return whether the footers of a packet's slices chain up to its start, as they do with checksums."""
    return _slices(packet) is not None


def is_intact(packet: memoryview | bytes) -> bool:
    """Return whether every slice of a packet agrees with its checksum."""
    slices = _slices(packet)
    # zlib inverts at both ends: starting from all ones, a remainder of 0 comes out as all ones.
    return slices is not None and all(zlib.crc32(part.translate(_MIRROR), 0xFFFFFFFF) == 0xFFFFFFFF for part in slices)


def is_key(packet: memoryview | bytes) -> bool:
    """Return whether a packet holds a key frame, which is decoded without those before it."""
    # The coder's range is 0xFF00 at first, and state 128 takes half of it for a bit that is set.
    return int.from_bytes(packet[:2], "big") >= 0xFF00 - (0xFF00 * 128 >> 8)


def _slices(packet: memoryview | bytes) -> list[bytes] | None:
    parts: list[bytes] = []
    end = len(packet)
    while end > _FOOTER:
        start = end - _FOOTER - int.from_bytes(packet[end - _FOOTER : end - _FOOTER + 3], "big")
        if start < 0:
            return None
        parts.append(bytes(packet[start:end]))
        end = start
    return parts if end == 0 and parts else None
