"""Tracks are not particles: what share of the particles in view ends up in tracks that are long enough.

Small particles leave the thin sheet of light and come back, so that fewer of their positions lie in tracks of
``m`` frames or more. The same factor corrects the size distribution and the concentration.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Sides = tuple[float | Floats, ...]
"""Depth, width and height of the volume in view, µm; each for all steps, or one for each."""


def probability_inside(step_sd_um: Floats, lengths_um: Sides, n_frames: int) -> Floats:
    """Return the probability that a particle in view at first is in view for ``n_frames`` frames in a row.

    Q(n) = prod over the sides L of [1 - sqrt(2/pi) (s/L) sum_{k<n} k^-1/2]: to first order in s/L the
    expected range of a Brownian path of n positions, seen only at the frames (docs/method.md).
    Good to 1 % while Q > 0.7.

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
    reach = math.sqrt(2.0 / math.pi) * float(np.sum(np.arange(1, n_frames) ** -0.5))
    inside = np.ones_like(step_sd_um)
    for length_um in lengths_um:
        inside = inside * np.clip(1.0 - reach * step_sd_um / length_um, 0.0, 1.0)
    return inside


def share_in_tracks(step_sd_um: Floats, lengths_um: Sides, min_track: int) -> Floats:
    """Return q_m = m Q(m) - (m - 1) Q(m + 1), the share of positions in tracks of ``m`` frames or more.

    Bounded below by 0.05: a size of which less than a twentieth is seen is not measured, and dividing by
    nothing would invent particles.
    """
    q_m = probability_inside(step_sd_um, lengths_um, min_track)
    q_next = probability_inside(step_sd_um, lengths_um, min_track + 1)
    return np.clip(min_track * q_m - (min_track - 1) * q_next, 0.05, 1.0)


def tracks_per_particle(step_sd_um: Floats, lengths_um: Sides, min_track: int, n_frames: int) -> Floats:
    """Return B_m = Q(m) + (F - m)(Q(m) - Q(m + 1)): tracks of m frames or more that F frames show of one in view.

    The first term is those in view from the start, the second those that enter later. Bounded below by 0.05.
    """
    q_m = probability_inside(step_sd_um, lengths_um, min_track)
    q_next = probability_inside(step_sd_um, lengths_um, min_track + 1)
    return np.maximum(q_m + max(n_frames - min_track, 0) * (q_m - q_next), 0.05)


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
