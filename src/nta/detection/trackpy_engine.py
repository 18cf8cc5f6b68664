"""trackpy's own feature finding, frame by frame; the only door to it.

The steps are those of ``trackpy.locate`` with its defaults, made of trackpy's functions, with one change of order:
spots below ``min_mass`` go *before* close ones are thinned out instead of after. A spot gives way only to a heavier
one, so the result is the same; but an 8-bit frame has thousands of one-grey-level plateaus, whose pairs cost
trackpy ten times as much as everything else.
"""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FEATURE_COLUMNS: Final = ("y", "x", "mass", "size", "ecc", "signal", "raw_mass", "ep")

_IN_GREY_LEVELS: Final = [FEATURE_COLUMNS.index(name) for name in ("mass", "signal", "raw_mass")]

# trackpy.locate's own defaults.
_NOISE_SIZE: Final = 1
_THRESHOLD: Final = 1
_PERCENTILE: Final = 64
_MAX_ITERATIONS: Final = 10


def locate(
    frame: NDArray[np.uint8] | NDArray[np.uint16], diameter_px: int, min_mass: float, *, invert: bool, gain: int = 1
) -> NDArray[np.float64]:
    """Return trackpy's features of one frame, (n, 8) in the order of :data:`FEATURE_COLUMNS`.

    Equal to ``trackpy.locate(frame, diameter_px, minmass=min_mass, invert=invert)``, row by row.

    Parameters
    ----------
    frame : (height, width) uint8 or uint16
        Raw pixels.
    diameter_px : int
        Odd spot diameter.
    min_mass : float
        Least mass, grey levels of ``frame``.
    invert : bool
        Whether the spots are dark.
    gain : int
        Factor on all pixels, which trackpy then sees as 16-bit numbers; masses are given in grey levels of
        ``frame`` all the same.
    """
    if gain != 1:
        amplified = locate(_amplified(frame, gain), diameter_px, min_mass * gain, invert=invert)
        amplified[:, _IN_GREY_LEVELS] /= gain
        return amplified
    from trackpy.find import grey_dilation, where_close
    from trackpy.preprocessing import bandpass, convert_to_int, invert_image
    from trackpy.refine import refine_com
    from trackpy.uncertainty import _static_error, measure_noise

    raw = invert_image(frame) if invert else frame
    separation = (diameter_px + 1,) * 2
    radius = (diameter_px // 2,) * 2
    filtered = bandpass(raw, (_NOISE_SIZE,) * 2, (diameter_px,) * 2, _THRESHOLD)
    scale, image = convert_to_int(filtered, raw.dtype)
    with warnings.catch_warnings():
        # A frame without spots is a result here, not a mistake.
        warnings.simplefilter("ignore", UserWarning)
        candidates = grey_dilation(image, separation, _PERCENTILE, (margin_px(diameter_px),) * 2, precise=False)
    features: pd.DataFrame = refine_com(raw, image, radius, candidates, max_iterations=_MAX_ITERATIONS, engine="numba")
    if features.empty:
        return np.empty((0, len(FEATURE_COLUMNS)))
    features = features[features["mass"] / scale > min_mass].reset_index(drop=True)
    features = features.drop(where_close(features[["y", "x"]], separation, features["mass"]))
    if features.empty:
        return np.empty((0, len(FEATURE_COLUMNS)))
    features[["mass", "signal"]] /= scale
    black_level, noise = measure_noise(image, raw, radius)
    light = features["raw_mass"].to_numpy() - _disc_area(diameter_px) * black_level
    with np.errstate(divide="ignore", invalid="ignore"):
        # trackpy's own error estimate; nta does not use it, it is 3 to 15 times too small.
        features["ep"] = _static_error(light, noise, radius, (_NOISE_SIZE,) * 2)
    return features[list(FEATURE_COLUMNS)].to_numpy(dtype=np.float64)


def _amplified(frame: NDArray[np.uint8] | NDArray[np.uint16], gain: int) -> NDArray[np.uint16]:
    white = np.iinfo(np.uint16).max
    amplified: NDArray[np.uint16] = np.minimum(frame.astype(np.uint32) * np.uint32(gain), white).astype(np.uint16)
    return amplified


def _disc_area(diameter_px: int) -> int:
    from trackpy.masks import N_binary_mask

    area: int = N_binary_mask((diameter_px // 2,) * 2, 2)
    return area


def margin_px(diameter_px: int) -> int:
    """Return how far from the edge trackpy reports no feature: max(radius, separation // 2 - 1, smoothing // 2)."""
    return max(diameter_px // 2, (diameter_px + 1) // 2 - 1)
