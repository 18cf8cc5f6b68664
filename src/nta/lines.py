"""One to three sizes instead of a free curve: what a sample of beads is, and a spline can only approach.

Tracks cannot tell a width of nothing from one of a few per cent, so that the likeliest width of a sample of one size
is too large every other time. Here the width is not fitted but weighed: K lines of one relative width, its logarithm
evenly probable from a tenth of a per cent to 100 %, means evenly over the grid, every division of the shares alike,
each K with its evidence by Laplace's approximation (MacKay 2003, Information Theory, Inference, and Learning
Algorithms, ch. 27 and 28). One broad line is a lognormal, the spline's own stiffest curve (:mod:`nta.penalised`): it
gives both the same zero, so that their evidences can be compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import logsumexp

Floats = NDArray[np.float64]

MAX_LINES: Final = 3
"""Most lines tried; more are a curve."""

NARROWEST: Final = 0.001
"""Least relative width: a tenth of a nanometre of 100, well below a step of the reported grid."""

BROADEST: Final = 0.08
"""Greatest relative width of a line; a broader population is a curve."""

_WIDTHS: Final = np.geomspace(NARROWEST, BROADEST, 13)
_CURVE_WIDTHS: Final = BROADEST * 2.0 ** np.arange(0.5, 3.51, 0.5)
_LOG_WIDTH_RANGE: Final = math.log(1.0 / NARROWEST)
_GRID_SD: Final = 0.01  # the likelihood, on a grid of 1.2 %, is that of this width for any narrower one
_NARROWEST_NM: Final = 0.5  # on the reported grid of 1 nm
# Nats before any track: beads are frequent; several sharp peaks are a claim that a tie must not make, and of two lines
# that fall together Laplace's approximation makes too much. A third often is what wrong links make of two: tracks of a
# size between them (one of eight captures of 80 + 150 nm had 3 % of them, worth 5 nats).
_LOG_ODDS: Final = (1.0, -3.0, -8.0)
_HOPELESS: Final = 15.0
_MAX_STEPS: Final = 30
_TOLERANCE: Final = 1e-3  # nats
_LONGEST_STEP: Final = 0.3
_NEW_SHARE: Final = 0.2
_SPLIT: Final = 0.12
_LEAST: Final = 1e-300
_FINE: Final = 200
_REACH: Final = 8.5  # standard deviations: beyond, a line has less than rounding leaves


@dataclass(frozen=True, eq=False)
class Lines:
    """K sizes of one relative width.

    Parameters
    ----------
    log_means : (K,) float64
        ln(d/nm) of each.
    shares : (K,) float64
        Shares of the tracked positions; sum to 1.
    log_sd : float
        Standard deviation of ln d of each.
    share : (n_sizes,) float64
        Probability of each grid size; sums to 1.
    log_evidence : float
        Of this width, or of all widths, up to the constant that the spline's evidence has.
    """

    log_means: Floats
    shares: Floats
    log_sd: float
    share: Floats
    log_evidence: float

    def log_density(self, log_diameter: Floats) -> Floats:
        """Return the log density over ln d, up to a constant."""
        log_sd = np.maximum(self.log_sd, _NARROWEST_NM / np.exp(self.log_means))
        deviation = (log_diameter[:, None] - self.log_means) / log_sd
        values: Floats = logsumexp(-0.5 * deviation**2 - np.log(log_sd), axis=1, b=np.maximum(self.shares, _LEAST))
        return values


class _State(NamedTuple):
    log_means: Floats
    shares: Floats
    log_likelihood: float
    scores: Floats
    """Derivative of each track's ln L in the means and in the logits of all shares but the last, (n, 2 K - 1)."""


class LineProblem:
    """One set of tracks to be explained by a few sizes.

    Parameters
    ----------
    likelihood : (n_tracks, n_sizes) float64
        Likelihood of each track at each grid size, in units of its own choosing.
    log_diameter : (n_sizes,) float64
        Even grid of ln d.
    """

    def __init__(self, likelihood: Floats, log_diameter: Floats) -> None:
        self._likelihood = likelihood
        # Sizes first: a line reaches few of them, and these then lie side by side.
        self._by_size = np.ascontiguousarray(likelihood.T)
        self._grid = log_diameter
        self._log_range = math.log(log_diameter[-1] - log_diameter[0])

    def fits(self, weights: Floats, stiffest_evidence: float, best_evidence: float) -> list[list[Lines]]:
        """Return for one, two and three lines a fit for each width; widths that cannot matter are left out.

        Parameters
        ----------
        weights : (n_tracks,) float64
            What each track counts; they sum to the number of independent observations.
        stiffest_evidence : float
            Log evidence of the stiffest spline: that of one lognormal of any width.
        best_evidence : float
            Log evidence of the best spline.
        """
        one = self._over_widths(self._first(weights), weights, np.concatenate([_WIDTHS, _CURVE_WIDTHS]))
        zero = stiffest_evidence - _marginal(one)
        ladder = [one[: _WIDTHS.size]]
        while len(ladder) < MAX_LINES:
            start = self._one_more(ladder[-1], weights)
            middle = self._fitted(start, weights, float(_WIDTHS[_WIDTHS.size // 2]))
            hopeless = middle.log_evidence + zero < best_evidence - _HOPELESS
            broadest = self._fitted(middle, weights, BROADEST)
            if hopeless and broadest.log_evidence + zero < best_evidence - _HOPELESS:
                ladder.append([middle, broadest])
            else:
                ladder.append(self._over_widths(middle, weights, _WIDTHS))
        return [
            [_with_evidence(fit, fit.log_evidence + zero + odds) for fit in rung]
            for rung, odds in zip(ladder, _LOG_ODDS, strict=True)
        ]

    def summed_up(self, rung: list[Lines], weights: Floats) -> Lines:
        """Return the lines at the mean of ln width, each width as probable as it is, with the evidence of all."""
        log_widths, log_mass = _profile(rung)
        mean = float(np.exp(log_mass - logsumexp(log_mass)) @ log_widths)
        nearest = min(rung, key=lambda fit: abs(math.log(fit.log_sd) - mean))
        fit = self.refitted(nearest, weights, log_sd=math.exp(mean))
        return _with_evidence(fit, _marginal(rung))

    def refitted(
        self,
        start: Lines,
        weights: Floats,
        *,
        log_sd: float | None = None,
        max_steps: int = _MAX_STEPS,
        tolerance: float = _TOLERANCE,
    ) -> Lines:
        """Return the likeliest means and shares for other weights or another width, by damped scoring."""
        log_sd = start.log_sd if log_sd is None else log_sd
        state = self._climbed(start.log_means, start.shares, weights, log_sd, max_steps, tolerance)
        return self._lines(state, log_sd, math.nan)

    def _lines(self, state: _State, log_sd: float, log_evidence: float) -> Lines:
        shapes, _ = self._shapes(state.log_means, log_sd)
        return Lines(state.log_means, state.shares, log_sd, state.shares @ shapes, log_evidence)

    def _fitted(self, start: Lines, weights: Floats, log_sd: float) -> Lines:
        state = self._climbed(start.log_means, start.shares, weights, log_sd, _MAX_STEPS, _TOLERANCE)
        return self._lines(state, log_sd, self._log_evidence(state, weights))

    def _over_widths(self, start: Lines, weights: Floats, widths: Floats) -> list[Lines]:
        """Return a fit at each width, each starting where the next one ended, from the start's width outwards."""
        middle = int(np.argmin(np.abs(widths - start.log_sd)))
        fits: dict[int, Lines] = {}
        for indices in (range(middle, widths.size), range(middle, -1, -1)):
            here = fits.get(middle, start)
            for index in indices:
                fits[index] = here = self._fitted(here, weights, float(widths[index]))
        return [fits[index] for index in range(widths.size)]

    def _first(self, weights: Floats) -> Lines:
        """Return one line at the grid size that explains all tracks best."""
        log_sd = float(_WIDTHS[_WIDTHS.size // 2])
        explained = self._likelihood @ self._shapes(self._grid, log_sd)[0].T
        best = int(np.argmax(weights @ np.log(np.maximum(explained, _LEAST))))
        return self._fitted(Lines(self._grid[[best]], np.ones(1), log_sd, np.empty(0), math.nan), weights, log_sd)

    def _one_more(self, rung: list[Lines], weights: Floats) -> Lines:
        """Return one line more: where the tracks pull most, or the greatest line split, whichever explains more."""
        before = max(rung, key=lambda fit: fit.log_evidence)
        log_sd = float(_WIDTHS[_WIDTHS.size // 2])
        shapes, _ = self._shapes(self._grid, log_sd)
        pull = shapes @ ((weights / np.maximum(self._likelihood @ before.share, _LEAST)) @ self._likelihood)
        added = (
            np.append(before.log_means, self._grid[int(np.argmax(pull))]),
            np.append(before.shares * (1.0 - _NEW_SHARE), _NEW_SHARE),
        )
        k = int(np.argmax(before.shares))
        means, shares = np.append(before.log_means, before.log_means[k]), np.append(before.shares, before.shares[k])
        means[[k, -1]] += (-_SPLIT, _SPLIT)
        shares[[k, -1]] *= 0.5
        tried = [
            self._climbed(np.clip(start_means, self._grid[0], self._grid[-1]), start_shares, weights, log_sd, 15, 0.01)
            for start_means, start_shares in (added, (means, shares))
        ]
        best = max(tried, key=lambda state: state.log_likelihood)
        return self._lines(best, log_sd, math.nan)

    def _shapes(self, log_means: Floats, log_sd: float) -> tuple[Floats, Floats]:
        """Return each line as probabilities of the grid's sizes and their derivatives in its mean, both (K, n)."""
        log_sd = max(log_sd, _GRID_SD)
        shapes = np.exp(-0.5 * ((self._grid - log_means[:, None]) / log_sd) ** 2)
        shapes /= shapes.sum(axis=1, keepdims=True)
        centre = (shapes @ self._grid)[:, None]
        return shapes, shapes * (self._grid - centre) / log_sd**2

    def _state(self, log_means: Floats, shares: Floats, weights: Floats, log_sd: float) -> _State:
        of_line, of_slope = self._seen_through(log_means, log_sd)
        explained = np.maximum(shares @ of_line, _LEAST)
        of_share = of_line[:-1] * shares[:-1, None] / explained - shares[:-1, None]
        of_mean = of_slope * shares[:, None] / explained
        scores = np.concatenate([of_mean, of_share]).T
        return _State(log_means, shares, float(weights @ np.log(explained)), scores)

    def _seen_through(self, log_means: Floats, log_sd: float) -> tuple[Floats, Floats]:
        """Return each track's likelihood under each line, and its derivative in the line's mean, both (K, n_tracks)."""
        shapes = np.stack(self._shapes(log_means, log_sd), axis=1)
        found = np.empty((len(log_means), 2, self._by_size.shape[1]))
        for k, (log_mean, shape) in enumerate(zip(log_means, shapes, strict=True)):
            reach = _REACH * max(log_sd, _GRID_SD)
            low, high = np.searchsorted(self._grid, [log_mean - reach, log_mean + reach])
            found[k] = shape[:, low:high] @ self._by_size[low:high]
        return found[:, 0], found[:, 1]

    def _climbed(
        self, log_means: Floats, shares: Floats, weights: Floats, log_sd: float, max_steps: int, tolerance: float
    ) -> _State:
        """Return the top that damped scoring (Berndt, Hall, Hall & Hausman 1974) reaches."""
        here = self._state(log_means, shares, weights, log_sd)
        for _ in range(max_steps):
            information = (here.scores * weights[:, None]).T @ here.scores
            information[np.diag_indices_from(information)] += 1e-9 * np.trace(information) + 1e-12
            step = np.linalg.solve(information, weights @ here.scores)
            scale = min(1.0, _LONGEST_STEP / max(float(np.abs(step[: len(here.shares)]).max()), 1e-12))
            before = here
            while here is before and scale > 1e-3:
                trial = self._state(*self._moved(before, np.asarray(scale * step, dtype=np.float64)), weights, log_sd)
                here = trial if trial.log_likelihood > before.log_likelihood else before
                scale *= 0.5
            if here.log_likelihood - before.log_likelihood < tolerance:
                break
        return here

    def _moved(self, state: _State, step: Floats) -> tuple[Floats, Floats]:
        k = len(state.shares)
        logits = np.log(np.maximum(state.shares, 1e-12))
        logits[:-1] += step[k:]
        shares = np.exp(logits - logits.max())
        means = np.clip(state.log_means + step[:k], self._grid[0], self._grid[-1])
        return means, shares / shares.sum()

    def _log_evidence(self, state: _State, weights: Floats) -> float:
        """Return ln of the integral of likelihood times prior over means and shares, per unit of ln width.

        A direction in which the tracks say less than the prior is given the prior's width.
        """
        k = len(state.shares)
        information = np.linalg.eigvalsh((state.scores * weights[:, None]).T @ state.scores)
        information = np.maximum(information, 2.0 * math.pi * math.exp(-2.0 * self._log_range))
        # (K - 1)! is the density of the shares, K! the ways to name the lines; the product of the shares turns a
        # density in the shares into one in their logits.
        log_prior = math.lgamma(k) + math.lgamma(k + 1) - k * self._log_range
        log_prior += float(np.log(np.maximum(state.shares, 1e-12)).sum()) if k > 1 else 0.0
        volume = 0.5 * float(np.sum(np.log(2.0 * math.pi / information)))
        return state.log_likelihood + log_prior + volume - math.log(_LOG_WIDTH_RANGE)


def _with_evidence(fit: Lines, log_evidence: float) -> Lines:
    return Lines(fit.log_means, fit.shares, fit.log_sd, fit.share, log_evidence)


def _profile(rung: list[Lines]) -> tuple[Floats, Floats]:
    """Return ln width, finely, and the log of the evidence in each step of it."""
    log_widths = np.log([fit.log_sd for fit in rung])
    order = np.argsort(log_widths)
    evidence = np.array([fit.log_evidence for fit in rung])[order]
    fine = np.linspace(log_widths[order[0]], log_widths[order[-1]], _FINE)
    values = (
        CubicSpline(log_widths[order], evidence)(fine)
        if len(rung) > 2
        else np.interp(fine, log_widths[order], evidence)
    )
    step = min(b - a for a, b in pairwise(fine))
    return fine, np.asarray(values + math.log(step))


def _marginal(rung: list[Lines]) -> float:
    """Return the log evidence of all widths together."""
    return float(logsumexp(_profile(rung)[1]))
