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


@inner_kernel
def _row(raw: Pixels, y: int, blank: Pixels) -> Pixels:
    return raw[y] if 0 <= y < raw.shape[0] else blank


@fused_kernel
def _weigh_rows(
    raw: Pixels, y: int, blank: Pixels, weights: Singles, ground: float, here: Singles, below: Singles
) -> None:
    """Write the Gaussian down the columns around rows ``y`` and ``y + 1`` to the middle of ``here`` and ``below``.

    Of what lies above ``ground``. Two rows at once, because they share eight of the ten that they need.
    """
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    row_a, row_b, row_c = _row(raw, y - 4, blank), _row(raw, y - 3, blank), _row(raw, y - 2, blank)
    row_d, row_e, row_f = _row(raw, y - 1, blank), _row(raw, y, blank), _row(raw, y + 1, blank)
    row_g, row_h = _row(raw, y + 2, blank), _row(raw, y + 3, blank)
    row_i, row_j = _row(raw, y + 4, blank), _row(raw, y + 5, blank)
    first, second = here[GAUSSIAN_REACH:], below[GAUSSIAN_REACH:]
    for x in range(blank.size):
        a, b, c = np.float32(row_a[x]) - ground, np.float32(row_b[x]) - ground, np.float32(row_c[x]) - ground
        d, e, f = np.float32(row_d[x]) - ground, np.float32(row_e[x]) - ground, np.float32(row_f[x]) - ground
        g, h = np.float32(row_g[x]) - ground, np.float32(row_h[x]) - ground
        i, j = np.float32(row_i[x]) - ground, np.float32(row_j[x]) - ground
        first[x] = (a + i) * w4 + (b + h) * w3 + (c + g) * w2 + (d + f) * w1 + e * w0
        second[x] = (b + j) * w4 + (c + i) * w3 + (d + h) * w2 + (e + g) * w1 + f * w0


@fused_kernel
def _weigh_columns(
    smooth: Singles,
    weights: Singles,
    ground: float,
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
        above_ground = mean[x] - ground
        value = outer + inner + smooth[x + 4] * w0 - above_ground
        out[x] = value
        brightest[x] = max(brightest[x], value)
        highest_mean[x] = max(highest_mean[x], above_ground)


def _bandpass(
    raw: Pixels,
    blank: Pixels,
    weights: Singles,
    diameter: int,
    ground: float,
    smooth: Singles,
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

    Smoothed is what lies above a grey level: rounding errors are then in proportion to that, and not to the ground.

    Parameters
    ----------
    raw, blank : (h, w), (w,) uint8 or uint16
        The frame, and a row of zeros.
    weights : (5,) float32
        Of the Gaussian, from the centre outwards.
    diameter : int
        Odd.
    ground : float
        The darkest pixel's grey level.
    smooth : (2, w + 8) float32
        Scratch.
    columns, cut, fours, sums, mean : (w,), (w + diameter - 1,), (w + diameter - 1,), (w,), (w,)
        Scratch: sums down the columns, their means, sums of those along the row, and the mean. ``cut`` is of the type
        of the pixels, ``mean`` float32, the others whole numbers that hold ``diameter`` pixels.
    filtered, brightest : (h, w), (w,) float32
        Results.
    means : (ceil(h / MEAN_ROWS), w) float32
        Result: the largest mean of so many rows above the ground, in each column.
    """
    height = raw.shape[0]
    brightest[:] = np.float32(0.0)
    means[:, :] = np.float32(0.0)
    # Beyond the edges all is dark.
    dark = -ground * (weights[0] + np.float32(2.0) * (weights[1] + weights[2] + weights[3] + weights[4]))
    smooth[:, :GAUSSIAN_REACH] = dark
    smooth[:, GAUSSIAN_REACH + blank.size :] = dark
    for upper in range(0, height, 2):
        _weigh_rows(raw, upper, blank, weights, ground, smooth[0], smooth[1])
        for y in range(upper, min(upper + 2, height)):
            _running_mean(raw, y, diameter, columns, cut, fours, sums, mean)
            _weigh_columns(smooth[y - upper], weights, ground, mean, filtered[y], brightest, means[y // MEAN_ROWS])


bandpass_8 = kernel(
    "void(u1[:, ::1], u1[::1], f4[::1], i8, f4, f4[:, ::1], u2[::1], u1[::1], u2[::1], u2[::1], f4[::1], f4[:, ::1],"
    "f4[::1], f4[:, ::1])",
    is_rare=True,
)(_bandpass)
bandpass_16 = kernel(
    "void(u2[:, ::1], u2[::1], f4[::1], i8, f4, f4[:, ::1], i4[::1], u2[::1], i4[::1], i4[::1], f4[::1], f4[:, ::1],"
    "f4[::1], f4[:, ::1])"
)(_bandpass)


@inner_kernel
def _sum_at_edge(raw: Pixels, y: int, first: int, last: int, weights: Floats, down: Floats) -> None:
    """Write the Gaussian down the columns of row ``y`` to some of ``down``; beyond the frame's edges are zeros."""
    height, width = raw.shape
    for k in range(first, last):
        down[k] = 0.0
        if GAUSSIAN_REACH <= k < width + GAUSSIAN_REACH:
            x = k - GAUSSIAN_REACH
            total = raw[y, x] * weights[0]
            for step in range(GAUSSIAN_REACH, 0, -1):
                above = np.int64(raw[y - step, x]) if y >= step else np.int64(0)
                below = np.int64(raw[y + step, x]) if y + step < height else np.int64(0)
                total += (above + below) * weights[step]
            down[k] = total


def _exact(
    raw: Pixels, weights: Floats, filtered: Singles, places: Places, n_places: int, down: Floats, values: Floats
) -> None:
    """Write the band-passed value of single pixels, as trackpy has it: float64, scipy's order of additions.

    The centre comes first, then the pairs from the outermost inwards; axis 0 before axis 1. The running mean
    is a whole number, so ``filtered`` is near enough to tell it. Pixels of a row that follow each other share their
    sums down the columns, of which ``down``, (w + 8,) float64, keeps a row.
    """
    height, width = raw.shape
    reach = GAUSSIAN_REACH
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    row, summed = -1, 0
    for i in range(n_places):
        y, x = np.int64(places[i]) // width, np.int64(places[i]) % width
        if y != row:
            row, summed = y, 0
        if reach <= y < height - reach and reach <= x < width - reach:
            for at in range(max(summed - reach, x - reach), x + reach + 1):
                down[at + reach] = (
                    raw[y, at] * w0
                    + (np.float64(raw[y - 4, at]) + np.float64(raw[y + 4, at])) * w4
                    + (np.float64(raw[y - 3, at]) + np.float64(raw[y + 3, at])) * w3
                    + (np.float64(raw[y - 2, at]) + np.float64(raw[y + 2, at])) * w2
                    + (np.float64(raw[y - 1, at]) + np.float64(raw[y + 1, at])) * w1
                )
        else:
            _sum_at_edge(raw, y, max(summed, x), x + 2 * reach + 1, weights, down)
        summed = x + 2 * reach + 1
        total = (
            down[x + 4] * w0
            + (down[x] + down[x + 8]) * w4
            + (down[x + 1] + down[x + 7]) * w3
            + (down[x + 2] + down[x + 6]) * w2
            + (down[x + 3] + down[x + 5]) * w1
        )
        values[i] = total - np.rint(total - filtered[y, x])


exact_8 = kernel("void(u1[:, ::1], f8[::1], f4[:, ::1], i4[::1], i8, f8[::1], f8[::1])", is_rare=True)(_exact)
exact_16 = kernel("void(u2[:, ::1], f8[::1], f4[:, ::1], i4[::1], i8, f8[::1], f8[::1])")(_exact)


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
