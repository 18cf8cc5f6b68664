"""The stages of the fused detector that work on single spots, and the noise of the background around them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nta.compilation import inner_kernel, kernel

Pixels = NDArray[Any]
Words = NDArray[np.uint64]
Floats = NDArray[np.float64]
Places = NDArray[np.int32]
Integers = NDArray[np.int64]

MAX_ITERATIONS: Final = 10
SHIFT_THRESHOLD_PX: Final = 0.6
_WORD_BITS: Final = 64
_ALL_BITS: Final = np.uint64(2**64 - 1)
_HALF_BITS: Final = 32
_HALF_MAX: Final = 2**32 - 1
CLOSE: Final = 1.0 - 1e-7
"""trackpy's distance, in separations, within which the fainter of two spots goes."""


@inner_kernel
def _centred(
    pixels: Pixels, at_y: int, at_x: int, height: int, width: int, steps: Integers, places: Integers, radius: int
) -> tuple[int, int, float, float]:
    """Move the disc from a candidate's pixel until its centre of brightness lies within; return where it is.

    Both moments are summed in one number, 32 bits each, which is twice as fast as three sums. The loop ends at a
    mark in place of a count, because compilers make slow vectors of it otherwise.

    Returns
    -------
    tuple
        Place in ``pixels`` of the corner of the square around the disc, its mass, and the centre, y and x.
    """
    corner, mass, centre_y, centre_x = 0, 0, 0.0, 0.0
    for _ in range(MAX_ITERATIONS):
        corner = (at_y - radius) * width + at_x - radius
        square = pixels[corner:]
        mass, moments, k = 0, 0, 0
        while steps[k] >= 0:
            pixel: Any = np.int64(square[steps[k]])
            mass += pixel
            moments += pixel * places[k]
            k += 1
        relative_y, relative_x = (moments >> _HALF_BITS) / mass, (moments & _HALF_MAX) / mass
        centre_y, centre_x = relative_y - radius + at_y, relative_x - radius + at_x
        off_y, off_x = relative_y - radius, relative_x - radius
        if abs(off_y) < SHIFT_THRESHOLD_PX and abs(off_x) < SHIFT_THRESHOLD_PX:
            break
        at_y += int(off_y > SHIFT_THRESHOLD_PX) - int(off_y < -SHIFT_THRESHOLD_PX)
        at_x += int(off_x > SHIFT_THRESHOLD_PX) - int(off_x < -SHIFT_THRESHOLD_PX)
        at_y = min(max(at_y, radius), height - radius - 1)
        at_x = min(max(at_x, radius), width - radius - 1)
    return corner, mass, centre_y, centre_x


def _refine(
    raw: Pixels,
    image: Pixels,
    places: Places,
    n_places: int,
    steps: Integers,
    disc_places: Integers,
    cosines: Floats,
    sines: Floats,
    scale: float,
    min_mass: float,
    features: Floats,
) -> int:
    """Move every candidate to its centre of brightness and describe the spot, as trackpy's ``refine_com``.

    The disc moves by a pixel as long as the centre lies more than 0.6 px off its own. Mass, centre and size
    are sums of whole numbers; only the eccentricity needs trackpy's order (row by row).

    Parameters
    ----------
    raw, image : (h, w)
        The frame, and the band-passed one in whole numbers.
    places : (n_places or more,) int32
        Candidates: row times w plus column, none nearer to the edge than the radius.
    steps : (pixels of the disc + 1,) int64
        How far its pixels are from the corner of the square around it, in the memory of a frame; -1 at the end.
    disc_places : (pixels of the disc,) int64
        Row and column of each, counted from that corner: 2^32 times the row plus the column.
    cosines, sines : (pixels of the disc,) float64
        Of twice the angle.
    scale, min_mass : float
        Spots whose mass divided by ``scale`` does not exceed ``min_mass`` are left out.
    features : (n_places, 8) float64
        Results: y, x, mass, size, ecc, signal, raw_mass of the rescaled image.

    Returns
    -------
    int
        Number of spots.
    """
    height, width = image.shape
    pixels, raw_pixels = image.reshape(-1), raw.reshape(-1)
    n_disc = disc_places.size
    radius = (disc_places[n_disc - 1] >> _HALF_BITS) // 2
    found = 0
    for i in range(n_places):
        at_y, at_x = np.int64(places[i]) // width, np.int64(places[i]) % width
        corner, mass, centre_y, centre_x = _centred(pixels, at_y, at_x, height, width, steps, disc_places, radius)
        if not mass / scale > min_mass:
            continue
        square, raw_square = pixels[corner:], raw_pixels[corner:]
        gyration, raw_mass, signal = 0, 0, 0
        along, across = 0.0, 0.0
        for k in range(n_disc):
            pixel: Any = np.int64(square[steps[k]])
            row, column = disc_places[k] >> _HALF_BITS, disc_places[k] & _HALF_MAX
            gyration += ((row - radius) ** 2 + (column - radius) ** 2) * pixel
            along += cosines[k] * pixel
            across += sines[k] * pixel
            raw_pixel: Any = np.int64(raw_square[steps[k]])
            raw_mass += raw_pixel
            signal = max(signal, pixel)
        core = np.int64(square[radius * width + radius])
        feature = features[found]
        feature[0], feature[1], feature[2] = centre_y, centre_x, mass
        feature[3] = np.sqrt(gyration / mass)
        feature[4] = np.sqrt(along * along + across * across) / (float(mass) - core + 1e-6)
        feature[5], feature[6] = signal, raw_mass
        found += 1
    return found


_REFINE: Final = "i8({}[:, ::1], {}[:, ::1], i4[::1], i8, i8[::1], i8[::1], f8[::1], f8[::1], f8, f8, f8[:, ::1])"
refine_8 = kernel(_REFINE.format("u1", "u1"), is_rare=True)(_refine)
refine_8_16 = kernel(_REFINE.format("u1", "u2"))(_refine)
refine_16 = kernel(_REFINE.format("u2", "u2"), is_rare=True)(_refine)


@kernel("void(f8[:, ::1], i8, i8, i4[:, ::1], i4[::1], b1[::1])")
def keep_separate(
    features: Floats,
    n_features: int,
    separation: int,
    first: Places,
    following: Places,
    is_kept: NDArray[np.bool_],
) -> None:
    """Mark the spots that no heavier one is close to; of equal ones the larger y + x stays, then the later.

    A spot that goes itself still drives others away, as in trackpy.

    Parameters
    ----------
    first, following : (h // separation + 1, w // separation + 1), (n_features,) int32
        Scratch: the spots of a cell, each leading to the next.
    """
    n_rows, n_columns = first.shape
    first[:, :] = -1
    for i in range(n_features):
        row, column = int(features[i, 0]) // separation, int(features[i, 1]) // separation
        following[i] = first[row, column]
        first[row, column] = i
    for i in range(n_features):
        y, x, mass = features[i, 0] / separation, features[i, 1] / separation, features[i, 2]
        row, column = int(features[i, 0]) // separation, int(features[i, 1]) // separation
        is_kept[i] = True
        for near_row in range(max(row - 1, 0), min(row + 2, n_rows)):
            for near_column in range(max(column - 1, 0), min(column + 2, n_columns)):
                j = np.int64(first[near_row, near_column])
                while j >= 0:
                    other_y, other_x = features[j, 0] / separation, features[j, 1] / separation
                    if j != i and (y - other_y) ** 2 + (x - other_x) ** 2 <= CLOSE * CLOSE:
                        is_ahead = y + x > other_y + other_x if i < j else not other_y + other_x > y + x
                        if mass < features[j, 2] or (mass == features[j, 2] and not is_ahead):
                            is_kept[i] = False
                    j = np.int64(following[j])


@kernel("void(u8[:, ::1], i8[::1], u8[:, :, ::1], u8[:, ::1])")
def find_background(lit: Words, half_widths: Integers, ring: Words, background: Words) -> None:
    """Set the bits of ``background`` where no bit of ``lit`` within a disc is set, and clear the others.

    A pixel is a bit, 64 to a word, the first the lowest. Each row is widened by a pixel at a time up to the radius;
    the rows around a pixel's own then count as wide as the disc is at their distance.

    Parameters
    ----------
    lit : (h, n + 2) uint64
        A bit for each pixel, from the lowest of the second word on; 0 beyond the row's end.
    half_widths : (diameter,) int64
        Reach of the disc to either side, for each of its rows.
    ring : (radius + 1, diameter + 1, n + 2) uint64
        Scratch, zero at first: the last rows at every width, between words that stay zero, and a row of zeros.
    background : (h, n) uint64
        Result; bits beyond the row's end mean nothing.
    """
    height, n_words = background.shape
    n_rows = half_widths.size
    radius = n_rows // 2
    one, top = np.uint64(1), np.uint64(_WORD_BITS - 1)
    for y in range(height + radius):
        if y < height:
            source, row = lit[y], ring[0, y % n_rows]
            for k in range(n_words + 2):  # an assignment of slices takes a second to compile
                row[k] = source[k]
            for reach in range(1, radius + 1):
                narrow, wider = ring[reach - 1, y % n_rows], ring[reach, y % n_rows]
                for k in range(1, n_words + 1):
                    word = narrow[k]
                    wider[k] = word | (word << one) | (word >> one) | (narrow[k - 1] >> top) | (narrow[k + 1] << top)
        centre = y - radius
        if centre >= 0:
            out, own = background[centre], ring[radius, centre % n_rows]
            for k in range(n_words):
                out[k] = own[k + 1]
            for distance in range(1, radius + 1):
                reach = half_widths[radius + distance]
                above, below = centre - distance, centre + distance
                upper = ring[reach, above % n_rows] if above >= 0 else ring[0, n_rows]
                lower = ring[reach, below % n_rows] if below < height else ring[0, n_rows]
                for k in range(n_words):
                    out[k] |= upper[k + 1] | lower[k + 1]
            for k in range(n_words):
                out[k] = ~out[k]


def _background_sums(raw: Pixels, background: Words) -> tuple[int, int, int]:
    """Return the number of pixels whose bit is set in ``background``, their sum, and the sum of their squares."""
    height, width = raw.shape
    one = np.uint64(1)
    count: Any = np.uint64(0)
    total: Any = np.uint64(0)
    squares: Any = np.uint64(0)
    for y in range(height):
        for number in range(background.shape[1]):
            word = background[y, number]
            if word == _ALL_BITS and (number + 1) * _WORD_BITS <= width:
                row = raw[y, number * _WORD_BITS : (number + 1) * _WORD_BITS]
                in_word, squared = np.uint64(0), np.uint64(0)
                for x in range(_WORD_BITS):
                    in_word += np.uint64(row[x])
                    squared += np.uint64(row[x]) * np.uint64(row[x])
                count += np.uint64(_WORD_BITS)
                total += in_word
                squares += squared
            elif word != 0:
                row = raw[y, number * _WORD_BITS : min((number + 1) * _WORD_BITS, width)]
                for x in range(row.size):
                    is_background = (word >> np.uint64(x)) & one
                    pixel = np.uint64(row[x]) * is_background
                    count += is_background
                    total += pixel
                    squares += pixel * pixel
    sums: Any = np.int64(count), np.int64(total), np.int64(squares)
    return sums[0], sums[1], sums[2]


background_sums_8 = kernel("UniTuple(i8, 3)(u1[:, ::1], u8[:, ::1])")(_background_sums)
background_sums_16 = kernel("UniTuple(i8, 3)(u2[:, ::1], u8[:, ::1])", is_rare=True)(_background_sums)
