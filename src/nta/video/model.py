"""What a video is to the rest of the library: a frozen noun whose frames are read when they are asked for."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nta.errors import RejectedError, UsageError
from nta.video.source import Source

Frame = NDArray[np.uint8] | NDArray[np.uint16]

# Four times the largest camera in use; a header that claims more is damaged or a bomb.
MAX_PIXELS: Final = 100_000_000

_COPY_AGAIN: Final = "copy it again, or use --allow-partial to measure what is there"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a video and does not prevent reading it.

    Parameters
    ----------
    code : str
        Stable short word: ``lossy_source``, ``fps_conflict``, ``frame_count``, ``dropped_frames``,
        ``duplicated_frames``, ``partial``, ``pixel_size``, ``saturated``.
    message : str
        What it means and what to do, in one sentence.
    """

    code: str
    message: str


class Reader(Protocol):
    """How one kind of container gives its frames; each call opens the file anew."""

    @property
    def is_seekable(self) -> bool:
        """Whether a frame is read without those before it."""

    def numbered(
        self, *, start: int = 0, allow_partial: bool = False, source: Source | None = None
    ) -> Generator[tuple[int, Frame], None, None]:
        """Yield (frame number, 2-D frame) from frame ``start`` to the last one; what is read goes to ``source``."""

    def count(self) -> int:
        """Return the number of frames without decoding them."""


@runtime_checkable
class Picker(Protocol):
    """A reader that is not seekable and may all the same leave out frames that nobody asks for."""

    def picked(self, positions: Sequence[int]) -> list[Frame] | None:
        """Return the frames at ascending positions as strict reading gives them, ``None`` where all must be read."""


@dataclass(frozen=True)
class Video:
    """A video on disk: what it says of itself, and its frames on request.

    Nothing is held open between calls, and the whole object can be sent to another process.

    Parameters
    ----------
    path : Path
        The file.
    width, height : int
        Size of a frame in pixels.
    bit_depth : int
        Significant bits of a sample: 8 comes as ``uint8``; 10, 12, 14 or 16 come as ``uint16``.
    n_frames : int or None
        Frames that the container holds, as counted or declared before decoding; ``None`` where it is silent.
    fps : float or None
        Frames per second, ``None`` where the container does not truly state them.
    mpp : float or None
        Micrometres per pixel.
    exposure_ms : float or None
        Exposure of one frame, ms.
    codec, container : str
        How the pixels are coded (``"ffv1"``) and wrapped (``"avi"``).
    is_lossy : bool
        Whether the codec threw detail away, which moves centroids.
    faults : tuple of Fault
        What is wrong and was seen before any frame was decoded.
    allow_partial : bool
        Read what is there of a truncated or damaged file instead of rejecting it.
    """

    path: Path
    width: int
    height: int
    bit_depth: int
    n_frames: int | None
    fps: float | None
    mpp: float | None
    exposure_ms: float | None
    codec: str
    container: str
    is_lossy: bool
    reader: Reader = field(repr=False)
    faults: tuple[Fault, ...] = ()
    allow_partial: bool = False
    source: Source | None = field(default=None, repr=False, compare=False)

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Yield frames one by one, decoding them as they are asked for.

        Parameters
        ----------
        start, stop : int, optional
            Half-open range of positions among the frames that the file holds, counted from 0.

        Yields
        ------
        ndarray
            Shape (height, width), uint8 or uint16, C-contiguous, native byte order, owned by the caller.

        Raises
        ------
        RejectedError
            ``truncated`` or ``damaged`` when the file ends too early or a frame cannot be decoded, unless
            the video was opened with ``allow_partial``.
        UsageError
            If the range is negative or reversed.
        """
        for _, frame in self.numbered_frames(start, stop):
            yield frame if frame.flags.c_contiguous else frame.copy()

    def numbered_frames(
        self, start: int = 0, stop: int | None = None, *, hashed: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        """Yield (frame number, frame), where the number counts dropped frames too.

        The number is the time stamp since the first frame in units of the frame time, so two neighbours
        whose numbers differ by more than 1 have frames missing between them. ``start`` and ``stop`` count
        the frames that are there, as in :meth:`frames`. A frame may be a view whose rows run backwards in memory,
        as bottom-up bitmaps keep them, or one without the padding of its rows: a copy costs as much as the read.
        With ``hashed`` what is read is hashed at once, so that :meth:`sha256` is that of the bytes which gave the
        frames, and does not read them again.
        """
        if start < 0 or (stop is not None and stop < start):
            raise UsageError(f"frames {start}:{stop} is not a range; give 0 <= start <= stop")
        if stop == start:
            return
        source = self.source if hashed and start == 0 else None
        frames = self.reader.numbered(start=start, allow_partial=self.allow_partial, source=source)
        try:
            for position, numbered in enumerate(frames, start):
                yield numbered
                if stop is not None and position + 1 >= stop:
                    return
                start = position + 1
            if self.source is not None:
                self.source.left_out = max(0, (self.n_frames or 0) - start)
            if source is not None:
                source.complete()
        finally:
            frames.close()

    def sample(self, n: int, start: int = 0, stop: int | None = None) -> list[Frame]:
        """Return ``n`` evenly spaced frames of a range, or all of them where there are fewer.

        Only these frames are read where the container allows it, and only those that they need are decoded where the
        codec tells which (FFV1, MJPEG); otherwise the file is decoded once from its beginning and only the frames
        asked for are kept. Damage in frames that are left out shows when all are read. Where the number of frames is
        unknown it is counted first.

        Raises
        ------
        RejectedError
            As :meth:`frames`.
        UsageError
            If ``n`` is not positive.
        """
        if n < 1:
            raise UsageError(f"{n} frames cannot be sampled; ask for at least 1")
        held = self.n_frames if self.n_frames is not None else self.reader.count()
        total = max(0, (held if stop is None else min(stop, held)) - start)
        # The middle of each of n equal stretches: neither end of the video is favoured.
        wanted = {int((2 * k + 1) * total / (2 * n)) for k in range(n)} if total > n else set(range(total))
        if self.reader.is_seekable:
            return [
                frame for position in sorted(wanted) for frame in self.frames(start + position, start + position + 1)
            ]
        # Of a file that is read in part, only decoding tells which frames are there.
        if not self.allow_partial and isinstance(self.reader, Picker):
            picked = self.reader.picked([start + position for position in sorted(wanted)])
            if picked is not None:
                return picked
        last = start + max(wanted, default=-1) + 1
        return [frame for position, frame in enumerate(self.frames(start, last)) if position in wanted]

    def sha256(self) -> str:
        """Return the SHA-256 of the file's bytes as lower-case hexadecimal.

        What :meth:`numbered_frames` hashed while it read is not read again.

        Raises
        ------
        RejectedError
            ``source_changed`` when the file is not the one that was opened any more.
        """
        return (self.source if self.source is not None else Source(self.path)).sha256()


def truncated(path: Path, detail: str) -> RejectedError:
    """Return the error for a file that ends before its last frame."""
    return RejectedError(
        f"'{path.name}' is truncated: {detail}; {_COPY_AGAIN}",
        code="truncated",
    )


def damaged(path: Path, detail: str) -> RejectedError:
    """Return the error for a file with a frame that cannot be decoded."""
    return RejectedError(
        f"'{path.name}' is damaged: {detail}; {_COPY_AGAIN}",
        code="damaged",
    )


def unreadable(path: Path, detail: str) -> RejectedError:
    """Return the error for a file that looks like a video and cannot be opened."""
    return RejectedError(
        f"'{path.name}' cannot be read: {detail}; copy it again from the instrument", code="unreadable"
    )


def coloured(path: Path) -> RejectedError:
    """Return the error for a video whose channels differ."""
    return RejectedError(
        f"'{path.name}' is a colour video; record or export it in grey (equal channels count as grey)",
        code="colour",
    )


def unsupported(path: Path, what: str, instead: str) -> RejectedError:
    """Return the error for samples that nta does not read, with the format to use instead."""
    return RejectedError(f"'{path.name}' holds {what}, which is not read; {instead}", code="unsupported")


def check_scale(path: Path, shades: NDArray[np.uint8]) -> None:
    """Refuse a palette whose greys do not only rise or only fall: some spots would be dark, or gone.

    Raises
    ------
    RejectedError
        ``unsupported``.
    """
    steps = np.diff(shades.astype(np.int16))
    if not ((steps > 0).all() or (steps < 0).all()):
        raise unsupported(path, "a palette that is no scale of greys", "save 8-bit grey AVI without a palette")


def float_samples(path: Path, dtype: np.dtype[Any], first: NDArray[Any], instead: str) -> RejectedError:
    """Return the error for floating-point samples; the ``first`` ones tell whether they are numbers at all."""
    if not np.isfinite(first).all():
        return RejectedError(
            f"'{path.name}' holds samples that are not numbers (NaN or infinity); {instead}", code="non_finite"
        )
    return unsupported(path, f"floating-point samples ({dtype})", instead)


def check_size(path: Path, width: int, height: int) -> None:
    """Refuse a header that asks for absurd memory, before anything is allocated for it.

    Raises
    ------
    RejectedError
        ``too_large`` above :data:`MAX_PIXELS`, ``unreadable`` when there are no pixels at all.
    """
    if width < 1 or height < 1:
        raise unreadable(path, f"its frames are {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise RejectedError(
            f"'{path.name}' claims frames of {width} x {height} pixels, above the limit of "
            f"{MAX_PIXELS / 1e6:.0f} million; crop it, or check that it is what it seems",
            code="too_large",
        )
