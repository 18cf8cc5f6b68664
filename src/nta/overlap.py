"""Whether particles are so many that their light covers the picture: then it is taken for noise, and few are found."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nta.detection.medians import median_over_frames
from nta.detection.streams import core_sd
from nta.errors import RejectedError
from nta.settings import Settings
from nta.threads import in_threads
from nta.video import Video

# Five of the first 25 frames: some tenths of a second apart particles have moved.
_FRAMES: Final = 25
_TAKEN: Final = 5

# Films of 640 x 480 px, spots of 1.4 px sd: 0.2 at 2,000 particles per frame, 0.8 at 5,000. A film that was compressed
# has up to 0.6 between its spots.
_CORRELATED: Final = 0.7
# The brightest pixel in a thousand, in sd of all: 3.1 for noise, correlated or not, 5 to 7 for light upon light, and
# above 10 where spots stand apart.
_OVERLAPPING: Final = (4.5, 8.0)
_CLIP_SD: Final = 3.0


def refuse_overlapping(video: Video, settings: Settings | None = None) -> None:
    """Refuse a video whose particles overlap all over the picture; lossy films, whose noise is smooth, are not judged.

    Camera noise differs from pixel to pixel. What changes from frame to frame over whole spots is light, and where no
    spot stands out of it nothing can be followed.

    Parameters
    ----------
    video : Video
        Its first frames are read.
    settings : Settings, optional
        The frames and the field that are looked at.

    Raises
    ------
    RejectedError
        ``too_dense``.
    """
    settings = Settings() if settings is None else settings
    if video.is_lossy:
        return
    start, stop = (0, None) if settings.frames is None else settings.frames
    left, top, width, height = (0, 0, video.width, video.height) if settings.roi is None else settings.roi
    last = start + _FRAMES if stop is None else min(stop, start + _FRAMES)
    some = [frame[top : top + height, left : left + width] for frame in video.frames(start, last)]
    if len(some) < _TAKEN:
        return
    correlation, brightest_sd = _of_differences(np.stack(some[:: len(some) // _TAKEN]))
    if correlation > _CORRELATED and _OVERLAPPING[0] < brightest_sd < _OVERLAPPING[1]:
        raise RejectedError(
            f"'{video.path.name}' is full of light in which no particle stands alone (neighbouring pixels change "
            f"together by {correlation:.2f}, above the limit of {_CORRELATED:g}): dilute the sample",
            code="too_dense",
        )


def _of_differences(frames: NDArray[Any]) -> tuple[float, float]:
    """Return how much neighbouring pixels change together, bright spots left out, and the 99.9 % quantile in sd."""
    differences = np.diff(frames.astype(np.float32), axis=0) / np.float32(np.sqrt(2.0))
    differences -= np.array([*in_threads(np.median, differences)])[:, None, None]
    sd = core_sd([one.reshape(-1) for one in differences], least=0.2)
    inside = np.abs(differences) <= _CLIP_SD * sd
    products = [
        float(np.mean((one * other)[both])) if (both := ok & next_ok).any() else 0.0
        for one, other, ok, next_ok in (
            (differences[..., 1:], differences[..., :-1], inside[..., 1:], inside[..., :-1]),
            (differences[:, 1:], differences[:, :-1], inside[:, 1:], inside[:, :-1]),
        )
    ]
    spread = np.abs(frames - median_over_frames(frames))  # dark particles as well
    return float(np.mean(products)) / sd**2, float(np.quantile(spread, 0.999)) / sd
