"""The statistics of a dilution series: slope, constancy, and the common value, on the logarithmic scale.

An error that all dilutions share, that of the depth, moves every measured concentration by one factor. It changes
neither slope nor constancy, and counts once in the common value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, fdtrc, stdtrit

from nta.dilutions.noun import Dilution, Line
from nta.estimate import NORMAL_95, Estimate

Floats = NDArray[np.float64]

_UPPER_TAIL: Final = 0.975


def line_of(dilutions: Sequence[Dilution], excess_error: float = 0.0) -> Line:
    """Return slope and constancy of dilutions that all have a concentration.

    The slope is that of the weighted regression of ln(measured) on ln(1/dilution), weights 1/own_sd² (Bevington &
    Robinson 2003, eq. 6.12); the constancy is the chi-square of ln(stock) about its weighted mean (eq. 4.17), over its
    degrees of freedom an F where the errors rest on what few captures differ by.

    Parameters
    ----------
    dilutions : sequence of Dilution
        At different dilutions.
    excess_error : float
        Standard error of the variance between captures, of which ``captures_sd`` is made.
    """
    n = len(dilutions)
    if n < 2:
        return Line()
    x = -np.log([one.factor for one in dilutions])
    y = np.log([one.measured.value for one in dilutions])
    weights = _weights(dilutions)
    centred = x - weights @ x / weights.sum()
    shares = weights * centred / float(weights @ centred**2)
    slope = float(shares @ y)
    half = _half_width(dilutions, shares, excess_error)
    stock = y - x
    chi_square = float(weights @ (stock - weights @ stock / weights.sum()) ** 2)
    p_constant = _p_constant(dilutions, chi_square, excess_error)
    return Line(Estimate(slope, slope - half, slope + half, n), chi_square, n - 1, p_constant)


def common_stock(dilutions: Sequence[Dilution], excess_error: float = 0.0) -> Estimate:
    """Return the stock that these dilutions share, weighted by their own errors, the depth's error added once.

    Parameters
    ----------
    dilutions : sequence of Dilution
        One or more, all with a concentration.
    excess_error : float
        Standard error of the variance between captures, of which ``captures_sd`` is made.

    Returns
    -------
    Estimate
        Particles per mL; n is the number of tracks.
    """
    weights = _weights(dilutions)
    shares = weights / weights.sum()
    value = math.exp(float(shares @ np.log([one.measured.value * one.factor for one in dilutions])))
    volume_sd = max(one.volume_sd for one in dilutions)
    spread = math.exp(_half_width(dilutions, shares, excess_error, volume_sd))
    return Estimate(value, value / spread, value * spread, sum(one.measured.n or 0 for one in dilutions) or None)


def own_error(dilutions: Sequence[Dilution]) -> float:
    """Return the relative standard error of the stock that these dilutions share, without that of the depth."""
    return 1.0 / math.sqrt(float(_weights(dilutions).sum()))


def _weights(dilutions: Sequence[Dilution]) -> Floats:
    return np.array([one.own_sd for one in dilutions], dtype=np.float64) ** -2.0


def _half_width(dilutions: Sequence[Dilution], shares: Floats, excess_error: float, common_sd: float = 0.0) -> float:
    """Return half the 95 % interval of a sum of logarithms, each times its share."""
    total = float(shares**2 @ np.array([one.own_sd for one in dilutions]) ** 2) + common_sd**2
    error = float(shares**2 @ np.array([one.per_excess for one in dilutions])) * excess_error
    freedom = _freedom(total, error)
    return (NORMAL_95 if math.isinf(freedom) else float(stdtrit(freedom, _UPPER_TAIL))) * math.sqrt(total)


def _p_constant(dilutions: Sequence[Dilution], chi_square: float, excess_error: float) -> float:
    """Return how probable so much scatter or more is, the errors known as well as they are."""
    n = len(dilutions) - 1
    freedom = _freedom(sum(one.own_sd**2 for one in dilutions), sum(one.per_excess for one in dilutions) * excess_error)
    return float(chdtrc(n, chi_square) if math.isinf(freedom) else fdtrc(n, freedom, chi_square / n))


def _freedom(variance: float, standard_error: float) -> float:
    """Return the effective degrees of freedom of a variance that is known to a standard error (GUM, G.4.2, E.4.3).

    A variance of nu degrees of freedom has the relative standard error sqrt(2/nu).
    """
    return 2.0 * (variance / standard_error) ** 2 if standard_error > 0.0 else math.inf
