"""Video -> Detections, beside what is always at the top of the camera's range.

A reflection, a bubble or the edge of the cell hides what passes, and its border makes spots of its own and is taken for
the shape of one. Such a part is no volume in which particles were counted, and nothing is measured on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_opening

from nta.detection import Detections, detect
from nta.progress import Progress, silent
from nta.settings import Settings
from nta.video import Fault, Video
from nta.video.patched import patched

Mask = NDArray[np.bool_]

_FULL_SCALES: Final = (255, 1023, 4095, 16383, 65535)
_FIRST_FRAMES: Final = 5
_N_SAMPLES: Final = 24
# Narrower parts are particles on the wall or in passing, which the background takes care of.
_LEAST_SIDE_PX: Final = 15
# Glare around it: shot noise, blooming and the edge itself.
_BORDER_PX: Final = 6
# Where nearly all is white the ground itself is clipped, and particles are dark.
_MOST: Final = 0.9


def detect_unsaturated(video: Video, settings: Settings | None = None, *, progress: Progress = silent) -> Detections:
    """Find the spots of every frame outside of what is always saturated.

    Parameters
    ----------
    video, settings, progress
        As of :func:`nta.detect`.

    Returns
    -------
    Detections
        Those of :func:`nta.detect` where nothing is saturated in all frames. Else without spots in or next to that
        part, its area in ``masked_px``, and a fault ``saturated`` that says how large it is.

    Raises
    ------
    RejectedError, SettingsError
        As :func:`nta.detect`.
    """
    settings = Settings() if settings is None else settings
    mask = None if settings.invert else saturated_part(video, settings)
    if mask is None:
        return detect(video, settings, progress=progress)
    found = detect(patched(video, mask), settings, progress=progress)
    if found.appearance.inverted:
        return detect(video, settings, progress=progress)  # dark particles show in front of white as well
    return _without(found, mask, settings)


def saturated_part(video: Video, settings: Settings) -> Mask | None:
    """Return which pixels are at the top of the camera's range in all frames, with a border; ``None`` for none.

    Parameters
    ----------
    video : Video
        Its first frames are read, and some more spread over it where those have such a part.
    settings : Settings
        The frames and the field that are looked at.

    Returns
    -------
    (height, width) bool or None
        Of the whole frame.
    """
    start, stop = (0, None) if settings.frames is None else settings.frames
    last = start + _FIRST_FRAMES
    part = _always_white(video.frames(start, last if stop is None else min(stop, last)))
    if part is None:
        return None
    part = _always_white([np.where(part, frame, 0) for frame in video.sample(_N_SAMPLES, start, stop)])
    if part is None:
        return None
    left, top, width, height = (0, 0, video.width, video.height) if settings.roi is None else settings.roi
    mask: Mask = binary_dilation(part, iterations=_BORDER_PX)
    share = float(mask[top : top + height, left : left + width].mean())
    return mask if 0.0 < share <= _MOST else None


def _always_white(frames: Iterable[NDArray[Any]]) -> Mask | None:
    """Return the parts, larger than a spot, whose pixels are at full scale in every frame."""
    lowest: NDArray[Any] | None = None
    for frame in frames:
        lowest = frame.copy() if lowest is None else np.minimum(lowest, frame)
    if lowest is None or int(lowest.max()) not in _FULL_SCALES:
        return None
    white = lowest == lowest.max()
    part: Mask = binary_opening(white, np.ones((_LEAST_SIDE_PX, _LEAST_SIDE_PX), dtype=bool))
    return part if part.any() else None


def _without(found: Detections, mask: Mask, settings: Settings) -> Detections:
    """Return the spots outside the mask, which grows by as much as a spot reaches."""
    margin, (left, top, width, height) = found.margin_px, found.field_px
    wide: Mask = binary_dilation(mask, iterations=margin)[top : top + height, left : left + width]
    counted = wide.copy()
    for x, y, w, h in settings.exclude:
        counted[max(0, y - top) : max(0, y + h - top), max(0, x - left) : max(0, x + w - left)] = False
    table, lost = _outside(found.table, wide, (left, top))
    dimmer, _ = _outside(found.dimmer, wide, (left, top))
    fault = Fault(
        "saturated",
        f"{wide.mean():.0%} of the field is at the top of the camera's range in every frame, or next to that: it is "
        "left out of the spots and of the volume; find the reflection or the bubble, or lower the camera level",
    )
    return replace(
        found,
        table=table,
        dimmer=dimmer,
        masked_px=found.masked_px + int(counted[margin : height - margin, margin : width - margin].sum()),
        ledger=found.ledger | {"spots_excluded_by_saturation": lost},
        faults=(*found.faults, fault),
    )


def _outside(spots: pd.DataFrame, mask: Mask, origin: tuple[int, int]) -> tuple[pd.DataFrame, int]:
    """Return the spots whose nearest pixel is not in the mask, and the number of the others."""
    if spots.empty:
        return spots, 0
    left, top = origin
    rows, columns = (
        np.clip(np.rint(spots[name].to_numpy(np.float64)).astype(np.int64) - first, 0, side - 1)
        for name, first, side in (("y", top, mask.shape[0]), ("x", left, mask.shape[1]))
    )
    lost = mask[rows, columns]
    return spots[~lost].reset_index(drop=True), int(lost.sum())
