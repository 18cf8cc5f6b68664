"""Medians of many pixels at a time: one of every place over some frames, and one of whole numbers by counting them.

numpy sorts the values of each pixel for itself. Here whole rows of pixels are compared with each other, in an order
that sorts whatever they hold (Batcher 1968, AFIPS Conf. Proc. 32, 307), by instructions that take dozens of pixels
each; comparisons that the middle does not depend on are left out. The results are numpy's.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class _Exchange(NamedTuple):
    """Two of the sequences to be put in order: the smaller of each two values first."""

    first: int
    second: int
    is_first_needed: bool
    is_second_needed: bool


def median_over_frames(frames: NDArray[Any]) -> NDArray[np.float32]:
    """Return the median of each pixel, (height, width).

    Parameters
    ----------
    frames : (n, height, width) uint8 or uint16
        A band of rows of some frames. The median of an even number of values is the mean of the two in the middle.
    """
    n = len(frames)
    rows = [np.ascontiguousarray(frame).reshape(-1).copy() for frame in frames]
    spare = np.empty_like(rows[0])
    for exchange in _exchanges(n):
        first, second = rows[exchange.first], rows[exchange.second]
        if exchange.is_first_needed and exchange.is_second_needed:
            np.minimum(first, second, out=spare)
            np.maximum(first, second, out=second)
            rows[exchange.first], spare = spare, first
        elif exchange.is_first_needed:
            np.minimum(first, second, out=first)
        else:
            np.maximum(first, second, out=second)
    low, high = rows[(n - 1) // 2].astype(np.float32), rows[n // 2].astype(np.float32)
    median: NDArray[np.float32] = (low + high) / np.float32(2.0)
    return median.reshape(frames.shape[1:])


def rank_of_counts(counts: NDArray[np.int64], rank: int) -> int:
    """Return which of some ascending values, each there so many times, ``rank`` others precede."""
    return int(np.searchsorted(np.cumsum(counts), rank, side="right"))


@cache
def _exchanges(n: int) -> tuple[_Exchange, ...]:
    """Return what brings the middle of ``n`` sequences to its place."""
    needed = {(n - 1) // 2, n // 2}
    kept: list[_Exchange] = []
    for first, second in reversed(_sorting_network(n)):
        if first in needed or second in needed:
            kept.append(_Exchange(first, second, first in needed, second in needed))
            needed |= {first, second}
    return tuple(reversed(kept))


def _sorting_network(n: int) -> list[tuple[int, int]]:
    """Return the comparisons of Batcher's odd-even merge sort of ``n`` values."""
    pairs: list[tuple[int, int]] = []
    merged = 1
    while merged < n:
        apart = merged
        while apart >= 1:
            for start in range(apart % merged, n - apart, 2 * apart):
                firsts = range(start, min(start + apart, n - apart))
                pairs += [(one, one + apart) for one in firsts if one // (2 * merged) == (one + apart) // (2 * merged)]
            apart //= 2
        merged *= 2
    return pairs
