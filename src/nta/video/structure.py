"""Whether an MP4, MOV or MKV file is whole, from the sizes that its outermost boxes state.

References
----------
ISO/IEC 14496-12 (box structure); RFC 8794 (EBML) and RFC 9559 (Matroska).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO, FileIO
from pathlib import Path
from typing import Final

_SEGMENT: Final = b"\x18\x53\x80\x67"
_CLUSTER: Final = b"\x1f\x43\xb6\x75"
_TRACKS: Final = b"\x16\x54\xae\x6b"
_TRACK, _NUMBER, _KIND, _VIDEO = b"\xae", b"\xd7", b"\x83", 1
_SIMPLE_BLOCK, _GROUP, _BLOCK = b"\xa3", b"\xa0", b"\xa1"
_CHECKSUM: Final = b"\xbf\x84"
_MAX_TRACKS: Final = 1 << 20
# Padding and checksums may stand anywhere.
_ANYWHERE: Final = frozenset((b"\xec", b"\xbf"))
# Seek head, info, cues, attachments, chapters and tags.
_TOP: Final = frozenset(
    (
        _CLUSTER,
        _TRACKS,
        b"\x11\x4d\x9b\x74",
        b"\x15\x49\xa9\x66",
        b"\x1c\x53\xbb\x6b",
        b"\x19\x41\xa4\x69",
        b"\x10\x43\xa7\x70",
        b"\x12\x54\xc3\x67",
    )
)
# Time stamp, position, size of the one before: numbers. Two of their names are one bit away from a picture's.
_NUMBERS: Final = frozenset((b"\xe7", b"\xa7", b"\xab"))
_LONGEST_NUMBER: Final = 8
# Those and silent tracks. Encrypted pictures are none that could be read.
_IN_CLUSTER: Final = frozenset((_SIMPLE_BLOCK, _GROUP, b"\x58\x54", *_NUMBERS))


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
                name = kind.decode("ascii") if kind.isalnum() else "unknown"
                return f"{missing} of {at + length} bytes are missing ({name} box)" if missing > 0 else None
            at += length
    return None


@dataclass(slots=True)
class Matroska:
    """What an MKV file holds.

    Parameters
    ----------
    cut : str or None
        How many bytes are missing at its end, ``None`` when it is whole.
    broken : str or None
        Where the chain of its elements does not go on, ``None`` when it does.
    blocks : int
        Pictures of the first video track: FFmpeg looks for the next cluster where the chain is broken, and the
        pictures between are gone without a word.
    track : int or None
        Number of that track.
    tracks : frozenset of int
        Numbers of all tracks.
    """

    cut: str | None = None
    broken: str | None = None
    blocks: int = 0
    track: int | None = None
    tracks: frozenset[int] = frozenset()


def matroska(path: Path) -> Matroska:
    """Walk through the clusters of an MKV file, reading a few bytes of each picture."""
    found = Matroska()
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        file.seek(4)
        head = _vint(file)
        if head is None or head > size:
            return found
        file.seek(head, 1)
        if file.read(4) != _SEGMENT:
            return found
        length = _vint(file)
        end = size if length is None else file.tell() + length
        _walk(file, found, min(end, size), _TOP)
    if end > size:
        found.cut, found.broken = f"{end - size} of {end} bytes are missing", None
    return found


def _walk(file: FileIO, found: Matroska, end: int, known: frozenset[bytes]) -> None:
    """Visit the elements of the segment or of one cluster, from here to ``end``."""
    while (at := file.tell()) < end and found.broken is None:
        kind = _identifier(file)
        if kind in _TOP and known is not _TOP:
            file.seek(at)  # a cluster of unknown size ends where the next one begins
            return
        is_known = kind in known or kind in _ANYWHERE
        length = _vint(file) if is_known else None
        if not is_known or (length is None and kind != _CLUSTER):
            found.broken = f"its chain of clusters breaks off at byte {at}"
            return
        if kind in _NUMBERS and length is not None and length > _LONGEST_NUMBER:
            found.broken = f"a number of {length} bytes stands at byte {at}, where a picture may have been"
            return
        body = file.tell()
        stop = end if length is None else body + length
        if stop > end:
            found.broken = f"an element at byte {at} reaches beyond what it is part of"
            return
        if kind == _CLUSTER:
            _walk(file, found, stop, _IN_CLUSTER)
            if length is None:
                continue
        elif kind == _TRACKS:
            tracks = file.read(min(stop - body, _MAX_TRACKS))
            if not _has_its_checksum(tracks):
                found.broken = f"the checksum of its track list at byte {at} is wrong"
                return
            found.track, found.tracks = _video_track(tracks)
        elif kind == _SIMPLE_BLOCK or (kind == _GROUP and _seek_block(file, stop)):
            track = _vint(file)
            if track not in found.tracks:
                found.broken = f"a picture at byte {at} belongs to no track"
                return
            found.blocks += track == found.track
        file.seek(stop)


def _seek_block(file: FileIO, end: int) -> bool:
    """Go to the data of the block of a group; return whether there is one."""
    while file.tell() < end:
        kind, length = _identifier(file), _vint(file)
        if kind == _BLOCK:
            return True
        if kind is None or length is None or length > end - file.tell():
            return False
        file.seek(length, 1)
    return False


def _has_its_checksum(data: bytes) -> bool:
    """Return whether an element that begins with a checksum agrees with it (RFC 8794, 11.3.1)."""
    if not data.startswith(_CHECKSUM):
        return True
    start = len(_CHECKSUM)
    return zlib.crc32(data[start + 4 :]) == int.from_bytes(data[start : start + 4], "little")


def _video_track(tracks: bytes) -> tuple[int | None, frozenset[int]]:
    """Return the number of the first video track, and those of all tracks."""
    video, numbers = None, set()
    for entry in _children(tracks, _TRACK):
        number, kind = (next(_children(entry, name), b"") for name in (_NUMBER, _KIND))
        numbers.add(int.from_bytes(number, "big"))
        if video is None and int.from_bytes(kind, "big") == _VIDEO and number:
            video = int.from_bytes(number, "big")
    return video, frozenset(numbers)


def _children(data: bytes, wanted: bytes) -> Iterator[bytes]:
    file = BytesIO(data)
    while kind := _identifier(file):
        length = _vint(file)
        if length is None:
            return
        body = file.read(length)
        if kind == wanted:
            yield body


def _identifier(file: FileIO | BytesIO) -> bytes | None:
    """Read an EBML element identifier (RFC 8794, 5), marker bit included; ``None`` for a broken one."""
    first = file.read(1)
    if not first or first[0] < 0x10:
        return None
    return first + file.read(8 - first[0].bit_length())


def _vint(file: FileIO | BytesIO) -> int | None:
    """Read an EBML variable-length size (RFC 8794, 4); ``None`` for "unknown" or a broken one."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    width = 9 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0xFF >> width)]) + file.read(width - 1), "big")
    return None if value == (1 << (7 * width)) - 1 else value
