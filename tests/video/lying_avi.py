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


def headers(
    width: int,
    height: int,
    count: int,
    *,
    fourcc: bytes = b"Y800",
    handler: bytes | None = None,
    bits: int = 8,
    planes: int = 1,
    image_bytes: int = 0,
    palette: bytes = b"",
    colours_used: int | None = None,
    bitmap_header: int = 40,
    scale: int = 1,
    rate: int = 25,
    start: int = 0,
    frame_us: int = 40_000,
    flags: int = 0x10,
    total_frames: int | None = None,
    length: int | None = None,
    streams: int = 1,
    main_width: int | None = None,
    main_height: int | None = None,
    stream_kind: bytes = b"vids",
    rectangle: tuple[int, int] | None = None,
    index_of_indexes: bytes = b"",
    extended_frames: int | None = None,
) -> bytes:
    """Return the list of headers: main header, one stream header and its format."""
    total = count if total_frames is None else total_frames
    stated = (width if main_width is None else main_width, abs(height) if main_height is None else main_height)
    avih = struct.pack(
        "<14I", frame_us, 0, 0, flags, total, 0, streams, 0, *(n & 0xFFFFFFFF for n in stated), 0, 0, 0, 0
    )
    kind = handler if handler is not None else fourcc if fourcc != b"\0\0\0\0" else b"DIB "
    strh = stream_kind + kind
    strh += struct.pack("<10I", 0, 0, 0, scale, rate, start, count if length is None else length, 0, 0, 0)
    strh += struct.pack("<4H", 0, 0, *((width & 0xFFFF, abs(height) & 0xFFFF) if rectangle is None else rectangle))
    used = len(palette) // 4 if colours_used is None else colours_used
    strf = struct.pack("<IiiHH4sIiiII", bitmap_header, width, height, planes, bits, fourcc, image_bytes, 0, 0, used, 0)
    strl = b"strl" + chunk(b"strh", strh) + chunk(b"strf", strf + palette)
    if index_of_indexes:
        strl += chunk(b"indx", index_of_indexes)
    hdrl = b"hdrl" + chunk(b"avih", avih) + chunk(b"LIST", strl)
    if extended_frames is not None:
        hdrl += chunk(b"LIST", b"odml" + chunk(b"dmlh", struct.pack("<I", extended_frames) + bytes(244)))
    return chunk(b"LIST", hdrl)


def index_entries(frames: list[bytes], *, tag: bytes = b"00db", shift: int = 0, stretch: int = 0) -> bytes:
    """Return the old index; ``shift`` and ``stretch`` falsify each offset and size."""
    entries, at = b"", 4
    for data in frames:
        entries += tag + struct.pack("<3I", 0x10 if data else 0, (at + shift) & 0xFFFFFFFF, len(data) + stretch)
        at += 8 + len(data) + len(data) % 2
    return entries


def avi(
    frames: list[bytes],
    width: int,
    height: int,
    *,
    index: bool | bytes = True,
    riff_size: int | None = None,
    movi_size: int | None = None,
    tag: bytes = b"00db",
    between: bytes = b"",
    **lies,
) -> bytes:
    """Return the bytes of an AVI; an empty frame is a zero-length chunk, a recorder's dropped frame.

    ``between`` stands before every frame (sound, padding, a palette change); ``index`` may be other bytes.
    """
    movi = b"movi" + b"".join(between + chunk(tag, data) for data in frames)
    body = b"AVI " + headers(width, height, len(frames), **lies) + chunk(b"LIST", movi, size=movi_size)
    if index:
        body += chunk(b"idx1", index_entries(frames, tag=tag) if index is True else index)
    return chunk(b"RIFF", body, size=riff_size)


def opendml(parts: list[list[bytes]], width: int, height: int, *, index: bool = True, **lies) -> bytes:
    """Return an AVI 2.0: one RIFF for each part of the frames, each with its own index chunk.

    As in real ones, the main header counts the frames of the first RIFF only and ``dmlh`` all of them.
    """
    count = sum(len(part) for part in parts)
    options = {"total_frames": len(parts[0]), "extended_frames": count, "length": count} | lies
    # The index of indexes has the same length whatever stands in it: write once, then with the right places.
    places = [(0, 0, len(part)) for part in parts]
    for _ in range(2):
        data, places = _opendml(parts, width, height, places, index, options)
    return data


def _opendml(parts, width, height, places, index, options):
    entries = b"".join(struct.pack("<QII", *place) for place in places)
    above = struct.pack("<HBBI4s3I", 4, 0, 0, len(places), b"00db", 0, 0, 0) + entries
    head = headers(width, height, options["length"], index_of_indexes=above, **options)
    data, found = b"", []
    for number, part in enumerate(parts):
        start = len(data)
        before = (b"AVI " + head) if number == 0 else b"AVIX"
        movi_at = start + 8 + len(before) + 8
        movi, standard = b"movi", b""
        for frame in part:
            standard += struct.pack("<II", len(movi) + 8, len(frame))
            movi += chunk(b"00db", frame)
        own = struct.pack("<HBBI4sQI", 2, 0, 1, len(part), b"00db", movi_at, 0) + standard
        found.append((movi_at + len(movi), len(own) + 8, len(part)))
        if index:
            movi += chunk(b"ix00", own)
        body = before + chunk(b"LIST", movi)
        if number == 0 and index:
            body += chunk(b"idx1", index_entries(part))
        data += chunk(b"RIFF", body)
    return data, found
