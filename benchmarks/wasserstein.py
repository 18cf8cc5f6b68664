"""How far one distribution of sizes is from another: the area between their cumulative curves, nm."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import lognorm

from nta.simulation import Lognormal, Mixture, OneSize, Population, Truth

Floats = NDArray[np.float64]

GRID_NM = np.arange(5.0, 1500.0, 0.25)


def distance_nm(diameter_nm: Floats, cumulative: Floats, truth: Floats) -> float:
    """Return the Wasserstein-1 distance of a cumulative curve to the true one on :data:`GRID_NM`."""
    found = np.interp(GRID_NM, diameter_nm, cumulative, left=0.0, right=1.0)
    return float(np.trapezoid(np.abs(found - truth), GRID_NM))


def of_population(population: Population) -> Floats:
    """Return the cumulative share of a population on :data:`GRID_NM`."""
    if isinstance(population, OneSize):
        return (population.diameter_nm <= GRID_NM).astype(np.float64)
    if isinstance(population, Lognormal):
        variance = math.log(1.0 + population.cv**2)
        curve: Floats = lognorm.cdf(GRID_NM, math.sqrt(variance), scale=population.mode_nm * math.exp(variance))
        return curve
    if isinstance(population, Mixture):
        shares = zip(population.parts, population.shares, strict=True)
        return np.sum([share * of_population(part) for part, share in shares], axis=0) / sum(population.shares)
    raise TypeError(f"no cumulative curve is known for {population}")


def of_particles(diameter_nm: Floats, weights: Floats) -> Floats:
    """Return the cumulative share of weighted particles on :data:`GRID_NM`."""
    order = np.argsort(diameter_nm)
    cumulative = np.concatenate([[0.0], np.cumsum(weights[order])]) / weights.sum()
    return np.asarray(cumulative[np.searchsorted(diameter_nm[order], GRID_NM, side="right")])


def of_truth(truth: Truth) -> Floats:
    """Return the cumulative share of what was in view of a capture, on :data:`GRID_NM`."""
    return of_particles(truth.diameter_nm, truth.frames_in_view.astype(np.float64))
