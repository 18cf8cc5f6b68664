"""Tracks are not particles: what share of the particles in view ends up in tracks that are long enough.

Small particles leave the thin sheet of light and come back, so that fewer of their positions lie in tracks of
``m`` frames or more. The same factor corrects the size distribution and the concentration.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Floats = NDArray[np.float64]
Sides = tuple[float | Floats, ...]
"""Depth, width and height of the volume in view, µm; each for all steps, or one for each."""


_FIRST_ORDER_UP_TO: Final = 0.15
"""Reach s sqrt(n)/L of n steps up to which none crosses the whole side: the first order is then exact to 1e-10.

A bound on s/L alone, such as 0.01, would not do: a track of 400 frames at 0.01 already loses to both ends.
"""

_LARGEST_RATIO: Final = 10.0
"""s/L above which a step is so long that Q(n) goes as (L/s)^(n - 1), to 0.1 % a step."""

_N_RATIOS: Final = 80
_NODES, _NODES_PER_RATIO = 12, 1.5
"""Gauss-Legendre nodes of half a side: a normal kernel of width s/L needs about 1.5 L/s of them."""

_SMALLEST_TABLE: Final = 8
"""Frames of the smallest table: the usual tracks of 2, 3, 5 and 6 positions share it."""

_LEAST_SHARE: Final = 0.05
"""A size of which less than a twentieth is seen is not measured, and dividing by nothing would invent particles."""


def probability_inside(step_sd_um: Floats, lengths_um: Sides, n_frames: int) -> Floats:
    """Return the probability that a particle in view at first is in view for ``n_frames`` frames in a row.

    Q(n) is the product over the sides L of the survival Q_n(s/L) of a walk along that side: it starts anywhere in it,
    its steps are normal, and it is looked at only at the frames. Computed to 3e-6 of itself up to
    s = 5 L, to 2e-5 up to 10 L and to 1e-3 a step beyond, where nothing is left to divide by (docs/method.md). While no
    walk is longer than a side, 1 - Q_n is the walk's mean range over the side, sqrt(2/pi) (s/L) sum_{k<n} k^-1/2
    (Spitzer 1956, Trans. Am. Math. Soc. 82, 323).

    Parameters
    ----------
    step_sd_um : (n,) float64
        Standard deviation of a step per axis, sqrt(2 D tau), µm.
    lengths_um : tuple of float or (n,) float64
        Sides of the volume in view: depth, width, height, µm; infinite where not known. The depth may differ between
        the steps, as that of bright and dim particles does.
    n_frames : int
        Frames in a row, 1 or more.
    """
    inside = np.ones_like(step_sd_um)
    if n_frames < 2:
        return inside
    for length_um in lengths_um:
        inside = inside * _survival(step_sd_um / length_um, n_frames)
    return inside


def _survival(ratio: Floats, n_frames: int) -> Floats:
    """Return Q_n(s/L) along one side: the first order, the table, or the power law of long steps."""
    first_ratio, curve = _log_survival(n_frames)
    short = 1.0 - _mean_range(n_frames) * np.minimum(ratio, first_ratio)
    log_ratio = np.log(np.clip(ratio, first_ratio, _LARGEST_RATIO))
    beyond = np.maximum(ratio / _LARGEST_RATIO, 1.0)
    tabled: Floats = np.exp(curve(log_ratio)) * beyond ** (1.0 - n_frames)
    return np.where(ratio < first_ratio, short, tabled)


def _mean_range(n_frames: int) -> float:
    """Return the mean range of a walk of n positions over the standard deviation of its steps."""
    return math.sqrt(2.0 / math.pi) * float(np.sum(np.arange(1, n_frames) ** -0.5))


@cache
def _log_survival(n_frames: int) -> tuple[float, CubicSpline]:
    """Return the first s/L of the table and the curve of ln Q_n over ln s/L, which goes on smoothly at both ends."""
    ratios, log_q = _table(max(_SMALLEST_TABLE, 1 << (n_frames - 1).bit_length()))
    lost = _mean_range(n_frames) * ratios[0]
    first, last = np.asarray(-lost / (1.0 - lost)), np.asarray(1.0 - n_frames)
    return float(ratios[0]), CubicSpline(np.log(ratios), log_q[n_frames - 1], bc_type=((1, first), (1, last)))


@cache
def _table(n_max: int) -> tuple[Floats, Floats]:
    """Return s/L, (80,), and ln Q_n of them for n = 1 to ``n_max``, (n_max, 80)."""
    ratios = np.geomspace(_FIRST_ORDER_UP_TO / math.sqrt(n_max), _LARGEST_RATIO, _N_RATIOS)
    return ratios, np.stack([_log_survivals(ratio, n_max) for ratio in ratios], axis=1)


def _log_survivals(ratio: float, n_max: int) -> Floats:
    """Return ln Q_n for n = 1 to ``n_max`` of a walk with normal steps of ``ratio`` of the side.

    The density of those that were inside at all frames is carried on by the normal kernel, on Gauss-Legendre nodes as
    dense as the steps are short. It stays even about the middle: half the side, and the kernel of both halves, do.
    It is scaled to one at each frame, for it underflows after hundreds.
    """
    nodes, weights = np.polynomial.legendre.leggauss(2 * math.ceil(_NODES + _NODES_PER_RATIO / ratio))
    half = len(nodes) // 2
    x, weights = nodes[half:] / 2.0, weights[half:]
    both = np.stack([x[:, None] - x, x[:, None] + x]) / ratio
    kernel = np.exp(-0.5 * both**2).sum(axis=0) / (2.0 * ratio * math.sqrt(2.0 * math.pi)) * weights
    density, log_q = np.ones(half), np.zeros(n_max)
    for n in range(1, n_max):
        density = kernel @ density
        left = float(weights @ density)
        density /= left
        log_q[n] = log_q[n - 1] + math.log(left)
    return log_q


def share_in_tracks(step_sd_um: Floats, lengths_um: Sides, min_track: int) -> Floats:
    """Return q_m = m Q(m) - (m - 1) Q(m + 1), the share of positions in tracks of ``m`` frames or more.

    Bounded below by 0.05: a size of which less than a twentieth is seen is not measured, and dividing by
    nothing would invent particles.
    """
    q_m = probability_inside(step_sd_um, lengths_um, min_track)
    q_next = probability_inside(step_sd_um, lengths_um, min_track + 1)
    return np.clip(min_track * q_m - (min_track - 1) * q_next, _LEAST_SHARE, 1.0)


def tracks_per_particle(step_sd_um: Floats, lengths_um: Sides, min_track: int, n_frames: int) -> Floats:
    """Return B_m = Q(m) + (F - m)(Q(m) - Q(m + 1)): tracks of m frames or more that F frames show of one in view.

    The first term is those in view from the start, the second those that enter later. Bounded below by 0.05, as the
    share is.
    """
    q_m = probability_inside(step_sd_um, lengths_um, min_track)
    q_next = probability_inside(step_sd_um, lengths_um, min_track + 1)
    return np.maximum(q_m + max(n_frames - min_track, 0) * (q_m - q_next), _LEAST_SHARE)


_EFFECTIVE_SHARE: Final = 0.4
"""Effective over distinct particles: some stay far longer than others, and count accordingly. (sum t)²/sum t² of the
times t in view was 0.34 to 0.48 of what :func:`effective_particles` takes for distinct, in twelve simulated scenes.
"""


def effective_particles(
    per_frame: float,
    diffusion_um2_s: float,
    duration_s: float,
    lengths_um: tuple[float, float, float],
    speed_um_s: tuple[float, float] = (0.0, 0.0),
) -> float:
    """Return how many independent particles a capture amounts to; tracks are many more, for particles come back.

    N particles in a slab of side L become N (L + sqrt(16 D t/pi))/L distinct ones in the time t, the mean range of
    a Brownian path being added to the slab (Feller 1951, Ann. Math. Stat. 22, 427). A flow v adds v T along its
    direction, and leaves L/v for the other two to add to.

    Parameters
    ----------
    per_frame : float
        Particles seen in a frame.
    diffusion_um2_s : float
        Their typical diffusion coefficient, µm²/s.
    duration_s : float
        Length T of the capture, s.
    lengths_um : tuple of float
        Depth, width and height of the volume in view, µm; infinite where not known.
    speed_um_s : tuple of float
        Flow along width and height, µm/s.
    """
    depth_um, *field_um = lengths_um
    stay_s = min([duration_s, *(side / abs(v) for side, v in zip(field_um, speed_um_s, strict=True) if v != 0.0)])
    reach_um = math.sqrt(16.0 * diffusion_um2_s * stay_s / math.pi)
    distinct = per_frame * (1.0 + reach_um / depth_um)
    for side_um, v in zip(field_um, speed_um_s, strict=True):
        distinct *= 1.0 + max(reach_um, abs(v) * duration_s) / side_um
    return _EFFECTIVE_SHARE * distinct
