"""Uncompressed 8-bit grey AVI, read by ourselves: the samples go from the file into the frame, untouched.

These are the files that instruments write. Our own walk through the chunks (:mod:`nta.video.riff`) knows where
each frame lies, so that any frame can be read without those before it, and one read gives both the frames and
the hash of the file.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.errors import RejectedError
from nta.video.flat import fill
from nta.video.model import Fault, Frame, Video, check_scale, check_size, damaged, truncated, unreadable, unsupported
from nta.video.riff import Bitmap, Layout
from nta.video.source import Source

# Codes of one grey byte per pixel, top row first.
_GREY: Final = (b"Y800", b"GREY", b"Y8  ", b"Y8\0\0")
# A plain bitmap: the bottom row first unless its height is negative, rows padded to four bytes.
_BITMAP: Final = (b"\0\0\0\0", b"DIB ", b"RGB ")
_SIXTEEN: Final = (b"Y16 ", b"Y16\0")
_ROW_ALIGNMENT: Final = 4
# Recorders that write past the operating system's buffers round a frame up to whole disk sectors.
_SECTOR: Final = 512
_LARGEST_SECTOR: Final = 4096

Shades = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class RawReader:
    """Reads frames where the walk through the chunks found them.

    Parameters
    ----------
    path : Path
        The file.
    width, height, stride : int
        Pixels of a row and rows; bytes from one row to the next.
    offsets : array of int
        Where each frame's data begin.
    numbers : array of int
        Number of each frame, dropped ones counted too.
    bottom_up : bool
        Whether the bottom row comes first.
    shades : (n,) uint8 or None
        Grey level of each palette entry; ``None`` where the samples are the grey levels.
    """

    path: Path
    width: int
    height: int
    stride: int
    offsets: array[int] = field(repr=False)
    numbers: array[int] = field(repr=False)
    bottom_up: bool
    shades: Shades | None = field(compare=False)
    is_seekable: bool = True

    def numbered(
        self, *, start: int = 0, allow_partial: bool = False, source: Source | None = None
    ) -> Generator[tuple[int, Frame], None, None]:
        """Yield (frame number, frame) from frame ``start`` to the end of the file.

        Raises
        ------
        RejectedError
            ``truncated`` when the file has become shorter since it was opened, ``damaged`` when a sample is
            outside the palette; unless ``allow_partial``.
        """
        with self.path.open("rb", buffering=0) as file:
            for position in range(start, len(self.offsets)):
                rows = np.empty((self.height, self.stride), np.uint8)
                offset = self.offsets[position]
                if source is not None:
                    source.catch_up(file, offset)
                if fill(file, offset, rows) < rows.nbytes:
                    if allow_partial:
                        return
                    raise truncated(self.path, f"{position} of {len(self.offsets)} frames could be read")
                if source is not None:
                    source.feed(offset, rows.data)
                # Views: whoever needs the rows in this order in memory copies them anyway.
                frame = rows if self.stride == self.width else rows[:, : self.width]
                if self.bottom_up:
                    frame = frame[::-1]
                if self.shades is not None:
                    if len(self.shades) <= int(frame.max()):
                        if allow_partial:
                            continue
                        raise damaged(self.path, f"frame {position} uses grey levels that its palette lacks")
                    frame = self.shades[frame]
                yield self.numbers[position], frame

    def count(self) -> int:
        """Return the number of frames."""
        return len(self.offsets)


def is_raw_grey(layout: Layout) -> bool:
    """Return whether an AVI holds uncompressed 8-bit grey frames, so that :func:`open_raw` reads it."""
    bitmap = layout.bitmap
    if bitmap is None or layout.recolours:
        return False
    if bitmap.compression.upper() in _GREY:
        return True
    return bitmap.compression in _BITMAP and bitmap.bits == 8 and _shades(bitmap) is not None


def refuse_sixteen_bits(path: Path, layout: Layout) -> None:
    """Refuse uncompressed 16-bit AVI: FFmpeg takes plain 16-bit samples for 5-bit colour, without an error.

    Raises
    ------
    RejectedError
        ``unsupported``, with the format to use instead.
    """
    bitmap = layout.bitmap
    if bitmap is None:
        return
    if bitmap.compression in _SIXTEEN or (bitmap.compression in _BITMAP and bitmap.bits == 16):
        raise unsupported(
            path, "16-bit raw AVI", "save 16-bit grey TIFF or FFV1 in MKV, or 8-bit AVI, from the instrument"
        )


def open_raw(path: Path, layout: Layout, *, allow_partial: bool = False) -> Video:
    """Open an uncompressed grey AVI; see :func:`nta.video.open_video`."""
    bitmap = layout.bitmap
    assert bitmap is not None  # noqa: S101  # is_raw_grey looked at it
    width, height = bitmap.width, abs(bitmap.height)
    check_size(path, layout.width, layout.height or height)
    check_size(path, width, height)
    faults: list[Fault] = []
    if layout.cut is not None:
        if not allow_partial:
            raise truncated(path, layout.cut)
        faults.append(Fault("partial", f"the file is cut: {layout.cut}; only what is there is measured"))
    faults += layout.faults()
    if not layout.chunks:
        raise RejectedError(f"'{path.name}' holds no frames, only headers; record it again", code="too_short")
    layout.check_one_size(path)
    if bitmap.compression in _BITMAP and not bitmap.palette and layout.handler.upper() in _GREY:
        raise unreadable(path, "its headers disagree on which row comes first")
    if bitmap.compression in _BITMAP and bitmap.palette and len(bitmap.palette) < 4 * bitmap.colours:
        raise unreadable(path, f"its palette has {len(bitmap.palette) // 4} of {bitmap.colours} colours")
    held = Counter(layout.sizes).most_common(1)[0][0]
    stride = _stride(path, held, width, height)
    kept = _whole_frames(path, layout, held, faults, allow_partial=allow_partial)
    shades = _shades(bitmap) if bitmap.compression in _BITMAP else None
    if shades is not None:
        check_scale(path, shades)
    step = layout.step
    reader = RawReader(
        path=path,
        width=width,
        height=height,
        stride=stride,
        offsets=array("q", (layout.offsets[place] for place in kept)),
        numbers=_numbers([layout.ticks[place] for place in kept], step),
        bottom_up=bitmap.compression in _BITMAP and bitmap.height > 0,
        shades=None if shades is None or _is_identity(shades) else shades,
    )
    return Video(
        path=path,
        width=width,
        height=height,
        bit_depth=8,
        n_frames=len(kept),
        fps=None if layout.fps is None else float(layout.fps / step),
        mpp=None,
        exposure_ms=None,
        codec="rawvideo",
        container="avi",
        is_lossy=False,
        reader=reader,
        faults=tuple(faults),
        allow_partial=allow_partial,
    )


def _stride(path: Path, held: int, width: int, height: int) -> int:
    """Return the bytes from one row to the next, by what the frames really hold.

    Plain bitmaps pad rows to four bytes and grey codes often do not; a size that fits neither would shear
    the picture, so it is refused.
    """
    padded = width + -width % _ROW_ALIGNMENT
    for stride in (padded, width):
        if held == stride * height:
            return stride
    if padded == width and held % _SECTOR == 0 and 0 < held - width * height < _LARGEST_SECTOR:
        return width
    raise unreadable(
        path, f"its frames hold {held} bytes, and {width} x {height} pixels of 8 bits need {width * height}"
    )


def _whole_frames(path: Path, layout: Layout, held: int, faults: list[Fault], *, allow_partial: bool) -> list[int]:
    """Return the places of the frames that hold as many bytes as most do."""
    kept = [place for place, size in enumerate(layout.sizes) if size == held]
    if len(kept) < layout.chunks:
        odd = next(place for place, size in enumerate(layout.sizes) if size != held)
        detail = f"frame {odd} holds {layout.sizes[odd]} bytes where the others hold {held}"
        if not allow_partial:
            raise damaged(path, detail)
        if not any(fault.code == "partial" for fault in faults):
            faults.append(Fault("partial", f"{detail}; {layout.chunks - len(kept)} such frames are left out"))
    return kept


def _numbers(ticks: list[int], step: int) -> array[int]:
    """Return the frame numbers: chunks since the first frame over the chunks of a frame time, always rising."""
    numbers = array("q", [0])
    for before, after in pairwise(ticks):
        numbers.append(numbers[-1] + max(1, round((after - before) / step)))
    return numbers


def _shades(bitmap: Bitmap) -> Shades | None:
    """Return the grey level of each palette entry, ``None`` where one has a colour.

    Without any palette the samples are the grey levels: nothing else can be meant.
    """
    entries = np.frombuffer(bitmap.palette, np.uint8, count=len(bitmap.palette) // 4 * 4).reshape(-1, 4)[:, :3]
    if not len(entries):
        return np.arange(256, dtype=np.uint8)
    if not ((entries[:, 0] == entries[:, 1]) & (entries[:, 1] == entries[:, 2])).all():
        return None
    return np.ascontiguousarray(entries[:, 0])


def _is_identity(shades: Shades) -> bool:
    return len(shades) == 256 and bool((shades == np.arange(256)).all())
