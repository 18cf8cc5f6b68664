"""trackpy's feature finding in a fraction of its time: the same rows, to the last bit.

``trackpy.locate`` makes a dozen arrays of the frame's size in float64. Here a frame goes through a few kernels, in
the order of :mod:`nta.detection.fused_bandpass`, :mod:`nta.detection.fused_exact`, :mod:`nta.detection.fused_peaks` and
:mod:`nta.detection.fused_features`, whose working memory is kept from frame to frame. Columns, order of rows and
values are those of :mod:`nta.detection.trackpy_engine`; only ``ep`` may differ, by the rounding of a deviation.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nta.detection.fused_bandpass import GAUSSIAN_REACH, bandpass_8, bandpass_8_16, bandpass_16
from nta.detection.fused_exact import (
    SIDE,
    promising_maximum_8,
    promising_maximum_16,
    settle_8,
    settle_8_16,
    settle_16,
)
from nta.detection.fused_features import (
    MAX_ITERATIONS,
    background_sums_8,
    background_sums_16,
    find_background,
    keep_separate,
    refine_8,
    refine_8_16,
    refine_16,
)
from nta.detection.fused_peaks import (
    BLOCK,
    count_up_to_8,
    count_up_to_16,
    heaviest_squares_8,
    heaviest_squares_16,
    near_heavy,
    peaks_8,
    peaks_16,
)
from nta.detection.fused_percentile import percentile_of_lit
from nta.errors import UsageError

N_COLUMNS: Final = 8
DIAMETERS: Final = range(3, 32, 2)

# In 8 bits candidates are screened up to this diameter.
_MOST_SCREENED: Final = 15
_REACH: Final = MAX_ITERATIONS - 1
_FLOAT32_ROUNDING: Final = 2.0**-24
_WORD_BITS: Final = 64

# What the band-passed frame may be off by, in units of the Gaussian above the ground. On each axis a weight is rounded,
# and its product; the sums from the outermost pair inwards are 0.009, 0.117, 0.60 and 1 of the whole, and each is
# rounded. Along the row the last but one is made of two, and the pairs, 0.60 in all, are no whole numbers and rounded
# too: 3.8 and 4.8 roundings of float32 of the whole, on both axes 8.6.
_ROUNDING: Final = 9 * _FLOAT32_ROUNDING
# The rounding to float32 at the end, that of the scale, of the product and of the comparison, twice as much
# as needed.
_GROWTH: Final = 8 * _FLOAT32_ROUNDING
# What holds the sums of 31 pixels below each other, and of a block of 16 x 16.
_COLUMN_SUMS: Final = {"uint8": np.uint16, "uint16": np.int32}
# The first scale is no larger than that of such a maximum, so that products stay within whole numbers of 32 bits: 65535
# times 65535 over 2 is 2147418112, with its error 6000 more, and 2147483647 the largest.
_LEAST_MAXIMUM: Final = 2.0
# From then on every pixel that is not zero is worked out: the maximum is then the same each time, whatever the bound of
# the error is worth.
_MOST_GUESSES: Final = 3


class _Kernels(NamedTuple):
    """The kernels for one type of raw pixels and one of results."""

    promising_maximum: Any
    bandpass: Any
    settle: Any
    count_up_to: Any
    heaviest_squares: Any
    peaks: Any
    refine: Any
    background_sums: Any


_KERNELS: Final = {
    ("uint8", "uint8"): _Kernels(
        promising_maximum_8, bandpass_8, settle_8, count_up_to_8, heaviest_squares_8, peaks_8, refine_8,
        background_sums_8,
    ),
    ("uint8", "uint16"): _Kernels(
        promising_maximum_8, bandpass_8_16, settle_8_16, count_up_to_16, heaviest_squares_16, peaks_16, refine_8_16,
        background_sums_8,
    ),
    ("uint16", "uint16"): _Kernels(
        promising_maximum_16, bandpass_16, settle_16, count_up_to_16, heaviest_squares_16, peaks_16, refine_16,
        background_sums_16,
    ),
}  # fmt: skip

Frame = NDArray[np.uint8] | NDArray[np.uint16]


def locate(frame: Frame, diameter_px: int, min_mass: float, *, invert: bool, gain: int = 1) -> NDArray[np.float64]:
    """Return trackpy's features of one frame; for many frames of one size keep a :class:`Locator`.

    Parameters and result are those of :func:`nta.detection.trackpy_engine.locate`.
    """
    dtype = np.dtype(np.uint8 if frame.dtype == np.uint8 and gain == 1 else np.uint16)
    return Locator(frame.shape[0], frame.shape[1], dtype, diameter_px).locate(frame, min_mass, invert=invert, gain=gain)


class Locator:
    """Finds spots in frames of one size, with working memory that is kept from frame to frame.

    About 10 bytes a pixel, of which half are hardly used. Not to be shared between threads: one for each.

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
        if dtype.name not in ("uint8", "uint16"):
            raise UsageError(f"pixels of {dtype.name} cannot be searched; convert them to uint8 or uint16")
        self.height, self.width, self.dtype, self.diameter_px = height, width, dtype, diameter_px
        self._name = dtype.name  # numpy makes it anew each time
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
        self._image = np.empty(shape, dtype=self.dtype)
        n_words, radius = -(-self.width // _WORD_BITS), self.diameter_px // 2
        self._bits = np.zeros((self.height, n_words + 2), dtype=np.uint64)
        self._dilation_memory = (
            np.zeros((radius + 1, self.diameter_px + 1, n_words + 2), dtype=np.uint64),
            np.empty((self.height, n_words), dtype=np.uint64),
        )
        self._places = np.empty(n_pixels + 8, dtype=np.int32)  # room to write places that do not stay
        self._means = np.empty(n_pixels + 8, dtype=np.float32)
        cells = (self.height // (self.diameter_px + 1) + 1, self.width // (self.diameter_px + 1) + 1)
        self._cells = np.empty(cells, dtype=np.int32)

    def _set_up_row_memory(self) -> None:
        width, diameter = self.width, self.diameter_px
        whole = np.uint16 if self.dtype == np.uint8 else np.int32
        self._blanks = {name: np.zeros(width, dtype=name) for name in ("uint8", "uint16")}
        self._columns = {name: np.empty(width, dtype=sums) for name, sums in _COLUMN_SUMS.items()}
        self._slack = np.zeros((2, width), dtype=np.float32)
        self._flag_words = np.zeros(-(-width // 8), dtype=np.uint64)
        self._flags = self._flag_words.view(np.uint8)
        lit_words = np.zeros(8 * -(-width // _WORD_BITS), dtype=np.uint64)
        self._bandpass_memory = (
            np.zeros((2, width + 2 * GAUSSIAN_REACH), dtype=np.float32),
            np.empty(width + diameter - 1, dtype=self.dtype),
            np.empty(width + diameter - 1, dtype=whole),
            np.empty(width, dtype=whole),
            np.zeros(self._flags.size, dtype=np.float32),
            self._slack,
            self._flags,
            self._flag_words,
            lit_words.view(np.uint8),
            lit_words,
            np.empty_like(lit_words),
        )
        self._down = np.empty(width + 2 * GAUSSIAN_REACH)
        blocks = -(-self.height // SIDE) * -(-width // SIDE)
        self._maximum_memory = {
            name: (*(np.empty(width, dtype=sums) for _ in range(3)), np.empty(blocks))
            for name, sums in _COLUMN_SUMS.items()
        }
        self._column_counts = np.empty((3, width), dtype=np.uint8)
        self._window = int(2 * (diameter + 1) / math.sqrt(2))
        self._peak_memory = (
            np.empty((1 << self._window.bit_length(), width), dtype=self.dtype),
            np.zeros((3, width + self._window - 1), dtype=self.dtype),
        )
        self._set_up_screening(whole)

    def _set_up_screening(self, whole: type[np.integer[Any]]) -> None:
        n_rows, n_columns = (max(size - self.diameter_px + 1, 1) for size in (self.height, self.width))
        sums = [np.empty(size, dtype=whole) for size in (self.width, self.width, self.width, n_columns)]
        blocks = -(-n_rows // BLOCK), -(-n_columns // BLOCK)
        self._is_near = np.ones(blocks, dtype=np.bool_)
        self._heavy_memory = (*sums, np.empty(blocks, dtype=whole))
        near_words = np.empty(blocks[1], dtype=np.uint64)
        self._near_memory = self._is_near.view(np.uint8), near_words.view(np.uint8), near_words

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
        raw, raw_gain = self._prepared(frame, invert, gain)
        kernels, min_mass = _KERNELS[raw.dtype.name, self._name], min_mass * gain
        scale = self._bandpass(raw, raw_gain)
        if scale is None:
            return np.empty((0, N_COLUMNS))
        n_candidates = self._candidates(scale, min_mass)
        features = np.empty((n_candidates, N_COLUMNS))
        n_features = kernels.refine(
            raw, self._image, self._places, n_candidates, *self._disc, scale, min_mass, features
        )
        if n_features == 0:
            return np.empty((0, N_COLUMNS))
        is_kept = np.empty(n_features, dtype=np.bool_)
        following = np.empty(n_features, dtype=np.int32)
        keep_separate(features, n_features, self.diameter_px + 1, self._cells, following, is_kept)
        features = features[:n_features][is_kept]
        features[:, [2, 5]] /= scale
        features[:, 7] = self._static_error(raw, features[:, 6])
        features[:, 6] *= raw_gain
        features[:, [2, 5, 6]] /= gain
        return features

    def _prepared(self, frame: Frame, invert: bool, gain: int) -> tuple[Frame, int]:
        """Return the frame as the kernels take it, contiguous, writeable, with bright spots, and the gain left to them.

        Pixels of 8 bits are made brighter by the kernels themselves where that rounds nothing.
        """
        dtype = self.dtype if gain == 1 else frame.dtype
        if frame.shape != self._raw.shape or frame.dtype != dtype or (gain != 1 and self.dtype != np.uint16):
            raise UsageError(
                f"a frame of {frame.shape} {frame.dtype} does not fit memory for {(self.height, self.width)} "
                f"{self.dtype}; make a Locator for it"
            )
        is_exact = gain.bit_count() == 1 and np.iinfo(frame.dtype).max * gain <= self._white
        left = gain if frame.dtype == np.uint8 and is_exact and not invert else 1
        if gain != left:
            self._amplify(frame, gain)
            frame = self._raw
        if invert:
            np.bitwise_xor(frame, self._white, out=self._raw)
        elif frame.flags.c_contiguous and frame.flags.writeable:
            return frame, left
        elif left != 1:
            frame = frame.copy()  # the kernels' own memory is of 16 bits
            return frame, left
        else:
            np.copyto(self._raw, frame)
        return self._raw, left

    def _amplify(self, frame: Frame, gain: int) -> None:
        """Write the frame times ``gain`` to ``_raw``, white where that is beyond the largest uint16."""
        if np.iinfo(frame.dtype).max * gain <= self._white:
            np.multiply(frame, gain, out=self._raw, dtype=np.uint16)
        else:
            self._raw[:] = np.minimum(frame.astype(np.uint32) * np.uint32(gain), self._white)

    def _bandpass(self, raw: Frame, gain: int = 1) -> float | None:
        """Fill ``_image`` and ``_bits`` with the band-passed frame in whole numbers; return its scale, None if black.

        The scale is that of the frame's brightest pixel, which is known when all are. One is guessed, and the frame is
        band-passed with its scale; pixels that may exceed it are looked at again, and a guess that was wrong costs
        the frame a second time.
        """
        name = raw.dtype.name
        kernels, weights = _KERNELS[name, self._name], self._weights
        ground = float(raw.min())
        self._set_slack(2.0 * _ROUNDING * gain * ground)
        asked = weights.astype(np.float32), self.diameter_px, gain, np.float32(ground)
        memory = *self._maximum_memory[name], self._down
        top = kernels.promising_maximum(raw, weights, self.diameter_px, gain, *memory)
        largest = max(top, _LEAST_MAXIMUM)
        smooth, *rows = self._bandpass_memory
        n_guesses = 0
        while True:
            scale = self._white / largest
            reached = np.nextafter(np.float32(top), np.float32(0.0))
            limits = np.float32(scale), np.float32(_ROUNDING), np.float32(_ROUNDING + _GROWTH), reached
            places = self._places, self._means
            n_open = kernels.bandpass(
                raw, self._blanks[name], *asked, *limits, smooth, self._columns[name], *rows,
                self._image, self._bits, *places,
            )  # fmt: skip
            maximum = kernels.settle(
                raw, weights, gain, gain * ground, scale, *places, n_open, self._down, self._image, self._bits
            )
            if maximum < 1.0:
                return None
            if maximum == largest:
                return float(scale)
            n_guesses += 1
            top, largest = maximum if n_guesses < _MOST_GUESSES else 0.0, maximum

    def _set_slack(self, allowance: float) -> None:
        """Allow for the edges, beyond which is nothing: as far below the ground as that lies above."""
        self._slack[0, :GAUSSIAN_REACH] = allowance
        self._slack[0, -GAUSSIAN_REACH:] = allowance
        self._slack[1] = allowance

    def _candidates(self, scale: float, min_mass: float) -> int:
        """Write the places of the local maxima that may become spots to ``_places``; return how many there are."""
        if min(self.height, self.width) < self.diameter_px:
            return 0
        kernels = _KERNELS[self._name, self._name]
        if self.dtype == np.uint16 or self.diameter_px <= _MOST_SCREENED:
            blank = self._blanks[self._name]
            kernels.heaviest_squares(self._image, blank, self.diameter_px, *self._heavy_memory)
            near_heavy(self._heavy_memory[-1] / scale > min_mass, _REACH, self._is_near)
        asked = self._window, self.diameter_px // 2, _REACH, self._threshold()
        flags = self._flags, self._flag_words
        return int(kernels.peaks(self._image, *asked, *self._near_memory, *self._peak_memory, *flags, self._places))

    def _threshold(self) -> int:
        n_lit = int(np.bitwise_count(self._bits).sum(dtype=np.int64))
        count_up_to = _KERNELS[self._name, self._name].count_up_to
        return percentile_of_lit(self._image, n_lit, count_up_to, self._column_counts)

    def _static_error(self, raw: Frame, raw_mass: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return trackpy's ``ep`` (Savin and Doyle 2005, Biophys. J. 88, 623)."""
        ring, background = self._dilation_memory
        find_background(self._bits, self._half_widths, ring, background)
        n, total, squares = _KERNELS[raw.dtype.name, self._name].background_sums(raw, background)
        black_level = total / n if n else math.nan
        # Whole numbers of any size: the difference does not lose digits.
        noise = math.sqrt((n * squares - total * total) / (n * n)) if n > 1 else math.nan
        with np.errstate(divide="ignore", invalid="ignore"):
            return noise / (raw_mass - self._disc_area * black_level) * self._root_sum_squares
