"""The first stage of the fused detector: the frame band-passed, in whole numbers of its brightest pixel.

:mod:`nta.detection.fused_engine` says what follows. The result is trackpy's to the last bit without its full-size
float64 arrays. A row is band-passed in float32 with a bound on its error and cut to whole numbers while it is in the
cache; the few pixels whose whole number the bound leaves open are computed again in float64, in the order of additions
that scipy uses (:mod:`nta.detection.fused_exact`). All other sums are of whole numbers, which no order changes.

Kernels that meet pixels exist for raw pixels and results of 8 and of 16 bits, and for raw pixels of 8 whose results
have 16: those of a frame that a gain makes brighter, which most videos are searched with
(``Appearance.detector_gain``). The other two wait for their first call. Every kernel has its slow twin in
``tests/detection/naive_detection.py``.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nta.compilation import fused_kernel, inner_kernel, kernel

Pixels = NDArray[Any]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Singles = NDArray[np.float32]
Places = NDArray[np.int32]
Whole = NDArray[Any]

GAUSSIAN_REACH: Final = 4
"""Taps on either side of trackpy's Gaussian of 1 px, truncated at 4 sd."""

_WORD: Final = 8
_BYTE_BITS: Final = 8
_BYTE_MAX: Final = 255


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
def _divide(sums: Whole, inverse: np.float32, half: np.float32, quotients: Pixels) -> None:
    """Write ``sums`` over a divisor, cut to whole numbers: exact for at most 31 rows of uint16.

    ``inverse`` is a gain over the divisor, ``half`` a half over it: added, no rounding reaches the whole number below.
    """
    for x in range(sums.size):
        quotients[x] = np.int32(np.float32(sums[x]) * inverse + half)


@fused_kernel
def _divide_above(sums: Whole, inverse: np.float32, half: np.float32, ground: np.float32, quotients: Singles) -> None:
    """Do what :func:`_divide` does, and take ``ground`` off."""
    for x in range(sums.size):
        quotients[x] = np.float32(np.int32(np.float32(sums[x]) * inverse + half)) - ground


@inner_kernel
def _running_mean(
    raw: Pixels, y: int, diameter: int, gain: int, ground: np.float32,
    columns: Whole, cut: Pixels, fours: Whole, sums: Whole, above: Singles,
) -> None:  # fmt: skip
    """Write the mean around row ``y`` less ``ground`` to ``above``, cut to a whole number after each axis.

    The edge is repeated. Parameters are those of :func:`_bandpass`; ``columns`` holds the sums around the row before,
    and is made for the first one.
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
    inverse = np.float32(1.0) / np.float32(diameter)
    of_half = np.float32(0.5) * inverse
    _divide(columns, np.float32(gain) * inverse, of_half, cut[half:])
    cut[:half] = cut[half]
    cut[half + width :] = cut[half + width - 1]
    box_sums(cut, fours, sums, diameter)
    _divide_above(sums, inverse, of_half, ground, above)


@inner_kernel
def _row(raw: Pixels, y: int, blank: Pixels) -> Pixels:
    return raw[y] if 0 <= y < raw.shape[0] else blank


@inner_kernel
def _single(one: int, other: int) -> np.float32:
    """Return the sum of two pixels, added as whole numbers of 32 bits, as vectors are."""
    return np.float32(np.int32(np.int64(one) + np.int64(other)))


@fused_kernel
def _weigh_rows(
    raw: Pixels, y: int, blank: Pixels, weights: Singles, gain: np.float32, ground: np.float32,
    here: Singles, below: Singles,
) -> None:  # fmt: skip
    """Write the Gaussian down the columns around rows ``y`` and ``y + 1`` to the middle of ``here`` and ``below``.

    Of ``gain`` times what lies above ``ground``. Two rows at once, because they share eight of the ten that they need.
    """
    w0, w1, w2, w3, w4 = gain * weights[0], gain * weights[1], gain * weights[2], gain * weights[3], gain * weights[4]
    row_a, row_b, row_c = _row(raw, y - 4, blank), _row(raw, y - 3, blank), _row(raw, y - 2, blank)
    row_d, row_e, row_f = _row(raw, y - 1, blank), _row(raw, y, blank), _row(raw, y + 1, blank)
    row_g, row_h = _row(raw, y + 2, blank), _row(raw, y + 3, blank)
    row_i, row_j = _row(raw, y + 4, blank), _row(raw, y + 5, blank)
    first, second, both = here[GAUSSIAN_REACH:], below[GAUSSIAN_REACH:], ground + ground
    for x in range(blank.size):
        a, b, c, d, e = row_a[x], row_b[x], row_c[x], row_d[x], row_e[x]
        f, g, h, i, j = row_f[x], row_g[x], row_h[x], row_i[x], row_j[x]
        outer = (_single(a, i) - both) * w4 + (_single(b, h) - both) * w3
        inner = (_single(c, g) - both) * w2 + (_single(d, f) - both) * w1
        first[x] = outer + inner + (np.float32(e) - ground) * w0
        outer = (_single(b, j) - both) * w4 + (_single(c, i) - both) * w3
        inner = (_single(d, h) - both) * w2 + (_single(e, g) - both) * w1
        second[x] = outer + inner + (np.float32(f) - ground) * w0


@fused_kernel
def _cut_row(
    smooth: Singles, weights: Singles, above: Singles, slack: Singles, scale: float, rounding: float, growth: float,
    top: float, image: Pixels, flags: Bytes,
) -> None:  # fmt: skip
    """Write the Gaussian along a row less its mean, times ``scale`` and cut to a whole number, to ``image``.

    Below 1, before it is multiplied, it is 0. Flagged are pixels of which the error leaves that number open, and those
    that may reach ``top``. The error is ``rounding`` times the Gaussian, which is the result more than the mean, and
    ``growth`` more for the result; beside it ``slack``.
    """
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    one = np.float32(1.0)
    for x in range(image.size):
        outer = (smooth[x] + smooth[x + 8]) * w4 + (smooth[x + 1] + smooth[x + 7]) * w3
        inner = (smooth[x + 2] + smooth[x + 6]) * w2 + (smooth[x + 3] + smooth[x + 5]) * w1
        value = outer + inner + smooth[x + 4] * w0 - above[x]
        error = value * growth + (above[x] * rounding + slack[x])
        most, least = value + error, value - error
        high, low = np.int32(most * scale), np.int32(least * scale)
        is_lit = most >= one
        image[x] = high if is_lit else np.int32(0)
        flags[x] = is_lit & ((low != high) | (least <= one) | (most >= top))


@inner_kernel
def _append_open(
    flags: Bytes, flag_words: Words, first: int, above: Singles, places: Places, means: Singles, found: int
) -> int:
    """Write ``first + x`` to ``places`` for every flag that is 1, and what is ``above`` there to ``means``.

    Return how many there are then. In most rows none is. In a word that is not 0 each is written, and stays if its
    flag is 1: no branch is guessed wrong.
    """
    of_all = np.uint64(0)
    for word in range(flag_words.size):
        of_all |= flag_words[word]
    if of_all == 0:
        return found
    for word in range(flag_words.size):
        if flag_words[word] != 0:
            for x in range(word * _WORD, (word + 1) * _WORD):
                places[found], means[found] = first + x, above[x]
                is_flagged: Any = np.int64(flags[x])
                found += is_flagged
    return found


@inner_kernel
def _pack(image: Pixels, lit: Bytes, lit_words: Words, octets: Words, bits: Words) -> None:
    """Write a bit to ``bits``, between its first and last word, for every pixel: whether it is not zero.

    ``lit`` is scratch, (64 words of bits,), 0 beyond the row's end; ``lit_words`` the same memory.
    """
    for x in range(image.size):
        lit[x] = image[x] != 0
    pairs, fours, eights = np.uint64(0x0003000300030003), np.uint64(0x0000000F0000000F), np.uint64(_BYTE_MAX)
    for i in range(lit_words.size):
        word = lit_words[i]
        word = (word | (word >> np.uint64(7))) & pairs
        word = (word | (word >> np.uint64(14))) & fours
        octets[i] = (word | (word >> np.uint64(28))) & eights
    for k in range(bits.size - 2):
        word = octets[_BYTE_BITS * k]
        for i in range(1, _BYTE_BITS):
            word |= octets[_BYTE_BITS * k + i] << np.uint64(_BYTE_BITS * i)
        bits[k + 1] = word


def _bandpass(
    raw: Pixels,
    blank: Pixels,
    weights: Singles,
    diameter: int,
    gain: int,
    ground: np.float32,
    scale: float,
    rounding: float,
    growth: float,
    top: float,
    smooth: Singles,
    columns: Whole,
    cut: Pixels,
    fours: Whole,
    sums: Whole,
    above: Singles,
    slack: Singles,
    flags: Bytes,
    flag_words: Words,
    lit: Bytes,
    lit_words: Words,
    octets: Words,
    image: Pixels,
    bits: Words,
    places: Places,
    means: Singles,
) -> int:
    """Write Gaussian minus running mean, times ``scale`` and cut to whole numbers, to ``image``.

    Of a frame whose pixels are ``gain`` times as bright. The mean over ``diameter`` pixels is cut to a whole number
    after each axis, as scipy's filter does on integers; the frame's edge is repeated for it, and is followed by zeros
    for the Gaussian.

    Smoothed is what lies above a grey level: rounding errors are then in proportion to that, and not to the ground.

    Parameters
    ----------
    raw, blank : (h, w), (w,) uint8 or uint16
        The frame, and a row of zeros.
    weights : (5,) float32
        Of the Gaussian, from the centre outwards.
    diameter, gain : int
        Odd; a power of two.
    ground : float
        The darkest pixel's grey level.
    scale, rounding, growth, top : float
        As in :func:`_cut_row`, ``growth`` with ``rounding`` in it.
    smooth : (2, w + 8) float32
        Scratch.
    columns, cut, fours, sums, above : (w,), (w + diameter - 1,), (w + diameter - 1,), (w,), (multiple of 8,)
        Scratch: sums down the columns, their means, sums of those along the row, and the mean. ``cut`` is of the type
        of ``image``, ``above`` float32, the others whole numbers that hold ``diameter`` pixels, ``columns`` those of
        ``raw``.
    slack : (2, w) float32
        What beside the above a result may be off by: in rows whose Gaussian lies within the frame, and in the others.
    flags, flag_words : (multiple of 8,) uint8, the same memory as uint64
        Scratch; zero beyond the row's end.
    lit, lit_words, octets : (64 n,) uint8, the same memory as uint64, (8 n,) uint64
        Scratch, for the n words of bits of a row.
    image, bits : (h, w), (h, n + 2)
        Results: the band-passed frame, and 1 for its pixels that are not zero, the first the lowest of the second word.
    places, means : (h w + 8,) int32, float32
        Results: pixels that are left open, and the mean around them less the ground.

    Returns
    -------
    int
        How many pixels are left open.
    """
    height, width = raw.shape
    found, factor = 0, np.float32(gain)
    raised = factor * ground
    # Beyond the edges all is dark.
    dark = -raised * (weights[0] + np.float32(2.0) * (weights[1] + weights[2] + weights[3] + weights[4]))
    smooth[:, :GAUSSIAN_REACH] = dark
    smooth[:, GAUSSIAN_REACH + width :] = dark
    for upper in range(0, height, 2):
        _weigh_rows(raw, upper, blank, weights, factor, ground, smooth[0], smooth[1])
        for y in range(upper, min(upper + 2, height)):
            _running_mean(raw, y, diameter, gain, raised, columns, cut, fours, sums, above)
            off = slack[0] if GAUSSIAN_REACH <= y < height - GAUSSIAN_REACH else slack[1]
            _cut_row(smooth[y - upper], weights, above, off, scale, rounding, growth, top, image[y], flags)
            found = _append_open(flags, flag_words, y * width, above, places, means, found)
            _pack(image[y], lit, lit_words, octets, bits[y])
    return found


_ARGUMENTS: Final = (
    "i8({raw}[:, ::1], {raw}[::1], f4[::1], i8, i8, f4, f4, f4, f4, f4, f4[:, ::1], {columns}[::1], {image}[::1],"
    "{sums}[::1], {sums}[::1], f4[::1], f4[:, ::1], u1[::1], u8[::1], u1[::1], u8[::1], u8[::1], {image}[:, ::1],"
    "u8[:, ::1], i4[::1], f4[::1])"
)
bandpass_8 = kernel(_ARGUMENTS.format(raw="u1", columns="u2", sums="u2", image="u1"), is_rare=True)(_bandpass)
bandpass_8_16 = kernel(_ARGUMENTS.format(raw="u1", columns="u2", sums="i4", image="u2"))(_bandpass)
bandpass_16 = kernel(_ARGUMENTS.format(raw="u2", columns="i4", sums="i4", image="u2"), is_rare=True)(_bandpass)
