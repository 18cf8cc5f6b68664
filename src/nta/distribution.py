"""Diffusion -> SizeDistribution: the number-weighted sizes of the particles in the liquid."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nta.diffusion import Diffusion
from nta.estimate import Estimate
from nta.penalised import DensityFit, Problem, best_of, refined, spline_at
from nta.progress import Progress, silent
from nta.resampling import block_weights, liquid_blocks
from nta.sampling import Sides, share_in_tracks, tracks_per_particle
from nta.settings import Settings
from nta.size_statistics import BAND, SizeStatistics, cumulative_share, interval, point_statistics, size_statistics
from nta.visibility import LightLaw, fit_light_law

__all__ = ["MIN_TRACKS", "N_DRAWS", "SMALLEST_NM", "SizeDistribution", "point_statistics", "size_distribution"]

Floats = NDArray[np.float64]

N_DRAWS: Final = 200
"""Bootstrap draws behind every interval."""

MIN_TRACKS: Final = 10
"""Fewer tracks say nothing about a distribution."""

SMALLEST_NM: Final = 30.0
"""Smaller particles leave the linker's reach and the sheet; the distribution starts here if not told."""

_DRAW_STEPS: Final = 8
_DRAW_TOLERANCE: Final = 0.02  # nats: a draw differs from the best fit by several
_DRAW_THREADS: Final = 2
_MIN_SHARE_WITHIN: Final = 0.02  # below that the range asked for holds the fit's tail, not particles
_LIGHT_ROUNDS: Final = 2
TRACKS_PER_PARTICLE: Final = 2.0
"""How often a video shows the same particle as a new track, in the mean."""


@dataclass(frozen=True)
class SizeDistribution:
    """Number-weighted size distribution.

    Parameters
    ----------
    table : DataFrame
        Columns ``diameter_nm`` (1 nm grid, ascending), ``density_per_nm``, ``density_low_per_nm``,
        ``density_high_per_nm`` (pointwise 95 % band), ``cumulative``. No row when nothing was sized.
    size : SizeStatistics
        The statistics with their intervals.
    n_tracks : int
        Tracks behind it.
    seen_share : float
        Positions in the tracks used over positions of all particles within the nominal depth; above 1 where
        bright particles are seen deeper than that. The concentration divides by it.
    smoothness : float
        Penalty weight that the evidence chose.
    drawn : (n_draws, n) float64
        Densities of the bootstrap on the table's grid, from which any statistic gets its interval; empty where none
        were drawn, or where the result was loaded from a folder.
    d50_by_tracks_nm : float
        D50 of the other way to correct for the sampling: every track counted once, divided by the tracks that a
        particle of its size leaves. NaN where the length of the captures is not known.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = (
        "diameter_nm",
        "density_per_nm",
        "density_low_per_nm",
        "density_high_per_nm",
        "cumulative",
    )

    table: pd.DataFrame
    size: SizeStatistics
    n_tracks: int
    seen_share: float = math.nan
    smoothness: float = math.nan
    drawn: Floats = field(default_factory=lambda: np.empty((0, 0)))
    d50_by_tracks_nm: float = math.nan

    def fraction_between(self, low_nm: float, high_nm: float) -> Estimate:
        """Return the share of the particles from ``low_nm`` to ``high_nm``, by number, 0 to 1.

        The interval holds the sampling error alone. NaN where nothing was sized.
        """
        if self.table.empty:
            return Estimate.missing()
        diameter_nm = self.table["diameter_nm"].to_numpy(np.float64)

        def share(cumulative: Floats) -> float:
            below, above = np.interp((low_nm, high_nm), diameter_nm, cumulative)
            return float(above - below)

        replicas = np.array([share(cumulative_share(diameter_nm, row)) for row in self.drawn])
        return interval(share(self.table["cumulative"].to_numpy(np.float64)), replicas, 0.0, self.n_tracks)

    @classmethod
    def missing(cls) -> Self:
        """Return the distribution of a sample in which nothing was sized: all columns, no row."""
        return cls(pd.DataFrame({name: pd.Series(dtype=float) for name in cls.COLUMNS}), SizeStatistics.missing(), 0)


def size_distribution(
    diffusion: Diffusion,
    settings: Settings | None = None,
    *,
    systematic_relative_sd: float = 0.0,
    n_draws: int = N_DRAWS,
    progress: Progress = silent,
) -> SizeDistribution:
    """Estimate the number-weighted size distribution of the particles in the liquid.

    Penalised maximum likelihood over all tracks (:mod:`nta.penalised`), each weighted by its length so that
    every position in view counts once, divided by the share of positions that tracks catch
    (:mod:`nta.sampling`) and by the depth in which a size is seen; where the tracks carry light, size is
    fitted to motion and light together (:mod:`nta.visibility`). Intervals come from a bootstrap over blocks
    of the liquid (:mod:`nta.resampling`): the same particle comes back, so tracks are not independent.

    Parameters
    ----------
    diffusion : Diffusion
        From :func:`nta.estimate_diffusion`.
    settings : Settings, optional
        What was asked for: ``size_range_nm`` cuts the distribution, ``seed`` draws the bootstrap.
    systematic_relative_sd : float
        Relative standard uncertainty of every diameter from temperature, viscosity, scale and exposure.
    n_draws : int
        Bootstrap draws.
    progress : callable, optional
        Told ``("intervals", draws done, draws)``.

    Returns
    -------
    SizeDistribution
        Empty, all statistics missing, with fewer than 10 tracks.
    """
    settings = Settings() if settings is None else settings
    if len(diffusion.table) < MIN_TRACKS:
        return SizeDistribution.missing()
    # One thread: sums in another order would give other bytes, and the matrices are too small to gain by
    # more.
    with threadpool_limits(limits=1, user_api="blas"):
        return _distribution(diffusion, settings, systematic_relative_sd, n_draws, progress)


def _distribution(
    diffusion: Diffusion, settings: Settings, systematic_relative_sd: float, n_draws: int, progress: Progress
) -> SizeDistribution:
    fitted = _fit(diffusion)
    grid_nm = np.exp(fitted.log_grid)
    diameter_nm = _output_grid(grid_nm, settings)
    if diameter_nm.size < 2 or _share_within(fitted.best.share, grid_nm, diameter_nm) < _MIN_SHARE_WITHIN:
        return SizeDistribution.missing()
    depth = _depth_share(fitted.law, diameter_nm)
    seen = _mean_of_captures(diffusion, diameter_nm, depth, _share_seen) * depth

    def density_of(fit: DensityFit, seen: Floats) -> tuple[Floats, float]:
        return _density(spline_at(fit.coefficients, np.log(diameter_nm), fitted.log_grid), diameter_nm, seen)

    density, seen_share = density_of(fitted.best, seen)
    seen_share /= _share_within(fitted.best.share, grid_nm, diameter_nm)
    fits = _drawn_fits(diffusion, fitted, settings.seed, n_draws, progress)
    drawn = np.array([density_of(fit, seen)[0] for fit in fits]).reshape(-1, diameter_nm.size)
    n_tracks = len(diffusion.table)
    return SizeDistribution(
        table=_table(diameter_nm, density, drawn),
        size=size_statistics(diameter_nm, density, drawn, n_tracks, systematic_relative_sd),
        n_tracks=n_tracks,
        seen_share=seen_share,
        smoothness=fitted.best.smoothness,
        drawn=drawn,
        d50_by_tracks_nm=_d50_by_tracks(diffusion, fitted, diameter_nm, depth),
    )


def _d50_by_tracks(diffusion: Diffusion, fitted: _Fitted, diameter_nm: Floats, depth: Floats) -> float:
    """Return D50 with every track counted once and divided by the tracks that a particle of its size leaves."""
    if any(capture.acquisition.n_frames is None for capture in diffusion.captures):
        return math.nan
    ones = np.full(len(fitted.weights), 1.0 / TRACKS_PER_PARTICLE)
    fit = fitted.problem.fit_with(ones, fitted.best.smoothness, fitted.best.coefficients, evidence=False)
    left = _mean_of_captures(diffusion, diameter_nm, depth, _tracks_left) * depth
    log_density = spline_at(fit.coefficients, np.log(diameter_nm), fitted.log_grid)
    return point_statistics(diameter_nm, _density(log_density, diameter_nm, left)[0])["d50"]


def _drawn_fits(diffusion: Diffusion, fitted: _Fitted, seed: int, n_draws: int, progress: Progress) -> list[DensityFit]:
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
    with ThreadPoolExecutor(_DRAW_THREADS) as pool:
        for done, found in enumerate(pool.map(fit, zip(weights, starts, strict=True)), 1):
            if found is not None:
                fits.append(found)
            progress("intervals", done, n_draws)
    return fits


def _output_grid(diameters_nm: Floats, settings: Settings) -> Floats:
    """Return whole nanometres inside the fitted grid and the range asked for."""
    low, high = max(float(diameters_nm[0]), SMALLEST_NM), float(diameters_nm[-1])
    if settings.size_range_nm is not None:
        low = settings.size_range_nm[0]
        high = min(high, settings.size_range_nm[1] or high)
    return np.arange(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1.0)


def _share_within(share: Floats, diameters_nm: Floats, diameter_nm: Floats) -> float:
    """Return the share of the tracked positions whose diameter lies in the range that is reported."""
    cumulative = np.concatenate([[0.0], np.cumsum(share)])
    edges = np.concatenate([[diameters_nm[0]], np.sqrt(diameters_nm[1:] * diameters_nm[:-1]), [diameters_nm[-1]]])
    low, high = np.interp((diameter_nm[0], diameter_nm[-1]), edges, cumulative)
    return float(high - low)


_Factor = Callable[[Floats, Sides, int, int | None], Floats]


def _share_seen(step_um: Floats, sides_um: Sides, min_track: int, n_frames: int | None) -> Floats:  # noqa: ARG001
    """Return the share of a size's positions that lie in tracks, whatever the length of the capture."""
    return share_in_tracks(step_um, sides_um, min_track)


def _tracks_left(step_um: Floats, sides_um: Sides, min_track: int, n_frames: int | None) -> Floats:
    return tracks_per_particle(step_um, sides_um, min_track, n_frames or 0)


def _mean_of_captures(diffusion: Diffusion, diameter_nm: Floats, depth_share: Floats, factor: _Factor) -> Floats:
    """Return a factor of the sampling for each diameter, mean of the captures by their positions."""
    positions = diffusion.table.groupby("capture")["n_positions"].sum()
    total = np.zeros_like(diameter_nm)
    for number, capture in enumerate(diffusion.captures):
        depth_um, width_um, height_um = capture.volume_um
        sides_um = (depth_um * depth_share, width_um, height_um)
        step_um = capture.acquisition.step_sd_um(diameter_nm)
        of_capture = factor(step_um, sides_um, diffusion.min_track, capture.acquisition.n_frames)
        total += float(positions.get(number, 0)) * of_capture
    return total / float(positions.sum()) if diffusion.captures else np.ones_like(diameter_nm)


@dataclass(frozen=True)
class _Fitted:
    """The problem, its solutions, the tracks' weights, the law of the light where there is light, the grid of ln d."""

    problem: Problem
    fits: list[DensityFit]
    weights: Floats
    law: LightLaw | None
    log_grid: Floats

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


def _fit(diffusion: Diffusion) -> _Fitted:
    """Return the density that explains all tracks.

    Motion alone is fitted first; the law of the light that follows from it then sharpens the sizes, and a
    second round settles both. A video shows the same particle several times: its tracks count half, lest the
    smoothness follow single particles.
    """
    lengths = diffusion.table["n_positions"].to_numpy(np.float64)
    weights = lengths * len(lengths) / lengths.sum() / TRACKS_PER_PARTICLE
    log_likelihood, log_grid = refined(diffusion.log_likelihood, np.log(diffusion.diameters_nm))
    log_light = np.log(np.maximum(diffusion.table["light"].to_numpy(np.float64), 1.0))
    threshold = diffusion.threshold_light
    has_light = bool(np.all(np.isfinite(log_light))) and threshold > 0
    problem = Problem(log_likelihood, log_grid)
    fits = problem.fits(weights)
    law: LightLaw | None = None
    for _ in range(_LIGHT_ROUNDS if has_light else 0):
        law = fit_light_law(log_light, problem.posterior(best_of(fits).share), log_grid, weights, math.log(threshold))
        if law is None:
            break
        problem = Problem(log_likelihood + law.log_likelihood(log_light, log_grid), log_grid)
        fits = problem.fits(weights)
    return _Fitted(problem, fits, weights, law, log_grid)


def _depth_share(law: LightLaw | None, diameter_nm: Floats) -> Floats:
    """Return the depth in which each diameter is seen over the nominal one; ones without light."""
    return np.ones_like(diameter_nm) if law is None else law.depth_share(diameter_nm)


def _density(log_density: Floats, diameter_nm: Floats, seen: Floats) -> tuple[Floats, float]:
    """Return the density per nm of the particles in the liquid, and the share of positions that was seen.

    ``log_density`` is per unit of ln d and of positions in tracks: dividing by d and by the share seen turns
    it into particles per nm.
    """
    tracked = np.exp(log_density - log_density.max()) / diameter_nm
    tracked /= np.trapezoid(tracked, diameter_nm)
    liquid = tracked / seen
    total = float(np.trapezoid(liquid, diameter_nm))
    return liquid / total, 1.0 / total


def _table(diameter_nm: Floats, density: Floats, drawn: Floats) -> pd.DataFrame:
    """Return the distribution's table with its pointwise 95 % band."""
    if len(drawn):
        low, high = np.quantile(drawn, BAND, axis=0)
    else:
        low = high = np.full_like(density, np.nan)
    return pd.DataFrame(
        {
            "diameter_nm": diameter_nm,
            "density_per_nm": density,
            "density_low_per_nm": np.minimum(low, density),
            "density_high_per_nm": np.maximum(high, density),
            "cumulative": cumulative_share(diameter_nm, density),
        }
    )
