"""Penalised maximum likelihood of a density, from the likelihood of every track at every size.

The density's logarithm is a cubic spline in ln d; its third derivative is penalised, whose null space is
every lognormal: with little data the answer is a lognormal, with more it takes whatever shape the tracks
demand. How much smoothing the data deserve is read off the evidence (Laplace), not chosen. The anchor is
Silmore et al. 2019 (ACS Nano, 10.1021/acsnano.8b07215), who put a smoothness prior on the sizes of the same
kind of tracks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline, CubicSpline
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

Floats = NDArray[np.float64]

N_SPLINES: Final = 60
SMOOTHNESS_GRID: Final[tuple[float, ...]] = tuple(10.0**power for power in range(2, -11, -1))
"""Penalty weights tried, from stiff to loose: each start is the last solution."""

HOPELESS: Final = 10.0
"""Nats below the best at which a fit has no part in the answer any more."""

_BEYOND_SUMMIT: Final = 2.0
_LONGEST_STEP: Final = 0.5
_SHORTEST_STEP: Final = 1e-5
_REFINEMENT: Final = 2
_RIDGE: Final = 1e-8
_ROUNDING: Final = 1e-12
_MAX_STEPS: Final = 60
_TOLERANCE: Final = 2e-5


@dataclass(frozen=True)
class DensityFit:
    """A density over the logarithm of the diameter.

    Parameters
    ----------
    coefficients : (n_splines,) float64
        Spline coefficients of the log density.
    share : (n_sizes,) float64
        Probability of each grid size; sums to 1.
    smoothness : float
        Penalty weight lambda.
    log_evidence : float
        Laplace approximation, up to a constant that all lambda share.
    grid_ends : tuple of float
        First and last ln d of the grid that the spline spans.
    """

    coefficients: Floats
    share: Floats
    smoothness: float
    log_evidence: float
    grid_ends: tuple[float, float]

    def log_density(self, log_diameter: Floats) -> Floats:
        """Return the spline at ``log_diameter``: the log density over ln d, up to a constant."""
        low, high = self.grid_ends
        place = (log_diameter - low) / (high - low) * (N_SPLINES - 3.0)
        place = np.clip(place, 0.0, N_SPLINES - 3.0 - 1e-9)
        values: Floats = BSpline(np.arange(-3.0, N_SPLINES + 1.0), self.coefficients, 3)(place)
        return values


def best_of(fits: Sequence[DensityFit]) -> DensityFit:
    """Return the fit with the highest evidence."""
    return max(fits, key=lambda fit: fit.log_evidence)


@cache
def _basis(n_sizes: int) -> tuple[Floats, Floats]:
    """Return the spline basis on an even grid (n_sizes, n_splines) and the integral of (theta''')².

    The unit of ln d is one knot spacing times the number of spacings per e; the caller scales the penalty.
    """
    knots = np.arange(-3.0, N_SPLINES + 1.0)
    grid = np.linspace(0.0, N_SPLINES - 3.0, n_sizes)
    basis = BSpline.design_matrix(np.minimum(grid, N_SPLINES - 3.0 - 1e-9), knots, 3).toarray()
    third = np.diff(np.eye(N_SPLINES), 3, axis=0)
    return basis, third.T @ third


def refined(log_likelihood: Floats, log_diameter: Floats) -> tuple[Floats, Floats]:
    """Return the log-likelihoods on a grid twice as fine, by a cubic spline, and that grid.

    A population of one size is narrower than the steps at which the likelihood is computed; the likelihood itself is
    not.
    """
    n_sizes = _REFINEMENT * (log_diameter.size - 1) + 1
    fine = np.linspace(log_diameter[0], log_diameter[-1], n_sizes)
    values: Floats = CubicSpline(log_diameter, log_likelihood, axis=1)(fine)
    return values, fine


class Problem:
    """One set of tracks to be explained by a density.

    Parameters
    ----------
    log_likelihood : (n_tracks, n_sizes) float64
        Natural log-likelihood of each track at each grid size.
    log_diameter : (n_sizes,) float64
        Even grid of ln d.
    """

    def __init__(self, log_likelihood: Floats, log_diameter: Floats) -> None:
        # Sizes first, (n_sizes, n_tracks): the sparse basis then runs along whole rows.
        by_size = log_likelihood.T - log_likelihood.max(axis=1)
        self._likelihood = np.ascontiguousarray(np.exp(by_size, out=by_size))
        self._basis, penalty = _basis(log_diameter.size)
        # Four of its columns are not zero in each row.
        self._sparse_basis = csr_array(self._basis)
        spacing = (log_diameter[-1] - log_diameter[0]) / (N_SPLINES - 3.0)
        # int (theta''')² dln d = sum (third difference)² / spacing^6 x spacing.
        self._penalty = penalty / spacing**5
        self._log_diameter = log_diameter
        self._ends = (float(log_diameter[0]), float(log_diameter[-1]))

    @property
    def likelihood(self) -> Floats:
        """Likelihood of each track at each grid size, each track's highest being 1."""
        values: Floats = self._likelihood.T
        return values

    def fit(self, weights: Floats) -> DensityFit:
        """Return the fit whose smoothness the evidence prefers, if the evidence has one summit."""
        return best_of(self.fits(weights, _BEYOND_SUMMIT))

    def fits(self, weights: Floats, hopeless: float = HOPELESS) -> list[DensityFit]:
        """Return the fits from the stiffest on, until the log evidence has fallen by ``hopeless`` below its best."""
        fits: list[DensityFit] = []
        coefficients = self._start(weights)
        for smoothness in SMOOTHNESS_GRID:
            fits.append(self.fit_with(weights, smoothness, coefficients))
            coefficients = fits[-1].coefficients
            if fits[-1].log_evidence < best_of(fits).log_evidence - hopeless:
                break
        return fits

    def fit_with(
        self,
        weights: Floats,
        smoothness: float,
        start: Floats,
        *,
        evidence: bool = True,
        max_steps: int = _MAX_STEPS,
        tolerance: float | None = None,
    ) -> DensityFit:
        """Return the fit at one smoothness by damped Newton from ``start``; the evidence is optional.

        It ends when the next step promises less than ``tolerance`` nats, 2e-5 of the weights if not told.
        """
        tolerance = _TOLERANCE * float(weights.sum()) if tolerance is None else tolerance
        penalty = smoothness * self._penalty
        coefficients = start
        value, share = self._objective(coefficients, weights, penalty)
        for _ in range(max_steps):
            step, slope = self._newton_step(coefficients, share, weights, penalty)
            scale = 1.0
            while True:
                trial = coefficients + scale * step
                new_value, new_share = self._objective(trial, weights, penalty)
                if new_value >= value + 1e-4 * scale * slope or scale < 1e-6:
                    break
                scale *= 0.5
            gain = new_value - value
            if gain <= 0:
                break
            coefficients, value, share = trial, new_value, new_share
            if slope < tolerance:
                break
        log_evidence = self._log_evidence(share, weights, penalty, smoothness, value) if evidence else math.nan
        return DensityFit(coefficients - coefficients.mean(), share, smoothness, log_evidence, self._ends)

    def posterior(self, share: Floats) -> Floats:
        """Return the probability of each size of each track under a density, (n_tracks, n_sizes)."""
        return self._responsibilities(share).T

    def _objective(self, coefficients: Floats, weights: Floats, penalty: Floats) -> tuple[float, Floats]:
        theta = self._basis @ coefficients
        share = np.exp(theta - theta.max())
        share /= share.sum()
        explained = share @ self._likelihood
        value = float(weights @ np.log(np.maximum(explained, 1e-300)))
        return value - 0.5 * float(coefficients @ penalty @ coefficients), share

    def _responsibilities(self, share: Floats) -> Floats:
        """Return the probability of each size of each track, (n_sizes, n_tracks)."""
        joint: Floats = self._likelihood * share[:, None]
        joint /= np.maximum(joint.sum(axis=0), 1e-300)
        return joint

    def _projected(self, rho: Floats) -> Floats:
        """Return what each track gives to each spline, (n_splines, n_tracks)."""
        return np.asarray(self._sparse_basis.T @ rho, dtype=np.float64)

    def _newton_step(
        self, coefficients: Floats, share: Floats, weights: Floats, penalty: Floats
    ) -> tuple[Floats, float]:
        """Return the step and the slope of the objective along it.

        The matrix is sum w (rho_i - pi)(rho_i - pi)' + lambda P: positive everywhere, and near the solution
        as good as the Hessian, whose steps have to be cut far more often on the way there.
        """
        deviation = self._projected(self._responsibilities(share)) - (share @ self._basis)[:, None]
        gradient = deviation @ weights - penalty @ coefficients
        matrix = (deviation * weights) @ deviation.T + penalty
        # Just above rounding: a ridge that grew with the penalty would hold the lognormals, which cost none.
        matrix[np.diag_indices_from(matrix)] += _RIDGE + _ROUNDING * np.trace(matrix) / N_SPLINES
        step: Floats = cho_solve(cho_factor(matrix), gradient)
        return step, float(gradient @ step)

    def _hessian(self, rho: Floats, share: Floats, weights: Floats) -> Floats:
        """Return minus the second derivative of the log-likelihood in the coefficients."""
        projected = self._projected(rho)
        mean_basis = share @ self._basis
        n = weights.sum()
        hessian: Floats = (projected * weights) @ projected.T
        hessian += self._basis.T @ ((n * share - rho @ weights)[:, None] * self._basis)
        hessian -= n * np.outer(mean_basis, mean_basis)
        return hessian

    def _log_evidence(self, share: Floats, weights: Floats, penalty: Floats, smoothness: float, value: float) -> float:
        """Return E = l_pen + (r/2) ln lambda - (1/2) ln det A, r = K - 3 (docs/method.md).

        A is the Hessian of the penalised objective; the constant direction, which changes nothing, is given
        unit curvature at every lambda alike.
        """
        hessian = self._hessian(self._responsibilities(share), share, weights)
        constant = np.full((N_SPLINES, N_SPLINES), 1.0 / N_SPLINES)
        eigenvalues = np.linalg.eigvalsh(hessian + penalty + constant)
        log_det = float(np.sum(np.log(np.maximum(eigenvalues, 1e-6))))
        return value + 0.5 * (N_SPLINES - 3) * math.log(smoothness) - 0.5 * log_det

    def _start(self, weights: Floats) -> Floats:
        """Return the coefficients of the likeliest lognormal."""
        grid = self._log_diameter
        mean, variance = _lognormal_moments(self.likelihood, grid, weights)
        centres = grid[0] + (np.arange(N_SPLINES) - 1.0) * (grid[-1] - grid[0]) / (N_SPLINES - 3.0)
        # A spline through a parabola: its coefficients are the parabola less a constant.
        start: Floats = -0.5 * (centres - mean) ** 2 / variance
        return start


def lognormal_log_likelihood(log_likelihood: Floats, log_diameter: Floats) -> float:
    """Return the log-likelihood of all tracks under the lognormal that explains them best.

    Parameters
    ----------
    log_likelihood : (n_tracks, n_sizes) float64
        Natural log-likelihood of each track at each size.
    log_diameter : (n_sizes,) float64
        Even grid of ln d.
    """
    peak = log_likelihood.max(axis=1, keepdims=True)
    likelihood = np.exp(log_likelihood - peak)
    mean, variance = _lognormal_moments(likelihood, log_diameter, np.ones(len(likelihood)))
    share = np.exp(-0.5 * (log_diameter - mean) ** 2 / variance)
    return float(np.sum(peak[:, 0] + np.log(np.maximum(likelihood @ (share / share.sum()), 1e-300))))


def _lognormal_moments(likelihood: Floats, grid: Floats, weights: Floats) -> tuple[float, float]:
    """Return mean and variance of ln d of the likeliest lognormal, by damped scoring in mean and ln sd."""
    flat = likelihood / likelihood.sum(axis=1, keepdims=True)
    # No narrower than the grid can show, or the first steps have nothing to hold on to.
    lowest = math.log(grid[1] - grid[0])
    mean, log_sd = _moments(weights @ flat / weights.sum(), grid, lowest)
    value, scores = _lognormal_scores(likelihood, grid, weights, mean, log_sd)
    for _ in range(_MAX_STEPS):
        information = (scores * weights[:, None]).T @ scores
        information[np.diag_indices(2)] += 1e-9 * np.trace(information) + 1e-12
        step = np.clip(np.linalg.solve(information, weights @ scores), -_LONGEST_STEP, _LONGEST_STEP)
        before = value
        while value <= before and np.abs(step).max() > _SHORTEST_STEP:
            # A mean beyond the grid would leave nothing on it to be compared.
            trial = float(np.clip(mean + step[0], grid[0], grid[-1])), max(log_sd + float(step[1]), lowest)
            new_value, new_scores = _lognormal_scores(likelihood, grid, weights, *trial)
            if new_value > before:
                (mean, log_sd), value, scores = trial, new_value, new_scores
            step = 0.5 * step
        if value - before < 1e-6 * float(weights.sum()):
            break
    return mean, math.exp(2.0 * log_sd)


def _lognormal_scores(
    likelihood: Floats, grid: Floats, weights: Floats, mean: float, log_sd: float
) -> tuple[float, Floats]:
    """Return ln L of a lognormal and each track's derivatives of it in mean and ln sd, (n_tracks, 2)."""
    z = (grid - mean) * math.exp(-log_sd)
    share = np.exp(-0.5 * z**2)
    share /= share.sum()
    slopes = share * np.stack([(z - share @ z) * math.exp(-log_sd), z**2 - share @ z**2])
    both = likelihood @ np.concatenate([share[None], slopes]).T
    explained = np.maximum(both[:, 0], 1e-300)
    return float(weights @ np.log(explained)), both[:, 1:] / explained[:, None]


def _moments(share: Floats, grid: Floats, lowest: float) -> tuple[float, float]:
    """Return mean and ln sd of probabilities on the grid, the latter no less than ``lowest``."""
    mean = float(share @ grid)
    return mean, max(0.5 * math.log(max(float(share @ (grid - mean) ** 2), 1e-300)), lowest)
