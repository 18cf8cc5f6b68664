"""A few lognormals instead of a free curve: the second read-out, for peaks and fractions.

The distribution of the tracked positions is taken as one to four lognormals, fitted by expectation-maximisation to
the likelihood of every track at every size; how many there are says the Bayesian information criterion (Schwarz
1978, Ann. Stat. 6, 461). It is sharper than the penalised curve where the sample is what it supposes, several
populations of one size each, and wrong where it is not: a skewed single population comes out as two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nta.errors import UsageError

Floats = NDArray[np.float64]

MAX_COMPONENTS: Final = 4
"""Most lognormals tried."""

SMALLEST_LOG_SD: Final = 0.03
"""Narrowest component, sd of ln d: the grid of 2.4 % shows no narrower one."""

_MAX_STEPS: Final = 200
_TRIAL_STEPS: Final = 20  # enough to tell which start leads
_TOLERANCE: Final = 1e-3  # gain in ln L of one step; a component more must gain ten
_NEW_SHARE: Final = 0.2
_NEW_LOG_SDS: Final = (0.05, 0.25)
_LEAST: Final = 1e-300
_FINE_POINTS: Final = 2001


@dataclass(frozen=True, slots=True)
class Component:
    """One lognormal of the mixture, as it is in the liquid.

    Parameters
    ----------
    mode_nm : float
        Diameter at the maximum of its density per nm, nm.
    cv : float
        Standard deviation over mean of its diameters; 0.03 is the least that can be told.
    fraction : float
        Share of the particles, by number, 0 to 1.
    """

    mode_nm: float
    cv: float
    fraction: float


@dataclass(frozen=True, slots=True)
class Mixture:
    """The mixture that the information criterion prefers.

    Parameters
    ----------
    components : tuple of Component
        In ascending order of the mode; none where there was no track.
    bic : tuple of float
        -2 ln L + p ln n for 1, 2, ... components, as far as they were tried; smaller is better.
    n_effective : float
        Independent particles that were counted in it.
    """

    components: tuple[Component, ...]
    bic: tuple[float, ...]
    n_effective: float


class _Laws(NamedTuple):
    """Parameters of K lognormals over ln d: shares, means, standard deviations, each (K,)."""

    shares: Floats
    means: Floats
    log_sds: Floats


class _Fit(NamedTuple):
    laws: _Laws
    log_likelihood: float
    pull: Floats
    """Mean over the tracks of likelihood over explained likelihood, by size: above 1 where mass is missing."""


def fit_mixture(
    log_likelihood: Floats,
    diameters_nm: Floats,
    weights: Floats | None = None,
    *,
    seen: Callable[[Floats], Floats] | None = None,
    n_effective: float | None = None,
) -> Mixture:
    """Return the lognormals, one to four, that explain the tracks best for their number.

    The weights are scaled to sum to ``n_effective``, which also stands in the criterion's ln n: a track that counts
    twice is not two observations, and several tracks may be of one particle.

    Parameters
    ----------
    log_likelihood : (n_tracks, n_sizes) float64
        Natural log-likelihood of each track at each size, any constant a row (``Diffusion.log_likelihood``).
    diameters_nm : (n_sizes,) float64
        Diameters, nm, equally spaced in their logarithm.
    weights : (n_tracks,) float64, optional
        How much each track counts, in any unit: its positions, for the distribution of the positions in view.
    seen : callable, optional
        Share of the particles of a diameter (nm, array) that the weighted tracks hold, up to a factor; the fractions
        are divided by it. All sizes alike when not given.
    n_effective : float, optional
        Independent observations behind the tracks; (sum w)²/sum w² (Kish) when not given.

    Returns
    -------
    Mixture
        The same for the same input, to the last bit on one machine; without components where there is no track.

    Raises
    ------
    UsageError
        If the matrix does not have a row for each weight and a column for each diameter.
    """
    weights = np.ones(len(log_likelihood)) if weights is None else np.asarray(weights, dtype=np.float64)
    if log_likelihood.shape != (weights.size, diameters_nm.size):
        raise UsageError(
            f"a likelihood of {log_likelihood.shape} does not fit {weights.size} weights and {diameters_nm.size} "
            "diameters; give one row a track and one column a diameter"
        )
    total = float(weights.sum())
    if not total > 0:
        return Mixture((), (), 0.0)
    n = total**2 / float(weights @ weights) if n_effective is None else n_effective
    problem = _Problem(log_likelihood, np.log(diameters_nm), weights * (n / total))
    fits = problem.ladder()
    bic = tuple(_criterion(fit, n) for fit in fits)
    best = fits[int(np.argmin(bic))]
    return Mixture(_components(best.laws, diameters_nm, seen), bic, n)


def _criterion(fit: _Fit, n: float) -> float:
    return -2.0 * fit.log_likelihood + (3 * len(fit.laws.shares) - 1) * math.log(n)


class _Problem:
    """One set of tracks to be explained by lognormals."""

    def __init__(self, log_likelihood: Floats, log_diameter: Floats, weights: Floats) -> None:
        kept = weights > 0
        rows = log_likelihood[kept]
        self._likelihood = np.exp(rows - rows.max(axis=1, keepdims=True))
        self._log_diameter = log_diameter
        self._weights = weights[kept]

    def ladder(self) -> list[_Fit]:
        """Return the best fit of one, two, ... components, up to two rungs after the criterion turned."""
        n = float(self._weights.sum())
        fits = [self._climb(self._one())]
        while len(fits) < MAX_COMPONENTS:
            starts = [*self._additions(fits[-1]), self._split(fits[-1].laws)]
            tried = [self._climb(start, _TRIAL_STEPS) for start in starts]
            fits.append(self._climb(max(tried, key=lambda fit: fit.log_likelihood).laws))
            if len(fits) > 2 and _criterion(fits[-1], n) > _criterion(fits[-2], n) > _criterion(fits[-3], n):
                break
        return fits

    def _one(self) -> _Laws:
        flat = self._likelihood / self._likelihood.sum(axis=1, keepdims=True)
        share = self._weights @ flat / self._weights.sum()
        mean = float(share @ self._log_diameter)
        sd = math.sqrt(float(share @ (self._log_diameter - mean) ** 2))
        return _Laws(np.ones(1), np.array([mean]), np.array([max(sd, SMALLEST_LOG_SD)]))

    def _additions(self, fit: _Fit) -> list[_Laws]:
        """Return starts with one lognormal more, where the tracks pull most for a narrow and for a broad one."""
        starts = []
        for log_sd in _NEW_LOG_SDS:
            candidates = self._log_diameter
            laws = _Laws(np.ones(candidates.size), candidates, np.full(candidates.size, log_sd))
            place = candidates[int(np.argmax(self._shapes(laws) @ fit.pull))]
            shares = np.append(fit.laws.shares * (1.0 - _NEW_SHARE), _NEW_SHARE)
            starts.append(_Laws(shares, np.append(fit.laws.means, place), np.append(fit.laws.log_sds, log_sd)))
        return starts

    def _split(self, laws: _Laws) -> _Laws:
        """Return a start in which the component with most to share, share times sd, is two at its mean ± 1 sd."""
        which = int(np.argmax(laws.shares * laws.log_sds))
        shares, means, log_sds = (np.append(part, part[which]) for part in laws)
        shares[[which, -1]] *= 0.5
        means[which], means[-1] = means[which] - log_sds[which], means[which] + log_sds[which]
        log_sds[[which, -1]] = max(0.5 * log_sds[which], SMALLEST_LOG_SD)
        return _Laws(shares, means, log_sds)

    def _shapes(self, laws: _Laws) -> Floats:
        """Return each lognormal as probabilities of the grid's sizes, (K, n_sizes)."""
        shapes = np.exp(-0.5 * ((self._log_diameter - laws.means[:, None]) / laws.log_sds[:, None]) ** 2)
        result: Floats = shapes / shapes.sum(axis=1, keepdims=True)
        return result

    def _explain(self, laws: _Laws) -> tuple[Floats, _Fit]:
        shapes = self._shapes(laws)
        explained = np.maximum(self._likelihood @ (laws.shares @ shapes), _LEAST)
        pull = (self._weights / explained) @ self._likelihood / self._weights.sum()
        return shapes, _Fit(laws, float(self._weights @ np.log(explained)), pull)

    def _climb(self, laws: _Laws, max_steps: int = _MAX_STEPS) -> _Fit:
        """Return the fit that expectation-maximisation reaches from a start.

        The posterior of the sizes summed over the tracks is all that a step needs, so that a step costs the same for
        any number of components.
        """
        shapes, fit = self._explain(laws)
        for _ in range(max_steps):
            before = fit
            shapes, fit = self._explain(self._step(before.laws, shapes, before.pull))
            if fit.log_likelihood - before.log_likelihood < _TOLERANCE:
                break
        return fit

    def _step(self, laws: _Laws, shapes: Floats, pull: Floats) -> _Laws:
        joint = laws.shares[:, None] * shapes * pull
        shares = np.maximum(joint.sum(axis=1), 1e-12)
        means = joint @ self._log_diameter / shares
        variances = np.sum(joint * (self._log_diameter - means[:, None]) ** 2, axis=1) / shares
        return _Laws(shares / shares.sum(), means, np.maximum(np.sqrt(variances), SMALLEST_LOG_SD))


def _components(laws: _Laws, diameters_nm: Floats, seen: Callable[[Floats], Floats] | None) -> tuple[Component, ...]:
    """Return the lognormals of the positions as those of the particles: each divided by the share seen."""
    # Wider than the grid by nothing: what the tracks cannot tell is not extrapolated.
    fine = np.geomspace(diameters_nm[0], diameters_nm[-1], _FINE_POINTS)
    log_fine = np.log(fine)
    missed = 1.0 / (np.ones_like(fine) if seen is None else seen(fine))
    found = []
    for share, mean, log_sd in zip(*laws, strict=True):
        shape = np.exp(-0.5 * ((log_fine - mean) / log_sd) ** 2)
        particles = share * shape / shape.sum() * missed
        number = float(particles.sum())
        mean_nm = float(particles @ fine) / number
        sd_nm = math.sqrt(float(particles @ (fine - mean_nm) ** 2) / number)
        found.append((float(fine[np.argmax(particles / fine)]), sd_nm / mean_nm, number))
    total = sum(number for _, _, number in found)
    return tuple(sorted((Component(mode, cv, number / total) for mode, cv, number in found), key=lambda c: c.mode_nm))
