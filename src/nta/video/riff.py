"""The structure of an AVI file, read by ourselves: what its headers claim and which chunks are really there.

FFmpeg repeats the header's frame count whatever it says, and invents 25 frames per second where no rate is
stated. Walking the chunks costs a few bytes read for each frame, and needs no index: the chain of chunks is
the truth, and what the indexes and the headers say of it is only compared.

References
----------
Microsoft, "AVI RIFF File Reference"; OpenDML AVI File Format Extensions 1.02 (1997).
"""

from __future__ import annotations

import re
import struct
from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from io import FileIO
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import Final

from nta.video.model import Fault, unreadable

# A disagreement between the two stated rates that is more than rounding.
_FPS_TOLERANCE: Final = 0.005
_CONTAINERS: Final = (b"RIFF", b"LIST")
# What may stand in a list of frames: data, index and palette chunks of a stream, padding, and lists.
_FRAME_LISTS: Final = (b"movi", b"rec ")
_IN_MOVI: Final = re.compile(rb"[0-9A-Fa-f]{2}[A-Za-z]{2}|ix[0-9]{2}|JUNK|LIST", re.DOTALL)
# What goes on after a RIFF whose stated size is too small: recorders let it wrap round at 4 GB.
_GOES_ON: Final = (b"RIFF", b"LIST", b"idx1", b"JUNK")
_INDEX_ENTRY: Final = 16
_INDEX_BLOCK: Final = _INDEX_ENTRY * (1 << 16)
# Palette changes, sound and subtitles carry a stream's number too.
_NO_FRAME: Final = (b"pc", b"wb", b"tx")
_PALETTE_CHANGE: Final = b"pc"
# RIFF, movi and rec: three deep; a file that nests its lists further is no video.
_MAX_DEPTH: Final = 8
_BITMAP_HEADER: Final = 40
_MAX_FORMAT: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Bitmap:
    """How the video stream's format chunk describes a picture (BITMAPINFOHEADER).

    Parameters
    ----------
    width, height : int
        Pixels; a negative height means that the top row comes first.
    bits : int
        Bits per pixel.
    compression : bytes
        Four-character code; four zero bytes mean a plain bitmap.
    colours : int
        Entries that the palette is said to have; 0 where there are more than 8 bits.
    palette : bytes
        Blue, green, red and a spare byte for each entry that is there.
    """

    width: int
    height: int
    bits: int
    compression: bytes
    colours: int
    palette: bytes


@dataclass(slots=True)
class Layout:
    """What an AVI says and what it holds.

    Parameters
    ----------
    size : int
        Bytes of the file.
    width, height : int
        As the main header states them.
    rate : Fraction or None
        Frames per second of the stream header.
    frame_us : int
        Frame time of the main header, µs.
    declared : int
        Frames that the main header or, in OpenDML files, its extension claims.
    handler : bytes
        Code of the codec in the stream header.
    bitmap : Bitmap or None
        The video stream's format.
    recolours : bool
        Whether the palette changes on the way.
    offsets, sizes, ticks : array
        Of each video chunk with data that is wholly inside the file: where its data begin, how many bytes
        they are, and how many video chunks, empty ones too, come before it.
    dropped : int
        Video chunks of zero length: the recorder's mark of a dropped frame.
    cut : str or None
        Where and how the file breaks off, ``None`` when it is whole.
    indexed : int
        Frames that the index at the end lists; 0 where there is none.
    """

    size: int
    width: int = 0
    height: int = 0
    rate: Fraction | None = None
    frame_us: int = 0
    declared: int = 0
    stream: bytes | None = None
    handler: bytes = b""
    bitmap: Bitmap | None = None
    recolours: bool = False
    offsets: array[int] = field(default_factory=lambda: array("q"), repr=False)
    sizes: array[int] = field(default_factory=lambda: array("q"), repr=False)
    ticks: array[int] = field(default_factory=lambda: array("q"), repr=False)
    dropped: int = 0
    cut: str | None = None
    indexed: int = 0
    _streams: int = field(default=0, repr=False)
    _last_stream: bytes = field(default=b"", repr=False)

    @property
    def chunks(self) -> int:
        """Video chunks with data that are wholly inside the file."""
        return len(self.offsets)

    def holds_frame(self, tag: bytes) -> bool:
        """Return whether a chunk with this tag is a frame of the video stream."""
        return self.stream is not None and tag[:2] == self.stream and tag[2:] not in _NO_FRAME

    @property
    def fps(self) -> Fraction | None:
        """The stated frame rate: the stream header's, else the main header's, else ``None``."""
        if self.rate is not None:
            return self.rate
        return Fraction(1_000_000, self.frame_us) if self.frame_us else None

    @property
    def step(self) -> int:
        """Chunks from one frame to the next, the median: 2 where every second chunk is empty."""
        return median_low([after - before for before, after in pairwise(self.ticks)]) if self.chunks > 1 else 1

    def check_one_size(self, path: Path) -> None:
        """Refuse headers that state two sizes of a frame; a missing height is none.

        Raises
        ------
        RejectedError
            ``unreadable``.
        """
        if self.bitmap is None or not self.bitmap.width:
            return
        stated, other = (self.width, self.height), (self.bitmap.width, abs(self.bitmap.height))
        if other not in (stated, (stated[0], other[1] if not stated[1] else stated[1])):
            raise unreadable(
                path, f"its headers state frames of {stated[0]} x {stated[1]} and of {other[0]} x {other[1]} pixels"
            )

    def faults(self) -> list[Fault]:
        """Return where the headers contradict each other or the chunks."""
        found = []
        if self.rate is not None and self.frame_us:
            other = 1e6 / self.frame_us
            if abs(other - float(self.rate)) > _FPS_TOLERANCE * float(self.rate):
                found.append(
                    Fault(
                        "fps_conflict",
                        f"the headers state {float(self.rate):.6g} and {other:.6g} frames per second; "
                        "give the right one with --fps",
                    )
                )
        if self.dropped:
            total = self.chunks + self.dropped
            found.append(
                Fault(
                    "dropped_frames",
                    f"the recorder dropped {self.dropped} of {total} frames; steps across a gap are not used",
                )
            )
        there = (self.chunks, self.chunks + self.dropped)
        claim = ("header claims", self.declared) if self.declared not in there else ("index lists", self.indexed)
        if self.cut is None and (self.declared not in there or self.indexed > there[1]):
            found.append(
                Fault(
                    "frame_count",
                    f"the {claim[0]} {claim[1]} frames and the file holds {self.chunks}; all "
                    f"{self.chunks} are measured, check that the recording was not cut short",
                )
            )
        return found


def scan(path: Path) -> Layout:
    """Read the headers of an AVI file and find its video chunks.

    Raises
    ------
    RejectedError
        ``unreadable`` when there is no video stream header.
    """
    layout = Layout(path.stat().st_size)
    # Unbuffered: a few bytes are wanted of each frame, and the next ones are a frame away.
    with path.open("rb", buffering=0) as file:
        _walk(file, layout, 0, layout.size)
    there = layout.chunks + layout.dropped
    if layout.cut is None and layout.indexed > there and layout.declared not in (layout.chunks, there):
        # Header and index against the chunks: frames are missing. The index alone is only a lying index.
        layout.cut = f"its index lists {layout.indexed} frames and {there} are there"
    if layout.stream is None or not layout.width:
        raise unreadable(path, "its AVI header is missing or broken")
    return layout


def _walk(file: FileIO, layout: Layout, start: int, end: int, within: bytes = b"", depth: int = 0) -> int:
    """Visit the chunks between two offsets, going into lists; ``within`` is the kind of the list.

    Returns where the last chunk ends. That is beyond ``end`` where the list states too small a size for
    what it begins to hold, and the chain goes on there.
    """
    at = start
    while at + 8 <= end:
        file.seek(at)
        tag: bytes
        size: int
        tag, size = struct.unpack("<4sI", file.read(8))
        if not within and tag not in _GOES_ON and not layout.holds_frame(tag):
            return at  # whatever was appended after the last RIFF is not part of the video
        if within in _FRAME_LISTS and _IN_MOVI.match(tag) is None:
            layout.cut = layout.cut or f"its chain of frames breaks off at byte {at}"
            return at
        if tag == b"\0\0\0\0" and size == 0:
            return at  # zero padding
        body, stop = at + 8, at + 8 + size
        if tag in _CONTAINERS and size == 0:
            layout.cut = "its headers were never completed, so the recording was interrupted"
            stop = layout.size
        elif stop > layout.size:
            layout.cut = layout.cut or f"{stop - layout.size} of {stop} bytes are missing"
            stop = layout.size
            if tag not in _CONTAINERS:
                return stop
        if tag in _CONTAINERS:
            kind = file.read(4)
            if depth == _MAX_DEPTH:
                layout.cut = layout.cut or f"its lists are nested too deeply at byte {at}"
                return stop
            stop = max(stop, _walk(file, layout, body + 4, stop, kind, depth + 1))
        else:
            _visit(file, layout, tag, body, size)
        at = stop + (stop & 1)
    return at


def _visit(file: FileIO, layout: Layout, tag: bytes, body: int, size: int) -> None:
    if layout.holds_frame(tag):
        if size:
            layout.ticks.append(layout.chunks + layout.dropped)
            layout.offsets.append(body)
            layout.sizes.append(size)
        else:
            layout.dropped += 1
    elif tag == b"avih" and size >= 40:
        layout.frame_us, *_, layout.declared = struct.unpack("<5I", file.read(20))
        file.seek(12, 1)
        layout.width, layout.height = struct.unpack("<2I", file.read(8))
    elif tag == b"strh" and size >= 36:
        _visit_stream(layout, file.read(36))
    elif tag == b"strf" and size >= _BITMAP_HEADER and layout._last_stream == b"vids" and layout.bitmap is None:
        layout.bitmap = _bitmap(file.read(min(size, _MAX_FORMAT)))
    elif tag == b"dmlh" and size >= 4:
        layout.declared = max(layout.declared, *struct.unpack("<I", file.read(4)))
    elif tag == b"idx1":
        _count_index(file, layout, size)
    elif layout.stream is not None and tag == layout.stream + _PALETTE_CHANGE:
        layout.recolours = True


def _count_index(file: FileIO, layout: Layout, size: int) -> None:
    left = size - size % _INDEX_ENTRY
    while left and (entries := file.read(min(left, _INDEX_BLOCK))):
        left -= len(entries)
        layout.indexed += sum(layout.holds_frame(entries[at : at + 4]) for at in range(0, len(entries), _INDEX_ENTRY))


def _visit_stream(layout: Layout, header: bytes) -> None:
    layout._last_stream = header[:4]
    if header[:4] == b"vids" and layout.stream is None:
        layout.stream, layout.handler = b"%02d" % layout._streams, header[4:8]
        scale, rate = struct.unpack("<2I", header[20:28])
        layout.rate = Fraction(rate, scale) if rate and scale else None
    layout._streams += 1


def _bitmap(data: bytes) -> Bitmap:
    length, width, height, _, bits, compression = struct.unpack_from("<IiiHH4s", data)
    (used,) = struct.unpack_from("<I", data, 32)
    entries = min(used or 256, 256) if bits <= 8 else 0
    start = length if _BITMAP_HEADER <= length <= len(data) else _BITMAP_HEADER
    return Bitmap(width, height, bits, compression, entries, data[start : start + 4 * entries])
