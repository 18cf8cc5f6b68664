"""All tracks of a sample -> the density that explains them: motion, light, smoothness, and the bootstrap of it."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.diffusion import Diffusion
from nta.penalised import DensityFit, Problem, best_of, refined
from nta.progress import Progress
from nta.resampling import block_weights, liquid_blocks
from nta.sampling import effective_particles
from nta.threads import thread_count
from nta.visibility import LightLaw, fit_light_law

Floats = NDArray[np.float64]

MIN_TRACKS: Final = 10
"""Fewer tracks say nothing about a distribution."""

_DRAW_STEPS: Final = 8
_DRAW_TOLERANCE: Final = 0.02  # nats: a draw differs from the best fit by several
_LIGHT_ROUNDS: Final = 2


@dataclass(frozen=True)
class Fitted:
    """A density fitted to tracks, with all that its bootstrap needs.

    Parameters
    ----------
    problem : Problem
        The tracks to be explained.
    fits : list of DensityFit
        A solution for each smoothness that was tried.
    weights : (n_tracks,) float64
        What each track counts; they sum to the number of independent observations.
    law : LightLaw or None
        The law of the light, where the tracks carry light.
    log_grid : (n_sizes,) float64
        Even grid of ln(d/nm).
    log_likelihood : (n_tracks, n_sizes) float64
        Of motion and light.
    """

    problem: Problem
    fits: list[DensityFit]
    weights: Floats
    law: LightLaw | None
    log_grid: Floats
    log_likelihood: Floats

    @property
    def best(self) -> DensityFit:
        """The fit with the highest evidence."""
        return best_of(self.fits)

    def drawn_starts(self, n_draws: int, seed: int) -> list[DensityFit]:
        """Return ``n_draws`` of the fits, each as often as its evidence makes it probable."""
        evidence = np.array([fit.log_evidence for fit in self.fits])
        probability = np.exp(evidence - evidence.max())
        random = np.random.default_rng([seed, 1])
        return [self.fits[k] for k in random.choice(len(self.fits), n_draws, p=probability / probability.sum())]


def fit_density(diffusion: Diffusion) -> Fitted:
    """Return the density that explains all tracks.

    Motion alone is fitted first; the law of the light that follows from it then sharpens the sizes, and a
    second round settles both. A video shows the same particle as several tracks: all together they weigh as much as
    there are independent particles, lest the smoothness follow single ones.
    """
    lengths = diffusion.table["n_positions"].to_numpy(np.float64)
    weights = lengths / lengths.sum() * _independent(diffusion, lengths)
    log_likelihood, log_grid = refined(diffusion.log_likelihood, np.log(diffusion.diameters_nm))
    log_light = np.log(np.maximum(diffusion.table["light"].to_numpy(np.float64), 1.0))
    threshold = diffusion.threshold_light
    has_light = bool(np.all(np.isfinite(log_light))) and threshold > 0
    together = log_likelihood
    problem = Problem(together, log_grid)
    fits = problem.fits(weights)
    law: LightLaw | None = None
    for _ in range(_LIGHT_ROUNDS if has_light else 0):
        law = fit_light_law(log_light, problem.posterior(best_of(fits).share), log_grid, weights, math.log(threshold))
        if law is None:
            break
        together = log_likelihood + law.log_likelihood(log_light, log_grid)
        problem = Problem(together, log_grid)
        fits = problem.fits(weights)
    return Fitted(problem, fits, weights, law, log_grid, together)


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


def drawn_fits(diffusion: Diffusion, fitted: Fitted, seed: int, n_draws: int, progress: Progress) -> list[DensityFit]:
    """Return the fits of the bootstrap draws, the law of light held.

    The smoothness is drawn as well, each with the probability that its evidence gives it: the mode depends on it most.
    Each draw is computed by itself, so that the number of threads changes no byte.
    """
    starts = fitted.drawn_starts(n_draws, seed)

    def fit(task: tuple[NDArray[np.int64], DensityFit]) -> DensityFit | None:
        drawn, start = task
        if (drawn > 0).sum() < MIN_TRACKS:
            return None
        return fitted.problem.fit_with(
            fitted.weights * drawn,
            start.smoothness,
            start.coefficients,
            evidence=False,
            max_steps=_DRAW_STEPS,
            tolerance=_DRAW_TOLERANCE,
        )

    weights = block_weights(liquid_blocks(diffusion), n_draws, seed)
    fits = []
    with ThreadPoolExecutor(thread_count()) as pool:
        for done, found in enumerate(pool.map(fit, zip(weights, starts, strict=True)), 1):
            if found is not None:
                fits.append(found)
            progress("intervals", done, n_draws)
    return fits
