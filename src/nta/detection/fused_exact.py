"""Single pixels of the band-passed frame as trackpy has them: float64, in the order in which scipy adds.

For the frame's brightest pixel, which all others are scaled by, and for pixels whose whole number
:mod:`nta.detection.fused_bandpass` leaves open.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nta.compilation import inner_kernel, kernel
from nta.detection.fused_bandpass import GAUSSIAN_REACH

Pixels = NDArray[Any]
Words = NDArray[np.uint64]
Singles = NDArray[np.float32]
Floats = NDArray[np.float64]
Places = NDArray[np.int32]
Whole = NDArray[Any]

SIDE: Final = 16
"""Side of the blocks in which the brightest pixel is looked for, px."""

MOST_BLOCKS: Final = 64
"""How many of them are looked into at most."""

_PROMISING_SHARE: Final = 0.5  # of the most promising block's score
_WORTH_CLIMBING: Final = 0.8  # of the largest value so far

_QUAD: Final = 4
_WORD_BITS: Final = 64


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


@inner_kernel
def _sum_inside(raw: Pixels, y: int, first: int, last: int, weights: Floats, down: Floats) -> None:
    """Do what :func:`_sum_at_edge` does, where all pixels that are asked for lie within the frame."""
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    for k in range(first, last):
        x = k - GAUSSIAN_REACH
        down[k] = (
            raw[y, x] * w0
            + (np.int64(raw[y - 4, x]) + np.int64(raw[y + 4, x])) * w4
            + (np.int64(raw[y - 3, x]) + np.int64(raw[y + 3, x])) * w3
            + (np.int64(raw[y - 2, x]) + np.int64(raw[y + 2, x])) * w2
            + (np.int64(raw[y - 1, x]) + np.int64(raw[y + 1, x])) * w1
        )


@inner_kernel
def _sum_along(down: Floats, x: int, weights: Floats, gain: int) -> float:
    """Return the Gaussian along the row of what :func:`_sum_at_edge` wrote, times ``gain``, a power of two.

    The centre comes first, then the pairs from the outermost inwards; axis 0 came before axis 1.
    """
    total: float = (
        down[x + 4] * weights[0]
        + (down[x] + down[x + 8]) * weights[4]
        + (down[x + 1] + down[x + 7]) * weights[3]
        + (down[x + 2] + down[x + 6]) * weights[2]
        + (down[x + 3] + down[x + 5]) * weights[1]
    )
    return total * gain


def _settle(
    raw: Pixels,
    weights: Floats,
    gain: int,
    raised: float,
    scale: float,
    places: Places,
    means: Singles,
    n_places: int,
    down: Floats,
    image: Pixels,
    bits: Words,
) -> float:
    """Write the pixels of ``image`` that were left open, and their bits, and return the largest before ``scale``.

    Pixels of a row that follow each other share their sums down the columns: films that were compressed with loss have
    thousands.

    Parameters
    ----------
    raw : (h, w) uint8 or uint16
        The frame.
    weights : (5,) float64
        Of the Gaussian, from the centre outwards.
    gain : int
        Power of two by which the frame counts as brighter.
    raised : float
        The ground times the gain, of which the means are less.
    scale : float
        Factor on the band-passed frame before it is cut to whole numbers.
    places, means : (n_places or more,) int32, float32
        Row times w plus column, ascending, and the running mean there, less ``raised``.
    down : (w + 8,) float64
        Scratch.
    image, bits : (h, w), (h, n + 2)
        As in ``fused_bandpass._bandpass``; changed.
    """
    height, width = raw.shape
    white, reach = float(np.iinfo(image.dtype).max), GAUSSIAN_REACH
    largest, y, i = 0.0, 0, 0
    while i < n_places:
        while places[i] >= (y + 1) * width:
            y += 1
        x, n = places[i] - y * width, 1
        while i + n < n_places and places[i + n] == places[i] + n and x + n < width:
            n += 1
        if reach <= y < height - reach and reach <= x and x + n <= width - reach:
            _sum_inside(raw, y, x, x + n + 2 * reach, weights, down)
        else:
            _sum_at_edge(raw, y, x, x + n + 2 * reach, weights, down)
        for k in range(n):
            value = _sum_along(down, x + k, weights, gain) - (np.float64(means[i + k]) + raised)
            largest = max(largest, value)
            word, bit = (x + k) // _WORD_BITS + 1, np.uint64(1) << np.uint64((x + k) % _WORD_BITS)
            if value >= 1.0:
                image[y, x + k] = min(value * scale, white)  # beyond white where ``scale`` is not that of this frame
                bits[y, word] |= bit
            else:
                image[y, x + k] = 0
                bits[y, word] &= ~bit
        i += n
    return largest


_SETTLE: Final = "f8({}[:, ::1], f8[::1], i8, f8, f8, i4[::1], f4[::1], i8, f8[::1], {}[:, ::1], u8[:, ::1])"
settle_8 = kernel(_SETTLE.format("u1", "u1"), is_rare=True)(_settle)
settle_8_16 = kernel(_SETTLE.format("u1", "u2"))(_settle)
settle_16 = kernel(_SETTLE.format("u2", "u2"), is_rare=True)(_settle)


@inner_kernel
def _value_at(raw: Pixels, y: int, x: int, weights: Floats, diameter: int, gain: int, down: Floats) -> float:
    """Return one pixel of the band-passed frame."""
    height, width = raw.shape
    half, total = diameter // 2, np.int64(0)
    for column in range(x - half, x + half + 1):
        inside = min(max(column, 0), width - 1)
        in_column = np.int64(0)
        for row in range(y - half, y + half + 1):
            in_column += np.int64(raw[min(max(row, 0), height - 1), inside])
        total += in_column * gain // diameter
    _sum_at_edge(raw, y, x, x + 2 * GAUSSIAN_REACH + 1, weights, down)
    return _sum_along(down, x, weights, gain) - np.float64(total // diameter)


@inner_kernel
def _climb(raw: Pixels, y: int, x: int, weights: Floats, diameter: int, gain: int, down: Floats) -> float:
    """Return the band-passed value of the pixel from which no neighbour leads further up, from one on."""
    height, width = raw.shape
    highest, is_rising = -np.inf, True
    while is_rising:
        is_rising, middle_y, middle_x = False, y, x
        for row in range(max(middle_y - 1, 0), min(middle_y + 2, height)):
            for column in range(max(middle_x - 1, 0), min(middle_x + 2, width)):
                value = _value_at(raw, row, column, weights, diameter, gain, down)
                if value > highest:
                    highest, y, x, is_rising = value, row, column, True
    return highest


@inner_kernel
def _score_band(raw: Pixels, top: int, quads: Whole, brightest: Whole, sums: Whole) -> None:
    """Write a block's largest sum of four pixels below each other, and the sum of all, to its first column's place."""
    height, width = raw.shape
    brightest[:] = 0
    sums[:] = 0
    for y in range(top, min(top + SIDE, height), _QUAD):
        first, second = raw[y], raw[min(y + 1, height - 1)]
        third, fourth = raw[min(y + 2, height - 1)], raw[min(y + 3, height - 1)]
        for x in range(width):
            quads[x] = (np.int64(first[x]) + np.int64(second[x])) + (np.int64(third[x]) + np.int64(fourth[x]))
        for x in range(width):
            brightest[x] = max(brightest[x], quads[x])
            sums[x] += quads[x]
    step = 1
    while step < SIDE:
        for x in range(width - step):
            brightest[x] = max(brightest[x], brightest[x + step])
            sums[x] += sums[x + step]
        step *= 2


def _promising_maximum(
    raw: Pixels, weights: Floats, diameter: int, gain: int,
    quads: Whole, brightest: Whole, sums: Whole, scores: Floats, down: Floats,
) -> float:  # fmt: skip
    """Return the largest band-passed value near the pixels that stand out most: nearly always the frame's largest.

    Blocks whose brightest pixels exceed their mean nearly as much as any are looked into, and from there uphill.

    Parameters
    ----------
    raw, weights, gain, down
        As in :func:`_settle`.
    diameter : int
        Of the running mean.
    quads, brightest, sums : (w,) whole numbers that hold ``SIDE`` squared pixels
        Scratch.
    scores : (blocks,) float64
        Scratch: one for each block of ``SIDE`` pixels, those at the lower and right edge included.
    """
    height, width = raw.shape
    n_across = -(-width // SIDE)
    for band in range(-(-height // SIDE)):
        _score_band(raw, band * SIDE, quads, brightest, sums)
        n_rows = -(-min(SIDE, height - band * SIDE) // _QUAD)
        for block in range(n_across):
            x = block * SIDE
            scores[band * n_across + block] = brightest[x] - sums[x] / (n_rows * min(SIDE, width - x))
    best, largest, n_blocks = scores.max(), 0.0, 0
    for i in range(scores.size):
        if scores[i] < _PROMISING_SHARE * best or n_blocks == MOST_BLOCKS:
            continue
        n_blocks += 1
        top, left = i // n_across * SIDE, i % n_across * SIDE
        at_y, at_x = top, left
        for y in range(top, min(top + SIDE, height)):
            for x in range(left, min(left + SIDE, width)):
                if raw[y, x] > raw[at_y, at_x]:
                    at_y, at_x = y, x
        value = _value_at(raw, at_y, at_x, weights, diameter, gain, down)
        if value > _WORTH_CLIMBING * largest:
            largest = max(largest, _climb(raw, at_y, at_x, weights, diameter, gain, down))
    return largest


_PROMISING: Final = "f8({raw}[:, ::1], f8[::1], i8, i8, {sums}[::1], {sums}[::1], {sums}[::1], f8[::1], f8[::1])"
promising_maximum_8 = kernel(_PROMISING.format(raw="u1", sums="u2"))(_promising_maximum)
promising_maximum_16 = kernel(_PROMISING.format(raw="u2", sums="i4"), is_rare=True)(_promising_maximum)
