"""Which lags of a film show free diffusion: where short ones do not, from which one on, and whether the exposure fits.

Compression and interpolated frames follow a moving spot late, so that its steps correlate over several frames. Neither
motion blur nor localisation does that: both reach the neighbouring step only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.kernels import step_products, stokes_einstein_diameter_m
from nta.tracking import FlatTracks, LinkedCapture

Floats = NDArray[np.float64]
Captures = Sequence[tuple[LinkedCapture, FlatTracks]]

CORRELATION_SDS: Final = 4.0
"""Standard errors above which a correlation counts as one."""

LEAST_CORRELATION: Final = 0.005
"""Correlation that moves no size by more than 1 % and that good films have: the smoothed drift holds each particle's
own steps, by which those of ten particles in view correlate by -0.4 %. Without it five clean captures could fail.
"""

MIN_TRACKS: Final = 100
"""Fewer tracks say too little about a longer lag to change to it."""

_STEPS_APART: Final = (2, 3)
_MIN_SCORED: Final = 20
# A test does not see a correlation below its standard error. Where the memory of a film dies away by a factor in each
# frame, as that of a recursive filter does, twice the lag squares what is left.
_SAFETY: Final = 2
_CHECKED_LAG: Final = 4
# Above R = k/4 the covariance of steps of k frames is none; nothing that passed the test comes near.
_MAX_BLUR_PER_LAG: Final = 0.2


@dataclass(frozen=True, slots=True)
class SafeLag:
    """The lag at which the steps of a sample are those of free diffusion.

    Parameters
    ----------
    frames : int
        Lag of the steps that sizes come from; 1 is the film as it is.
    is_safe : bool
        Whether steps two or more apart no longer correlate at that lag.
    correlation, z : float
        The worst correlation of one-frame steps two or three apart, and the standard errors by which it exceeds 0.5 %.
    blur_excess : float
        What the film's own memory adds to the motion blur coefficient R, frames; 0 where ``frames`` is 1.
    diffusion_um2_s : float
        Mean diffusion coefficient from lags of ``frames`` to twice that, µm²/s; NaN where ``frames`` is 1.
    short_diffusion_um2_s : float
        The same from lags of one and two frames.
    """

    frames: int = 1
    is_safe: bool = True
    correlation: float = math.nan
    z: float = 0.0
    blur_excess: float = 0.0
    diffusion_um2_s: float = math.nan
    short_diffusion_um2_s: float = math.nan

    @property
    def min_positions(self) -> int:
        """Fewest positions of a track that hold two steps of this lag in a row."""
        return 2 * self.frames + 1


@dataclass(frozen=True, slots=True)
class ExposureCheck:
    """What the tracks say about the exposure they were taken with.

    Parameters
    ----------
    correlation, z : float
        By how much the correlation of neighbouring steps exceeds what the exposure allows, and that in standard
        errors; negative where it does not.
    longest_share : float
        Exposure over frame time that this correlation asks for at least.
    short_nm, long_nm : float
        Diameter that belongs to the mean diffusion coefficient from steps of one frame and of four, nm.
    sizes_z : float
        Their difference in standard errors, positive where the steps of one frame read larger.
    reconciling_share : float
        Exposure over frame time at which both would agree; may lie outside 0 to 1, where no exposure does.
    """

    correlation: float = math.nan
    z: float = 0.0
    longest_share: float = math.nan
    short_nm: float = math.nan
    long_nm: float = math.nan
    sizes_z: float = 0.0
    reconciling_share: float = math.nan


def short_lag_score(
    captures: Captures, steps_apart: int, lag: int = 1, least: float = LEAST_CORRELATION
) -> tuple[float, float]:
    """Return the mean correlation of steps of ``lag`` frames, and how many standard errors its size is above ``least``.

    Tracks, not steps, are taken as independent. NaN and 0 where there are fewer than 20 tracks; 0 below ``least``.

    Parameters
    ----------
    captures : sequence of (LinkedCapture, FlatTracks)
        The tracks of a sample.
    steps_apart : int
        Which steps are compared: 2 for every second one, so that blur and localisation do not reach.
    lag : int
        Frames of a step.
    least : float
        Correlation that is none.
    """
    products = [_products(flat, steps_apart, lag) for _, flat in captures]
    table = np.concatenate(products) if products else np.empty((0, 3))
    table = table[np.isfinite(table[:, 0])]
    if len(table) < _MIN_SCORED:
        return math.nan, 0.0
    summed, number = (float(column.sum()) for column in table.T[:2])
    spread = math.sqrt(float(np.sum(table[:, 0] ** 2)))
    beyond = max(abs(summed) - least * number, 0.0)
    return summed / number, beyond / spread if spread else 0.0


def find_safe_lag(captures: Captures) -> SafeLag:
    """Return the lag from which on the steps are those of free diffusion; 1 for a film without memory.

    Twice the shortest lag at which steps two and three apart correlate by less than 0.5 % and 4 standard errors, as far
    as at least 100 tracks reach. Where the steps of one frame pass, nothing else is looked at.
    """
    correlation, z = max((short_lag_score(captures, apart) for apart in _STEPS_APART), key=lambda score: score[1])
    if not z > CORRELATION_SDS:
        return SafeLag(correlation=correlation, z=z)
    _, short_diffusion = _blur_excess(captures, 1)
    longest = _longest_lag(captures)
    for candidate in range(2, longest + 1):
        lag = min(_SAFETY * candidate, longest)
        if _passes(captures, candidate, must_be_seen=True) and _passes(captures, lag, must_be_seen=False):
            excess, diffusion = _blur_excess(captures, lag)
            return SafeLag(lag, True, correlation, z, excess, diffusion, short_diffusion)
    return SafeLag(1, False, correlation, z, short_diffusion_um2_s=short_diffusion)


def every_kth_position(flat: FlatTracks, lag: int, phase: int) -> FlatTracks:
    """Return the positions ``phase``, ``phase`` + ``lag``, … frames after the first of each track."""
    lengths = np.diff(flat.offsets)
    first = np.repeat(flat.frames[flat.offsets[:-1]], lengths)
    kept = (flat.frames - first - phase) % lag == 0
    counts = np.concatenate([[0], np.cumsum(kept)])
    return flat._replace(
        offsets=counts[flat.offsets].astype(np.int64),
        frames=flat.frames[kept],
        x_m=flat.x_m[kept],
        y_m=flat.y_m[kept],
        sigma_m=flat.sigma_m[kept],
    )


def check_exposure(captures: Captures) -> ExposureCheck:
    """Return how the exposure fits the tracks: the correlation of neighbouring steps, and sizes from two lags.

    Blur makes neighbouring steps correlate by C_1 = 2 R D tau - sigma², and 2 D tau = C_0 + 2 C_1 whatever R and
    sigma are: C_1 (1 - 2 R) > R C_0 cannot be with the stated exposure. The step of four frames is blurred by the same
    2 R D tau on four times the displacement. Missing with fewer than 20 tracks.
    """
    excess, longest = _neighbour_excess(captures)
    sizes = _sizes_at_two_lags(captures)
    short, long = sizes[:, 0].sum(), sizes[:, 1].sum()
    if len(excess) < _MIN_SCORED or len(sizes) < _MIN_SCORED or not min(short, long) > 0:
        return ExposureCheck()
    ratio = short / long
    error = math.sqrt(float(np.sum((sizes[:, 0] - ratio * sizes[:, 1]) ** 2))) / abs(long)
    square_1, square_4 = sizes[:, 2].sum(), sizes[:, 3].sum()
    weight = sizes[:, 4].sum()
    spread = math.sqrt(float(np.sum(excess[:, 0] ** 2)))
    return ExposureCheck(
        correlation=float(excess[:, 0].sum() / excess[:, 1].sum()),
        z=float(excess[:, 0].sum()) / spread if spread else 0.0,
        longest_share=6.0 * longest,
        short_nm=weight / short * 1e9,
        long_nm=weight / long * 1e9,
        sizes_z=(1.0 - ratio) / error if error else 0.0,
        # (lag - 2 R) 2 D tau at both lags with the same D
        reconciling_share=3.0 * (_CHECKED_LAG * square_1 - square_4) / (square_1 - square_4),
    )


def _neighbour_excess(captures: Captures) -> tuple[Floats, float]:
    """Return each track's excess of C_1 (in units of its C_0) with the number of products, and R from all of them."""
    rows, products, variance = [np.empty((0, 2))], 0.0, 0.0
    for capture, flat in captures:
        blur = capture.acquisition.blur_coefficient
        table = _products(flat, 1, 1)
        table = table[np.isfinite(table[:, 0])]
        rows.append(np.column_stack([(1.0 - 2.0 * blur) * table[:, 0] - blur * table[:, 1], table[:, 1]]))
        products += float(table[:, 0].sum())
        variance += float(table[:, 1].sum() + 2.0 * table[:, 0].sum())
    return np.concatenate(rows), products / variance if variance > 0 else math.nan


def _sizes_at_two_lags(captures: Captures) -> Floats:
    """Return for each track n/d from lags 1 and 4 (1/m), n times the squares behind them per frame time, and n."""
    rows = [np.empty((0, 5))]
    for capture, flat in captures:
        acquisition = capture.acquisition
        short, long = (_products(flat, 0, lag) for lag in (1, _CHECKED_LAG))
        used = np.isfinite(long[:, 0])
        noise = 2.0 * _track_means(flat.sigma_m**2, flat)[used]
        n = long[used, 1]
        blur, tau = acquisition.blur_coefficient, acquisition.frame_time_s
        constant = stokes_einstein_diameter_m(1.0, acquisition.temperature_k, acquisition.viscosity_pa_s)
        squares = [n * (table[used, 2] / 2.0 - noise) / (2.0 * tau) for table in (short, long)]
        per_size = [
            square / (lag - 2.0 * blur) / constant for square, lag in zip(squares, (1, _CHECKED_LAG), strict=True)
        ]
        rows.append(np.column_stack([*per_size, *squares, n]))
    return np.concatenate(rows)


def _products(flat: FlatTracks, steps_apart: int, lag: int) -> Floats:
    return step_products(
        flat.offsets, flat.frames, flat.x_m, flat.y_m, flat.drift_x_m, flat.drift_y_m, steps_apart, lag
    )


def _passes(captures: Captures, lag: int, *, must_be_seen: bool) -> bool:
    scores = [short_lag_score(captures, apart, lag) for apart in _STEPS_APART]
    if must_be_seen and any(math.isnan(correlation) for correlation, _ in scores):
        return False
    return all(z <= CORRELATION_SDS for _, z in scores)


def _longest_lag(captures: Captures) -> int:
    """Return the longest lag of which at least 100 tracks hold two steps in a row; 0 where there are fewer tracks."""
    lengths = np.sort(np.concatenate([np.empty(0, np.int64), *(np.diff(flat.offsets) for _, flat in captures)]))
    return int(lengths[-MIN_TRACKS] - 1) // 2 if lengths.size >= MIN_TRACKS else 0


def _blur_excess(captures: Captures, lag: int) -> tuple[float, float]:
    """Return what must be added to R for steps of ``lag`` frames to correlate as they do, and their mean D, µm²/s.

    C_1 + sigma² = R (C_0 + 2 C_1)/lag, summed over all tracks; R belongs to the film and is the same for all sizes.
    """
    missing = variance = diffusion = number = 0.0
    for capture, flat in captures:
        acquisition = capture.acquisition
        table = _products(flat, 1, lag)
        used = np.isfinite(table[:, 0])
        n, square = table[used, 1], table[used, 2] / 2.0
        neighbours = table[used, 0] * square
        both = n * square + 2.0 * neighbours
        noise = n * _track_means(flat.sigma_m**2, flat)[used]
        missing += float(np.sum(neighbours + noise - acquisition.blur_coefficient / lag * both))
        variance += float(both.sum())
        diffusion += float(both.sum()) / (2.0 * lag * acquisition.frame_time_s)
        number += float(n.sum())
    if not variance > 0:
        return 0.0, math.nan
    return min(lag * missing / variance, _MAX_BLUR_PER_LAG * lag), diffusion / number * 1e12


def _track_means(values: Floats, flat: FlatTracks) -> Floats:
    if not len(flat.particles):
        return np.empty(0)
    return np.add.reduceat(values, flat.offsets[:-1]) / np.diff(flat.offsets)
