"""Frames that repeat the one before, bit for bit, and frames that are missing between two others.

Two frames of a camera are never equal, because their noise is not: a recorder repeats one where another is missing. It
shows no motion over one frame time, and the next one that of two: sizes come out wrong both ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nta.errors import RejectedError
from nta.video.model import Fault, Frame, Video

MAX_REPEATED_SHARE: Final = 0.02
"""Above this share of repeated frames the video is rejected: its time stamps are not believed any more."""

# Where fewer pixels than this change between two frames, equal frames may be the camera's own: a clipped dark
# ground is all zeros. Above it, 4,000 pixels agree by chance once in 10^89 frames.
_NOISY_SHARE: Final = 0.05


def is_noisy(samples: list[NDArray[Any]] | NDArray[Any]) -> bool:
    """Return whether frames of a video, (height, width) each, differ by so much noise that equal ones are copies."""
    pairs = zip(samples[1:], samples[:-1], strict=True)
    return float(np.median([np.mean(after != before) for after, before in pairs])) > _NOISY_SHARE


@dataclass(slots=True)
class RepeatFilter:
    """Leaves out frames that repeat the one before and keeps count of them.

    The numbers of the others stay, so that a repeated frame is a gap like a dropped one, and no displacement
    is taken across it.

    Parameters
    ----------
    is_active : bool
        Whether equal frames are copies in this video, by :func:`is_noisy`.
    n_frames, n_repeated, n_missing : int
        Frames seen, those of them that were left out, and those that the numbers lack between them.
    """

    is_active: bool
    n_frames: int = 0
    n_repeated: int = 0
    n_missing: int = 0

    def passed(self, numbered: Iterable[tuple[int, Frame]]) -> Iterator[tuple[int, Frame]]:
        """Yield (frame number, frame) of the frames that are not a copy of the one before."""
        last: Frame | None = None
        expected: int | None = None
        for number, frame in numbered:
            self.n_frames += 1
            self.n_missing += 0 if expected is None else max(0, number - expected)
            expected = number + 1
            if self.is_active and last is not None and _are_equal(last, frame):
                self.n_repeated += 1
                continue
            last = frame
            yield number, frame

    def faults(self, video: Video) -> tuple[Fault, ...]:
        """Return what is to be said of repeated and of missing frames, once all frames were seen.

        Raises
        ------
        RejectedError
            ``duplicated_frames`` above :data:`MAX_REPEATED_SHARE`.
        """
        return (*self._of_missing(video), *self._of_repeated(video))

    def _of_missing(self, video: Video) -> tuple[Fault, ...]:
        known = {fault.code for fault in video.faults}
        if video.allow_partial:
            left_out = 0 if video.source is None else video.source.left_out
            lost = max(self.n_missing, left_out)
            if not lost or known & {"partial", "dropped_frames"}:
                return ()
            return (Fault("partial", f"{lost} frames are damaged or missing and were left out; copy the file again"),)
        if not self.n_missing or "dropped_frames" in known:
            return ()
        total = self.n_frames + self.n_missing
        return (
            Fault(
                "dropped_frames",
                f"by their time stamps {self.n_missing} of {total} frames are missing; steps across a gap are not used",
            ),
        )

    def _of_repeated(self, video: Video) -> tuple[Fault, ...]:
        if not self.n_repeated:
            return ()
        counted = f"{self.n_repeated} of {self.n_frames} frames repeat the one before bit for bit"
        if self.n_repeated > MAX_REPEATED_SHARE * self.n_frames:
            raise RejectedError(
                f"'{video.path.name}' cannot be timed: {counted}, above the limit of {MAX_REPEATED_SHARE:.0%}; record "
                "at a frame rate that camera and disk keep up with, and export without changing the frame rate",
                code="duplicated_frames",
            )
        return (Fault("duplicated_frames", f"{counted}; they are left out and no step across them is used"),)


def _are_equal(one: Frame, other: Frame) -> bool:
    # One row tells nearly all frames apart, at a thousandth of the cost.
    middle = len(one) // 2
    return np.array_equal(one[middle], other[middle]) and np.array_equal(one, other)
