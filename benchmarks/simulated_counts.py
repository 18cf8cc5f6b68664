"""Captures without pictures for the concentration: particles that diffuse through a sheet of light and fade with depth.

Each particle has the light of its size, spread by 10 %; it is detected while its light at its depth is above the
threshold. What is linked is a run of frames in which it is detected.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from simulated_tracks import FIELD_PX, NOISE_UM, SPOT_SD_UM, acquisition

from nta.media import UM3_PER_ML
from nta.simulation import Population
from nta.tracking import LinkedCapture, Tracks

Floats = NDArray[np.float64]

SHEET_UM: Final = 10.0
"""Full width at half maximum of the sheet; the acquisition states it as the depth."""

THRESHOLD: Final = 100.0
_CONSTANT_UM: Final = SHEET_UM / math.sqrt(math.log(2.0))
_LIGHT_AT_107_NM: Final = 600.0
_LIGHT_EXPONENT: Final = 2.5
_LIGHT_SPREAD: Final = 0.1
_MASS_NOISE: Final = 0.03
_MARGIN_UM: Final = 20.0
_DEPTH_UM: Final = 80.0  # at six sheets the light is gone, and what left comes back as a stranger


def simulate_counts(
    population: Population, per_frame: float, n_captures: int, n_frames: int, seed: int
) -> tuple[Tracks, float]:
    """Return the tracks of captures of one sample, and its true concentration, particles per mL.

    Parameters
    ----------
    population : Population
        Diameters.
    per_frame : float
        Particles within the sheet's full width at half maximum, in the mean.
    n_captures, n_frames : int
        How long is looked.
    seed : int
        Of everything random.
    """
    taken = acquisition()
    parts = [_capture(np.random.default_rng([seed, k]), population, per_frame, n_frames) for k in range(n_captures)]
    table = pd.concat([part.assign(capture=np.int64(k)) for k, part in enumerate(parts)], ignore_index=True)
    linked = LinkedCapture(
        replace(taken, n_frames=n_frames), np.zeros((n_frames, 2)), field_px=(0.0, 0.0, *map(float, FIELD_PX))
    )
    volume_um3 = FIELD_PX[0] * FIELD_PX[1] * taken.mpp**2 * SHEET_UM
    return Tracks(table, (linked,) * n_captures), per_frame / volume_um3 * UM3_PER_ML


def _capture(random: np.random.Generator, population: Population, per_frame: float, n_frames: int) -> pd.DataFrame:
    """Return every detected position, numbered by runs of frames."""
    taken = acquisition()
    field = np.array([FIELD_PX[0] * taken.mpp, FIELD_PX[1] * taken.mpp, SHEET_UM])
    period = np.array([field[0] + 2 * _MARGIN_UM, field[1] + 2 * _MARGIN_UM, _DEPTH_UM])
    n = random.poisson(per_frame * float(np.prod(period / field)))
    diameter_nm = population.sample(random, n)
    diffusion = taken.diffusion_m2_s(diameter_nm) * 1e12
    noise_um = NOISE_UM * np.sqrt(1.0 + diffusion * taken.exposure_s / SPOT_SD_UM**2)
    own = np.exp(_LIGHT_SPREAD * random.standard_normal(n))
    light = _LIGHT_AT_107_NM * (diameter_nm / 107.0) ** _LIGHT_EXPONENT * own
    place = random.random((n, 3)) * period
    step = np.sqrt(2.0 * diffusion)[:, None]
    was_seen, visit, n_visits = np.zeros(n, dtype=bool), np.full(n, -1), 0
    rows = []
    for frame in range(n_frames):
        during = random.standard_normal((n, 3)) * step * math.sqrt(taken.exposure_s)
        bridge = random.standard_normal((n, 3)) * step * math.sqrt(taken.exposure_s / 12.0)
        mean = place + during / 2.0 + bridge
        depth_um = mean[:, 2] - 0.5 * _DEPTH_UM
        mass = light * np.exp(-((2.0 * depth_um / _CONSTANT_UM) ** 2))
        seen = (mass > THRESHOLD) & np.all((mean[:, :2] >= 0.0) & (mean[:, :2] < field[:2]), axis=1)
        new = np.flatnonzero(seen & ~was_seen)
        visit[new] = n_visits + np.arange(new.size)
        n_visits += new.size
        was_seen = seen
        which = np.flatnonzero(seen)
        at = mean[which, :2] + random.standard_normal((which.size, 2)) * noise_um[which, None]
        read = mass[which] * (1.0 + _MASS_NOISE * random.standard_normal(which.size))
        rows.append((np.full(which.size, frame), visit[which], at / taken.mpp, noise_um[which] / taken.mpp, read))
        rest = random.standard_normal((n, 3)) * step * math.sqrt(taken.frame_time_s - taken.exposure_s)
        place = np.mod(place + during + rest, period)
    frames, visits, at_px, noise_px, masses = (np.concatenate(column) for column in zip(*rows, strict=True))
    return pd.DataFrame(
        {
            "frame": frames.astype(np.int64),
            "particle": visits.astype(np.int64),
            "x": at_px[:, 0],
            "y": at_px[:, 1],
            "sigma_px": noise_px,
            "mass": masses,
            "disc_mass": masses,
        }
    )
