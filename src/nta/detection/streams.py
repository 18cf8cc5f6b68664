"""Sums over more numbers than memory is spent on, a part at a time, to the last bit those of one array in numpy.

A noise level that depended on how the numbers were cut into parts would make the last digit of every result depend on
it too. numpy adds float32 in halves, and float32 into float64 in buffers of 8192: both can be followed part by part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Part = NDArray[np.float32]
Parts = Callable[[], Iterable[Part]]
"""Called for every pass over the numbers; each part is one-dimensional."""

_LEAF: Final = 1 << 15
_BUFFER: Final = 8192  # numpy.getbufsize() unless somebody changes it
CLIP_SD: Final = 3.0
"""Where the bulk of some numbers is cut, in standard deviations."""

CLIPPED_SD: Final = 0.98658
"""Standard deviation of a normal distribution cut at 3 sd, in units of its own: sqrt(1 - 6 phi(3)/(2 Phi(3) - 1))."""


def core_sd(parts: Parts, least: float = 1e-6) -> float:
    """Return the standard deviation of the bulk of numbers: cut at 3 sd until it stands, and made good for the cut.

    Parameters
    ----------
    parts : callable
        Returns the numbers, a part at a time, the same at each call.
    least : float
        The smallest standard deviation to cut at.
    """
    return _cut_until_it_stands(_single_sd(parts), lambda limit: _double_sd(_core(parts, limit)), least)


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


def _core(parts: Parts, limit: float) -> Parts:
    """Return the numbers of no more than ``limit`` to either side, in pieces that fit into the processor's cache."""

    def inside() -> Iterator[Part]:
        for part in parts():
            for start in range(0, part.size, _LEAF):
                piece = part[start : start + _LEAF]
                yield piece[np.abs(piece) <= limit]

    return inside


class RunningSum:
    """The sum, in float64, of float32 that come a part at a time."""

    def __init__(self) -> None:
        self.count = 0
        self._total = np.float64(0.0)
        self._rest: Part = np.empty(0, dtype=np.float32)

    def add(self, part: Part) -> None:
        """Add all of a part, (n,)."""
        self.count += part.size
        if self._rest.size:
            part = np.concatenate([self._rest, part])
        whole = part.size - part.size % _BUFFER
        if whole:
            self._total = np.add.reduce(part[:whole], dtype=np.float64, initial=self._total)
        self._rest = part[whole:].copy()

    @property
    def mean(self) -> float:
        """Mean of what was added; NaN of nothing."""
        total = np.add.reduce(self._rest, dtype=np.float64, initial=self._total)
        return float(total) / self.count if self.count else math.nan


def pairwise_sum(parts: Iterable[NDArray[Any]], n: int) -> np.floating[Any]:
    """Return the sum of the ``n`` numbers of ``parts`` in their own type, halves added to halves."""
    return _sum_of_next(n, _Taking(parts))


def _sum_of_next(n: int, numbers: _Taking) -> np.floating[Any]:
    if n <= _LEAF:
        total: np.floating[Any] = np.add.reduce(numbers.take(n))
        return total
    half = n // 2
    half -= half % 8
    first = _sum_of_next(half, numbers)
    return first + _sum_of_next(n - half, numbers)


class _Taking:
    """Hands out numbers that come in parts, as many as asked for."""

    def __init__(self, parts: Iterable[NDArray[Any]]) -> None:
        self._parts: Iterator[NDArray[Any]] = iter(parts)
        self._rest: NDArray[Any] | None = None

    def take(self, n: int) -> NDArray[Any]:
        taken: list[NDArray[Any]] = []
        while n > 0:
            if self._rest is None or self._rest.size == 0:
                self._rest = next(self._parts)
            piece, self._rest = self._rest[:n], self._rest[n:]
            taken.append(piece)
            n -= piece.size
        return taken[0] if len(taken) == 1 else np.concatenate(taken)


def _single_sd(parts: Parts) -> float:
    """Return the standard deviation in float32 all through, as ``numpy.std`` has it."""
    n = sum(part.size for part in parts())
    mean = np.float32(float(pairwise_sum(parts(), n)) / n)
    squares = pairwise_sum(((part - mean) ** 2 for part in parts()), n)
    return float(np.sqrt(np.float32(float(squares) / n)))


def _double_sd(parts: Parts) -> float:
    """Return the standard deviation in float64."""
    total = RunningSum()
    for part in parts():
        total.add(part)
    if total.count == 0:
        return math.nan
    mean = total.mean
    squares = pairwise_sum(((part - np.float64(mean)) ** 2 for part in parts()), total.count)
    return math.sqrt(float(squares) / total.count)
