"""Diffusion -> SizeDistribution: the number-weighted sizes of the particles in the liquid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid
from scipy.signal import find_peaks
from threadpoolctl import threadpool_limits

from nta.diffusion import Diffusion, diffusion_m2_s
from nta.estimate import Estimate
from nta.penalised import DensityFit, Problem, spline_at
from nta.progress import Progress, silent
from nta.sampling import share_in_tracks
from nta.settings import Acquisition, Settings, Sourced
from nta.visibility import LightLaw, fit_light_law

Floats = NDArray[np.float64]

N_DRAWS: Final = 200
"""Bootstrap draws behind every interval."""

MIN_TRACKS: Final = 10
"""Fewer tracks say nothing about a distribution."""

SMALLEST_NM: Final = 30.0
"""Smaller particles leave the linker's reach and the sheet; the distribution starts here if not told."""

_BLOCK_S: Final = 2.0
_DRAW_STEPS: Final = 12
_MIN_SHARE_WITHIN: Final = 0.02  # below that the range asked for holds the fit's tail, not particles
_MIN_BLOCKS: Final = 10
_LIGHT_ROUNDS: Final = 2
TRACKS_PER_PARTICLE: Final = 2.0
"""How often a video shows the same particle as a new track, in the mean."""

_MIN_PEAK_PROMINENCE: Final = 0.05
_MIN_PEAK_FRACTION: Final = 0.02
_BAND: Final = (0.025, 0.975)
_NORMAL_95: Final = 1.96

# Standard uncertainties of what was stated, and of what had to be assumed: (stated, assumed).
_MPP_RELATIVE_SD: Final = (0.005, 0.015)
_TEMPERATURE_SD_K: Final = (0.3, 2.0)
_VISCOSITY_RELATIVE_SD: Final = (0.005, 0.01)
_EXPOSURE_SHARE_SD: Final = (0.0, 0.05)
_SIZE_PER_KELVIN_ALONE: Final = 1.0 / 298.0  # d goes with T alone where the viscosity was measured
_SIZE_PER_KELVIN: Final = 0.026  # d moves 2.6 % per kelvin in water at 25 °C


@dataclass(frozen=True, slots=True)
class Peak:
    """A local maximum of the density: its diameter in nm and the share of particles under it (0 to 1)."""

    diameter: Estimate
    fraction: float


@dataclass(frozen=True, slots=True)
class SizeStatistics:
    """Number-weighted statistics of a size distribution, nm (span has no unit); peaks ascend."""

    STATISTICS: ClassVar[tuple[str, ...]] = ("mode", "mean", "sd", "d10", "d50", "d90", "span")

    mode: Estimate
    mean: Estimate
    sd: Estimate
    d10: Estimate
    d50: Estimate
    d90: Estimate
    span: Estimate
    peaks: tuple[Peak, ...] = ()

    @classmethod
    def missing(cls) -> Self:
        """Return the statistics of a sample in which nothing was sized."""
        nothing = Estimate.missing()
        return cls(nothing, nothing, nothing, nothing, nothing, nothing, nothing)


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
    of time: the same particle comes back, so tracks are not independent.

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
    n_tracks = len(diffusion.table)
    lengths = diffusion.table["n_positions"].to_numpy(np.float64)
    log_grid = np.log(diffusion.diameters_nm)
    problem, best, weights, law = _fit(diffusion, lengths, log_grid)
    diameter_nm = _output_grid(diffusion.diameters_nm, settings)
    if diameter_nm.size < 2 or _share_within(best.share, diffusion.diameters_nm, diameter_nm) < _MIN_SHARE_WITHIN:
        return SizeDistribution.missing()
    log_density = spline_at(best.coefficients, np.log(diameter_nm), log_grid)
    seen = _seen_share(diffusion, diameter_nm) * _depth_share(law, diameter_nm)
    density, seen_share = _density(log_density, diameter_nm, seen)
    seen_share /= _share_within(best.share, diffusion.diameters_nm, diameter_nm)
    random = np.random.default_rng(settings.seed)
    blocks = _time_blocks(diffusion)
    draws = []
    for draw in range(n_draws):
        block_weights = random.poisson(1.0, blocks.max() + 1)[blocks]
        if (block_weights > 0).sum() >= MIN_TRACKS:
            fit = problem.fit_with(
                weights * block_weights,
                best.smoothness,
                best.coefficients,
                evidence=False,
                max_steps=_DRAW_STEPS,
            )
            drawn_log_density = spline_at(fit.coefficients, np.log(diameter_nm), log_grid)
            draws.append(_density(drawn_log_density, diameter_nm, seen)[0])
        progress("intervals", draw + 1, n_draws)
    drawn = np.array(draws).reshape(-1, diameter_nm.size)
    return SizeDistribution(
        table=_table(diameter_nm, density, drawn),
        size=_statistics_with_intervals(diameter_nm, density, drawn, n_tracks, systematic_relative_sd),
        n_tracks=n_tracks,
        seen_share=seen_share,
        smoothness=best.smoothness,
    )


def systematic_relative_sd(values: Mapping[str, Sourced]) -> float:
    """Return the relative standard uncertainty of a diameter from the values it was computed with.

    d goes with mpp², T/eta(T) (2.6 % per kelvin in water) and 1/eta; an error of the exposure share moves it
    by (1/3)/(1 - share/3) of itself (motion blur). An assumed value is less sure than a
    stated one.
    """

    def sd(name: str, pair: tuple[float, float]) -> float:
        return pair[1] if name in values and values[name].origin == "assumed" else pair[0]

    has_stated_viscosity = "medium" in values and values["medium"].value is None
    parts = (
        2.0 * sd("mpp", _MPP_RELATIVE_SD),
        (_SIZE_PER_KELVIN_ALONE if has_stated_viscosity else _SIZE_PER_KELVIN) * sd("temperature_c", _TEMPERATURE_SD_K),
        sd("medium", _VISCOSITY_RELATIVE_SD),
        0.45 * sd("exposure_ms", _EXPOSURE_SHARE_SD),
    )
    return math.sqrt(sum(part**2 for part in parts))


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


def _seen_share(diffusion: Diffusion, diameter_nm: Floats) -> Floats:
    """Return the share of the positions of each diameter that lie in tracks long enough, mean of captures."""
    shares = [
        share_in_tracks(step_sd_um(capture.acquisition, diameter_nm), capture.volume_um, diffusion.min_track)
        for capture in diffusion.captures
    ]
    return np.mean(shares, axis=0) if shares else np.ones_like(diameter_nm)


def step_sd_um(acquisition: Acquisition, diameter_nm: Floats) -> Floats:
    """Return the standard deviation per axis of the step between two frames, sqrt(2 D tau), µm."""
    return np.sqrt(2.0 * diffusion_m2_s(acquisition, diameter_nm) * acquisition.frame_time_s) * 1e6


def _fit(
    diffusion: Diffusion, lengths: Floats, log_grid: Floats
) -> tuple[Problem, DensityFit, Floats, LightLaw | None]:
    """Return the problem, its solution, the tracks' weights, and the law of the light where there is light.

    Motion alone is fitted first; the law of the light that follows from it then sharpens the sizes, and a
    second round settles both. A video shows the same particle several times (resampling
    tracks alone is too narrow by 1.4): its tracks count half, lest the smoothness follow single particles.
    """
    log_light = np.log(np.maximum(diffusion.table["light"].to_numpy(np.float64), 1.0))
    threshold = diffusion.threshold_light
    has_light = bool(np.all(np.isfinite(log_light))) and threshold > 0
    weights = lengths * len(lengths) / lengths.sum() / (TRACKS_PER_PARTICLE if has_light else 1.0)
    problem = Problem(diffusion.log_likelihood, log_grid)
    best = problem.fit(weights)
    law: LightLaw | None = None
    for _ in range(_LIGHT_ROUNDS if has_light else 0):
        law = fit_light_law(log_light, problem.posterior(best.share), log_grid, weights, math.log(threshold))
        if law is None:
            break
        problem = Problem(diffusion.log_likelihood + law.log_likelihood(log_light, log_grid), log_grid)
        best = problem.fit(weights)
    return problem, best, weights, law


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


def _time_blocks(diffusion: Diffusion) -> NDArray[np.int64]:
    """Return a block number for every track: about two seconds each, at least ten in a capture, else one a track."""
    table = diffusion.table
    middle = table["first_frame"].to_numpy(np.float64) + table["n_positions"].to_numpy(np.float64) / 2.0
    blocks = np.zeros(len(table), dtype=np.int64)
    offset = 0
    for number, capture in enumerate(diffusion.captures):
        mine = (table["capture"] == number).to_numpy()
        if not mine.any():
            continue
        since_start = middle[mine] - middle[mine].min()
        span = float(since_start.max()) + 1.0
        if span < _MIN_BLOCKS * diffusion.min_track:
            # A video of a few frames has no blocks to speak of: one would leave no sampling error at all.
            n_blocks, own = int(mine.sum()), np.arange(mine.sum())
        else:
            n_blocks = max(_MIN_BLOCKS, round(span * capture.acquisition.frame_time_s / _BLOCK_S))
            own = (since_start / span * n_blocks).astype(np.int64)
        blocks[mine] = offset + own
        offset += n_blocks
    return blocks


def _table(diameter_nm: Floats, density: Floats, drawn: Floats) -> pd.DataFrame:
    """Return the distribution's table with its pointwise 95 % band."""
    if len(drawn):
        low, high = np.quantile(drawn, _BAND, axis=0)
    else:
        low = high = np.full_like(density, np.nan)
    cumulative = cumulative_trapezoid(density, diameter_nm, initial=0)
    return pd.DataFrame(
        {
            "diameter_nm": diameter_nm,
            "density_per_nm": density,
            "density_low_per_nm": np.minimum(low, density),
            "density_high_per_nm": np.maximum(high, density),
            "cumulative": cumulative / cumulative[-1],
        }
    )


def point_statistics(diameter_nm: Floats, density: Floats) -> dict[str, float]:
    """Return mode, mean, sd, d10, d50, d90 (nm) and span of one density per nm on an ascending grid."""
    cumulative = cumulative_trapezoid(density, diameter_nm, initial=0)
    total = cumulative[-1]
    mean = float(np.trapezoid(density * diameter_nm, diameter_nm) / total)
    variance = float(np.trapezoid(density * (diameter_nm - mean) ** 2, diameter_nm) / total)
    d10, d50, d90 = (float(value) for value in np.interp((0.1, 0.5, 0.9), cumulative / total, diameter_nm))
    return {
        "mode": _mode(diameter_nm, density),
        "mean": mean,
        "sd": math.sqrt(variance),
        "d10": d10,
        "d50": d50,
        "d90": d90,
        "span": (d90 - d10) / d50,
    }


def _mode(diameter_nm: Floats, density: Floats) -> float:
    """Return the highest point of the density, by a parabola through the logarithm around it."""
    top = int(np.argmax(density))
    if not 0 < top < density.size - 1 or density[top - 1] <= 0 or density[top + 1] <= 0:
        return float(diameter_nm[top])
    left, middle, right = np.log(density[top - 1 : top + 2])
    curvature = left - 2.0 * middle + right
    shift = 0.5 * (left - right) / curvature if curvature < 0 else 0.0
    return float(diameter_nm[top] + shift * (diameter_nm[1] - diameter_nm[0]))


def _statistics_with_intervals(
    diameter_nm: Floats, density: Floats, drawn: Floats, n_tracks: int, systematic_sd: float
) -> SizeStatistics:
    point = point_statistics(diameter_nm, density)
    replicas = [point_statistics(diameter_nm, row) for row in drawn]
    estimates = {
        name: _interval(
            point[name],
            np.array([replica[name] for replica in replicas]),
            0.0 if name == "span" else systematic_sd,
            n_tracks,
        )
        for name in SizeStatistics.STATISTICS
    }
    return SizeStatistics(**estimates, peaks=_peaks(diameter_nm, density, drawn, n_tracks, systematic_sd))


def _interval(value: float, replicas: Floats, systematic_sd: float, n: int) -> Estimate:
    """Return the value with its 95 % interval: bootstrap quantiles and the systematic part in quadrature."""
    if not len(replicas):
        return Estimate(value, math.nan, math.nan, n)
    low, high = np.quantile(replicas, _BAND)
    shared = _NORMAL_95 * systematic_sd * value
    below = math.hypot(max(value - float(low), 0.0), shared)
    above = math.hypot(max(float(high) - value, 0.0), shared)
    return Estimate(value, max(value - below, 0.0), value + above, n)


def _peaks(
    diameter_nm: Floats, density: Floats, drawn: Floats, n_tracks: int, systematic_sd: float
) -> tuple[Peak, ...]:
    """Return the maxima that hold at least 2 % of the particles, with the share between their valleys."""
    padded = np.concatenate([[0.0], density, [0.0]])
    tops = find_peaks(padded, prominence=_MIN_PEAK_PROMINENCE * density.max())[0] - 1
    cumulative = cumulative_trapezoid(density, diameter_nm, initial=0)
    cumulative = cumulative / cumulative[-1]
    valleys = [
        0,
        *(a + int(np.argmin(density[a:b])) for a, b in pairwise(tops)),
        density.size - 1,
    ]
    peaks = []
    for start, stop in pairwise(valleys):
        window = slice(start, stop + 1)
        fraction = float(cumulative[stop] - cumulative[start])
        if fraction < _MIN_PEAK_FRACTION:
            continue
        replicas = np.array([_mode(diameter_nm[window], row[window]) for row in drawn])
        value = _mode(diameter_nm[window], density[window])
        peaks.append(Peak(_interval(value, replicas, systematic_sd, n_tracks), fraction))
    return tuple(peaks)
