"""Wide Gaussian smoothing, for what changes slowly over a frame: illumination, and noise with it.

A Gaussian 32 px wide has 257 weights; what comes out of it changes so slowly that every fourth row and column tells all
of it. Only those are computed, and the others put between them by polynomials of the fifth degree: within 1e-5 of how
far the result varies, even where a single pixel is brighter than all others together, in a quarter of the time.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TRUNCATE: Final = 4.0
_STEPS_PER_SD: Final = 8
_N_POINTS: Final = 6


def wide_gaussian(image: NDArray[Any], sd_px: float) -> NDArray[np.float32]:
    """Return what :func:`scipy.ndimage.gaussian_filter` does with ``mode="nearest"``, within 1e-5 of its range.

    Parameters
    ----------
    image : (height, width) float32 or float64
        What is smoothed.
    sd_px : float
        Standard deviation of the Gaussian, px, which is cut at 4 sd; 16 or more, less is not quicker.
    """
    step = max(1, int(sd_px / _STEPS_PER_SD))
    height, width = image.shape
    rows = _smoothed(image, sd_px, step)
    both = _smoothed(np.ascontiguousarray(rows.T), sd_px, step)
    return _between(np.ascontiguousarray(_between(both, width, step).T), height, step)


def _smoothed(image: NDArray[Any], sd_px: float, step: int) -> Floats:
    """Return rows ``step`` apart of the image smoothed downwards, from two steps above its first row on."""
    height = len(image)
    reach = int(_TRUNCATE * sd_px + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd_px) ** 2)
    weights /= weights.sum()
    places = step * np.arange(-2, (height - 1) // step + 4)
    result = np.empty((places.size, image.shape[1]))
    for row, place in enumerate(places):
        # Beyond the edge the image goes on as its last row.
        within = np.clip(np.arange(place - reach, place + reach + 1), 0, height - 1)
        of_rows = np.bincount(within - within[0], weights)
        np.einsum("k,kc->c", of_rows, image[within[0] : within[-1] + 1], out=result[row])
    return result


def _between(rows: NDArray[Any], height: int, step: int) -> NDArray[np.float32]:
    """Return all rows of an image whose rows are known ``step`` apart, from two steps above its first one on."""
    result = np.empty((height, rows.shape[1]), dtype=np.float32)
    for phase in range(step):
        part = result[phase::step]
        weights = _lagrange(phase / step)
        part[:] = sum(weight * rows[point : point + len(part)] for point, weight in enumerate(weights))
    return result


def _lagrange(place: float) -> list[float]:
    """Return the weights of values at -2, -1, ... 3 for the value at ``place`` of the polynomial through them."""
    points = range(-2, _N_POINTS - 2)
    return [math.prod((place - other) / (one - other) for other in points if other != one) for one in points]
