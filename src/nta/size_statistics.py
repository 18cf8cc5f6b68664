"""What a density says in single numbers: mode, mean, percentiles, peaks, each with its 95 % interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid

from nta.estimate import NORMAL_95, Estimate

Floats = NDArray[np.float64]

BAND: Final = (0.025, 0.975)
"""Quantiles of the bootstrap draws that bound a 95 % interval."""

_MIN_PEAK_PROMINENCE: Final = 0.05
_MIN_PEAK_FRACTION: Final = 0.02


@dataclass(frozen=True, slots=True)
class Peak:
    """A local maximum of the density: its diameter in nm and the share of particles under it, 0 to 1.

    ``fraction_low`` and ``fraction_high`` are the 95 % interval of the share.
    """

    diameter: Estimate
    fraction: float
    fraction_low: float = math.nan
    fraction_high: float = math.nan


@dataclass(frozen=True, slots=True)
class SizeStatistics:
    """Statistics of a size distribution, nm (span has no unit); peaks ascend."""

    STATISTICS: ClassVar[tuple[str, ...]] = ("mode", "mean", "sd", "d10", "d50", "d90", "span")

    mode: Estimate
    mean: Estimate
    sd: Estimate
    d10: Estimate
    d50: Estimate
    d90: Estimate
    span: Estimate
    peaks: tuple[Peak, ...] = ()

    @classmethod
    def missing(cls) -> Self:
        """Return the statistics of a sample in which nothing was sized."""
        nothing = Estimate.missing()
        return cls(nothing, nothing, nothing, nothing, nothing, nothing, nothing)


def size_statistics(
    diameter_nm: Floats, density: Floats, drawn: Floats, n_tracks: int, systematic_relative_sd: float = 0.0
) -> SizeStatistics:
    """Return the statistics of a density with their 95 % intervals.

    Parameters
    ----------
    diameter_nm : (n,) float64
        Ascending grid.
    density : (n,) float64
        Density per nm.
    drawn : (n_draws, n) float64
        Densities of the bootstrap; with none the intervals are NaN.
    n_tracks : int
        Tracks behind it.
    systematic_relative_sd : float
        Relative standard uncertainty that all diameters share.
    """
    point = point_statistics(diameter_nm, density)
    replicas = [point_statistics(diameter_nm, row) for row in drawn]
    estimates = {
        name: interval(
            point[name],
            np.array([replica[name] for replica in replicas]),
            0.0 if name == "span" else systematic_relative_sd,
            n_tracks,
        )
        for name in SizeStatistics.STATISTICS
    }
    return SizeStatistics(**estimates, peaks=_peaks(diameter_nm, density, drawn, n_tracks, systematic_relative_sd))


def cumulative_share(diameter_nm: Floats, density: Floats) -> Floats:
    """Return the share of the particles up to each diameter, 0 to 1 (trapezoid)."""
    cumulative = cumulative_trapezoid(density, diameter_nm, initial=0)
    share: Floats = cumulative / cumulative[-1]
    return share


def point_statistics(diameter_nm: Floats, density: Floats) -> dict[str, float]:
    """Return mode, mean, sd, d10, d50, d90 (nm) and span of one density per nm on an ascending grid."""
    cumulative = cumulative_trapezoid(density, diameter_nm, initial=0)
    total = cumulative[-1]
    mean = float(np.trapezoid(density * diameter_nm, diameter_nm) / total)
    variance = float(np.trapezoid(density * (diameter_nm - mean) ** 2, diameter_nm) / total)
    d10, d50, d90 = (float(value) for value in np.interp((0.1, 0.5, 0.9), cumulative / total, diameter_nm))
    return {
        "mode": mode_nm(diameter_nm, density),
        "mean": mean,
        "sd": math.sqrt(variance),
        "d10": d10,
        "d50": d50,
        "d90": d90,
        "span": (d90 - d10) / d50,
    }


def mode_nm(diameter_nm: Floats, density: Floats) -> float:
    """Return the highest point of the density, by a parabola through the logarithm around it."""
    top = int(np.argmax(density))
    if not 0 < top < density.size - 1 or density[top - 1] <= 0 or density[top + 1] <= 0:
        return float(diameter_nm[top])
    left, middle, right = np.log(density[top - 1 : top + 2])
    curvature = left - 2.0 * middle + right
    shift = 0.5 * (left - right) / curvature if curvature < 0 else 0.0
    return float(diameter_nm[top] + shift * (diameter_nm[1] - diameter_nm[0]))


def interval(value: float, replicas: Floats, systematic_relative_sd: float, n: int) -> Estimate:
    """Return the value with its 95 % interval: bootstrap quantiles and the systematic part in quadrature."""
    if not len(replicas):
        return Estimate(value, math.nan, math.nan, n)
    low, high = np.quantile(replicas, BAND)
    shared = NORMAL_95 * systematic_relative_sd * value
    below = math.hypot(max(value - float(low), 0.0), shared)
    above = math.hypot(max(float(high) - value, 0.0), shared)
    return Estimate(value, max(value - below, 0.0), value + above, n)


def summits(values: Floats, prominence: float) -> NDArray[np.intp]:
    """Return where ``values`` have maxima that stand out by ``prominence``; of a flat top its middle.

    They are those of :func:`scipy.signal.find_peaks`, whose import takes a third of a second.

    Parameters
    ----------
    values : (n,) float64
        Without NaN; neither end is a maximum.
    prominence : float
        Least height above the higher one of the two lowest points between the maximum and what is higher, or the end,
        on either side.
    """
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    levels = values[starts]
    is_top = np.zeros(levels.size, dtype=bool)
    is_top[1:-1] = (levels[1:-1] > levels[:-2]) & (levels[1:-1] > levels[2:])
    ends = np.append(starts[1:], values.size) - 1
    tops: NDArray[np.intp] = (starts[is_top] + ends[is_top]) // 2
    stands_out = [values[top] - max(_lowest(values[top::-1]), _lowest(values[top:])) >= prominence for top in tops]
    return np.compress(stands_out, tops)


def _lowest(values: Floats) -> float:
    """Return the lowest value from the first one on, as far as none is higher than that one."""
    higher = values > values[0]
    stop = int(np.argmax(higher)) if higher.any() else values.size
    return float(values[:stop].min())


def _peaks(
    diameter_nm: Floats, density: Floats, drawn: Floats, n_tracks: int, systematic_sd: float
) -> tuple[Peak, ...]:
    """Return the maxima that hold at least 2 % of the particles, with the share between their valleys."""
    padded = np.concatenate([[0.0], density, [0.0]])
    tops = summits(padded, _MIN_PEAK_PROMINENCE * density.max()) - 1
    cumulative = cumulative_share(diameter_nm, density)
    drawn_cumulative = np.array([cumulative_share(diameter_nm, row) for row in drawn]).reshape(-1, density.size)
    valleys = [0, *(a + int(np.argmin(density[a:b])) for a, b in pairwise(tops)), density.size - 1]
    peaks = []
    for start, stop in pairwise(valleys):
        window = slice(start, stop + 1)
        fraction = float(cumulative[stop] - cumulative[start])
        if fraction < _MIN_PEAK_FRACTION:
            continue
        tops_drawn = np.array([mode_nm(diameter_nm[window], row[window]) for row in drawn])
        shares_drawn = drawn_cumulative[:, stop] - drawn_cumulative[:, start]
        share = interval(fraction, shares_drawn, 0.0, n_tracks)
        peaks.append(
            Peak(
                interval(mode_nm(diameter_nm[window], density[window]), tops_drawn, systematic_sd, n_tracks),
                fraction,
                share.low,
                min(share.high, 1.0),
            )
        )
    return tuple(peaks)
