"""All tracks of a sample -> the density that explains them: motion, light, smoothness, and the bootstrap of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from nta.diffusion import Diffusion
from nta.lines import LineProblem, Lines
from nta.penalised import SMOOTHNESS_GRID, DensityFit, Problem, best_of, refined
from nta.progress import Progress
from nta.resampling import block_weights, liquid_blocks
from nta.sampling import effective_particles
from nta.threads import in_threads
from nta.track_length import LengthLaw, fit_length_law
from nta.visibility import LightLaw, fit_light_law

Floats = NDArray[np.float64]

MIN_TRACKS: Final = 10
"""Fewer tracks say nothing about a distribution."""

_DRAW_STEPS: Final = 8
_DRAW_TOLERANCE: Final = 0.02  # nats: a draw differs from the best fit by several
_LIGHT_ROUNDS: Final = 2
# Nats a decade of the penalty weight: smooth populations are the rule, and the looser a curve, the more it claims.
_LOOSENESS_ODDS: Final = 0.5

Fit = DensityFit | Lines
"""A curve or a few lines; both tell their shares of the grid's sizes and their log density anywhere."""


@dataclass(frozen=True)
class Fitted:
    """A density fitted to tracks, with all that its bootstrap needs.

    Parameters
    ----------
    problem : Problem
        The tracks to be explained by a curve.
    lines : LineProblem
        The same tracks to be explained by a few sizes.
    best : DensityFit or Lines
        What has the highest evidence.
    candidates : list of DensityFit or Lines
        All that is probable, each smoothness of the curve and each width of the lines.
    probability : (n_candidates,) float64
        How probable each is; sums to 1.
    weights : (n_tracks,) float64
        What each track counts; they sum to the number of independent observations.
    law : LightLaw or None
        The law of the light, where the tracks carry light.
    length : LengthLaw or None
        How sizes and lengths of tracks go together; ``None`` where the tracks carry light, or are too few.
    log_grid : (n_sizes,) float64
        Even grid of ln(d/nm).
    log_likelihood : (n_tracks, n_sizes) float64
        Of motion, and of light or length.
    """

    problem: Problem
    lines: LineProblem
    best: Fit
    candidates: list[Fit]
    probability: Floats
    weights: Floats
    law: LightLaw | None
    length: LengthLaw | None
    log_grid: Floats
    log_likelihood: Floats

    def drawn_starts(self, n_draws: int, seed: int) -> list[Fit]:
        """Return ``n_draws`` of the candidates, each as often as it is probable."""
        random = np.random.default_rng([seed, 1])
        chosen = random.choice(len(self.candidates), n_draws, p=self.probability)
        return [self.candidates[k] for k in chosen]

    def refitted(self, start: Fit, weights: Floats, max_steps: int, tolerance: float) -> Fit:
        """Return the fit for other weights at the smoothness, or the number and width of lines, of another."""
        if isinstance(start, Lines):
            return self.lines.refitted(start, weights, max_steps=max_steps, tolerance=tolerance)
        return self.problem.fit_with(
            weights, start.smoothness, start.coefficients, evidence=False, max_steps=max_steps, tolerance=tolerance
        )

    def by_tracks(self, max_steps: int, tolerance: float) -> Fit:
        """Return the density of the sizes of tracks: each counts once, however long it is.

        Of the tracks of a size fewer are long than of the positions: the class odds are divided by the length, and by
        what they then sum to at that size.
        """
        weights = np.full_like(self.weights, self.weights.mean())
        if self.length is None:
            return self.refitted(self.best, weights, max_steps, tolerance)
        of_tracks = self.log_likelihood - np.log(self.length.tracks_per_position(self.log_grid))
        problem = Problem(of_tracks, self.log_grid)
        again = replace(self, problem=problem, lines=LineProblem(problem.likelihood, self.log_grid))
        return again.refitted(self.best, weights, max_steps, tolerance)


def fit_density(diffusion: Diffusion) -> Fitted:
    """Return the density that explains all tracks.

    Motion alone is fitted first; what else a track tells, its light or else its length, then sharpens the sizes. A
    video shows the same particle as several tracks: all together they weigh as much as there are independent
    particles, lest the smoothness follow single ones. At last a few sizes are tried in place of the curve.
    """
    lengths = diffusion.table["n_positions"].to_numpy(np.float64)
    weights = lengths / lengths.sum() * _independent(diffusion, lengths)
    motion, log_grid = refined(diffusion.log_likelihood, np.log(diffusion.diameters_nm))
    log_light = _log_light(diffusion)
    law, length = None, None
    if log_light is None:
        # Light and length both say how deep in the sheet a particle was: taken together they would count that twice.
        together, length = _with_length(motion, lengths, log_grid, weights)
    else:
        log_threshold = math.log(diffusion.threshold_light)
        together, law = _with_light(motion, log_light, log_threshold, log_grid, weights)
    problem = Problem(together, log_grid)
    lines = LineProblem(problem.likelihood, log_grid)
    best, candidates, probability = _weighed(problem.fits(weights), lines, weights)
    return Fitted(problem, lines, best, candidates, probability, weights, law, length, log_grid, together)


def _with_length(motion: Floats, lengths: Floats, log_grid: Floats, weights: Floats) -> tuple[Floats, LengthLaw | None]:
    """Return the log-likelihood of motion and length, and the law of the lengths.

    Once: a second round moves no statistic of 24 sets of simulated tracks by 0.05 nm.
    """
    share = Problem(motion, log_grid).fit(weights).share
    length = fit_length_law(lengths, motion, share, log_grid, weights)
    return motion if length is None else motion + length.log_likelihood(lengths, log_grid), length


def _with_light(
    motion: Floats, log_light: Floats, log_threshold: float, log_grid: Floats, weights: Floats
) -> tuple[Floats, LightLaw | None]:
    """Return the log-likelihood of motion and light, and the law of the light: a second round settles both."""
    of_motion = problem = Problem(motion, log_grid)
    together, law = motion, None
    for _ in range(_LIGHT_ROUNDS):
        # The sizes that motion allows under the density so far: with light in them the law would confirm itself.
        posterior = of_motion.posterior(problem.fit(weights).share)
        law = fit_light_law(log_light, posterior, log_grid, weights, log_threshold)
        if law is None:
            return motion, None
        together = motion + law.log_likelihood(log_light, log_grid)
        problem = Problem(together, log_grid)
    return together, law


def _log_light(diffusion: Diffusion) -> Floats | None:
    """Return ln of the light of each track, (n_tracks,), or ``None`` where not all tracks carry light."""
    light = diffusion.table["light"].to_numpy(np.float64)
    return np.log(np.maximum(light, 1.0)) if np.isfinite(light).all() and diffusion.threshold_light > 0 else None


def _weighed(curves: list[DensityFit], lines: LineProblem, weights: Floats) -> tuple[Fit, list[Fit], Floats]:
    """Return the best of curve and lines, all candidates, and how probable each is.

    The curve is as probable as its best smoothness, not as all that were tried, and each number of lines as all its
    widths together.
    """
    curves = [_doubted(fit) for fit in curves]
    best_curve = best_of(curves)
    ladder = lines.fits(weights, curves[0].log_evidence, best_curve.log_evidence)
    summaries = [lines.summed_up(rung, weights) for rung in ladder]
    answers: list[Fit] = [best_curve, *summaries]
    best = max(answers, key=lambda fit: fit.log_evidence)
    kinds: list[tuple[float, Sequence[Fit]]] = [(best_curve.log_evidence, curves)]
    kinds += [(fit.log_evidence, rung) for fit, rung in zip(summaries, ladder, strict=True)]
    log_probability = np.concatenate(
        [evidence + _log_shares(np.array([fit.log_evidence for fit in fits])) for evidence, fits in kinds]
    )
    candidates: list[Fit] = [fit for _, fits in kinds for fit in fits]
    return best, candidates, np.exp(_log_shares(log_probability))


def _doubted(fit: DensityFit) -> DensityFit:
    doubt = _LOOSENESS_ODDS * math.log10(SMOOTHNESS_GRID[0] / fit.smoothness)
    return replace(fit, log_evidence=fit.log_evidence - doubt)


def _log_shares(log_evidence: Floats) -> Floats:
    shares: Floats = log_evidence - logsumexp(log_evidence)
    return shares


def _independent(diffusion: Diffusion, lengths: Floats) -> float:
    """Return how many independent observations the tracks are: of particles, and no more than of tracks."""
    table = diffusion.table
    particles = 0.0
    for number, capture in enumerate(diffusion.captures):
        mine = (table["capture"] == number).to_numpy()
        if not mine.any():
            continue
        first = table["first_frame"].to_numpy()[mine]
        n_frames = capture.acquisition.n_frames or int((first + lengths[mine]).max() - first.min())
        particles += effective_particles(
            float(lengths[mine].sum()) / n_frames,
            float(table["diffusion_um2_s"].to_numpy()[mine].mean()),
            n_frames * capture.acquisition.frame_time_s,
            capture.volume_um,
            (0.0, 0.0) if len(capture.drift_px) < 2 else capture.flow_um_s,
        )
    of_tracks = float(lengths.sum() ** 2 / (lengths @ lengths))
    return min(particles, of_tracks) if particles > 0.0 else of_tracks


def drawn_fits(diffusion: Diffusion, fitted: Fitted, seed: int, n_draws: int, progress: Progress) -> list[Fit]:
    """Return the fits of the bootstrap draws, the laws of light and length held.

    Curve or lines, the smoothness and the width are drawn as well, each with the probability that its evidence gives
    it: the mode depends on them most.
    Each draw is computed by itself, so that the number of threads changes no byte.
    """
    starts = fitted.drawn_starts(n_draws, seed)

    def fit(task: tuple[NDArray[np.int64], Fit]) -> Fit | None:
        drawn, start = task
        if not drawn.any():
            return None
        return fitted.refitted(start, fitted.weights * drawn, _DRAW_STEPS, _DRAW_TOLERANCE)

    lengths = diffusion.table["n_positions"].to_numpy(np.float64)
    weights = block_weights(liquid_blocks(diffusion), lengths, n_draws, seed)
    fits = []
    for done, found in enumerate(in_threads(fit, zip(weights, starts, strict=True)), 1):
        if found is not None:
            fits.append(found)
        progress("intervals", done, n_draws)
    return fits
