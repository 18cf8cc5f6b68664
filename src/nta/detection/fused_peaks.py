"""The stages of the fused detector from the band-passed frame to candidates: percentile, local maxima, weight."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nta.compilation import inner_kernel, kernel
from nta.detection.fused_bandpass import box_sums

Pixels = NDArray[Any]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Places = NDArray[np.int32]
Whole = NDArray[Any]

BLOCK: Final = 8
"""Side of the blocks of corners for which the heaviest square is kept, px."""

_EVERY_BYTE: Final = np.uint64(0x0101010101010101)

_WORD: Final = 8
_BYTE_MAX: Final = 255


@inner_kernel
def _append_flagged(flags: Bytes, flag_words: Words, first: int, places: Places, found: int) -> int:
    """Write ``first + x`` to ``places`` for every flag that is 1; return how many places there are then.

    In many rows none is. In a word that is not 0 each is written, and stays if its flag is 1: no branch is guessed
    wrong.
    """
    of_all = np.uint64(0)
    for word in range(flag_words.size):
        of_all |= flag_words[word]
    if of_all == 0:
        return found
    for word in range(flag_words.size):
        if flag_words[word] != 0:
            for x in range(word * _WORD, (word + 1) * _WORD):
                places[found] = first + x
                is_flagged: Any = np.int64(flags[x])
                found += is_flagged
    return found


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
    reach: int,
    threshold: int,
    is_near: Bytes,
    near: Bytes,
    near_words: Words,
    ring: Pixels,
    rows: Pixels,
    flags: Bytes,
    flag_words: Words,
    places: Places,
) -> int:
    """Write to ``places`` where ``image`` exceeds ``threshold``, is the maximum of its window, and may become a spot.

    The window of pixel ``i`` spans ``i - (window - 1) // 2`` to ``i + window // 2`` on both axes. Maxima over
    2, 4, 8, ... pixels are made from each other, then two of them make the window: along a row in ``rows``,
    down the columns in ``ring``, each step as soon as its rows are there.

    Parameters
    ----------
    is_near, reach
        As in :func:`near_heavy`.
    near, near_words : (8 n,) uint8, the same memory as uint64
        Scratch, for the n blocks of a row.
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
    found, block_row = 0, -1
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
        if max(y - margin - reach, 0) // BLOCK != block_row:
            block_row = max(y - margin - reach, 0) // BLOCK
            for block in range(near_words.size):
                near_words[block] = np.uint64(is_near[block_row, block]) * _EVERY_BYTE
        for x in range(inner_flags.size):
            inner_flags[x] = (source[x] == highest[x]) & (source[x] > threshold)
        for x in range(min(reach, inner_flags.size)):
            inner_flags[x] &= near[0]
        beyond = inner_flags[reach:]
        for x in range(beyond.size):
            beyond[x] &= near[x]
        found = _append_flagged(flags, flag_words, y * width, places, found)
    return found


_PEAKS: Final = (
    "i8({0}[:, ::1], i8, i8, i8, {0}, u1[:, ::1], u1[::1], u8[::1], {0}[:, ::1], {0}[:, ::1], u1[::1], u8[::1],i4[::1])"
)
peaks_8 = kernel(_PEAKS.format("u1"), is_rare=True)(_peaks)
peaks_16 = kernel(_PEAKS.format("u2"))(_peaks)


def _heaviest_squares(
    image: Pixels,
    blank: Pixels,
    diameter: int,
    columns: Whole,
    tallest: Whole,
    fours: Whole,
    sums: Whole,
    heaviest: Whole,
) -> None:
    """Write to ``heaviest`` what no square of ``diameter`` pixels with its first corner in a block exceeds.

    A square is no heavier than its columns, each as heavy as it is for any of ``BLOCK`` squares above each other.

    Parameters
    ----------
    blank : (w,) of the type of ``image``
        Zeros.
    diameter : int
        For images of uint8 at most 15, so that the sum of a square fits into uint16.
    columns, tallest, fours, sums : (w,), (w,), (w,), (w - diameter + 1,)
        Scratch: sums down the columns, the largest of them, what :func:`box_sums` needs, and sums of those.
    heaviest : (rows of squares, squares of a row) / BLOCK, rounded up
        Result.
    """
    height, width = image.shape
    columns[:] = 0
    for y in range(height):
        corner = y - diameter + 1
        entering, leaving = image[y], image[corner - 1] if corner > 0 else blank
        for x in range(width):
            columns[x] = np.int64(columns[x]) + np.int64(entering[x]) - np.int64(leaving[x])
        if corner < 0:
            continue
        if corner % BLOCK == 0:
            tallest[:] = 0
        for x in range(width):
            tallest[x] = max(tallest[x], columns[x])
        if corner % BLOCK == BLOCK - 1 or y == height - 1:
            box_sums(tallest, fours, sums, diameter)
            step = 1
            while step < BLOCK:  # to the largest of 8 from each on
                for x in range(sums.size - step):
                    sums[x] = max(sums[x], sums[x + step])
                step *= 2
            for column in range(heaviest.shape[1]):
                heaviest[corner // BLOCK, column] = sums[column * BLOCK]


_HEAVIEST: Final = "void({0}[:, ::1], {0}[::1], i8, {1}[::1], {1}[::1], {1}[::1], {1}[::1], {1}[:, ::1])"
heaviest_squares_8 = kernel(_HEAVIEST.format("u1", "u2"), is_rare=True)(_heaviest_squares)
heaviest_squares_16 = kernel(_HEAVIEST.format("u2", "i4"))(_heaviest_squares)


def near_heavy(is_heavy: NDArray[np.bool_], reach: int, is_near: NDArray[np.bool_]) -> None:
    """Mark the blocks in which a candidate may become a spot: near which a square may be as heavy as one must be.

    Noise has thousands of maxima, which cost more to refine than all else. A disc is no heavier than the square around
    it; a candidate's disc moves by at most ``reach``.

    Parameters
    ----------
    is_heavy : (rows of squares, squares of a row) / BLOCK, rounded up
        Whether a square with its first corner in a block may be heavy enough.
    is_near : the same
        Result: what holds for a candidate whose distance to the frame's upper and left edge, less ``reach`` and half
        the diameter, is in the block: whether one of the blocks that it may reach from there on is heavy.
    """
    n_near = (2 * reach + BLOCK - 1) // BLOCK + 1
    along = is_heavy.copy()
    for near in range(1, n_near):
        along[:, :-near] |= is_heavy[:, near:]
    is_near[:] = along
    for near in range(1, n_near):
        is_near[:-near] |= along[near:]
