"""The noise of more numbers than memory is spent on, a part at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.threads import in_threads

Part = NDArray[np.float32]

_PIECE: Final = 1 << 15
CLIP_SD: Final = 3.0
"""Where the bulk of some numbers is cut, in standard deviations."""

CLIPPED_SD: Final = 0.98658
"""Standard deviation of a normal distribution cut at 3 sd, in units of its own: sqrt(1 - 6 phi(3)/(2 Phi(3) - 1))."""


def core_sd(parts: Sequence[Part], least: float = 1e-6) -> float:
    """Return the standard deviation of the bulk of numbers: cut at 3 sd until it stands, and made good for the cut.

    Parameters
    ----------
    parts : sequence of (n,) float32
        Finite numbers, whose mean is small against their standard deviation: squares are added as they are.
    least : float
        The smallest standard deviation to cut at.
    """

    def sd_within(limit: float) -> float:
        n, first, second = np.sum([*in_threads(partial(_sums_within, limit), parts)], axis=0)
        return math.sqrt(max(second / n - (first / n) ** 2, 0.0)) if n else math.nan

    return _cut_until_it_stands(sd_within(math.inf), sd_within, least)


def _sums_within(limit: float, part: Part) -> NDArray[np.float64]:
    """Return number, sum and sum of squares of what is no more than ``limit``, in pieces that fit into the cache."""
    sums = np.zeros(3)
    for start in range(0, part.size, _PIECE):
        piece = part[start : start + _PIECE]
        inside = np.abs(piece) <= limit
        kept = np.multiply(piece, inside, dtype=np.float64)  # quicker than to take some of them only
        sums += np.count_nonzero(inside), np.sum(kept), np.einsum("i,i->", kept, kept)
    return sums


def core_sd_of_counts(values: NDArray[np.float32], counts: NDArray[np.int64], least: float = 1e-6) -> float:
    """Return what :func:`core_sd` does of numbers of which few differ, to the last digits of float64.

    Parameters
    ----------
    values, counts : (n,) float32, (n,) int64
        The numbers, in any order, and how often each is there.
    least : float
        The smallest standard deviation to cut at.
    """

    def sd_within(limit: float) -> float:
        inside = np.abs(values) <= limit
        numbers, weights = values[inside].astype(np.float64), counts[inside]
        n = int(weights.sum())
        if n == 0:
            return math.nan
        mean = np.sum(weights * numbers) / n
        return math.sqrt(np.sum(weights * (numbers - mean) ** 2) / n)

    return _cut_until_it_stands(sd_within(math.inf), sd_within, least)


def _cut_until_it_stands(sd: float, sd_within: Callable[[float], float], least: float) -> float:
    """Return the standard deviation of the numbers that lie within 3 of it, made good for the cut."""
    for _ in range(30):
        last, sd = sd, sd_within(CLIP_SD * max(sd, least)) / CLIPPED_SD
        if abs(sd - last) <= 1e-4 * last:
            break
    return max(sd, least)
