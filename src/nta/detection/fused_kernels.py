"""The stages of the fused detector, one kernel each; :mod:`nta.detection.fused_engine` puts them in order.

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

from nta.compilation import inner_kernel, kernel

Pixels = NDArray[Any]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Singles = NDArray[np.float32]
Floats = NDArray[np.float64]
Places = NDArray[np.int32]

GAUSSIAN_REACH: Final = 4
"""Taps on either side of trackpy's Gaussian of 1 px, truncated at 4 sd."""

_WORD: Final = 8
_BYTE_MAX: Final = 255


@kernel("void(f4[::1], f4[::1], f4[::1], i8)")
def box_sums(row: Singles, fours: Singles, sums: Singles, size: int) -> None:
    """Write the sums of ``size`` neighbours (odd) to ``sums``: one or three values, and sums of four.

    ``row`` and the scratch ``fours`` are ``size - 1`` longer than ``sums``. Whole numbers below 2^24 stay
    exact.
    """
    n = sums.size
    n_single = size % 4
    if n_single == 1:
        for x in range(n):
            sums[x] = row[x]
    else:
        for x in range(n):
            sums[x] = row[x] + row[x + 1] + row[x + 2]
    for x in range(row.size - 3):
        fours[x] = (row[x] + row[x + 1]) + (row[x + 2] + row[x + 3])
    for start in range(n_single, size, 4):
        shifted = fours[start:]
        for x in range(n):
            sums[x] += shifted[x]


@inner_kernel
def _running_mean(ring: Singles, y: int, height: int, diameter: int, columns: Singles, box_rows: Singles) -> None:
    """Write the mean around row ``y`` to ``box_rows[1]``, cut to a whole number after each axis; the edge is repeated.

    Parameters are those of :func:`_bandpass`; ``columns`` holds the sums around the row before, and is made for the
    first one.
    """
    width, n_ring, half = columns.size, ring.shape[0] - 1, diameter // 2
    inverse, one_half = np.float32(1.0) / np.float32(diameter), np.float32(0.5)
    cut, box = box_rows[0], box_rows[1][:width]
    if y == 0:
        columns[:] = np.float32(0.0)
        for k in range(-half, half + 1):
            entering = ring[min(max(k, 0), height - 1) % n_ring]
            for x in range(width):
                columns[x] += entering[x]
    entering = ring[min(y + half, height - 1) % n_ring]
    leaving = ring[max(y - 1 - half, 0) % n_ring] if y > 0 else entering
    inner = cut[half:]
    for x in range(width):
        columns[x] += entering[x] - leaving[x]
        inner[x] = np.floor((columns[x] + one_half) * inverse)
    cut[:half] = inner[0]
    cut[half + width :] = inner[width - 1]
    box_sums(cut, box_rows[2], box, diameter)
    for x in range(width):
        box[x] = np.floor((box[x] + one_half) * inverse)


@inner_kernel
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
        middle[x] = (centre[x] * w0 + (a4[x] + b4[x]) * w4 + (a3[x] + b3[x]) * w3 + (a2[x] + b2[x]) * w2) + (
            a1[x] + b1[x]
        ) * w1


@inner_kernel
def _weigh_columns(
    smooth: Floats | Singles, weights: Floats | Singles, mean: Singles, out: Singles, brightest: Singles
) -> None:
    """Write the Gaussian along the row less its mean to ``out``, and raise each column's maximum in ``brightest``."""
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    for x in range(out.size):
        gaussian = (
            smooth[x + 4] * w0
            + (smooth[x] + smooth[x + 8]) * w4
            + (smooth[x + 1] + smooth[x + 7]) * w3
            + (smooth[x + 2] + smooth[x + 6]) * w2
            + (smooth[x + 3] + smooth[x + 5]) * w1
        )
        value = np.float32(gaussian - mean[x])
        out[x] = value
        brightest[x] = max(brightest[x], value)


def _bandpass(
    raw: Pixels,
    weights: Floats | Singles,
    diameter: int,
    ring: Singles,
    columns: Singles,
    box_rows: Singles,
    smooth: Floats | Singles,
    filtered: Singles,
    brightest: Singles,
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
    ring : (n + 1, w) float32
        Room for the last n >= max(4, diameter // 2) * 2 + 2 rows; the row after them is zero.
    columns, box_rows, smooth : (w,), (3, w + diameter - 1), (w + 8,)
        Scratch; ``smooth`` is of the type of the weights, and its first and last four values are zero.
    filtered, brightest : (h, w), (w,) float32
        Results.
    """
    height, width = raw.shape
    look = max(GAUSSIAN_REACH, diameter // 2)
    brightest[:] = np.float32(0.0)
    loaded = 0
    for y in range(height):
        while loaded < height and loaded <= y + look:
            fresh, source = ring[loaded % (ring.shape[0] - 1)], raw[loaded]
            for x in range(width):
                fresh[x] = source[x]
            loaded += 1
        _running_mean(ring, y, height, diameter, columns, box_rows)
        _weigh_rows(ring, y, height, weights, smooth)
        _weigh_columns(smooth, weights, box_rows[1], filtered[y], brightest)


bandpass_8 = kernel(
    "void(u1[:, ::1], f4[::1], i8, f4[:, ::1], f4[::1], f4[:, ::1], f4[::1], f4[:, ::1], f4[::1])", is_rare=True
)(_bandpass)
bandpass_16 = kernel("void(u2[:, ::1], f8[::1], i8, f4[:, ::1], f4[::1], f4[:, ::1], f8[::1], f4[:, ::1], f4[::1])")(
    _bandpass
)


def _exact(raw: Pixels, weights: Floats, filtered: Singles, places: Places, n_places: int, values: Floats) -> None:
    """Write the band-passed value of single pixels, as trackpy has it: float64, scipy's order of additions.

    The centre comes first, then the pairs from the outermost inwards; axis 0 before axis 1. The running mean
    is a whole number, so ``filtered`` is near enough to tell it.
    """
    height, width = raw.shape
    reach = GAUSSIAN_REACH
    column = np.empty(2 * reach + 1)
    for i in range(n_places):
        y, x = np.int64(places[i]) // width, np.int64(places[i]) % width
        is_inside = reach <= y < height - reach and reach <= x < width - reach
        for k in range(2 * reach + 1):
            at = x + k - reach
            column[k] = 0.0
            if is_inside or 0 <= at < width:
                total = raw[y, at] * weights[0]
                for step in range(reach, 0, -1):
                    above = np.int64(raw[y - step, at]) if is_inside or y >= step else np.int64(0)
                    below = np.int64(raw[y + step, at]) if is_inside or y + step < height else np.int64(0)
                    total += (above + below) * weights[step]
                column[k] = total
        total = column[reach] * weights[0]
        for step in range(reach, 0, -1):
            total += (column[reach - step] + column[reach + step]) * weights[step]
        values[i] = total - np.rint(total - filtered[y, x])


exact_8 = kernel("void(u1[:, ::1], f8[::1], f4[:, ::1], i4[::1], i8, f8[::1])", is_rare=True)(_exact)
exact_16 = kernel("void(u2[:, ::1], f8[::1], f4[:, ::1], i4[::1], i8, f8[::1])")(_exact)


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


def _rescale(
    filtered: Singles,
    scale: float,
    bound: float,
    growth: float,
    flags: Bytes,
    flag_words: Words,
    image: Pixels,
    places: Places,
) -> int:
    """Write ``filtered`` times ``scale``, cut to whole numbers, to ``image``; below 1 it is 0.

    Returns
    -------
    int
        How many pixels are left open, because ``filtered`` may be off by ``bound`` + ``growth`` times itself:
        they are in ``places``.
    """
    height, width = filtered.shape
    scaled_bound = bound * scale
    one, zero = np.float32(1.0), np.float32(0.0)
    least, surely_lit = one - (bound + growth), one + (bound + growth)
    found = 0
    for y in range(height):
        row, out = filtered[y], image[y]
        for x in range(width):
            value = row[x] if row[x] >= least else zero
            product = value * scale
            error = scaled_bound + growth * product
            low, high = np.int32(product - error), np.int32(product + error)
            out[x] = high
            flags[x] = (low != high) | ((value >= least) & (value <= surely_lit))
        for word in range(flag_words.size):
            if flag_words[word] != 0:
                for x in range(word * _WORD, (word + 1) * _WORD):
                    if flags[x] != 0:
                        places[found] = y * width + x
                        found += 1
    return found


rescale_8 = kernel("i8(f4[:, ::1], f4, f4, f4, u1[::1], u8[::1], u1[:, ::1], i4[::1])", is_rare=True)(_rescale)
rescale_16 = kernel("i8(f4[:, ::1], f4, f4, f4, u1[::1], u8[::1], u2[:, ::1], i4[::1])")(_rescale)


def _count_up_to(image: Pixels, first: int, second: int, third: int, columns: Bytes) -> tuple[int, int, int]:
    """Return how many pixels are at most ``first``, ``second`` and ``third``.

    ``columns``, (3, w) uint8, is scratch: bytes that count along the columns, emptied before they overflow.
    """
    height, width = image.shape
    n_first, n_second, n_third = 0, 0, 0
    a, b, c = columns[0], columns[1], columns[2]
    columns[:, :] = 0
    for y in range(height):
        row = image[y]
        for x in range(width):
            a[x] += np.uint8(row[x] <= first)
            b[x] += np.uint8(row[x] <= second)
            c[x] += np.uint8(row[x] <= third)
        if y % _BYTE_MAX == _BYTE_MAX - 1 or y == height - 1:
            for x in range(width):
                counted: Any = np.int64(a[x]), np.int64(b[x]), np.int64(c[x])
                n_first += counted[0]
                n_second += counted[1]
                n_third += counted[2]
            columns[:, :] = 0
    return n_first, n_second, n_third


count_up_to_8 = kernel("UniTuple(i8, 3)(u1[:, ::1], u1, u1, u1, u1[:, ::1])", is_rare=True)(_count_up_to)
count_up_to_16 = kernel("UniTuple(i8, 3)(u2[:, ::1], u2, u2, u2, u1[:, ::1])")(_count_up_to)


def _peaks(
    image: Pixels,
    window: int,
    margin: int,
    threshold: int,
    ring: Pixels,
    rows: Pixels,
    flags: Bytes,
    flag_words: Words,
    places: Places,
) -> int:
    """Write to ``places`` where ``image`` exceeds ``threshold`` and is the maximum of its window.

    The window of pixel ``i`` spans ``i - (window - 1) // 2`` to ``i + window // 2`` on both axes. Maxima over
    2, 4, 8, ... pixels are made from each other, then two of them make the window: along a row in ``rows``,
    down the columns in ``ring``, each step as soon as its rows are there.

    Parameters
    ----------
    ring : (power of two above ``window``, w) of the type of ``image``
    rows : (3, w + window - 1) of the type of ``image``
        Scratch; the first row is zero outside the middle.
    flags, flag_words : (multiple of 8,) uint8, the same memory as uint64
        Scratch, zero before and after.
    """
    height, width = image.shape
    before, ring_mask = (window - 1) // 2, ring.shape[0] - 1
    found = 0
    for fresh in range(height + window - 1):
        y = fresh - before
        target = ring[fresh & ring_mask]
        if 0 <= y < height:
            source, middle = image[y], rows[0][before:]
            for x in range(width):
                middle[x] = source[x]
            level, size, turn = rows[0], 1, 1
            while 2 * size <= window:
                wider, ahead = rows[turn], level[size:]
                for x in range(ahead.size - size + 1):
                    wider[x] = max(level[x], ahead[x])
                level = wider
                size *= 2
                turn = 3 - turn
            ahead = level[window - size :]
            for x in range(width):
                target[x] = max(level[x], ahead[x])
        else:
            target[:] = 0
        y, size = fresh, 1
        while size < window:
            step = min(size, window - size)
            y -= step
            if y < 0:
                break
            upper, lower = ring[y & ring_mask], ring[(y + step) & ring_mask]
            for x in range(width):
                upper[x] = max(upper[x], lower[x])
            size += step
        if y < margin or y >= height - margin or size < window:
            continue
        highest, source = ring[y & ring_mask], image[y]
        for x in range(width):
            flags[x] = (source[x] == highest[x]) & (source[x] > threshold)
        for word in range(flag_words.size):
            if flag_words[word] != 0:
                for x in range(word * _WORD, (word + 1) * _WORD):
                    if flags[x] != 0 and margin <= x < width - margin:
                        places[found] = y * width + x
                        found += 1
    return found


peaks_8 = kernel("i8(u1[:, ::1], i8, i8, u1, u1[:, ::1], u1[:, ::1], u1[::1], u8[::1], i4[::1])", is_rare=True)(_peaks)
peaks_16 = kernel("i8(u2[:, ::1], i8, i8, u2, u2[:, ::1], u2[:, ::1], u1[::1], u8[::1], i4[::1])")(_peaks)
