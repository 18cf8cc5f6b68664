"""Tracks without a picture: particles that diffuse in and out of a box of light, seen with motion blur and noise.

The mean position during an exposure is drawn exactly: given the displacement b over the exposure, it lies at b/2 with
a variance of 2 D t_E/12 (Brownian bridge). A track is a run of frames inside the box; the same particle comes back as
a new track, as in a video.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nta.settings import Acquisition
from nta.simulation import Population
from nta.tracking import LinkedCapture, Tracks

Floats = NDArray[np.float64]

FIELD_PX: Final = (640, 480)
DEPTH_UM: Final = 10.0
PER_FRAME: Final = 50.0
N_CAPTURES: Final = 3
NOISE_UM: Final = 0.040
SPOT_SD_UM: Final = 0.2
MIN_TRACK: Final = 5
MARGIN_SDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class SimulatedTracks:
    """Tracks with the diameter of the particle behind each, and their positions' number."""

    tracks: Tracks
    diameter_nm: Floats
    n_positions: NDArray[np.int64]


def acquisition(exposure_ms: float = 15.0) -> Acquisition:
    """Water at 25 °C, 25 frames per second of 0.166 µm pixels, a sheet of 10 µm."""
    return Acquisition(
        mpp=0.166,
        fps=25.0,
        exposure_ms=exposure_ms,
        temperature_c=25.0,
        viscosity_mpas=0.89004,
        depth_um=DEPTH_UM,
        width_px=FIELD_PX[0],
        height_px=FIELD_PX[1],
    )


def simulate_tracks(
    population: Population, n_tracks: int, seed: int, *, exposure_ms: float = 15.0, with_sigma: bool = True
) -> SimulatedTracks:
    """Return ``n_tracks`` tracks of five frames or more, from captures that each end when their share is reached.

    Parameters
    ----------
    population : Population
        Diameters.
    n_tracks : int
        Tracks of at least five frames.
    seed : int
        Of everything random.
    exposure_ms : float
        Of frames of 40 ms.
    with_sigma : bool
        Whether the table tells each position's error, as one made from a video does.
    """
    taken = acquisition(exposure_ms)
    share = -(-n_tracks // N_CAPTURES)
    parts = [
        _one_capture(np.random.default_rng([seed, number]), population, share, taken) for number in range(N_CAPTURES)
    ]
    table = pd.concat([part[0].assign(capture=np.int64(number)) for number, part in enumerate(parts)])
    if not with_sigma:
        table = table.drop(columns="sigma_px")
    tracks = Tracks(table.reset_index(drop=True), tuple(part[1] for part in parts))
    diameter_nm, lengths = (np.concatenate([part[k] for part in parts]) for k in (2, 3))
    return SimulatedTracks(tracks, diameter_nm, lengths)


def _one_capture(
    random: np.random.Generator, population: Population, n_tracks: int, taken: Acquisition
) -> tuple[pd.DataFrame, LinkedCapture, Floats, NDArray[np.int64]]:
    n_frames = 128
    while True:
        table, diameter_nm = _watch(np.random.default_rng(random.integers(2**63)), population, taken, n_frames)
        fifth = np.sort(table.groupby("particle")["frame"].nth(MIN_TRACK - 1).to_numpy())
        if len(fifth) >= n_tracks:
            break
        n_frames *= 2
    table = table[table["frame"] <= fifth[n_tracks - 1]]
    lengths = table.groupby("particle").size()
    long = lengths.index[lengths >= MIN_TRACK].to_numpy()[:n_tracks]
    table = table[table["particle"].isin(long)].reset_index(drop=True)
    seen = int(table["frame"].max()) + 1
    capture = LinkedCapture(taken, np.zeros((seen, 2)), field_px=(0.0, 0.0, *map(float, FIELD_PX)))
    return table, capture, diameter_nm[long], lengths.loc[long].to_numpy(np.int64)


def _watch(
    random: np.random.Generator, population: Population, taken: Acquisition, n_frames: int
) -> tuple[pd.DataFrame, Floats]:
    """Return every position inside the box, numbered by visit, and the diameter of each visit's particle."""
    box = np.array([FIELD_PX[0] * taken.mpp, FIELD_PX[1] * taken.mpp, DEPTH_UM])
    # A period so long that a particle which wraps around is a stranger when it enters again.
    typical = population.sample(random, 1000)
    reach = MARGIN_SDS * np.sqrt(2.0 * _diffusion_um2_s(taken, float(np.median(typical))) * n_frames / taken.fps)
    period = box + 2.0 * min(reach, 30.0)
    n_particles = random.poisson(PER_FRAME * float(np.prod(period / box)))
    diameter_nm = population.sample(random, n_particles)
    diffusion = _diffusion_um2_s(taken, diameter_nm)
    noise_um = NOISE_UM * np.sqrt(1.0 + diffusion * taken.exposure_s / SPOT_SD_UM**2)
    parts = []
    place = random.random((n_particles, 3)) * period
    was_inside = np.zeros(n_particles, dtype=bool)
    visit = np.full(n_particles, -1)
    n_visits = 0
    whose: list[NDArray[np.int64]] = []
    step = np.sqrt(2.0 * diffusion)[:, None]
    for frame in range(n_frames):
        during = random.normal(size=(n_particles, 3)) * step * np.sqrt(taken.exposure_s)
        mean = place + during / 2.0 + random.normal(size=(n_particles, 3)) * step * np.sqrt(taken.exposure_s / 12.0)
        rest = max(taken.frame_time_s - taken.exposure_s, 0.0)
        inside = np.all((mean >= 0.0) & (mean < box), axis=1)
        new = np.flatnonzero(inside & ~was_inside)
        visit[new] = n_visits + np.arange(new.size)
        n_visits += new.size
        whose.append(new)
        seen = np.flatnonzero(inside)
        at = mean[seen, :2] + random.normal(size=(seen.size, 2)) * noise_um[seen, None]
        parts.append((np.full(seen.size, frame), visit[seen], at, noise_um[seen]))
        was_inside = inside
        after = place + during + random.normal(size=(n_particles, 3)) * step * np.sqrt(rest)
        place = np.mod(after, period)
    frames, visits, at, noise = (np.concatenate(column) for column in zip(*parts, strict=True))
    table = pd.DataFrame(
        {
            "frame": frames.astype(np.int64),
            "particle": visits.astype(np.int64),
            "x": at[:, 0] / taken.mpp,
            "y": at[:, 1] / taken.mpp,
            "sigma_px": noise / taken.mpp,
        }
    )
    return table, diameter_nm[np.concatenate(whose)]


def _diffusion_um2_s(taken: Acquisition, diameter_nm: Floats | float) -> Floats:
    return taken.diffusion_m2_s(np.asarray(diameter_nm, dtype=np.float64)) * 1e12
