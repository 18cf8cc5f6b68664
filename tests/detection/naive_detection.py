"""The slow, obvious twin of every stage of the fused detector: trackpy's and scipy's own functions."""

from __future__ import annotations

import warnings

import numpy as np
import trackpy
from scipy import ndimage
from trackpy.find import percentile_threshold, where_close
from trackpy.masks import binary_mask
from trackpy.preprocessing import bandpass, boxcar, convert_to_int, invert_image

COLUMNS = ["y", "x", "mass", "size", "ecc", "signal", "raw_mass", "ep"]


def locate(frame, diameter, min_mass, invert):
    """trackpy.locate with its defaults, its columns in nta's order; (0, 8) where it finds nothing."""
    with warnings.catch_warnings():
        # trackpy warns of blank frames, of frames 3 or 4 pixels high, and of its own inversion.
        warnings.simplefilter("ignore")
        with np.errstate(divide="ignore", invalid="ignore"):
            found = trackpy.locate(frame, diameter, minmass=min_mass, invert=invert, engine="numba")
    if len(found) == 0:
        return np.empty((0, len(COLUMNS)))
    return found[COLUMNS].to_numpy(dtype=float)


def bandpassed(frame, diameter):
    """The band-passed frame in float64."""
    return bandpass(frame, (1, 1), (diameter, diameter), 1)


def rescaled(frame, diameter):
    """The scale and the band-passed frame in whole numbers."""
    return convert_to_int(bandpassed(frame, diameter), frame.dtype)


def running_mean(frame, diameter):
    """The mean around every pixel, cut to a whole number after each axis."""
    return boxcar(frame, (diameter, diameter)).astype(float)


def threshold(image):
    """The 64th percentile of the pixels that are not zero."""
    return percentile_threshold(image, 64)


def peaks(image, window, margin, least):
    """Place of every pixel that is the maximum of its window, exceeds ``least`` and keeps the margin."""
    dilation = ndimage.grey_dilation(image, (window, window), mode="constant")
    rows, columns = np.nonzero((image == dilation) & (image > least))
    height, width = image.shape
    inside = (rows >= margin) & (rows < height - margin) & (columns >= margin) & (columns < width - margin)
    return rows[inside] * width + columns[inside]


def heaviest_square(image, size, y, x, reach):
    """The most that a square of ``size`` pixels holds whose middle is within ``reach`` of a pixel and inside."""
    half, (height, width) = size // 2, image.shape
    return max(
        int(image[row - half : row + half + 1, column - half : column + half + 1].sum())
        for row in range(max(y - reach, half), min(y + reach, height - half - 1) + 1)
        for column in range(max(x - reach, half), min(x + reach, width - half - 1) + 1)
    )


def heaviest_columns(image, size, y, x, reach):
    """The same of squares whose columns are each the heaviest of any square within ``reach`` above or below."""
    half, (height, width) = size // 2, image.shape
    rows = range(max(y - reach, half), min(y + reach, height - half - 1) + 1)
    columns = np.max([image[row - half : row + half + 1].sum(axis=0) for row in rows], axis=0)
    middles = range(max(x - reach, half), min(x + reach, width - half - 1) + 1)
    return max(int(columns[column - half : column + half + 1].sum()) for column in middles)


def box_sums(row, size):
    """The sums of ``size`` neighbours."""
    return np.array([row[i : i + size].sum() for i in range(row.size - size + 1)])


def dropped(features, separation):
    """Which spots are too close to a heavier one."""
    return where_close(features[:, :2], (separation, separation), features[:, 2])


def background(image, radius):
    """Where no pixel within the disc is lit."""
    return ~ndimage.binary_dilation(image, structure=binary_mask((radius, radius), 2))


def inverted(frame):
    """Bright for dark."""
    return invert_image(frame)
