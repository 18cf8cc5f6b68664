"""The likelihood of every size of every track of a capture, and the localisation errors that it rests on."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.kernels import track_log_likelihood
from nta.lags import SafeLag, every_kth_position
from nta.penalised import lognormal_log_likelihood
from nta.threads import in_threads, thread_count
from nta.tracking import FlatTracks, LinkedCapture

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_CANDIDATE_ERRORS_M: Final = tuple(np.geomspace(2e-9, 200e-9, 21).tolist())
_MAX_TRIAL_TRACKS: Final = 600

_CANDIDATE_SHARES: Final = (1.0, 0.85, 0.7, 0.5, 0.3, 0.1)

# Width of a scatter microscope's spot (sd, µm) when no image tells it: 0.2 µm, an objective of NA 0.4 at 405
# to 488 nm.
_SPOT_SD_UM: Final = 0.2

_EVERY_FRAME: Final = SafeLag()

_LEAST_POSITIONS: Final = 10_000
"""For a thread of their own: they take 5 to 10 ms, and a thread some tenths of one."""


def log_likelihood(
    capture: LinkedCapture, flat: FlatTracks, diameters_nm: Floats, growth_s_m2: float, lag: SafeLag = _EVERY_FRAME
) -> Floats:
    """Return the log-likelihood of every track at every diameter, the mean of the phases of a longer lag.

    Positions k frames apart are a track with gaps of k - 1 frames, which the kernel knows: noise and blur stay those of
    one position. A sum over the k phases would count every displacement k times; their mean holds the information of
    one phase but leaves the choice of it out, and its intervals are wide rather than narrow (by up to 1.22 in sd).
    """
    acquisition = capture.acquisition
    metres = acquisition.mpp * 1e-6
    k = lag.frames
    parts = [flat] if k == 1 else [every_kth_position(flat, k, phase) for phase in range(k)]
    # k steps that each stayed within r together have the variance of one that stayed within r sqrt(k).
    reach_m = capture.search_range_px * metres * math.sqrt(k)

    def of_tracks(part: FlatTracks, offsets: Integers) -> Floats:
        return track_log_likelihood(
            offsets,
            part.frames,
            part.x_m,
            part.y_m,
            part.sigma_m,
            part.drift_x_m,
            part.drift_y_m,
            acquisition.diffusion_m2_s(diameters_nm),
            acquisition.frame_time_s,
            acquisition.blur_coefficient + lag.blur_excess,
            growth_s_m2,
            capture.field_px[2] * metres,
            capture.field_px[3] * metres,
            reach_m,
        )

    total = sum(_by_threads(partial(of_tracks, part), part.offsets) for part in parts)
    return np.asarray(total / k)


def _by_threads(work: Callable[[Integers], Floats], offsets: Integers) -> Floats:
    """Return ``work`` of the offsets of all tracks, those of many cut into one piece for each thread.

    Each track is computed by itself, so that the number of threads changes no byte.
    """
    n_pieces = min(thread_count(), int(offsets[-1]) // _LEAST_POSITIONS)
    if n_pieces < 2:
        return work(offsets)
    inner = np.searchsorted(offsets, np.linspace(0, offsets[-1], n_pieces + 1)[1:-1]).tolist()
    cuts = [0, *inner, len(offsets) - 1]
    pieces = (offsets[start : stop + 1] for start, stop in pairwise(cuts) if stop > start)
    return np.concatenate(list(in_threads(work, pieces)))


def with_honest_error(capture: LinkedCapture, flat: FlatTracks, diameters_nm: Floats) -> FlatTracks:
    """Return the tracks with their stated errors times the factor, at most 1, under which they are most likely.

    Neighbouring steps tell how large the errors really are. Where the stated ones are too large, as those of bright
    particles in a crowd are, sizes read high. A factor above 1 is not tried: wrong links and merged spots would pass
    for errors of all positions.
    """
    trial = _every_kth_track(flat, _MAX_TRIAL_TRACKS)
    coarse = diameters_nm[::3]

    def score(share: float) -> float:
        scaled = trial._replace(sigma_m=share * trial.sigma_m)
        return lognormal_log_likelihood(log_likelihood(capture, scaled, coarse, 0.0), np.log(coarse))

    share = max(_CANDIDATE_SHARES, key=score)
    return flat if share == 1.0 else flat._replace(sigma_m=share * flat.sigma_m)


def with_fitted_error(capture: LinkedCapture, flat: FlatTracks, diameters_nm: Floats) -> tuple[FlatTracks, float]:
    """Return tracks without an image with one localisation error for all, and its growth with D (s/m²).

    The error is that at which all tracks, sizes spread as a lognormal, are most likely. Blur spreads the
    photons, so it grows with the particle's speed, sigma² (1 + D t_E/s_0²) (docs/method.md).
    """
    growth = capture.acquisition.exposure_s / (_SPOT_SD_UM * 1e-6) ** 2
    trial = _every_kth_track(flat, _MAX_TRIAL_TRACKS)
    coarse = diameters_nm[::3]

    def score(sigma_m: float) -> float:
        flat_error = trial._replace(sigma_m=np.full(len(trial.frames), sigma_m))
        return lognormal_log_likelihood(log_likelihood(capture, flat_error, coarse, growth), np.log(coarse))

    best = max(_CANDIDATE_ERRORS_M, key=score)
    return flat._replace(sigma_m=np.full(len(flat.frames), best)), growth


def _every_kth_track(flat: FlatTracks, n_tracks: int) -> FlatTracks:
    """Return at most ``n_tracks`` tracks, evenly chosen."""
    chosen = np.arange(0, len(flat.particles), max(1, math.ceil(len(flat.particles) / n_tracks)))
    lengths = np.diff(flat.offsets)[chosen]
    rows = np.concatenate([np.arange(flat.offsets[i], flat.offsets[i + 1]) for i in chosen])
    return flat._replace(
        particles=flat.particles[chosen],
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        frames=flat.frames[rows],
        x_m=flat.x_m[rows],
        y_m=flat.y_m[rows],
        sigma_m=flat.sigma_m[rows],
    )
