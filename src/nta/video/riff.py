"""The structure of an AVI file, read by ourselves: what its headers claim and which chunks are really there.

FFmpeg repeats the header's frame count whatever it says, and invents 25 frames per second where no rate is
stated. Walking the chunks costs a few bytes read for each frame.

References
----------
Microsoft, "AVI RIFF File Reference"; OpenDML AVI File Format Extensions 1.02 (1997).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

from nta.video.model import Fault, unreadable

# A disagreement between the two stated rates that is more than rounding.
_FPS_TOLERANCE: Final = 0.005
_CONTAINERS: Final = (b"RIFF", b"LIST")
# What may stand in a list of frames: data, index and palette chunks of a stream, padding, and lists.
_FRAME_LISTS: Final = (b"movi", b"rec ")
_IN_MOVI: Final = re.compile(rb"[0-9A-Fa-f]{2}[A-Za-z]{2}|ix[0-9]{2}|JUNK|LIST", re.DOTALL)
_INDEX_ENTRY: Final = 16
# Palette changes, sound and subtitles carry a stream's number too.
_NO_FRAME: Final = (b"pc", b"wb", b"tx")


@dataclass(slots=True)
class Layout:
    """What an AVI says and what it holds.

    Parameters
    ----------
    chunks : int
        Video chunks with data that are wholly inside the file.
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
    chunks: int = 0
    dropped: int = 0
    cut: str | None = None
    indexed: int = 0
    _streams: int = field(default=0, repr=False)

    def holds_frame(self, tag: bytes) -> bool:
        """Return whether a chunk with this tag is a frame of the video stream."""
        return self.stream is not None and tag[:2] == self.stream and tag[2:] not in _NO_FRAME

    @property
    def fps(self) -> Fraction | None:
        """The stated frame rate: the stream header's, else the main header's, else ``None``."""
        if self.rate is not None:
            return self.rate
        return Fraction(1_000_000, self.frame_us) if self.frame_us else None

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
        if self.cut is None and self.declared not in (self.chunks, self.chunks + self.dropped):
            found.append(
                Fault(
                    "frame_count",
                    f"the header claims {self.declared} frames and the file holds {self.chunks}; all "
                    f"{self.chunks} are measured, check that the recording was not cut short",
                )
            )
        return found


def scan(path: Path) -> Layout:
    """Read the headers of an AVI file and count its video chunks.

    Raises
    ------
    RejectedError
        ``unreadable`` when there is no video stream header.
    """
    layout = Layout(path.stat().st_size)
    with path.open("rb") as file:
        _walk(file, layout, 0, layout.size)
    there = layout.chunks + layout.dropped
    if layout.cut is None and layout.indexed > there:
        layout.cut = f"its index lists {layout.indexed} frames and {there} are there"
    if layout.stream is None or not layout.width:
        raise unreadable(path, "its AVI header is missing or broken")
    return layout


def _walk(file: BinaryIO, layout: Layout, start: int, end: int, within: bytes = b"") -> None:
    """Visit the chunks between two offsets, going into lists; ``within`` is the kind of the list."""
    at = start
    while at + 8 <= end:
        file.seek(at)
        tag, size = struct.unpack("<4sI", file.read(8))
        if not within and tag != b"RIFF":
            return  # whatever was appended after the last RIFF is not part of the video
        if within in _FRAME_LISTS and _IN_MOVI.match(tag) is None:
            layout.cut = layout.cut or f"its chain of frames breaks off at byte {at}"
            return
        if tag == b"\0\0\0\0" and size == 0:
            return  # zero padding
        body, stop = at + 8, at + 8 + size
        if tag in _CONTAINERS and size == 0:
            layout.cut = "its headers were never completed, so the recording was interrupted"
            stop = layout.size
        elif stop > layout.size:
            missing = f"{stop - layout.size} of {stop} bytes are missing"
            layout.cut = layout.cut or missing
            stop = layout.size
            if tag not in _CONTAINERS:
                return
        if tag in _CONTAINERS:
            kind = file.read(4)
            _walk(file, layout, body + 4, stop, kind)
        else:
            _visit(file, layout, tag, size)
        at = stop + (stop & 1)


def _visit(file: BinaryIO, layout: Layout, tag: bytes, size: int) -> None:
    if tag == b"avih" and size >= 40:
        layout.frame_us, *_, layout.declared = struct.unpack("<5I", file.read(20))
        file.seek(12, 1)
        layout.width, layout.height = struct.unpack("<2I", file.read(8))
    elif tag == b"strh" and size >= 36:
        _visit_stream(layout, file.read(36))
    elif tag == b"dmlh" and size >= 4:
        layout.declared = max(layout.declared, *struct.unpack("<I", file.read(4)))
    elif tag == b"idx1":
        entries = file.read(size - size % _INDEX_ENTRY)
        layout.indexed += sum(layout.holds_frame(entries[at : at + 4]) for at in range(0, len(entries), _INDEX_ENTRY))
    elif layout.holds_frame(tag):
        if size:
            layout.chunks += 1
        else:
            layout.dropped += 1


def _visit_stream(layout: Layout, header: bytes) -> None:
    if header[:4] == b"vids" and layout.stream is None:
        layout.stream = b"%02d" % layout._streams
        scale, rate = struct.unpack("<2I", header[20:28])
        layout.rate = Fraction(rate, scale) if rate and scale else None
    layout._streams += 1
