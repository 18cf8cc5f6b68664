"""The difference of two size distributions: never negative, and as much in all as the concentrations say."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import isotonic_regression

from nta.blank.counts import Counted
from nta.distribution import SizeDistribution, WindowShare
from nta.mixture import Mixture
from nta.size_statistics import BAND, cumulative_share, size_statistics
from nta.uncertainty import systematic_relative_sd
from nta.weighting import volume_sizes

if TYPE_CHECKING:
    from nta.measurement import Measurement

Floats = NDArray[np.float64]

MIN_DRAWS: Final = 20
"""Fewer draws in which the sample is above its blank give no interval."""

_STREAM: Final = 2  # of the seed: the draws of the counts are not those of the tracks


def nonnegative_difference(diameter_nm: Floats, difference_per_nm: Floats) -> Floats:
    """Return the non-negative density whose cumulative is nearest to that of a difference, its integral 1.

    Where the difference is negative, what is missing comes from its neighbours and not from all sizes alike: the
    cumulative is made to ascend by least squares (isotonic regression) from 0 to the total, which is kept. Its D10 is
    right on average where cutting at 0 lets noise of the small end stand (6 nm too low for a blank of 60 % at 70 nm
    under a sample at 120 nm).

    Parameters
    ----------
    diameter_nm : (n,) float64
        Ascending grid, nm.
    difference_per_nm : (n,) float64
        With a positive integral.
    """
    cumulative = cumulative_trapezoid(difference_per_nm, diameter_nm, initial=0)
    ascending = np.clip(isotonic_regression(cumulative).x, 0.0, cumulative[-1])
    followed = np.abs(ascending - cumulative) <= 1e-9 * cumulative[-1]
    density = np.where(followed, np.maximum(difference_per_nm, 0.0), 0.0)
    total = float(np.trapezoid(density, diameter_nm))
    if not total > 0.0:  # all of it within one step of the grid
        density = np.maximum(np.gradient(ascending, diameter_nm), 0.0)
        total = float(np.trapezoid(density, diameter_nm))
    normalised: Floats = density / total
    return normalised


def net_distribution(sample: Measurement, blank: Measurement, counted: Counted, taken: Counted) -> SizeDistribution:
    """Return the distribution of the difference, with the intervals that the draws of both give.

    Each draw takes a density of the sample, one of the blank, and both counts within their errors; without draws of the
    sample (a result loaded from its folder) there are no intervals.

    Parameters
    ----------
    sample, blank : Measurement
        Both with a distribution.
    counted, taken : Counted
        Their concentrations; the difference is positive.
    """
    found, without = sample.distribution, blank.distribution
    ends = [one.table["diameter_nm"].iloc[[0, -1]].to_numpy(np.float64) for one in (found, without)]
    diameter_nm = np.arange(min(ends[0][0], ends[1][0]), max(ends[0][1], ends[1][1]) + 0.5)
    rows, rows_blank = _on_grid(diameter_nm, found), _on_grid(diameter_nm, without)
    density = nonnegative_difference(
        diameter_nm, counted.estimate.value * rows[0] - taken.estimate.value * rows_blank[0]
    )
    drawn = _drawn(diameter_nm, rows, rows_blank, counted, taken, _seed(sample))
    systematic = systematic_relative_sd(sample.values, sample.diffusion.lag.frames)
    n_tracks, n_particles = found.n_tracks, found.n_particles * (1.0 - taken.estimate.value / counted.estimate.value)
    of_known = n_particles if math.isfinite(n_particles) else math.inf
    net = replace(
        found,
        table=_table(diameter_nm, density, drawn),
        size=size_statistics(diameter_nm, density, drawn, n_tracks, systematic),
        drawn=drawn,
        n_particles=n_particles,
        volume=volume_sizes(diameter_nm, density, drawn, n_tracks, of_known, systematic),
        # Read-outs of all tracks together, the blank's among them.
        mixture=Mixture((), (), 0.0),
        mean_by_tracks_nm=math.nan,
    )
    return replace(net, windows=tuple(_share_again(net, window, systematic) for window in found.windows))


def _on_grid(diameter_nm: Floats, distribution: SizeDistribution) -> Floats:
    """Return the density and its draws on a wider grid of whole nanometres, (1 + n_draws, n); 0 beyond their own."""
    density = distribution.table["density_per_nm"].to_numpy(np.float64)
    rows = np.vstack([density, *distribution.drawn])
    wide = np.zeros((len(rows), diameter_nm.size))
    first = round(float(distribution.table["diameter_nm"].iloc[0] - diameter_nm[0]))
    wide[:, first : first + density.size] = rows
    return wide


def _drawn(
    diameter_nm: Floats, rows: Floats, rows_blank: Floats, counted: Counted, taken: Counted, seed: int
) -> Floats:
    """Return the densities of the differences that are positive, (n_draws, n)."""
    n_draws = len(rows) - 1
    # A blank that was loaded has no draws: its density then stands for them, and only its count varies.
    others = rows_blank[1:] if len(rows_blank) > 1 else rows_blank
    random = np.random.default_rng([seed, _STREAM])
    counts, counts_blank = (
        one.estimate.value * np.exp(one.relative_sd * random.standard_normal(n_draws)) for one in (counted, taken)
    )
    drawn = [
        nonnegative_difference(diameter_nm, counts[k] * rows[1 + k] - counts_blank[k] * others[k % len(others)])
        for k in range(n_draws)
        if counts[k] > counts_blank[k]
    ]
    return np.array(drawn if len(drawn) >= MIN_DRAWS else []).reshape(-1, diameter_nm.size)


def _seed(sample: Measurement) -> int:
    stated = sample.values["seed"].value if "seed" in sample.values else 0
    return stated if isinstance(stated, int) else 0


def _table(diameter_nm: Floats, density: Floats, drawn: Floats) -> pd.DataFrame:
    """Return the distribution's table; its band is that of the draws."""
    band = np.quantile(drawn, BAND, axis=0) if len(drawn) else np.full((2, density.size), np.nan)
    columns = (
        diameter_nm,
        density,
        np.minimum(band[0], density),
        np.maximum(band[1], density),
        cumulative_share(diameter_nm, density),
    )
    return pd.DataFrame(dict(zip(SizeDistribution.COLUMNS, columns, strict=True)))


def _share_again(net: SizeDistribution, window: WindowShare, systematic_relative_sd: float) -> WindowShare:
    low_nm, high_nm = window.low_nm, window.high_nm
    by_number, by_volume = (
        net.fraction_between(low_nm, high_nm, by=by, systematic_relative_sd=systematic_relative_sd)
        for by in ("number", "volume")
    )
    return WindowShare(low_nm, high_nm, by_number, by_volume)
