"""Whether a JPEG picture of a film stands alone: cameras may write the tables once, for all pictures after.

References
----------
ITU-T T.81, annex B: marker segments, and the frame, scan, quantisation and Huffman table headers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

_QUANTISATION, _HUFFMAN, _SCAN = 0xDB, 0xC4, 0xDA
# Baseline and extended sequential frames, of which films are made.
_FRAMES: Final = (0xC0, 0xC1)
_START: Final = b"\xff\xd8"


def has_its_tables(packet: bytes) -> bool:
    """Return whether a picture defines every table that it names; False for one of several scans."""
    quantisation: set[int] = set()
    huffman: set[int] = set()
    asked: bytes = b""
    for marker, body in _segments(packet):
        if marker == _QUANTISATION:
            quantisation |= {first & 15 for first in _tables(body, _quantisation_length)}
        elif marker == _HUFFMAN:
            huffman |= set(_tables(body, _huffman_length))
        elif marker in _FRAMES:
            asked = body[8::3]
        elif marker == _SCAN and body and body[0] == len(asked) > 0:
            pairs = body[2 : 1 + 2 * len(asked) : 2]
            coding = {table for pair in pairs for table in (pair >> 4, 16 | (pair & 15))}
            return set(asked) <= quantisation and coding <= huffman
        elif marker == _SCAN:
            return False
    return False


def _segments(packet: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the marker segments of a picture up to its first scan."""
    at = len(_START)
    while packet.startswith(_START) and at + 4 <= len(packet) and packet[at] == 0xFF:
        length = int.from_bytes(packet[at + 2 : at + 4], "big")
        yield packet[at + 1], packet[at + 4 : at + 2 + length]
        at += 2 + length


def _tables(body: bytes, length_of: Callable[[bytes], int]) -> Iterator[int]:
    """Yield the first byte, which holds the name, of each whole table of a segment."""
    while body:
        length = length_of(body)
        if length <= len(body):
            yield body[0]
        body = body[length:]


def _quantisation_length(table: bytes) -> int:
    return 129 if table[0] >> 4 else 65


def _huffman_length(table: bytes) -> int:
    return 17 + sum(table[1:17])
