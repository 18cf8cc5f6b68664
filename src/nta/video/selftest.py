"""Whether the PyAV that is installed gives the pictures that are in a file: one that turns them over has no error.

PyAV before 17.1 hands out bottom-up bitmaps as garbage; a later one may again.
"""

from __future__ import annotations

import functools
import io
import struct
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.error import FFmpegError

from nta.errors import FailedError, RejectedError
from nta.video import pixels

_WIDTH, _HEIGHT = 4, 3
# Grey as three equal channels, every pixel of another level: turned over or sheared it is another picture.
_PICTURE: Final = np.arange(10, 10 + _WIDTH * _HEIGHT, dtype=np.uint8).reshape(_HEIGHT, _WIDTH)


def _chunk(tag: bytes, body: bytes) -> bytes:
    return tag + struct.pack("<I", len(body)) + body


def _bitmap_avi() -> bytes:
    """Return an AVI with one uncompressed colour picture, its bottom row first."""
    rows = np.repeat(_PICTURE[::-1, :, None], 3, axis=2).tobytes()
    avih = struct.pack("<14I", 40_000, 0, 0, 0, 1, 0, 1, len(rows), _WIDTH, _HEIGHT, 0, 0, 0, 0)
    strh = b"vidsDIB " + struct.pack("<10I", 0, 0, 0, 1, 25, 0, 1, len(rows), 0, 0) + bytes(8)
    strf = struct.pack("<IiiHHIIiiII", 40, _WIDTH, _HEIGHT, 1, 24, 0, len(rows), 0, 0, 0, 0)
    strl = _chunk(b"LIST", b"strl" + _chunk(b"strh", strh) + _chunk(b"strf", strf))
    hdrl = _chunk(b"LIST", b"hdrl" + _chunk(b"avih", avih) + strl)
    movi = _chunk(b"LIST", b"movi" + _chunk(b"00db", rows))
    return _chunk(b"RIFF", b"AVI " + hdrl + movi)


@functools.cache
def check_decoder() -> None:
    """Decode a picture that is known, once in a process.

    Raises
    ------
    FailedError
        ``decoder`` when another picture comes out.
    """
    try:
        with av.open(io.BytesIO(_bitmap_avi()), mode="r", format="avi") as container:
            frames = [pixels.grey(Path("self-test"), frame) for frame in container.decode(video=0)]
    except (FFmpegError, RejectedError) as error:
        raise _broken(f"cannot decode a bitmap ({error})") from error
    if len(frames) != 1 or not np.array_equal(frames[0], _PICTURE):
        raise _broken("turns bottom-up bitmaps into other pictures")


def _broken(what: str) -> FailedError:
    return FailedError(
        f"PyAV {av.__version__} {what}, so no compressed video can be trusted: install av>=17.1,<19", code="decoder"
    )
