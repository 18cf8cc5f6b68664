"""Bytes that no encoder writes into a compressed picture: what a bad sector or an interrupted copy leaves there.

Decoders make a picture of them without an error. Single changed bits make legal bytes nearly always, and are not found;
nor are zeros in JPEG, whose codes may be such that a dark picture is nothing else.

References
----------
ITU-T H.264 and H.265, 7.4.1 and 7.4.2 (no three bytes 000000, 000001 or 000002 inside a NAL unit) and annex B (start
codes); ISO/IEC 14496-15 (lengths in place of start codes).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

Check = Callable[[bytes], bool]

_INSIDE_UNIT: Final = re.compile(rb"\0\0[\0\x01\x02]")
_BETWEEN_START_CODES: Final = re.compile(rb"\0\0\x02|\0\0\0+[^\0\x01]")
# Where the records of the two codecs hold the length of a length: both begin with version 1.
_LENGTH_SIZE_AT: Final = {"h264": 4, "hevc": 21}


def check_of(codec: str, extradata: bytes | None) -> Check:
    """Return the function that says whether a packet of a stream may have come from an encoder.

    Parameters
    ----------
    codec : str
        FFmpeg's name; of codecs other than ``h264`` and ``hevc`` nothing is known.
    extradata : bytes or None
        What the container states of the stream, which says how units are told apart.
    """
    if codec not in _LENGTH_SIZE_AT:
        return lambda _: True
    at = _LENGTH_SIZE_AT[codec]
    if extradata is None or len(extradata) <= at or extradata[0] != 1:
        return lambda packet: _BETWEEN_START_CODES.search(packet) is None
    length_size = (extradata[at] & 3) + 1
    return lambda packet: _are_possible_units(packet, length_size)


def _are_possible_units(packet: bytes, length_size: int) -> bool:
    at = 0
    while at < len(packet):
        start = at + length_size
        at = start + int.from_bytes(packet[at:start], "big")
        if at == start or at > len(packet) or _INSIDE_UNIT.search(packet, start, at):
            return False
    return True
