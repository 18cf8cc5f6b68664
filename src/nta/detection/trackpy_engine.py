"""trackpy's own feature finding, frame by frame; the only door to it."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FEATURE_COLUMNS: Final = ("y", "x", "mass", "size", "ecc", "signal", "raw_mass", "ep")


def locate(
    frame: NDArray[np.uint8] | NDArray[np.uint16], diameter_px: int, min_mass: float, *, invert: bool
) -> NDArray[np.float64]:
    """Return trackpy's features of one frame, (n, 8) in the order of :data:`FEATURE_COLUMNS`.

    ``trackpy.batch`` is not used: it breaks on empty frames and stalls where processes are spawned.
    """
    import trackpy

    with warnings.catch_warnings():
        # An empty frame is a result here, not a mistake; trackpy warns of it, and of frames 3 or 4 px wide.
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        # Its own error estimate (``ep``) divides by a mass that may be 0; nta does not use that column.
        warnings.simplefilter("ignore", RuntimeWarning)
        features: pd.DataFrame = trackpy.locate(
            frame, diameter_px, minmass=min_mass, invert=invert, engine="numba"
        )
    if features.empty:
        return np.empty((0, len(FEATURE_COLUMNS)))
    return features[list(FEATURE_COLUMNS)].to_numpy(dtype=np.float64)


def margin_px(diameter_px: int) -> int:
    """Return how far from the edge trackpy reports no feature: max(radius, separation // 2 - 1, smoothing // 2)."""
    return max(diameter_px // 2, (diameter_px + 1) // 2 - 1)
