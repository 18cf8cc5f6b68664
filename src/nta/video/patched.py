"""A video a part of whose field is covered with the picture beside it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from nta.video.model import Frame, Picker, Reader, Video
from nta.video.source import Source

Places = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True, slots=True)
class PatchedReader:
    """Reads another reader's frames and covers a part of each.

    Parameters
    ----------
    reader : Reader
        The other one.
    covered, shown : (rows, columns)
        Pixels that are covered, and for each the one shown in its place.
    """

    reader: Reader
    covered: Places = field(repr=False)
    shown: Places = field(repr=False)

    @property
    def is_seekable(self) -> bool:
        """Whether a frame is read without those before it."""
        return self.reader.is_seekable

    def numbered(
        self, *, start: int = 0, allow_partial: bool = False, source: Source | None = None
    ) -> Generator[tuple[int, Frame], None, None]:
        """Yield (frame number, frame) as the other reader does, each a copy."""
        for number, frame in self.reader.numbered(start=start, allow_partial=allow_partial, source=source):
            yield number, self._patched(frame)

    def picked(self, positions: Sequence[int]) -> list[Frame] | None:
        """Return the frames that the other reader picks."""
        frames = self.reader.picked(positions) if isinstance(self.reader, Picker) else None
        return None if frames is None else [self._patched(frame) for frame in frames]

    def count(self) -> int:
        """Return the number of frames."""
        return self.reader.count()

    def _patched(self, frame: Frame) -> Frame:
        patched = frame.copy()
        patched[self.covered] = frame[self.shown]
        return patched


def patched(video: Video, covered: NDArray[np.bool_]) -> Video:
    """Return the video with a part of its field covered by its own surroundings, mirrored at the part's border.

    Noise and spots there are those of the rest, so that nothing that is measured over the whole field is moved by it;
    what is found there is not to be counted.

    Parameters
    ----------
    video : Video
        Any.
    covered : (height, width) bool
        True where it is covered, not everywhere.
    """
    nearest = distance_transform_edt(covered, return_distances=False, return_indices=True)
    rows, columns = np.nonzero(covered)
    near = nearest[0][rows, columns], nearest[1][rows, columns]
    mirrored = 2 * near[0] - rows, 2 * near[1] - columns
    inside = np.logical_and.reduce(
        [(place >= 0) & (place < side) for place, side in zip(mirrored, covered.shape, strict=True)]
    )
    inside[inside] = ~covered[mirrored[0][inside], mirrored[1][inside]]
    shown = np.where(inside, mirrored[0], near[0]), np.where(inside, mirrored[1], near[1])
    return replace(video, reader=PatchedReader(video.reader, (rows, columns), shown))
