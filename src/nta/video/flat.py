"""Uncompressed frames that follow one another in a file, as TIFF stacks and NumPy arrays keep them."""

from __future__ import annotations

import io
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nta.video.model import Frame, truncated
from nta.video.source import Source


@dataclass(frozen=True, slots=True)
class FlatReader:
    """Reads frames of one size that lie without gaps.

    Parameters
    ----------
    path : Path
        The file.
    offset : int
        Where the first frame begins.
    dtype : str
        Type of a sample with its byte order, such as ``"<u2"``.
    shape : tuple of int
        Height and width.
    n_frames : int
        Frames that are there.
    invert : bool
        Whether zero means white.
    """

    path: Path
    offset: int
    dtype: str
    shape: tuple[int, int]
    n_frames: int
    invert: bool = False
    is_seekable: bool = True

    def numbered(
        self, *, start: int = 0, allow_partial: bool = False, source: Source | None = None
    ) -> Generator[tuple[int, Frame], None, None]:
        """Yield (frame number, frame) from frame ``start`` to the last one.

        Raises
        ------
        RejectedError
            ``truncated`` when the file has become shorter since it was opened, unless ``allow_partial``.
        """
        dtype = np.dtype(self.dtype)
        length = self.shape[0] * self.shape[1] * dtype.itemsize
        with self.path.open("rb", buffering=0) as file:
            for number in range(start, self.n_frames):
                frame = np.empty(self.shape, dtype)
                offset = self.offset + number * length
                if source is not None:
                    source.catch_up(file, offset)
                if fill(file, offset, frame) < length:
                    if allow_partial:
                        return
                    raise truncated(self.path, f"{number} of {self.n_frames} frames could be read")
                if source is not None:
                    source.feed(offset, frame.data)
                native = frame if dtype.isnative else frame.astype(dtype.newbyteorder("="))
                yield number, (np.iinfo(native.dtype).max - native if self.invert else native)

    def count(self) -> int:
        """Return the number of frames."""
        return self.n_frames


def fill(file: io.FileIO, offset: int, samples: NDArray[Any]) -> int:
    """Read into ``samples`` and return the bytes that were there: one call may give less than asked for."""
    view = samples.data.cast("B")
    file.seek(offset)
    done = 0
    while done < len(view) and (got := file.readinto(view[done:])):
        done += got
    return done
