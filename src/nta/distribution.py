"""Diffusion -> SizeDistribution: the number-weighted sizes of the particles in the liquid."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nta.alternatives import METHODS, track_squares
from nta.diffusion import Diffusion
from nta.errors import UsageError
from nta.estimate import NORMAL_95, Estimate
from nta.fitting import MIN_TRACKS, Fit, Fitted, drawn_fits, fit_density
from nta.lines import Lines
from nta.mixture import Mixture, fit_mixture
from nta.progress import Progress, silent
from nta.resampling import block_weights, liquid_blocks
from nta.sampling import Sides, share_in_tracks, tracks_per_particle
from nta.settings import Method, Settings
from nta.size_statistics import BAND, SizeStatistics, cumulative_share, point_statistics, size_statistics
from nta.tracking import Tracks
from nta.visibility import LightLaw
from nta.weighting import VolumeSizes, Weighting, fraction_within, volume_sizes

__all__ = ["MIN_TRACKS", "N_DRAWS", "SMALLEST_NM", "SizeDistribution", "point_statistics", "size_distribution"]

Floats = NDArray[np.float64]

N_DRAWS: Final = 200
"""Bootstrap draws behind every interval."""

SMALLEST_NM: Final = 30.0
"""Smaller particles leave the linker's reach and the sheet; the distribution starts here unless told, or unless more
than 2 % of the tracked positions are smaller.
"""

_NO_MIXTURE: Final = Mixture((), (), 0.0)
_TRACK_STEPS: Final = 60
_TRACK_TOLERANCE: Final = 1e-3  # nats
_MIN_SHARE_WITHIN: Final = 0.02  # below that the range asked for holds the fit's tail, not particles


@dataclass(frozen=True, slots=True)
class WindowShare:
    """Share of the particles in a window of sizes, by number and by volume, 0 to 1; an open end is infinite."""

    low_nm: float
    high_nm: float
    by_number: Estimate
    by_volume: Estimate


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
        bright particles are seen deeper than that. Of the sizes that are reported; the concentration divides by it.
    seen_relative_sd : float
        Relative standard deviation of ``seen_share`` over the draws; NaN without draws.
    share_within : float
        Share of the tracked positions whose size lies in the range that is reported.
    liquid_per_nm : (n,) float64
        The default's density on the table's grid, whatever the method: what the concentration rests on. Empty where
        the result was loaded from a folder.
    smoothness : float
        Penalty weight that the evidence chose; NaN where lines explain the tracks better than a curve.
    n_lines : int
        Single sizes that the evidence prefers to a curve; 0 for a curve.
    drawn : (n_draws, n) float64
        Densities of the bootstrap on the table's grid, from which any statistic gets its interval; empty where none
        were drawn, or where the result was loaded from a folder.
    mixture : Mixture
        Second read-out: the lognormals that explain the tracks, with their shares.
    method : {"penalised", "raw", "walker", "ftla"}
        Read-out that the table and the statistics come from.
    n_particles : float
        Independent particles that the tracks amount to, about.
    volume : VolumeSizes
        The statistics weighted by volume.
    windows : tuple of WindowShare
        The windows of sizes that were asked for.
    mean_by_tracks_nm : float
        Mean of the other way to correct for the sampling: every track counted once, divided by the tracks that a
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
    seen_relative_sd: float = math.nan
    share_within: float = 1.0
    liquid_per_nm: Floats = field(default_factory=lambda: np.empty(0))
    smoothness: float = math.nan
    n_lines: int = 0
    drawn: Floats = field(default_factory=lambda: np.empty((0, 0)))
    mean_by_tracks_nm: float = math.nan
    mixture: Mixture = _NO_MIXTURE
    method: Method = "penalised"
    n_particles: float = math.nan
    volume: VolumeSizes = field(default_factory=VolumeSizes.missing)
    windows: tuple[WindowShare, ...] = ()

    def fraction_between(
        self, low_nm: float, high_nm: float, *, by: Weighting = "number", systematic_relative_sd: float = 0.0
    ) -> Estimate:
        """Return the share of the particles, or of their volume, in a window of sizes; see :mod:`nta.weighting`."""
        diameter_nm, density = (self.table[name].to_numpy(np.float64) for name in ("diameter_nm", "density_per_nm"))
        return fraction_within(
            diameter_nm,
            density,
            self.drawn,
            low_nm,
            high_nm,
            self.n_tracks,
            by=by,
            n_particles=self.n_particles,
            systematic_relative_sd=systematic_relative_sd,
        )

    @classmethod
    def missing(cls) -> Self:
        """Return the distribution of a sample in which nothing was sized: all columns, no row."""
        return cls(pd.DataFrame({name: pd.Series(dtype=float) for name in cls.COLUMNS}), SizeStatistics.missing(), 0)


def size_distribution(
    diffusion: Diffusion,
    settings: Settings | None = None,
    *,
    tracks: Tracks | None = None,
    systematic_relative_sd: float = 0.0,
    n_draws: int = N_DRAWS,
    with_mixture: bool = True,
    progress: Progress = silent,
) -> SizeDistribution:
    """Estimate the number-weighted size distribution of the particles in the liquid.

    Penalised maximum likelihood over all tracks (:mod:`nta.penalised`), each weighted by its length so that
    every position in view counts once, divided by the share of positions that tracks catch
    (:mod:`nta.sampling`) and by the depth in which a size is seen. Size is fitted to motion and light together
    where the tracks carry light (:mod:`nta.visibility`), else to motion and the lengths of the tracks
    (:mod:`nta.track_length`). Intervals come from a bootstrap over blocks of the liquid (:mod:`nta.resampling`):
    the same particle comes back, so tracks are not independent.

    Parameters
    ----------
    diffusion : Diffusion
        From :func:`nta.estimate_diffusion`.
    settings : Settings, optional
        What was asked for: ``size_range_nm`` cuts the distribution, ``method`` chooses the read-out, ``seed`` draws
        the bootstrap.
    tracks : Tracks, optional
        The tracks behind ``diffusion``; read by every method but ``penalised``.
    systematic_relative_sd : float
        Relative standard uncertainty of every diameter from temperature, viscosity, scale and exposure.
    n_draws : int
        Bootstrap draws.
    with_mixture : bool
        Whether the second read-out is wanted; it takes an eighth of the time without draws.
    progress : callable, optional
        Told ``("intervals", draws done, draws)``.

    Returns
    -------
    SizeDistribution
        Empty, all statistics missing, with fewer than 10 tracks.

    Raises
    ------
    UsageError
        If a method that reads the tracks is asked for without them.
    """
    settings = Settings() if settings is None else settings
    if len(diffusion.table) < MIN_TRACKS:
        return SizeDistribution.missing()
    # One thread: sums in another order would give other bytes, and the matrices are too small to gain by
    # more.
    with threadpool_limits(limits=1, user_api="blas"):
        return _distribution(diffusion, tracks, settings, systematic_relative_sd, n_draws, with_mixture, progress)


def _distribution(
    diffusion: Diffusion,
    tracks: Tracks | None,
    settings: Settings,
    systematic_relative_sd: float,
    n_draws: int,
    with_mixture: bool,
    progress: Progress,
) -> SizeDistribution:
    fitted = fit_density(diffusion)
    grid_nm = np.exp(fitted.log_grid)
    diameter_nm = _output_grid(grid_nm, fitted.best.share, settings)
    if diameter_nm.size < 2 or _share_within(fitted.best.share, grid_nm, diameter_nm) < _MIN_SHARE_WITHIN:
        return SizeDistribution.missing()
    depth = _depth_share(fitted.law, diameter_nm)
    seen = _mean_of_captures(diffusion, diameter_nm, depth, _share_seen) * depth

    def density_of(fit: Fit) -> tuple[Floats, float]:
        return _density(fit.log_density(np.log(diameter_nm)), diameter_nm, seen)

    def seen_within(fit: Fit, seen_share: float) -> float:
        return seen_share / _share_within(fit.share, grid_nm, diameter_nm)

    liquid, seen_share = density_of(fitted.best)
    fits = drawn_fits(diffusion, fitted, settings.seed, n_draws, progress)
    of_draws = [density_of(fit) for fit in fits]
    drawn = np.array([density for density, _ in of_draws]).reshape(-1, diameter_nm.size)
    seen_drawn = [seen_within(fit, share) for fit, (_, share) in zip(fits, of_draws, strict=True)]
    density = liquid
    method: Method = settings.method or "penalised"
    if method != "penalised":
        density, drawn = _as_others_do(method, diffusion, tracks, diameter_nm, settings.seed, n_draws)
        if np.isnan(density).any():
            return SizeDistribution.missing()
    n_tracks, n_particles = len(diffusion.table), float(fitted.weights.sum())
    found = SizeDistribution(
        table=_table(diameter_nm, density, drawn),
        size=size_statistics(diameter_nm, density, drawn, n_tracks, systematic_relative_sd),
        n_tracks=n_tracks,
        seen_share=seen_within(fitted.best, seen_share),
        seen_relative_sd=_relative_sd(np.array(seen_drawn)),
        share_within=_share_within(fitted.best.share, grid_nm, diameter_nm),
        liquid_per_nm=liquid,
        smoothness=math.nan if isinstance(fitted.best, Lines) else fitted.best.smoothness,
        n_lines=len(fitted.best.shares) if isinstance(fitted.best, Lines) else 0,
        drawn=drawn,
        mixture=_mixture(fitted, diameter_nm, seen) if with_mixture else _NO_MIXTURE,
        method=method,
        n_particles=n_particles,
        volume=volume_sizes(diameter_nm, density, drawn, n_tracks, n_particles, systematic_relative_sd),
        mean_by_tracks_nm=_mean_by_tracks(diffusion, fitted, diameter_nm, depth),
    )
    windows = (_window_share(found, window, systematic_relative_sd) for window in settings.windows_nm)
    return replace(found, windows=tuple(windows))


def _window_share(
    found: SizeDistribution, window_nm: tuple[float, float | None], systematic_relative_sd: float
) -> WindowShare:
    low_nm, high_nm = window_nm[0], math.inf if window_nm[1] is None else window_nm[1]
    by_number, by_volume = (
        found.fraction_between(low_nm, high_nm, by=by, systematic_relative_sd=systematic_relative_sd)
        for by in ("number", "volume")
    )
    return WindowShare(low_nm, high_nm, by_number, by_volume)


def _as_others_do(
    method: Method, diffusion: Diffusion, tracks: Tracks | None, diameter_nm: Floats, seed: int, n_draws: int
) -> tuple[Floats, Floats]:
    """Return the density of another read-out and its bootstrap draws, over the same blocks as the default's."""
    if tracks is None:
        raise UsageError(f"the method {method} reads the tracks themselves; give size_distribution(..., tracks=tracks)")
    squares = track_squares(tracks, diffusion)
    lengths = diffusion.table["n_positions"].to_numpy(np.float64)
    weights = np.array(list(block_weights(liquid_blocks(diffusion), lengths, n_draws, seed)), dtype=np.float64)
    drawn = METHODS[method](squares, diameter_nm, weights.reshape(-1, len(diffusion.table)))
    return METHODS[method](squares, diameter_nm, None), drawn[np.isfinite(drawn).all(axis=1)]


def _mixture(fitted: Fitted, diameter_nm: Floats, seen: Floats) -> Mixture:
    """Return the second read-out: lognormals from the same likelihood, weights and correction as the default."""
    return fit_mixture(
        fitted.log_likelihood,
        np.exp(fitted.log_grid),
        fitted.weights,
        seen=lambda wanted_nm: np.interp(wanted_nm, diameter_nm, seen),
        n_effective=float(fitted.weights.sum()),
    )


def _mean_by_tracks(diffusion: Diffusion, fitted: Fitted, diameter_nm: Floats, depth: Floats) -> float:
    """Return the mean with every track counted once and divided by the tracks that a particle of its size leaves."""
    if any(capture.acquisition.n_frames is None for capture in diffusion.captures):
        return math.nan
    fit = fitted.by_tracks(_TRACK_STEPS, _TRACK_TOLERANCE)
    left = _mean_of_captures(diffusion, diameter_nm, depth, _tracks_left) * depth
    density, _ = _density(fit.log_density(np.log(diameter_nm)), diameter_nm, left)
    return point_statistics(diameter_nm, density)["mean"]


def _output_grid(diameters_nm: Floats, share: Floats, settings: Settings) -> Floats:
    """Return whole nanometres inside the fitted grid and the range asked for."""
    low, high = max(float(diameters_nm[0]), SMALLEST_NM), float(diameters_nm[-1])
    if share[diameters_nm < low].sum() > _MIN_SHARE_WITHIN:
        low = float(diameters_nm[0])
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


def _relative_sd(drawn: Floats) -> float:
    """Return the standard deviation over the mean of what draws say; half of what 95 % of them span, for tails."""
    if not drawn.size:
        return math.nan
    low, high = np.quantile(drawn, BAND)
    return float(high - low) / (2.0 * NORMAL_95 * float(np.median(drawn)))


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
