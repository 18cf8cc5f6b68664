"""Counting particles in a thin sheet: those that hide each other, those in tracks too short, and the count's memory.

Successive frames show the same particles, so that a mean over F frames is not F observations. How long a count
remembers itself follows from the sizes: a particle of diffusion coefficient D leaves a depth h in about h²/4D and, one
dimension remembering longest, comes back for ever. The sum of what is left after each frame tells the error of the
mean; the video itself is too short to tell it (its own autocorrelation misses 10 to 40 % of the variance).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from nta.diffusion import Diffusion
from nta.sampling import share_in_tracks
from nta.tracking import LinkedCapture, Tracks

Floats = NDArray[np.float64]

COUNTED_TRACK: Final = 2
"""Positions of a track that is counted: noise alone hardly makes two in a row, and a particle that another one hides
for a moment is lost for less than the five positions that a size needs."""

_MAX_COVERED: Final = 0.9
_MAX_LAG_SHARE: Final = 0.25
_N_SIZES: Final = 25
_DEPTH_SHARES: Final = (1e-3, 1e3)
_BISECTIONS: Final = 60


def coincidence_factor(per_frame: float, area_px: float, diameter_px: float) -> float:
    """Return N'/N, particles over spots: N' = -(A/a) ln(1 - N a/A).

    Two particles nearer than a spot's diameter and one pixel are one spot: each spot reserves a = pi (d + 1)² of the
    area A, and N' particles at random leave the share exp(-N' a/A) of it free, N a/A being taken.

    Parameters
    ----------
    per_frame : float
        Spots per frame.
    area_px : float
        Area in which they are counted, px².
    diameter_px : float
        Diameter of a spot for the detector, px.

    Returns
    -------
    float
        1 or more; where the spots would cover more than nine tenths of the area, as at nine tenths.
    """
    covered = min(per_frame * math.pi * (diameter_px + 1.0) ** 2 / area_px, _MAX_COVERED)
    return 1.0 if covered <= 0.0 else -math.log1p(-covered) / covered


def positions_per_frame(tracks: Tracks, capture: int, n_frames: int, min_track: int) -> Floats:
    """Return how many positions of counted tracks each frame number holds, from the capture's first spot on.

    Parameters
    ----------
    tracks : Tracks
        All links.
    capture : int
        Which capture.
    n_frames : int
        Frames that were looked at.
    min_track : int
        Fewest positions of a track that counts.
    """
    table = tracks.table[tracks.table["capture"] == capture]
    frames = table["frame"].to_numpy(np.int64)
    if frames.size == 0:
        return np.zeros(n_frames)
    lengths = table.groupby("particle")["frame"].transform("size").to_numpy()
    counts = np.bincount(frames[lengths >= min_track] - frames.min(), minlength=n_frames)
    return counts.astype(np.float64)


def mean_share_in_tracks(
    captures: Sequence[LinkedCapture], diameter_nm: Floats, weights: Floats, depth_share: float, min_track: int
) -> float:
    """Return the share of the particles' positions that lie in tracks of ``min_track`` or more, 0 to 1.

    Parameters
    ----------
    captures : sequence of LinkedCapture
        Their mean is taken.
    diameter_nm, weights : (n,) float64
        Sizes and how many particles there are of each; the weights sum to 1.
    depth_share : float
        Depth in which they are seen over the captures' nominal one.
    min_track : int
        Fewest positions.
    """
    shares = []
    for capture in captures:
        depth_um, width_um, height_um = capture.volume_um
        step_um = capture.acquisition.step_sd_um(diameter_nm)
        shares.append(
            float(weights @ share_in_tracks(step_um, (depth_um * depth_share, width_um, height_um), min_track))
        )
    return float(np.mean(shares))


def depth_share_behind(
    seen_share: float, captures: Sequence[LinkedCapture], diameter_nm: Floats, weights: Floats, min_track: int
) -> float:
    """Return the one depth, over the nominal one, at which ``seen_share`` = depth x share in tracks.

    The distribution knows a depth for each size and keeps their mean effect; this is the depth that would have had it.
    """
    low, high = _DEPTH_SHARES
    for _ in range(_BISECTIONS):
        middle = math.sqrt(low * high)
        seen = middle * mean_share_in_tracks(captures, diameter_nm, weights, middle, min_track)
        low, high = (middle, high) if seen < seen_share else (low, middle)
    return math.sqrt(low * high)


def share_remaining(length_um: float, variance_um2: Floats, shift_um: Floats) -> Floats:
    """Return the share of the particles of a stretch that lie in it again: E[(L - |S|)+]/L, S normal.

    Parameters
    ----------
    length_um : float
        Length L of the stretch, µm; infinite where nothing leaves it.
    variance_um2, shift_um : array
        Variance 2 D t and mean v t of the displacement S, µm² and µm; the variance must be positive.
    """
    sd = np.sqrt(variance_um2)
    if math.isinf(length_um):
        return np.ones(np.broadcast_shapes(np.shape(sd), np.shape(shift_um)))

    def mean_above(level_um: float) -> Floats:
        # E[(S + c)+], the integral of the normal distribution
        t = (shift_um + level_um) / sd
        return np.asarray(sd * (t * ndtr(t) + np.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi)))

    remaining = mean_above(length_um) - 2.0 * mean_above(0.0) + mean_above(-length_um)
    return np.asarray(np.clip(remaining / length_um, 0.0, 1.0))


def memory_frames(
    capture: LinkedCapture, n_frames: int, depth_um: float, diameter_nm: Floats, weights: Floats
) -> float:
    """Return tau_c in Var(mean count) = N tau_c/F: 1 + 2 sum (1 - k/F) rho(k), rho the share in view again after k.

    Independent particles at a moment are a Poisson number, so that rho is also the count's autocorrelation
    (Smoluchowski 1916); rho is the product of the depth's, the width's and the height's share (diffusion in all three,
    the flow in the plane).

    Parameters
    ----------
    capture : LinkedCapture
        Field, flow and medium.
    n_frames : int
        Frames F of the mean.
    depth_um : float
        Depth in which the particles are seen, µm.
    diameter_nm, weights : (n,) float64
        Sizes and how many particles there are of each; the weights sum to 1.
    """
    acquisition = capture.acquisition
    lag = np.arange(1, n_frames, dtype=np.float64)
    flow_um_s = [component if math.isfinite(component) else 0.0 for component in capture.flow_um_s]
    _, width_um, height_um = capture.volume_um
    memory = 0.0
    for size_nm, weight in zip(*_coarse(diameter_nm, weights), strict=True):
        variance_um2 = acquisition.step_sd_um(float(size_nm)) ** 2 * lag
        rho = share_remaining(depth_um, variance_um2, np.zeros_like(lag))
        for length_um, velocity in zip((width_um, height_um), flow_um_s, strict=True):
            rho = rho * share_remaining(length_um, variance_um2, velocity * acquisition.frame_time_s * lag)
        memory += weight * (1.0 + 2.0 * float(np.sum((1.0 - lag / n_frames) * rho)))
    return memory


def _coarse(diameter_nm: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return at most 25 sizes of equal shares in place of every nanometre."""
    if diameter_nm.size <= _N_SIZES:
        return diameter_nm, weights
    shares = (np.arange(_N_SIZES) + 0.5) / _N_SIZES
    cumulative = np.cumsum(weights) - 0.5 * weights
    return np.interp(shares, cumulative, diameter_nm), np.full(_N_SIZES, 1.0 / _N_SIZES)


def sizes_and_weights(diffusion: Diffusion, table_diameter_nm: Floats, table_density: Floats) -> tuple[Floats, Floats]:
    """Return the sizes of a distribution with weights that sum to 1; those of the tracks where there is none."""
    if table_diameter_nm.size:
        return table_diameter_nm, table_density / table_density.sum()
    sizes = diffusion.table["diameter_nm"].dropna().to_numpy(np.float64)
    return sizes, np.full(sizes.size, 1.0 / max(sizes.size, 1))


def relative_variance_of_mean(counts: Floats) -> float:
    """Return Var(mean)/mean² of a count from its own autocorrelation, up to the first negative value.

    For counts of which no sizes are known. Low by 10 to 40 % where the memory is a tenth of the video or more.
    """
    mean = float(counts.mean())
    deviation = counts - mean
    variance = float(np.mean(deviation**2))
    if variance == 0.0:
        return 1.0 / (mean * counts.size)
    total = 1.0
    for lag in range(1, int(counts.size * _MAX_LAG_SHARE)):
        correlation = float(np.mean(deviation[lag:] * deviation[:-lag])) / variance
        if correlation <= 0.0:
            break
        total += 2.0 * correlation
    # A count of independent particles is a Poisson number at each moment: its variance is its mean.
    return max(variance, mean) * total / counts.size / mean**2
