"""An AVI writer that can lie in every header field; independent of what it tests."""

from __future__ import annotations

import struct

GREY_PALETTE = b"".join(bytes((i, i, i, 0)) for i in range(256))


def chunk(tag: bytes, body: bytes, *, size: int | None = None) -> bytes:
    padding = b"\0" if len(body) % 2 else b""
    return tag + struct.pack("<I", len(body) if size is None else size) + body + padding


def dib_rows(image, *, bottom_up: bool = True) -> bytes:
    """Rows of a device-independent bitmap: padded to four bytes, the lowest row first."""
    height, width = image.shape
    padding = bytes(-width * image.itemsize % 4)
    rows = [image[y].tobytes() + padding for y in range(height)]
    return b"".join(reversed(rows) if bottom_up else rows)


def avi(
    frames: list[bytes],
    width: int,
    height: int,
    *,
    fourcc: bytes = b"Y800",
    bits: int = 8,
    palette: bytes = b"",
    scale: int = 1,
    rate: int = 25,
    frame_us: int = 40_000,
    total_frames: int | None = None,
    length: int | None = None,
    index: bool = True,
    riff_size: int | None = None,
    movi_size: int | None = None,
) -> bytes:
    """Return the bytes of an AVI; an empty frame is a zero-length chunk, a recorder's dropped frame."""
    total = len(frames) if total_frames is None else total_frames
    count = len(frames) if length is None else length
    avih = struct.pack("<14I", frame_us, 0, 0, 0x10, total, 0, 1, 0, width, abs(height), 0, 0, 0, 0)
    handler = fourcc if fourcc != b"\0\0\0\0" else b"DIB "
    strh = b"vids" + handler + struct.pack("<10I", 0, 0, 0, scale, rate, 0, count, 0, 0, 0)
    strh += struct.pack("<4H", 0, 0, width, abs(height))
    strf = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, bits, fourcc, 0, 0, 0, len(palette) // 4, 0) + palette
    hdrl = b"hdrl" + chunk(b"avih", avih) + chunk(b"LIST", b"strl" + chunk(b"strh", strh) + chunk(b"strf", strf))
    movi, entries = b"movi", b""
    for data in frames:
        entries += b"00db" + struct.pack("<3I", 0x10 if data else 0, len(movi), len(data))
        movi += chunk(b"00db", data)
    body = b"AVI " + chunk(b"LIST", hdrl) + chunk(b"LIST", movi, size=movi_size)
    if index:
        body += chunk(b"idx1", entries)
    return chunk(b"RIFF", body, size=riff_size)
