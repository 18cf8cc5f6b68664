"""Size distributions as other programs make them, for comparison: raw, Walker, finite track length.

Each counts every track once and corrects for nothing that the default corrects for (field edges, sheet, light,
search range): what differs between a result of ours and one of another program is then the sample or the video,
not the read-out. None of them is the best that the tracks can give (docs/method.md).

All three see a track as its mean squared steps. With n steps of one frame, blur coefficient R and localisation
error s, <r²> has the mean 4 D tau (1 - 2 R) + 4 s² and, if the steps were independent, the law of a gamma variable
of shape n. In units of 4 D d tau (1 - 2 R) it is an inverse diameter, 1/d + noise, the same for every capture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from nta.diffusion import Diffusion
from nta.errors import UsageError
from nta.tracking import FlatTracks, LinkedCapture, Tracks

Floats = NDArray[np.float64]

N_LAGS: Final = 4
"""Lags, in frames, through whose mean squared displacements the raw size's line is drawn."""

MIN_RAW_POSITIONS: Final = 10
"""Fewest positions of a track in the raw histogram: a line through four lags says nothing of a shorter one."""

RAW_BIN_NM: Final = 5.0
"""Width of the raw histogram's bins, nm."""

WALKER_STEPS: Final = 400
"""Steps of Walker's expectation-maximisation: more make a forest of lines, fewer leave the spread of the tracks."""

FTLA_STEPS: Final = 300
"""Richardson-Lucy steps of the finite-track-length adjustment."""

_RATIO_GRID: Final = np.linspace(-9.0, 5.0, 701)  # ln of observed over expected <r²>
_LEAST: Final = 1e-300


@dataclass(frozen=True)
class TrackSquares:
    """What the read-outs know of each track; one row a track, in the order of ``Diffusion.table``.

    Parameters
    ----------
    n_positions : (n_tracks,) int64
        Positions.
    n_steps : (n_tracks,) int64
        Steps over exactly one frame.
    inverse_per_nm : (n_tracks,) float64
        Mean squared step of one frame over 4 D d tau (1 - 2 R), 1/nm: 1/d + noise. NaN without such a step.
    noise_per_nm : (n_tracks,) float64
        What the localisation error alone makes of it, 1/nm; 0 where the error is not known.
    line_nm : (n_tracks,) float64
        Diameter from the slope of the mean squared displacement over lags of 1 to 4 frames, nm; NaN where the
        slope is not positive or a lag has no pair.
    diameters_nm : (n_sizes,) float64
        Diameters at which a distribution is estimated, equally spaced in their logarithm.
    """

    n_positions: NDArray[np.int64]
    n_steps: NDArray[np.int64]
    inverse_per_nm: Floats
    noise_per_nm: Floats
    line_nm: Floats
    diameters_nm: Floats


def track_squares(tracks: Tracks, diffusion: Diffusion) -> TrackSquares:
    """Return the mean squared steps of the tracks behind ``diffusion``.

    Parameters
    ----------
    tracks : Tracks
        The tracks that ``diffusion`` was estimated from.
    diffusion : Diffusion
        From :func:`nta.estimate_diffusion`; says which tracks are sized, in which order, and their errors.

    Raises
    ------
    UsageError
        If the two do not belong together.
    """
    flats = [(capture, flat) for capture, flat in tracks.flat(diffusion.min_track) if len(flat.particles)]
    particles = np.concatenate([flat.particles for _, flat in flats]) if flats else np.empty(0, dtype=np.int64)
    if not np.array_equal(particles, diffusion.table["particle"].to_numpy(np.int64)):
        raise UsageError("the diffusion estimates are not of these tracks; estimate them from the same tracks")
    parts = [_of_capture(capture, flat) for capture, flat in flats]
    steps, inverse, unit_m2_nm, line = (
        np.concatenate([part[k] for part in parts]) if parts else np.empty(0) for k in range(4)
    )
    error_m = np.nan_to_num(diffusion.table["localisation_error_nm"].to_numpy(np.float64)) * 1e-9
    return TrackSquares(
        n_positions=diffusion.table["n_positions"].to_numpy(np.int64),
        n_steps=steps.astype(np.int64),
        inverse_per_nm=inverse,
        noise_per_nm=4.0 * error_m**2 / unit_m2_nm,
        line_nm=line,
        diameters_nm=diffusion.diameters_nm,
    )


def _of_capture(capture: LinkedCapture, flat: FlatTracks) -> tuple[Floats, Floats, Floats, Floats]:
    """Return steps of one frame, inverse diameter (1/nm), its unit (m² nm) and the line's diameter (nm) by track."""
    squares, pairs = mean_squared_displacements(flat, N_LAGS)
    acquisition = capture.acquisition
    product = acquisition.diffusion_m2_s(1.0)  # D d, m²/s nm
    unit = 4.0 * product * acquisition.frame_time_s * (1.0 - 2.0 * acquisition.blur_coefficient)
    lags_s = np.arange(1, N_LAGS + 1) * acquisition.frame_time_s
    centred = lags_s - lags_s.mean()
    diffusion = squares @ centred / (4.0 * float(centred @ centred))  # m²/s; blur and noise are in the intercept
    line = np.divide(product, diffusion, out=np.full(len(diffusion), np.nan), where=diffusion > 0)
    return pairs[:, 0], squares[:, 0] / unit, np.full(len(line), unit), line


def mean_squared_displacements(flat: FlatTracks, max_lag: int) -> tuple[Floats, Floats]:
    """Return each track's mean squared displacement over 1 to ``max_lag`` frames, and the pairs behind it.

    As trackpy's ``imsd``: all pairs of positions, overlapping ones too, whose frames differ by the lag.

    Returns
    -------
    (n_tracks, max_lag) float64, (n_tracks, max_lag) float64
        m² (NaN where a lag has no pair), and number of pairs.
    """
    n_tracks = len(flat.particles)
    track = np.repeat(np.arange(n_tracks), np.diff(flat.offsets))
    x, y = flat.x_m - flat.drift_x_m[flat.frames], flat.y_m - flat.drift_y_m[flat.frames]
    total, pairs = np.zeros((n_tracks, max_lag)), np.zeros((n_tracks, max_lag))
    for apart in range(1, max_lag + 1):  # rows apart; with gaps fewer than frames apart
        lag = flat.frames[apart:] - flat.frames[:-apart]
        square = (x[apart:] - x[:-apart]) ** 2 + (y[apart:] - y[:-apart]) ** 2
        valid = (track[apart:] == track[:-apart]) & (lag <= max_lag)
        place = (track[apart:][valid], lag[valid] - 1)
        np.add.at(total, place, square[valid])
        np.add.at(pairs, place, 1.0)
    return np.divide(total, pairs, out=np.full_like(total, np.nan), where=pairs > 0), pairs


def raw(squares: TrackSquares, diameter_nm: Floats, weights: Floats | None = None) -> Floats:
    """Return the histogram of the tracks' own sizes: the read-out of the usual tutorial.

    A line through each track's mean squared displacement at lags of 1 to 4 frames, for tracks of 10 positions or
    more, in bins of 5 nm. Its slope is free of blur and noise but has a wide spread of its own, which stays in the
    histogram; tracks without a positive slope, and sizes off the grid, are left out.

    Parameters
    ----------
    squares : TrackSquares
        From :func:`track_squares`.
    diameter_nm : (n_grid,) float64
        Diameters wanted, nm, an even grid.
    weights : (n_tracks,) or (n_draws, n_tracks) float64, optional
        How often each track counts; once when not given.

    Returns
    -------
    (n_grid,) or (n_draws, n_grid) float64
        Density per nm, its integral 1; NaN where no track is left.
    """
    half = 0.5 * (diameter_nm[1] - diameter_nm[0])
    low, high = diameter_nm[0] - half, diameter_nm[-1] + half
    usable = (squares.n_positions >= MIN_RAW_POSITIONS) & (squares.line_nm >= low) & (squares.line_nm < high)
    n_bins = math.ceil((high - low) / RAW_BIN_NM)
    members = np.zeros((len(usable), n_bins))
    rows = np.flatnonzero(usable)
    members[rows, ((squares.line_nm[rows] - low) / RAW_BIN_NM).astype(np.int64)] = 1.0
    histogram = _counted(squares, weights) @ members
    return _normalised(histogram[..., ((diameter_nm - low) / RAW_BIN_NM).astype(np.int64)], diameter_nm)


def walker(
    squares: TrackSquares, diameter_nm: Floats, weights: Floats | None = None, *, n_steps: int = WALKER_STEPS
) -> Floats:
    """Return the maximum-likelihood distribution of Walker 2012 (Meas. Sci. Technol. 23, 065605).

    The mean squared step of each track is a gamma variable whose shape is its number of steps; the distribution of
    sizes under which all of them are most likely is approached by expectation-maximisation from an even start (in
    ln d), ``n_steps`` steps. Here the scale knows motion blur and each track's localisation error.

    Parameters
    ----------
    squares, diameter_nm, weights
        As in :func:`raw`.
    n_steps : int
        Steps.

    Returns
    -------
    (n_grid,) or (n_draws, n_grid) float64
        Density per nm, its integral 1; NaN where no track is left.
    """
    known = (squares.n_steps > 0) & (squares.inverse_per_nm > 0)
    counts = squares.n_steps[known, None]
    ratio = squares.inverse_per_nm[known, None] / (1.0 / squares.diameters_nm + squares.noise_per_nm[known, None])
    log_likelihood = counts * (np.log(ratio) - ratio)
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    return _on_grid(squares, _maximised(likelihood, _counted(squares, weights)[..., known], n_steps), diameter_nm)


def ftla(
    squares: TrackSquares, diameter_nm: Floats, weights: Floats | None = None, *, n_steps: int = FTLA_STEPS
) -> Floats:
    """Return the histogram of the tracks' sizes with the spread of finite tracks taken out.

    In the manner of Saveyn et al. 2010 (J. Colloid Interface Sci. 352, 593) and of NanoSight's finite-track-length
    adjustment: what the sizes of one diameter would look like with the lengths of these tracks is known, here from
    gamma laws where Saveyn simulated, and the histogram of all sizes is deconvolved by it (Richardson-Lucy,
    ``n_steps`` steps from an even start). Unlike Walker's it forgets which track was how long.

    Parameters
    ----------
    squares, diameter_nm, weights
        As in :func:`raw`.
    n_steps : int
        Richardson-Lucy steps.

    Returns
    -------
    (n_grid,) or (n_draws, n_grid) float64
        Density per nm, its integral 1; NaN where no track is left.
    """
    known = (squares.n_steps > 0) & (squares.inverse_per_nm > 0)
    counted = _counted(squares, weights)
    if not known.any():
        return np.full((*counted.shape[:-1], diameter_nm.size), np.nan)
    noise = float(np.average(squares.noise_per_nm[known], weights=squares.n_steps[known]))
    # Twice as wide and twice as fine as the sizes: what short tracks throw far must land in a bin.
    step = math.log(squares.diameters_nm[1] / squares.diameters_nm[0]) / 2.0
    log_edges = np.arange(math.log(squares.diameters_nm[0]) - 2.0, math.log(squares.diameters_nm[-1]) + 3.0, step)
    spread = _spread(squares.n_steps[known], noise, log_edges, squares.diameters_nm)
    # The noise of all tracks is made the mean one, so that one law holds for all.
    inverse = squares.inverse_per_nm[known] - squares.noise_per_nm[known] + noise
    apparent = -np.log(np.maximum(inverse, math.exp(-log_edges[-1])))
    bins = np.clip(np.searchsorted(log_edges, apparent) - 1, 0, log_edges.size - 2)
    members = np.zeros((len(bins), log_edges.size - 1))
    members[np.arange(len(bins)), bins] = 1.0
    histogram = counted[..., known] @ members
    return _on_grid(squares, _maximised(spread, histogram, n_steps), diameter_nm)


METHODS: Final[Mapping[str, Callable[[TrackSquares, Floats, Floats | None], Floats]]] = MappingProxyType(
    {"raw": raw, "walker": walker, "ftla": ftla}
)
"""The read-outs by the names that the settings give them."""


def _counted(squares: TrackSquares, weights: Floats | None) -> Floats:
    """Return how often each track counts: once when nobody says otherwise."""
    return np.ones(len(squares.n_positions)) if weights is None else weights


def _spread(n_steps: NDArray[np.int64], noise_per_nm: float, log_edges: Floats, diameters_nm: Floats) -> Floats:
    """Return the probability of each bin of the apparent size (rows) for each true size (columns).

    The apparent inverse size over its mean is a mixture of gamma variables of shape n and mean 1, one for each n in
    the proportion of the tracks that have it.
    """
    lengths, n_tracks = np.unique(n_steps, return_counts=True)
    ratios = np.exp(_RATIO_GRID)
    below = (n_tracks / n_tracks.sum()) @ gammainc(lengths[:, None], lengths[:, None] * ratios)
    log_expected = np.log(1.0 / diameters_nm + noise_per_nm)
    # A large apparent size is a small inverse one: the probability of a size above the edge is that of less motion.
    above: Floats = np.interp(-log_edges[:, None] - log_expected[None, :], _RATIO_GRID, below)
    above[0], above[-1] = 1.0, 0.0
    return above[:-1] - above[1:]


def _maximised(likelihood: Floats, weights: Floats, n_steps: int) -> Floats:
    """Return the shares of the sizes after ``n_steps`` of expectation-maximisation (Richardson-Lucy) from even ones.

    Parameters
    ----------
    likelihood : (n_observed, n_sizes) float64
        Probability of each observation for each size, any factor a row.
    weights : (n_observed,) or (n_draws, n_observed) float64
        How often each was observed.
    """
    total = weights.sum(axis=-1, keepdims=True)
    share = np.full((*weights.shape[:-1], likelihood.shape[1]), 1.0 / likelihood.shape[1])
    for _ in range(n_steps):
        expected = np.maximum(share @ likelihood.T, _LEAST)
        share = share * ((weights / expected) @ likelihood)
        share = np.divide(share, total, out=np.full_like(share, np.nan), where=total > 0)
    return share


def _on_grid(squares: TrackSquares, share: Floats, diameter_nm: Floats) -> Floats:
    """Return shares of the logarithmic grid as a density per nm at ``diameter_nm``, its integral 1."""
    per_nm = share / squares.diameters_nm
    rows = [np.interp(diameter_nm, squares.diameters_nm, row, left=0.0, right=0.0) for row in np.atleast_2d(per_nm)]
    return _normalised(np.array(rows).reshape(*share.shape[:-1], diameter_nm.size), diameter_nm)


def _normalised(density: Floats, diameter_nm: Floats) -> Floats:
    """Return the density with the integral 1; NaN where there is nothing."""
    total = np.asarray(np.trapezoid(density, diameter_nm, axis=-1))[..., None]
    result: Floats = np.divide(density, total, out=np.full_like(density, np.nan), where=total > 0)
    return result
