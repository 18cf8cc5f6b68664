"""trackpy's feature finding in a fraction of its time: the same rows, to the last bit.

``trackpy.locate`` makes a dozen arrays of the frame's size in float64. Here a frame goes through a few kernels, in
the order of :mod:`nta.detection.fused_bandpass`, :mod:`nta.detection.fused_peaks` and
:mod:`nta.detection.fused_features`, whose working memory is kept from frame to frame. Columns, order of rows and
values are those of :mod:`nta.detection.trackpy_engine`; only ``ep`` may differ, by the rounding of a deviation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nta.detection.fused_bandpass import (
    GAUSSIAN_REACH,
    MEAN_ROWS,
    bandpass_8,
    bandpass_16,
    exact_8,
    exact_16,
    find_brightest,
)
from nta.detection.fused_features import (
    MAX_ITERATIONS,
    background_sums_8,
    background_sums_16,
    find_background,
    keep_separate,
    refine_8,
    refine_16,
)
from nta.detection.fused_peaks import (
    BLOCK,
    count_up_to_8,
    count_up_to_16,
    drop_faint,
    peaks_8,
    peaks_16,
    rescale_8,
    rescale_16,
)
from nta.errors import UsageError

N_COLUMNS: Final = 8
DIAMETERS: Final = range(3, 32, 2)

_PERCENTILE: Final = 64.0
# A few pixels of some rows tell roughly where the percentile lies: these shares of them are looked at first.
_SAMPLE_ROWS: Final = 32
_SAMPLE_STEP: Final = 16
_SAMPLE_SHARES: Final = (0.6, 0.64, 0.68)
_KERNELS: Final[dict[str, tuple[Any, ...]]] = {
    "uint8": (bandpass_8, exact_8, rescale_8, count_up_to_8, peaks_8, refine_8, background_sums_8),
    "uint16": (bandpass_16, exact_16, rescale_16, count_up_to_16, peaks_16, refine_16, background_sums_16),
}
# More than one candidate for so many pixels are screened before they are refined; up to this diameter.
_WORTH_SCREENING: Final = 200
_MOST_SCREENED: Final = 15
_FLOAT32_ROUNDING: Final = 2.0**-24

# What the band-passed frame may be off by, in units of the Gaussian above the ground. On each axis a weight is rounded,
# and its product; the sums from the outermost pair inwards are 0.009, 0.117, 0.60 and 1 of the whole, and each is
# rounded. Along the row the last but one is made of two, and the pairs, 0.60 in all, are no whole numbers and rounded
# too: 3.8 and 4.8 roundings of float32 of the whole, on both axes 8.6.
_ROUNDING: Final = 9 * _FLOAT32_ROUNDING
# The rounding to float32 at the end, that of the scale, of the product and of the comparison, twice as much
# as needed.
_GROWTH: Final = 8 * _FLOAT32_ROUNDING

Frame = NDArray[np.uint8] | NDArray[np.uint16]
_CountUpTo = Callable[[Frame, int, int, int, NDArray[np.uint8]], tuple[int, int, int]]


def locate(frame: Frame, diameter_px: int, min_mass: float, *, invert: bool, gain: int = 1) -> NDArray[np.float64]:
    """Return trackpy's features of one frame; for many frames of one size keep a :class:`Locator`.

    Parameters and result are those of :func:`nta.detection.trackpy_engine.locate`.
    """
    dtype = np.dtype(np.uint8 if frame.dtype == np.uint8 and gain == 1 else np.uint16)
    return Locator(frame.shape[0], frame.shape[1], dtype, diameter_px).locate(frame, min_mass, invert=invert, gain=gain)


class _LevelCounts:
    """Counts of the pixels up to some grey levels, three at a time, until a rank is pinned to its level."""

    def __init__(self, image: Frame, white: int, count_up_to: _CountUpTo, columns: NDArray[np.uint8]) -> None:
        self._image, self._count_up_to, self._columns = image, count_up_to, columns
        self.known = {-1: 0, white: image.size}

    def ask(self, first: int, second: int, third: int) -> None:
        levels = (first, second, third)
        self.known.update(zip(levels, self._count_up_to(self._image, *levels, self._columns), strict=True))

    def level_of_rank(self, rank: int) -> int:
        """Return the grey level of the pixel that ``rank`` others precede when all are sorted."""
        while True:
            low = max(level for level, count in self.known.items() if count <= rank)
            high = min(level for level, count in self.known.items() if count > rank)
            if high == low + 1:
                return high
            share = (rank - self.known[low]) / (self.known[high] - self.known[low])
            guess = min(max(low + round(share * (high - low)), low + 1), high - 1)
            reach = max((high - low) // 16, 1)
            self.ask(max(guess - reach, low + 1), guess, min(guess + reach, high - 1))


class Locator:
    """Finds spots in frames of one size, with working memory that is kept from frame to frame.

    About 10 bytes a pixel. Not to be shared between threads: one for each.

    Parameters
    ----------
    height, width : int
        Size of the frames, px.
    dtype : uint8 or uint16
        Type of the pixels that are searched: uint16 also for frames of uint8 that a gain makes brighter.
    diameter_px : int
        Odd spot diameter, 3 to 31.

    Raises
    ------
    UsageError
        If the diameter or the type of pixel is another.
    """

    def __init__(self, height: int, width: int, dtype: np.dtype[Any], diameter_px: int) -> None:
        if diameter_px not in DIAMETERS:
            raise UsageError(f"a spot diameter of {diameter_px} px is not an odd number from 3 to 31; give one that is")
        if dtype.name not in _KERNELS:
            raise UsageError(f"pixels of {dtype.name} cannot be searched; convert them to uint8 or uint16")
        self.height, self.width, self.dtype, self.diameter_px = height, width, dtype, diameter_px
        self._white = int(np.iinfo(dtype).max)
        self._set_up_disc()
        self._set_up_frame_memory()
        self._set_up_row_memory()

    def _set_up_disc(self) -> None:
        """Prepare the disc, the angles on it, and the Gaussian of 1 px, with trackpy's formulas."""
        radius = self.diameter_px // 2
        steps = np.arange(-radius, radius + 1)
        along_y, along_x = np.meshgrid(steps, steps, indexing="ij")
        disc = (along_y / radius) ** 2 + (along_x / radius) ** 2 <= 1
        angle = 2 * np.arctan2(along_y, along_x)[disc]
        angles = np.cos(angle), np.sin(angle)
        self._half_widths = disc.sum(axis=1) // 2
        rows, columns = np.nonzero(disc)
        self._disc = (np.append(rows * self.width + columns, -1), (rows << 32) + columns, *angles)
        self._disc_area = int(disc.sum())
        self._root_sum_squares = float(np.sqrt(np.sum(along_y[disc] ** 2)))
        taps = np.arange(-GAUSSIAN_REACH, GAUSSIAN_REACH + 1)
        gaussian = np.exp(taps**2 / -2)
        self._weights = np.ascontiguousarray((gaussian / np.sum(gaussian))[GAUSSIAN_REACH:])

    def _set_up_frame_memory(self) -> None:
        shape, n_pixels = (self.height, self.width), self.height * self.width
        self._raw = np.empty(shape, dtype=self.dtype)
        self._filtered = np.empty(shape, dtype=np.float32)
        self._image = np.empty(shape, dtype=self.dtype)
        n_words, radius = -(-self.width // 64), self.diameter_px // 2
        self._dilation_memory = (
            np.zeros((self.height, 8 * n_words), dtype=np.uint64),
            np.empty(8 * n_words, dtype=np.uint64),
            np.zeros((radius + 1, self.diameter_px + 1, n_words + 2), dtype=np.uint64),
            np.empty((self.height, n_words), dtype=np.uint64),
        )
        self._places = np.empty(n_pixels + 8, dtype=np.int32)  # room to write places that do not stay
        cells = (self.height // (self.diameter_px + 1) + 1, self.width // (self.diameter_px + 1) + 1)
        self._cells = np.empty(cells, dtype=np.int32)

    def _set_up_row_memory(self) -> None:
        width, diameter = self.width, self.diameter_px
        whole = np.uint16 if self.dtype == np.uint8 else np.int32
        self._blank = np.zeros(width, dtype=self.dtype)
        self._bandpass_memory = (
            np.zeros((2, width + 2 * GAUSSIAN_REACH), dtype=np.float32),
            np.empty(width, dtype=whole),
            np.empty(width + diameter - 1, dtype=self.dtype),
            np.empty(width + diameter - 1, dtype=whole),
            np.empty(width, dtype=whole),
            np.empty(width, dtype=np.float32),
        )
        self._means = np.empty((-(-self.height // MEAN_ROWS), width), dtype=np.float32)
        self._exact_memory = np.empty(width + 2 * GAUSSIAN_REACH)
        self._column_maxima = np.empty(width, dtype=np.float32)
        self._flag_words = np.zeros(-(-width // 8), dtype=np.uint64)
        self._flags = self._flag_words.view(np.uint8)
        self._column_counts = np.empty((3, width), dtype=np.uint8)
        self._window = int(2 * (diameter + 1) / math.sqrt(2))
        self._peak_memory = (
            np.empty((1 << self._window.bit_length(), width), dtype=self.dtype),
            np.zeros((3, width + self._window - 1), dtype=self.dtype),
        )
        self._faint_memory = self._memory_for_faint() if self.dtype == np.uint8 and diameter <= _MOST_SCREENED else None

    def _memory_for_faint(self) -> tuple[NDArray[Any], ...] | None:
        n_rows, n_columns = (size - self.diameter_px + 1 for size in (self.height, self.width))
        if min(n_rows, n_columns) < 1:
            return None
        sums = [np.empty(size, dtype=np.uint16) for size in (self.width, self.width, n_columns, n_columns)]
        blocks = -(-n_rows // BLOCK), -(-n_columns // BLOCK)
        return (*sums, np.empty(blocks, dtype=np.uint8), np.empty(blocks, dtype=np.uint8))

    def locate(self, frame: Frame, min_mass: float, *, invert: bool, gain: int = 1) -> NDArray[np.float64]:
        """Return trackpy's features of one frame, (n, 8) in the order of ``trackpy_engine.FEATURE_COLUMNS``.

        Parameters
        ----------
        frame : (height, width) uint8 or uint16
            Raw pixels.
        min_mass : float
            Least mass, grey levels of ``frame``; a spot must exceed it.
        invert : bool
            Whether the spots are dark.
        gain : int
            Factor on all pixels, which then reach to the largest uint16; masses are given in grey levels of
            ``frame`` all the same.
        """
        raw, min_mass = self._prepared(frame, invert, gain), min_mass * gain
        scale = self._bandpass(raw)
        if scale is None:
            return np.empty((0, N_COLUMNS))
        n_candidates = self._without_faint(self._candidates(), scale, min_mass)
        features = np.empty((n_candidates, N_COLUMNS))
        *_, refine, _ = _KERNELS[self.dtype.name]
        n_features = refine(raw, self._image, self._places, n_candidates, *self._disc, scale, min_mass, features)
        if n_features == 0:
            return np.empty((0, N_COLUMNS))
        is_kept = np.empty(n_features, dtype=np.bool_)
        following = np.empty(n_features, dtype=np.int32)
        keep_separate(features, n_features, self.diameter_px + 1, self._cells, following, is_kept)
        features = features[:n_features][is_kept]
        features[:, [2, 5]] /= scale
        features[:, 7] = self._static_error(raw, features[:, 6])
        features[:, [2, 5, 6]] /= gain
        return features

    def _prepared(self, frame: Frame, invert: bool, gain: int) -> Frame:
        """Return the frame as the kernels take it: contiguous, writeable, with bright spots, times ``gain``."""
        dtype = self.dtype if gain == 1 else frame.dtype
        if frame.shape != self._raw.shape or frame.dtype != dtype or (gain != 1 and self.dtype != np.uint16):
            raise UsageError(
                f"a frame of {frame.shape} {frame.dtype} does not fit memory for {(self.height, self.width)} "
                f"{self.dtype}; make a Locator for it"
            )
        if gain != 1:
            self._amplify(frame, gain)
            frame = self._raw
        if invert:
            np.bitwise_xor(frame, self._white, out=self._raw)
        elif frame.flags.c_contiguous and frame.flags.writeable:
            return frame
        else:
            np.copyto(self._raw, frame)
        return self._raw

    def _amplify(self, frame: Frame, gain: int) -> None:
        """Write the frame times ``gain`` to ``_raw``, white where that is beyond the largest uint16."""
        if np.iinfo(frame.dtype).max * gain <= self._white:
            np.multiply(frame, gain, out=self._raw, dtype=np.uint16)
        else:
            self._raw[:] = np.minimum(frame.astype(np.uint32) * np.uint32(gain), self._white)

    def _bandpass(self, raw: Frame) -> float | None:
        """Fill ``_image`` with the band-passed frame in whole numbers; return its scale, None if black."""
        bandpass, exact, rescale, *_ = _KERNELS[self.dtype.name]
        bound = _ROUNDING * self._white
        filtered, places = self._filtered, self._places
        results = filtered, self._column_maxima, self._means
        weights, ground = self._weights.astype(np.float32), np.float32(raw.min())
        bandpass(raw, self._blank, weights, self.diameter_px, ground, *self._bandpass_memory, *results)
        self._allow_for_edges(2.0 * ground)
        maximum = float(self._column_maxima.max())
        if maximum + bound + _GROWTH * maximum < 1.0:
            return None
        level = maximum - 2 * (bound + _GROWTH * maximum)
        n_brightest = find_brightest(filtered, self._column_maxima, level, places)
        values = np.empty(n_brightest)
        exact(raw, self._weights, filtered, places, n_brightest, self._exact_memory, values)
        maximum = float(values.max(initial=0.0))
        if maximum < 1.0:
            return None
        scale = self._white / maximum
        flags = self._flags, self._flag_words
        n_open = rescale(filtered, self._means, scale, _ROUNDING, _GROWTH, *flags, self._image, places)
        values = np.empty(n_open)
        exact(raw, self._weights, filtered, places, n_open, self._exact_memory, values)
        self._image.reshape(-1)[places[:n_open]] = np.where(values >= 1.0, scale * values, 0.0)
        return scale

    def _allow_for_edges(self, allowance: np.float32) -> None:
        """Raise the means near the edges, beyond which is nothing: as far below the ground as that lies above."""
        means, last_rows = self._means, max(self.height - GAUSSIAN_REACH, 0) // MEAN_ROWS
        means[0] += allowance
        means[last_rows:] += allowance
        means[:, :GAUSSIAN_REACH] += allowance
        means[:, -GAUSSIAN_REACH:] += allowance

    def _candidates(self) -> int:
        """Write the places of the local maxima to ``_places`` and return how many there are."""
        peaks = _KERNELS[self.dtype.name][4]
        flags = (self._flags, self._flag_words)
        threshold = self._threshold()
        margin = self.diameter_px // 2
        found: int = peaks(self._image, self._window, margin, threshold, *self._peak_memory, *flags, self._places)
        return found

    def _without_faint(self, n_candidates: int, scale: float, min_mass: float) -> int:
        """Take candidates out of ``_places`` that no refining makes a spot, where that is worth it; return the rest."""
        if self._faint_memory is None or n_candidates * _WORTH_SCREENING < self._image.size:
            return n_candidates
        drop: Callable[..., int] = drop_faint
        asked = self.diameter_px, MAX_ITERATIONS - 1, scale, min_mass
        return drop(self._image, *asked, *self._faint_memory, self._places, n_candidates)

    def _threshold(self) -> int:
        """Return the 64th percentile of the pixels that are not zero, cut to a whole number.

        numpy's linear method: between the pixels of two ranks, as far as the rank wanted lies between them.
        """
        sample = self._image[:: max(self.height // _SAMPLE_ROWS, 1), ::_SAMPLE_STEP]
        lit = np.sort(sample[sample > 0])
        guesses = [0, 0, 0] if lit.size == 0 else lit[[int(share * (lit.size - 1)) for share in _SAMPLE_SHARES]]
        counts = _LevelCounts(self._image, self._white, _KERNELS[self.dtype.name][3], self._column_counts)
        counts.ask(0, int(guesses[0]), int(guesses[-1]))
        n_dark = counts.known[0]
        n_lit = self._image.size - n_dark
        place = (n_lit - 1) * (_PERCENTILE / 100.0)
        rank = math.floor(place)
        below, above = (counts.level_of_rank(n_dark + min(rank + more, n_lit - 1)) for more in (0, 1))
        share = place - rank
        step = above - below
        return int(above - step * (1 - share) if share >= 0.5 else below + step * share)

    def _static_error(self, raw: Frame, raw_mass: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return trackpy's ``ep`` (Savin and Doyle 2005, Biophys. J. 88, 623)."""
        *_, background_sums = _KERNELS[self.dtype.name]
        lit, octets, ring, background = self._dilation_memory
        np.not_equal(self._image, 0, out=lit.view(np.bool_)[:, : self.width])
        find_background(lit, self._half_widths, octets, ring, background)
        n, total, squares = background_sums(raw, background)
        black_level = total / n if n else math.nan
        # Whole numbers of any size: the difference does not lose digits.
        noise = math.sqrt((n * squares - total * total) / (n * n)) if n > 1 else math.nan
        with np.errstate(divide="ignore", invalid="ignore"):
            return noise / (raw_mass - self._disc_area * black_level) * self._root_sum_squares
