"""The first stage of the fused detector: the frame band-passed; :mod:`nta.detection.fused_engine` says what follows.

The result is trackpy's to the last bit without its full-size float64 arrays. The band-passed frame is kept in
float32 with a bound on its error; the few pixels whose integer value the bound leaves open are computed again
in float64, in the order of additions that scipy uses. All other sums are of whole numbers, which no order
changes.

Kernels that meet pixels exist for uint8 and uint16; the arithmetic that a width of pixel needs follows from
the arrays that are handed in. Those for uint8 are rare: frames of 8 bits are searched as uint16 unless their
noise exceeds 16 grey levels or the least mass is stated (``Appearance.detector_gain``). Every kernel has its
slow twin in ``tests/detection/naive_detection.py``.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nta.compilation import fused_kernel, inner_kernel, kernel

Pixels = NDArray[Any]
Singles = NDArray[np.float32]
Floats = NDArray[np.float64]
Places = NDArray[np.int32]
Whole = NDArray[Any]

GAUSSIAN_REACH: Final = 4
"""Taps on either side of trackpy's Gaussian of 1 px, truncated at 4 sd."""

MEAN_ROWS: Final = 16
"""Rows for which the largest mean of a column is kept."""

_NEIGHBOURHOOD: Final = 16
"""Pixels of a row as near as this are worked out in one go."""


@inner_kernel
def box_sums(row: Pixels, fours: Whole, sums: Whole, size: int) -> None:
    """Write the sums of ``size`` neighbours (odd) to ``sums``: one or three values, and sums of four.

    ``row`` and the scratch ``fours`` are ``size - 1`` longer than ``sums``.
    """
    n, n_single = sums.size, size % 4
    for x in range(row.size - 3):
        fours[x] = (np.int64(row[x]) + np.int64(row[x + 1])) + (np.int64(row[x + 2]) + np.int64(row[x + 3]))
    if n_single == 1:
        for x in range(n):
            sums[x] = row[x]
    else:
        for x in range(n):
            sums[x] = np.int64(row[x]) + np.int64(row[x + 1]) + np.int64(row[x + 2])
    for start in range(n_single, size, 4):
        shifted = fours[start:]
        for x in range(n):
            sums[x] += shifted[x]


@fused_kernel
def _divide(sums: Whole, divisor: int, quotients: Pixels | Singles) -> None:
    """Write ``sums`` over ``divisor``, cut to whole numbers: exact for sums of at most 31 rows of uint16.

    A half is added to the sum, so that no rounding reaches the whole number below.
    """
    inverse = np.float32(1.0) / np.float32(divisor)
    half = np.float32(0.5) * inverse
    for x in range(sums.size):
        quotients[x] = np.int32(np.float32(sums[x]) * inverse + half)


@inner_kernel
def _running_mean(
    raw: Pixels, y: int, diameter: int, columns: Whole, cut: Pixels, fours: Whole, sums: Whole, mean: Singles
) -> None:
    """Write the mean around row ``y`` to ``mean``, cut to a whole number after each axis; the edge is repeated.

    Parameters are those of :func:`_bandpass`; ``columns`` holds the sums around the row before, and is made for the
    first one.
    """
    height, width = raw.shape
    half = diameter // 2
    if y == 0:
        columns[:] = 0
        for k in range(-half, half + 1):
            entering = raw[min(max(k, 0), height - 1)]
            for x in range(width):
                columns[x] += entering[x]
    else:
        entering, leaving = raw[min(y + half, height - 1)], raw[max(y - 1 - half, 0)]
        for x in range(width):
            columns[x] = np.int64(columns[x]) + np.int64(entering[x]) - np.int64(leaving[x])
    _divide(columns, diameter, cut[half:])
    cut[:half] = cut[half]
    cut[half + width :] = cut[half + width - 1]
    box_sums(cut, fours, sums, diameter)
    _divide(sums, diameter, mean)


@fused_kernel
def _weigh_rows(ring: Singles, y: int, height: int, weights: Floats | Singles, smooth: Floats | Singles) -> None:
    """Write the Gaussian down the columns around row ``y`` to the middle of ``smooth``; zero follows the edge."""
    n_ring = ring.shape[0] - 1
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    a1 = ring[(y - 1) % n_ring if y >= 1 else n_ring]
    a2 = ring[(y - 2) % n_ring if y >= 2 else n_ring]
    a3 = ring[(y - 3) % n_ring if y >= 3 else n_ring]
    a4 = ring[(y - 4) % n_ring if y >= 4 else n_ring]
    b1 = ring[(y + 1) % n_ring if y + 1 < height else n_ring]
    b2 = ring[(y + 2) % n_ring if y + 2 < height else n_ring]
    b3 = ring[(y + 3) % n_ring if y + 3 < height else n_ring]
    b4 = ring[(y + 4) % n_ring if y + 4 < height else n_ring]
    centre, middle = ring[y % n_ring], smooth[GAUSSIAN_REACH:]
    for x in range(centre.size):
        outer = (a4[x] + b4[x]) * w4 + (a3[x] + b3[x]) * w3
        middle[x] = outer + (a2[x] + b2[x]) * w2 + (a1[x] + b1[x]) * w1 + centre[x] * w0


@fused_kernel
def _weigh_columns(
    smooth: Floats | Singles,
    weights: Floats | Singles,
    mean: Singles,
    out: Singles,
    brightest: Singles,
    highest_mean: Singles,
) -> None:
    """Write the Gaussian along the row less its mean to ``out``; raise each column's maximum of both."""
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    for x in range(out.size):
        outer = (smooth[x] + smooth[x + 8]) * w4 + (smooth[x + 1] + smooth[x + 7]) * w3
        inner = (smooth[x + 2] + smooth[x + 6]) * w2 + (smooth[x + 3] + smooth[x + 5]) * w1
        value = np.float32(outer + inner + smooth[x + 4] * w0 - mean[x])
        out[x] = value
        brightest[x] = max(brightest[x], value)
        highest_mean[x] = max(highest_mean[x], mean[x])


def _bandpass(
    raw: Pixels,
    weights: Floats | Singles,
    diameter: int,
    ring: Singles,
    smooth: Floats | Singles,
    columns: Whole,
    cut: Pixels,
    fours: Whole,
    sums: Whole,
    mean: Singles,
    filtered: Singles,
    brightest: Singles,
    means: Singles,
) -> None:
    """Write Gaussian minus running mean to ``filtered``, and each column's maximum to ``brightest``.

    The mean over ``diameter`` pixels is cut to a whole number after each axis, as scipy's filter does on
    integers; the frame's edge is repeated for it, and is followed by zeros for the Gaussian.

    Parameters
    ----------
    raw : (h, w) uint8 or uint16
    weights : (5,) float32 for uint8, float64 for uint16
        Of the Gaussian, from the centre outwards. The type is also that of the additions.
    diameter : int
        Odd.
    ring : (2 * 4 + 2, w) float32
        Room for the rows that the Gaussian needs; the row after them is zero.
    smooth : (w + 8,)
        Scratch of the type of the weights; its first and last four values are zero.
    columns, cut, fours, sums, mean : (w,), (w + diameter - 1,), (w + diameter - 1,), (w,), (w,)
        Scratch: sums down the columns, their means, sums of those along the row, and the mean. ``cut`` is of the type
        of the pixels, ``mean`` float32, the others whole numbers that hold ``diameter`` pixels.
    filtered, brightest : (h, w), (w,) float32
        Results.
    means : (ceil(h / MEAN_ROWS), w) float32
        Result: the largest mean of so many rows, in each column.
    """
    height, width = raw.shape
    brightest[:] = np.float32(0.0)
    means[:, :] = np.float32(0.0)
    loaded = 0
    for y in range(height):
        while loaded < height and loaded <= y + GAUSSIAN_REACH:
            fresh, source = ring[loaded % (ring.shape[0] - 1)], raw[loaded]
            for x in range(width):
                fresh[x] = source[x]
            loaded += 1
        _running_mean(raw, y, diameter, columns, cut, fours, sums, mean)
        _weigh_rows(ring, y, height, weights, smooth)
        _weigh_columns(smooth, weights, mean, filtered[y], brightest, means[y // MEAN_ROWS])


bandpass_8 = kernel(
    "void(u1[:, ::1], f4[::1], i8, f4[:, ::1], f4[::1], u2[::1], u1[::1], u2[::1], u2[::1], f4[::1], f4[:, ::1],"
    "f4[::1], f4[:, ::1])",
    is_rare=True,
)(_bandpass)
bandpass_16 = kernel(
    "void(u2[:, ::1], f8[::1], i8, f4[:, ::1], f8[::1], i4[::1], u2[::1], i4[::1], i4[::1], f4[::1], f4[:, ::1],"
    "f4[::1], f4[:, ::1])"
)(_bandpass)


@inner_kernel
def _weigh_exactly(raw: Pixels, y: int, left: int, right: int, weights: Floats, blank: Pixels, smooth: Floats) -> None:
    """Write the Gaussian of row ``y`` to ``smooth[1]``, for the columns from ``left`` to before ``right``.

    scipy's order of additions: the centre comes first, then the pairs from the outermost inwards; axis 0 before
    axis 1. ``blank`` is a row of zeros.
    """
    height, width = raw.shape
    first, last = max(left - GAUSSIAN_REACH, 0), min(right + GAUSSIAN_REACH, width)
    down, along = smooth[0], smooth[1]
    # Where the frame ends, zeros follow.
    down[: first - left + GAUSSIAN_REACH] = 0.0
    down[last - left + GAUSSIAN_REACH : right - left + 2 * GAUSSIAN_REACH] = 0.0
    middle, row = down[first - left + GAUSSIAN_REACH :], raw[y, first:last]
    for x in range(row.size):
        middle[x] = row[x] * weights[0]
    for step in range(GAUSSIAN_REACH, 0, -1):
        weight = weights[step]
        above, below = (raw[y - step] if y >= step else blank), (raw[y + step] if y + step < height else blank)
        upper, lower = above[first:last], below[first:last]
        for x in range(row.size):
            middle[x] += (np.float64(upper[x]) + np.float64(lower[x])) * weight
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    for x in range(right - left):
        along[x] = (
            down[x + 4] * w0
            + (down[x] + down[x + 8]) * w4
            + (down[x + 1] + down[x + 7]) * w3
            + (down[x + 2] + down[x + 6]) * w2
            + (down[x + 3] + down[x + 5]) * w1
        )


def _exact(
    raw: Pixels,
    weights: Floats,
    filtered: Singles,
    places: Places,
    n_places: int,
    blank: Pixels,
    smooth: Floats,
    values: Floats,
) -> None:
    """Write the band-passed value of single pixels, as trackpy has it: float64, scipy's order of additions.

    Neighbours share their sums down the columns: films that were compressed with loss are flat over wide areas, and
    leave them open as a whole. The running mean is a whole number, so ``filtered`` is near enough to tell it.

    Parameters
    ----------
    blank : (w,) of the type of ``raw``
        Zeros.
    smooth : (2, w + 8) float64
        Scratch.
    """
    width = raw.shape[1]
    along = smooth[1]
    begin = 0
    while begin < n_places:
        y, left = np.int64(places[begin]) // width, np.int64(places[begin]) % width
        end, right = begin + 1, left + 1
        while end < n_places:
            x = np.int64(places[end]) - y * width
            if x < left or x >= min(right + _NEIGHBOURHOOD, width):
                break
            end, right = end + 1, max(right, x + 1)
        _weigh_exactly(raw, y, left, right, weights, blank, smooth)
        for i in range(begin, end):
            x = np.int64(places[i]) - y * width
            value = along[x - left]
            values[i] = value - np.rint(value - filtered[y, x])
        begin = end


exact_8 = kernel("void(u1[:, ::1], f8[::1], f4[:, ::1], i4[::1], i8, u1[::1], f8[:, ::1], f8[::1])", is_rare=True)(
    _exact
)
exact_16 = kernel("void(u2[:, ::1], f8[::1], f4[:, ::1], i4[::1], i8, u2[::1], f8[:, ::1], f8[::1])")(_exact)


@kernel("i8(f4[:, ::1], f4[::1], f4, i4[::1])")
def find_brightest(filtered: Singles, brightest: Singles, level: float, places: Places) -> int:
    """Write where ``filtered`` is at least ``level`` to ``places`` and return how many there are."""
    height, width = filtered.shape
    found = 0
    for x in range(width):
        if brightest[x] >= level:
            for y in range(height):
                if filtered[y, x] >= level:
                    places[found] = y * width + x
                    found += 1
    return found
