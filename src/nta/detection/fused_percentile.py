"""The threshold of trackpy's feature finding, a percentile of the band-passed frame, from counts of a few levels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8] | NDArray[np.uint16]
CountUpTo = Callable[[Frame, int, int, int, NDArray[np.uint8]], tuple[int, int, int]]

_PERCENTILE: Final = 64.0
# A few pixels of some rows tell roughly where the percentile lies: these shares of them are looked at first.
_SAMPLE_ROWS: Final = 32
_SAMPLE_STEP: Final = 16
_SAMPLE_SHARES: Final = (0.62, 0.64, 0.66)


def percentile_of_lit(image: Frame, n_lit: int, count_up_to: CountUpTo, columns: NDArray[np.uint8]) -> int:
    """Return the 64th percentile of the pixels that are not zero, cut to a whole number.

    numpy's linear method: between the pixels of two ranks, as far as the rank wanted lies between them.

    Parameters
    ----------
    image : (h, w) uint8 or uint16
        The band-passed frame.
    n_lit : int
        How many of its pixels are not zero; one at least.
    count_up_to : callable
        The kernel for this type of pixel.
    columns : (3, w) uint8
        Its scratch.
    """
    sample = image[:: max(image.shape[0] // _SAMPLE_ROWS, 1), ::_SAMPLE_STEP]
    lit = np.sort(sample[sample > 0])
    low, middle, high = (int(lit[int(share * (lit.size - 1))]) if lit.size else 1 for share in _SAMPLE_SHARES)
    n_dark = image.size - n_lit
    white = int(np.iinfo(image.dtype).max)
    counts = _LevelCounts(image, white, n_dark, count_up_to, columns)
    counts.ask(min(low, middle - 1), middle, min(max(high, middle + 1), white))
    place = (n_lit - 1) * (_PERCENTILE / 100.0)
    rank = math.floor(place)
    below, above = (counts.level_of_rank(n_dark + min(rank + more, n_lit - 1)) for more in (0, 1))
    share = place - rank
    step = above - below
    return int(above - step * (1 - share) if share >= 0.5 else below + step * share)


class _LevelCounts:
    """Counts of the pixels up to some grey levels, three at a time, until a rank is pinned to its level."""

    def __init__(
        self, image: Frame, white: int, n_dark: int, count_up_to: CountUpTo, columns: NDArray[np.uint8]
    ) -> None:
        self._image, self._count_up_to, self._columns = image, count_up_to, columns
        self.known = {-1: 0, 0: n_dark, white: image.size}

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
