"""A number with its standard error and the degrees of freedom behind that: what differences and ratios are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy.special import ndtr, ndtri, stdtr, stdtrit

from nta.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A value, its standard error, and the degrees of freedom of that error (infinite where it is taken as known)."""

    value: float = math.nan
    sd: float = math.nan
    freedom: float = math.inf

    def ends(self, coverage: float = 0.95) -> tuple[float, float]:
        """Return the two ends of the interval of Student's t; NaN without a standard error."""
        half = quantile((1.0 + coverage) / 2.0, self.freedom) * self.sd
        return self.value - half, self.value + half

    def estimate(self, n: int | None = None) -> Estimate:
        """Return value and 95 % interval."""
        return Estimate(self.value, *self.ends(), n)

    def exponential(self, n: int | None = None) -> Estimate:
        """Return the exponential of a logarithm and of its 95 % interval."""
        low, high = self.ends()
        return Estimate(math.exp(self.value), math.exp(low), math.exp(high), n)


def quantile(share: float, freedom: float) -> float:
    """Return the quantile of Student's t, the normal one for infinite degrees of freedom."""
    return float(ndtri(share) if math.isinf(freedom) else stdtrit(freedom, share))


def tail(t: float, freedom: float) -> float:
    """Return the probability of more than ``t`` of Student's t."""
    return float(ndtr(-t) if math.isinf(freedom) else stdtr(freedom, -t))


def with_errors(value: float, errors: Iterable[tuple[float, float]]) -> Uncertain:
    """Return a value with independent errors in quadrature.

    Degrees of freedom of the sum by Welch and Satterthwaite (GUM, G.4.1).

    Parameters
    ----------
    value : float
        The value.
    errors : iterable of (float, float)
        Standard error and degrees of freedom of each part.
    """
    parts = [(sd**2, freedom) for sd, freedom in errors]
    total = math.fsum(variance for variance, _ in parts)
    uncertain = math.fsum(variance**2 / freedom for variance, freedom in parts if math.isfinite(freedom))
    return Uncertain(value, math.sqrt(total), total**2 / uncertain if uncertain > 0.0 else math.inf)
