"""The stages of the fused detector that work on single spots, and the noise of the background around them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nta.compilation import inner_kernel, kernel

Pixels = NDArray[Any]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Floats = NDArray[np.float64]
Places = NDArray[np.int32]
Integers = NDArray[np.int64]

MAX_ITERATIONS: Final = 10
SHIFT_THRESHOLD_PX: Final = 0.6
_WORD: Final = 8
CLOSE: Final = 1.0 - 1e-7
"""trackpy's distance, in separations, within which the fainter of two spots goes."""


@inner_kernel
def _centred(
    pixels: Pixels, at_y: int, at_x: int, height: int, width: int, disc: Places, steps: Integers
) -> tuple[int, int, float, float]:
    """Move the disc from a candidate's pixel until its centre of brightness lies within; return where it is.

    Returns
    -------
    tuple
        Place in ``pixels`` of the corner of the square around the disc, its mass, and the centre, y and x.
    """
    rows, columns = disc[0], disc[1]
    radius: Any = np.int64(rows[steps.size - 1]) // 2
    corner, mass, centre_y, centre_x = 0, 0, 0.0, 0.0
    for _ in range(MAX_ITERATIONS):
        corner = (at_y - radius) * width + at_x - radius
        square = pixels[corner:]
        mass, moment_y, moment_x = 0, 0, 0
        for k in range(steps.size):
            pixel: Any = np.int64(square[steps[k]])
            mass += pixel
            moment_y += pixel * rows[k]
            moment_x += pixel * columns[k]
        relative_y, relative_x = moment_y / mass, moment_x / mass
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
    disc: Places,
    steps: Integers,
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
    disc : (2, pixels of the disc) int32
        Row and column of its pixels, counted from the corner of the square around it.
    steps : (pixels of the disc,) int64
        How far they are from that corner in the memory of a frame.
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
    rows, columns = disc[0], disc[1]
    radius = np.int64(rows[steps.size - 1]) // 2
    found = 0
    for i in range(n_places):
        at_y, at_x = np.int64(places[i]) // width, np.int64(places[i]) % width
        corner, mass, centre_y, centre_x = _centred(pixels, at_y, at_x, height, width, disc, steps)
        if not mass / scale > min_mass:
            continue
        square, raw_square = pixels[corner:], raw_pixels[corner:]
        gyration, raw_mass, signal = 0, 0, 0
        along, across = 0.0, 0.0
        for k in range(steps.size):
            pixel: Any = np.int64(square[steps[k]])
            gyration += ((rows[k] - radius) ** 2 + (columns[k] - radius) ** 2) * pixel
            along += cosines[k] * pixel
            across += sines[k] * pixel
            raw_pixel: Any = np.int64(raw_square[steps[k]])
            raw_mass += raw_pixel
            signal = max(signal, pixel)
        core = np.int64(square[radius * width + radius])
        row = features[found]
        row[0], row[1], row[2] = centre_y, centre_x, mass
        row[3] = np.sqrt(gyration / mass)
        row[4] = np.sqrt(along * along + across * across) / (float(mass) - core + 1e-6)
        row[5], row[6] = signal, raw_mass
        found += 1
    return found


refine_8 = kernel(
    "i8(u1[:, ::1], u1[:, ::1], i4[::1], i8, i4[:, ::1], i8[::1], f8[::1], f8[::1], f8, f8, f8[:, ::1])", is_rare=True
)(_refine)
refine_16 = kernel(
    "i8(u2[:, ::1], u2[:, ::1], i4[::1], i8, i4[:, ::1], i8[::1], f8[::1], f8[::1], f8, f8, f8[:, ::1])"
)(_refine)


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


@kernel("void(u1[:, ::1], i8[::1], u1[:, :, ::1], u1[::1], u1[:, ::1])")
def find_background(lit: Bytes, half_widths: Integers, ring: Bytes, wide: Bytes, background: Bytes) -> None:
    """Write 1 to ``background`` where all pixels of ``lit`` within a disc are zero, and 0 elsewhere.

    Each row is widened step by step up to the radius; the rows around a pixel's own then count as wide as the
    disc is at their distance.

    Parameters
    ----------
    half_widths : (diameter,) int64
        Reach of the disc to either side, for each of its rows.
    ring, wide : (radius + 1, diameter + 1, w), (w + diameter - 1,) uint8
        Scratch: the last rows at every width, and a row of zeros; ``wide`` is zero at both ends.
    background : (h, w or more) uint8
        Result; columns beyond w stay as they are.
    """
    height, width = lit.shape
    n_rows = half_widths.size
    radius = n_rows // 2
    middle = wide[radius:]
    ring[0, n_rows, :] = 0
    for y in range(height + radius):
        if y < height:
            source, widest = lit[y], ring[0, y % n_rows]
            for x in range(width):
                middle[x] = source[x]
                widest[x] = source[x]
            for reach in range(1, radius + 1):
                left, right = wide[radius - reach :], wide[radius + reach :]
                wider = ring[reach, y % n_rows]
                for x in range(width):
                    wider[x] = widest[x] | left[x] | right[x]
                widest = wider
        centre = y - radius
        if centre >= 0:
            out, own = background[centre], ring[radius, centre % n_rows]
            for x in range(width):
                out[x] = own[x]
            for distance in range(1, radius + 1):
                reach = half_widths[radius + distance]
                above, below = centre - distance, centre + distance
                upper = ring[reach, above % n_rows] if above >= 0 else ring[0, n_rows]
                lower = ring[reach, below % n_rows] if below < height else ring[0, n_rows]
                for x in range(width):
                    out[x] |= upper[x] | lower[x]
            for x in range(width):
                out[x] = out[x] == 0


def _background_sums(raw: Pixels, background: Bytes, words: Words) -> tuple[int, int, int]:
    """Return the number of pixels of the background, their sum, and the sum of their squares.

    ``words`` is the memory of ``background``, eight bytes at a time: most of them hold none.
    """
    count, total, squares = 0, 0, 0
    for y in range(raw.shape[0]):
        row, is_background = raw[y], background[y]
        for word in range(words.shape[1]):
            if words[y, word] != 0:
                for x in range(word * _WORD, (word + 1) * _WORD):
                    if is_background[x] != 0:
                        pixel: Any = np.int64(row[x])
                        count += 1
                        total += pixel
                        squares += pixel * pixel
    return count, total, squares


background_sums_8 = kernel("UniTuple(i8, 3)(u1[:, ::1], u1[:, ::1], u8[:, ::1])", is_rare=True)(_background_sums)
background_sums_16 = kernel("UniTuple(i8, 3)(u2[:, ::1], u1[:, ::1], u8[:, ::1])")(_background_sums)
