"""Tracks -> Diffusion: how fast each particle moves, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nta.compilation import load_kernels
from nta.kernels import (
    covariance_estimates,
    stokes_einstein_diameter_m,
)
from nta.lags import SafeLag, find_safe_lag
from nta.likelihood import log_likelihood, with_fitted_error, with_honest_error
from nta.settings import Acquisition, Settings, resolve
from nta.tracking import FlatTracks, LinkedCapture, Tracks, as_tracks

Floats = NDArray[np.float64]

DEFAULT_MIN_TRACK: Final = 5

_SMALLEST_NM: Final = 20.0
_LARGEST_NM: Final = 700.0
_POINTS_PER_E: Final = 149.0 / math.log(_LARGEST_NM / _SMALLEST_NM)
_MAX_POINTS: Final = 400
_HALF_CHI2_95: Final = 1.920729  # half of the 95 % quantile of chi-square with one degree of freedom

_DIMMEST_SHARE: Final = 0.05
_MISSED_SHARE: Final = 0.01


@dataclass(frozen=True)
class Diffusion:
    """Diffusion estimates, one row a track, and the likelihood of every size behind them.

    Parameters
    ----------
    table : DataFrame
        ``capture``, ``particle``, ``first_frame``, ``n_positions``; ``diffusion_um2_s`` (maximum likelihood)
        with its 95 % profile interval ``diffusion_low_um2_s``, ``diffusion_high_um2_s`` (NaN where the
        interval is open); ``diameter_nm``; ``localisation_error_nm`` (rms of the positions' own errors, NaN
        where none is known); ``cve_um2_s`` (covariance estimate from steps of one frame, for comparison);
        ``mass`` and ``light`` (means of trackpy's mass and of the disc's, grey levels; NaN without an image),
        ``x``, ``y`` (mean, px).
    diameters_nm : (n_sizes,) float64
        Diameters at which the likelihood is known, equally spaced in their logarithm.
    log_likelihood : (n_tracks, n_sizes) float64
        Natural log-likelihood of each track at each diameter.
    captures : tuple of LinkedCapture
        Where the tracks come from.
    min_track : int
        Fewest positions of a track in the table.
    threshold_light : float
        Light (as ``light`` in the table) of the dimmest spots that are still detected; NaN without an image.
    lag : SafeLag
        The lag whose steps the likelihoods come from: 1 unless the film's own steps are not those of free diffusion.
    """

    COLUMNS: ClassVar[dict[str, str]] = {
        "capture": "int64",
        "particle": "int64",
        "first_frame": "int64",
        "n_positions": "int64",
        "diffusion_um2_s": "float64",
        "diffusion_low_um2_s": "float64",
        "diffusion_high_um2_s": "float64",
        "diameter_nm": "float64",
        "localisation_error_nm": "float64",
        "cve_um2_s": "float64",
        "mass": "float64",
        "light": "float64",
        "x": "float64",
        "y": "float64",
    }

    table: pd.DataFrame
    diameters_nm: Floats = field(default_factory=lambda: np.empty(0))
    log_likelihood: Floats = field(default_factory=lambda: np.empty((0, 0)))
    captures: tuple[LinkedCapture, ...] = ()
    min_track: int = DEFAULT_MIN_TRACK
    threshold_light: float = math.nan
    lag: SafeLag = field(default_factory=SafeLag)

    @classmethod
    def empty_table(cls) -> pd.DataFrame:
        """Return a table with every column and no row."""
        return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in cls.COLUMNS.items()})


def estimate_diffusion(
    tracks: Tracks | pd.DataFrame,
    settings: Settings | None = None,
    *,
    acquisition: Acquisition | None = None,
) -> Diffusion:
    """Estimate the diffusion coefficient of every track by exact maximum likelihood.

    Motion blur, the localisation error of each position, the field's edges and the linker's search range are
    part of the likelihood (:func:`nta.kernels.track_log_likelihood`). Where steps two or three frames apart
    correlate, every k-th position is taken instead, k so large that they no longer do (:mod:`nta.lags`).

    Parameters
    ----------
    tracks : Tracks or DataFrame
        From :func:`nta.link`, or a table with trackpy's columns made elsewhere (drift taken out). A table
        without ``sigma_px`` gets one localisation error for all, found by maximum likelihood.
    settings : Settings, optional
        What was asked for: ``min_track``; for a DataFrame also how the video was taken.
    acquisition : Acquisition, optional
        How a DataFrame's video was taken; from the settings and the preset when not given.

    Returns
    -------
    Diffusion
        One row for each track of ``min_track`` positions or more; of 2 k + 1 or more where every k-th is taken.
    """
    settings = Settings() if settings is None else settings
    load_kernels()
    if isinstance(tracks, pd.DataFrame):
        tracks = as_tracks(tracks, resolve(settings)[0] if acquisition is None else acquisition)
    min_track = DEFAULT_MIN_TRACK if settings.min_track is None else settings.min_track
    flats = list(tracks.flat(min_track))
    lag = find_safe_lag(flats)
    if lag.frames > 1:
        # What is stated of single positions does not hold in such a film; a constant error is a part of its memory.
        lag = find_safe_lag([(capture, flat._replace(sigma_m=np.zeros_like(flat.sigma_m))) for capture, flat in flats])
        min_track = max(min_track, lag.min_positions)
        flats = list(tracks.flat(min_track))
    diameters_nm = _diameter_grid(flats, settings)
    tables, likelihoods = [], []
    for number, (capture, flat) in enumerate(flats):
        if not len(flat.particles):
            continue
        growth = 0.0
        if lag.frames > 1:
            sized = flat._replace(sigma_m=np.zeros_like(flat.sigma_m))
        elif np.any(flat.sigma_m > 0):
            sized = flat = with_honest_error(capture, flat, diameters_nm)
        else:
            flat, growth = with_fitted_error(capture, flat, diameters_nm)
            sized = flat
        logl = log_likelihood(capture, sized, diameters_nm, growth, lag)
        tables.append(_table(tracks.table, number, capture, flat, diameters_nm, logl))
        likelihoods.append(logl)
    table = pd.concat(tables, ignore_index=True) if tables else Diffusion.empty_table()
    stacked = np.concatenate(likelihoods) if likelihoods else np.empty((0, diameters_nm.size))
    table, threshold_light = _in_one_scale(table.astype(Diffusion.COLUMNS), tracks.table, len(tracks.captures))
    return Diffusion(table, diameters_nm, stacked, tracks.captures, min_track, threshold_light, lag)


def _threshold_light(positions: pd.DataFrame) -> float:
    """Return the median light of the dimmest twentieth of all spots of a capture: where detection ends."""
    if not {"mass", "disc_mass"} <= set(positions.columns) or positions.empty:
        return math.nan
    dimmest = positions["mass"] <= positions["mass"].quantile(_DIMMEST_SHARE)
    return float(positions.loc[dimmest, "disc_mass"].median())


def _in_one_scale(table: pd.DataFrame, positions: pd.DataFrame, n_captures: int) -> tuple[pd.DataFrame, float]:
    """Return the table with the light of all captures in the grey levels of the first, and where detection ends.

    Captures may differ in camera level or bits: each is scaled by the light at which its own detection ends.
    """
    ends = [_threshold_light(positions[positions["capture"] == number]) for number in range(n_captures)]
    first = next((end for end in ends if end > 0), math.nan)
    scale = table["capture"].map({number: first / end if end > 0 else 1.0 for number, end in enumerate(ends)})
    return table.assign(light=table["light"] * scale.to_numpy(np.float64)), first


def smallest_diameter_nm(tracks: Tracks) -> float:
    """Return the smallest diameter whose steps the linker still follows, nm: of the capture that reaches least far.

    At this size 1 % of the steps leave the search range r: with s² = 2 D tau (1 - 2 R) + 2 sigma² per axis,
    P(miss) = exp(-r²/2s²). sigma is the median error of the capture's positions. NaN where no range is known (tracks
    made elsewhere); infinite where the error alone leaves the range that often.
    """
    limits = [_smallest_of_capture(capture, flat) for capture, flat in tracks.flat(min_track=1)]
    return max((limit for limit in limits if not math.isnan(limit)), default=math.nan)


def _smallest_of_capture(capture: LinkedCapture, flat: FlatTracks) -> float:
    acquisition = capture.acquisition
    reach_m = capture.search_range_px * acquisition.mpp * 1e-6
    if not math.isfinite(reach_m) or not len(flat.sigma_m):
        return math.nan
    noise = 2.0 * float(np.median(flat.sigma_m)) ** 2
    blurred = 1.0 - 2.0 * acquisition.blur_coefficient
    diffusion = (reach_m**2 / (2.0 * math.log(1.0 / _MISSED_SHARE)) - noise) / (
        2.0 * acquisition.frame_time_s * blurred
    )
    if diffusion <= 0.0:
        return math.inf
    return 1e9 * stokes_einstein_diameter_m(diffusion, acquisition.temperature_k, acquisition.viscosity_pa_s)


def _diameter_grid(flats: list[tuple[LinkedCapture, FlatTracks]], settings: Settings) -> Floats:
    """Return diameters from 20 to 700 nm, wider where the tracks or the settings ask for it."""
    smallest, largest = _SMALLEST_NM, _LARGEST_NM
    if settings.size_range_nm is not None:
        smallest = min(smallest, settings.size_range_nm[0] / 1.5)
        largest = max(largest, 1.2 * (settings.size_range_nm[1] or 0.0), 2.0 * settings.size_range_nm[0])
    for capture, flat in flats:
        largest = max(largest, 4.0 * _crude_diameter_nm(capture, flat))
    largest = min(largest, 50_000.0)
    n_points = min(_MAX_POINTS, round(_POINTS_PER_E * math.log(largest / smallest)) + 1)
    return np.geomspace(smallest, largest, n_points)


def _crude_diameter_nm(capture: LinkedCapture, flat: FlatTracks) -> float:
    """Return the median diameter of long tracks from first to last position; only its magnitude counts."""
    long = np.diff(flat.offsets) >= 10
    if long.sum() < 20:
        return 0.0
    first, last = flat.offsets[:-1][long], flat.offsets[1:][long] - 1
    lag_s = (flat.frames[last] - flat.frames[first]) * capture.acquisition.frame_time_s
    d_x = flat.x_m[last] - flat.x_m[first] - (flat.drift_x_m[flat.frames[last]] - flat.drift_x_m[flat.frames[first]])
    d_y = flat.y_m[last] - flat.y_m[first] - (flat.drift_y_m[flat.frames[last]] - flat.drift_y_m[flat.frames[first]])
    # r² is exponential with mean 4 D t, whose median is ln 2 of the mean.
    diffusion = float(np.median((d_x**2 + d_y**2) / (4.0 * lag_s))) / math.log(2.0)
    acquisition = capture.acquisition
    smallest_diffusion = 1e-18  # m²/s: a metre-sized particle; stuck dirt must not divide by 0
    return 1e9 * stokes_einstein_diameter_m(
        max(diffusion, smallest_diffusion), acquisition.temperature_k, acquisition.viscosity_pa_s
    )


def _covariances(capture: LinkedCapture, flat: FlatTracks) -> Floats:
    return covariance_estimates(
        flat.offsets,
        flat.frames,
        flat.x_m,
        flat.y_m,
        flat.drift_x_m,
        flat.drift_y_m,
        capture.acquisition.frame_time_s,
        capture.acquisition.blur_coefficient,
    )


def _table(
    positions: pd.DataFrame,
    number: int,
    capture: LinkedCapture,
    flat: FlatTracks,
    diameters_nm: Floats,
    logl: Floats,
) -> pd.DataFrame:
    acquisition = capture.acquisition
    best, low, high = _profile(np.log(diameters_nm), logl)
    constant = float(acquisition.diffusion_m2_s(1.0)) * 1e12  # D d in µm²/s nm
    cve = _covariances(capture, flat)
    lengths = np.diff(flat.offsets)
    errors_nm = np.sqrt(np.add.reduceat(flat.sigma_m**2, flat.offsets[:-1]) / lengths) * 1e9
    mine = positions[positions["capture"] == number]
    known = [name for name in ("x", "y", "mass", "disc_mass") if name in mine]
    means = mine.groupby("particle")[known].mean().loc[flat.particles]
    return pd.DataFrame(
        {
            "capture": number,
            "particle": flat.particles,
            "first_frame": flat.frames[flat.offsets[:-1]],
            "n_positions": lengths,
            "diffusion_um2_s": constant / np.exp(best),
            "diffusion_low_um2_s": constant / np.exp(high),
            "diffusion_high_um2_s": constant / np.exp(low),
            "diameter_nm": np.exp(best),
            "localisation_error_nm": np.where(errors_nm > 0, errors_nm, np.nan),
            "cve_um2_s": cve[:, 0] * 1e12,
            "mass": means["mass"].to_numpy() if "mass" in means else math.nan,
            "light": means["disc_mass"].to_numpy() if "disc_mass" in means else math.nan,
            "x": means["x"].to_numpy(),
            "y": means["y"].to_numpy(),
        }
    )


def _profile(log_diameter: Floats, logl: Floats) -> tuple[Floats, Floats, Floats]:
    """Return each row's maximum (by a parabola) and where it has fallen by 1.92 around it (NaN: nowhere)."""
    rows = np.arange(len(logl))
    peak = np.clip(np.argmax(logl, axis=1), 1, log_diameter.size - 2)
    left, middle, right = (logl[rows, peak + shift] for shift in (-1, 0, 1))
    curvature = left - 2.0 * middle + right
    shift = np.divide(left - right, 2.0 * curvature, out=np.zeros(len(logl)), where=curvature < 0)
    shift = np.clip(shift, -1.0, 1.0)
    step = log_diameter[1] - log_diameter[0]
    best = log_diameter[peak] + shift * step
    top = middle - 0.25 * (left - right) * shift
    fallen = logl < (np.maximum(top, logl.max(axis=1)) - _HALF_CHI2_95)[:, None]
    threshold = np.maximum(top, logl.max(axis=1)) - _HALF_CHI2_95
    return (
        best,
        _crossing(log_diameter, logl, fallen, peak, threshold, -1),
        _crossing(log_diameter, logl, fallen, peak, threshold, 1),
    )


def _crossing(
    log_diameter: Floats,
    logl: Floats,
    fallen: NDArray[np.bool_],
    peak: NDArray[np.int64],
    threshold: Floats,
    side: int,
) -> Floats:
    """Return where each row first falls below its threshold on one side of its peak, interpolated."""
    size = log_diameter.size
    index = np.arange(size)[None, :]
    beyond = fallen & ((index - peak[:, None]) * side > 0)
    found = beyond.any(axis=1)
    first = np.argmax(beyond, axis=1) if side > 0 else size - 1 - np.argmax(beyond[:, ::-1], axis=1)
    first = np.where(found, first, peak + side)
    rows = np.arange(len(logl))
    outer, inner = logl[rows, first], logl[rows, first - side]
    share = np.divide(threshold - inner, outer - inner, out=np.ones(len(logl)), where=outer != inner)
    where = log_diameter[first - side] + share * (log_diameter[first] - log_diameter[first - side])
    return np.where(found, where, np.nan)
