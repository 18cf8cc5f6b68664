"""The stages of the fused detector from the band-passed frame to candidates: whole numbers, percentile, local maxima.

What :mod:`nta.detection.fused_bandpass` says of pixels of 8 and 16 bits holds here too.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nta.compilation import inner_kernel, kernel
from nta.detection.fused_bandpass import MEAN_ROWS, box_sums

Pixels = NDArray[Any]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Singles = NDArray[np.float32]
Places = NDArray[np.int32]
Sums = NDArray[np.uint16]

BLOCK: Final = 8
"""Side of the blocks of corners for which the heaviest square is kept, px."""

_WORD: Final = 8
_BYTE_MAX: Final = 255


@inner_kernel
def _append_flagged(flags: Bytes, flag_words: Words, first: int, places: Places, found: int) -> int:
    """Write ``first + x`` to ``places`` for every flag that is 1; return how many places there are then.

    Most words are 0. In the others each place is written, and stays if the flag is 1: no branch is guessed wrong.
    """
    for word in range(flag_words.size):
        if flag_words[word] != 0:
            for x in range(word * _WORD, (word + 1) * _WORD):
                places[found] = first + x
                is_flagged: Any = np.int64(flags[x])
                found += is_flagged
    return found


def _rescale(
    filtered: Singles,
    means: Singles,
    scale: float,
    rounding: float,
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
        How many pixels are left open: they are in ``places``. ``filtered`` may be off by ``rounding`` times the
        Gaussian, which is ``filtered`` more than the mean, and by ``growth`` times itself.
    """
    height, width = filtered.shape
    one, zero = np.float32(1.0), np.float32(0.0)
    found = 0
    for y in range(height):
        row, out, mean = filtered[y], image[y], means[y // MEAN_ROWS]
        for x in range(width):
            error = rounding * (row[x] + mean[x]) + growth * row[x]
            value = row[x] if row[x] + error >= one else zero
            low, high = np.int32((value - error) * scale), np.int32((value + error) * scale)
            high = high if value > zero else np.int32(0)
            out[x] = high
            flags[x] = (value > zero) & ((low != high) | (value - error <= one))
        found = _append_flagged(flags, flag_words, y * width, places, found)
    return found


rescale_8 = kernel("i8(f4[:, ::1], f4[:, ::1], f4, f4, f4, u1[::1], u8[::1], u1[:, ::1], i4[::1])", is_rare=True)(
    _rescale
)
rescale_16 = kernel("i8(f4[:, ::1], f4[:, ::1], f4, f4, f4, u1[::1], u8[::1], u2[:, ::1], i4[::1])")(_rescale)


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
        Scratch; zero beyond the row's end.
    places : (h w + 8,) int32
        Result.
    """
    height, width = image.shape
    before, ring_mask = (window - 1) // 2, ring.shape[0] - 1
    flag_words[:] = 0
    inner_flags = flags[margin : max(width - margin, margin)]
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
        highest, source = ring[y & ring_mask, margin : width - margin], image[y, margin : width - margin]
        for x in range(inner_flags.size):
            inner_flags[x] = (source[x] == highest[x]) & (source[x] > threshold)
        found = _append_flagged(flags, flag_words, y * width, places, found)
    return found


peaks_8 = kernel("i8(u1[:, ::1], i8, i8, u1, u1[:, ::1], u1[:, ::1], u1[::1], u8[::1], i4[::1])", is_rare=True)(_peaks)
peaks_16 = kernel("i8(u2[:, ::1], i8, i8, u2, u2[:, ::1], u2[:, ::1], u1[::1], u8[::1], i4[::1])")(_peaks)


@kernel(
    "i8(u1[:, ::1], i8, i8, f8, f8, u2[::1], u2[::1], u2[::1], u2[::1], u1[:, ::1], u1[:, ::1], i4[::1], i8)",
    is_rare=True,
)
def drop_faint(
    image: Bytes,
    diameter: int,
    reach: int,
    scale: float,
    min_mass: float,
    columns: Sums,
    fours: Sums,
    sums: Sums,
    largest: Sums,
    is_heavy: Bytes,
    is_near: Bytes,
    places: Places,
    n_places: int,
) -> int:
    """Take out the candidates near which no square of ``diameter`` pixels is as heavy as a spot must be.

    Noise of a few grey levels has tens of thousands of plateaus, which cost more to refine than all else. A disc is no
    heavier than the square around it; a candidate's disc moves by at most ``reach``.

    Parameters
    ----------
    diameter : int
        At most 15, so that the sum of a square fits into uint16.
    scale, min_mass : float
        A spot's mass divided by ``scale`` exceeds ``min_mass``.
    columns, fours, sums, largest : (w,), (w,), (w - diameter + 1,), (w - diameter + 1,)
        Scratch: sums down the columns, what :func:`box_sums` needs, sums of squares, their maximum down the columns.
    is_heavy, is_near : (rows of squares, squares of a row) / BLOCK, rounded up
        Scratch: whether a square whose corner is in a block is heavy enough, and one in the blocks from it on.
    places : (n_places or more,) int32
        Row times w plus column, ascending.

    Returns
    -------
    int
        How many are left in ``places``, in their order.
    """
    height, width = image.shape
    n_rows, n_columns = is_heavy.shape
    columns[:] = 0
    for y in range(height):
        entering, corner = image[y], y - diameter + 1
        if corner > 0:
            leaving = image[corner - 1]
            for x in range(width):
                columns[x] = np.int64(columns[x]) + np.int64(entering[x]) - np.int64(leaving[x])
        else:
            for x in range(width):
                columns[x] += entering[x]
        if corner < 0:
            continue
        box_sums(columns, fours, sums, diameter)
        if corner % BLOCK == 0:
            largest[:] = 0
        for x in range(sums.size):
            largest[x] = max(largest[x], sums[x])
        if corner % BLOCK == BLOCK - 1 or y == height - 1:
            for step in (1, 2, 4):  # to the largest of 8 from each on
                for x in range(sums.size - step):
                    largest[x] = max(largest[x], largest[x + step])
            for column in range(n_columns):
                is_heavy[corner // BLOCK, column] = largest[column * BLOCK] / scale > min_mass
    n_near = (2 * reach + BLOCK - 1) // BLOCK + 1
    for row in range(n_rows):
        is_near[row, :] = is_heavy[row]
        for near in range(row + 1, min(row + n_near, n_rows)):
            for column in range(n_columns):
                is_near[row, column] |= is_heavy[near, column]
    for row in range(n_rows):
        is_heavy[row, :] = is_near[row]
        for near in range(1, n_near):
            for column in range(n_columns - near):
                is_heavy[row, column] |= is_near[row, column + near]
    left, y, margin = 0, 0, diameter // 2 + reach
    for i in range(n_places):
        while places[i] >= (y + 1) * width:
            y += 1
        x = places[i] - y * width
        places[left] = places[i]
        is_kept: Any = np.int64(is_heavy[max(y - margin, 0) // BLOCK, max(x - margin, 0) // BLOCK])
        left += is_kept
    return left
