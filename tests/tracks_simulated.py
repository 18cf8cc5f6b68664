"""Tracks of free diffusion with exact motion blur: known truth without a picture.

The mean position during an exposure is drawn exactly, without sub-steps: given a Brownian path's displacement
b over the exposure, its mean lies at b/2 with a variance of 2 D t_E/12 (the Brownian bridge). This does not
use the covariances that the library's likelihood is made of, so that it can be their judge.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nta.diffusion import Diffusion
from nta.kernels import stokes_einstein_diffusion_m2_s
from nta.settings import Acquisition
from nta.tracking import LinkedCapture

FPS = 25.0
TEMPERATURE_C = 25.0
VISCOSITY_MPAS = 0.89


def acquisition(exposure_ms=40.0, **changes):
    """Water at 25 °C, 25 frames per second, 0.1 µm per pixel; an exposure of 40 ms is the whole frame."""
    values = {
        "mpp": 0.1,
        "fps": FPS,
        "exposure_ms": exposure_ms,
        "temperature_c": TEMPERATURE_C,
        "viscosity_mpas": VISCOSITY_MPAS,
        "depth_um": 10.0,
    }
    return Acquisition(**{**values, **changes})


def diffusion_m2_s(diameters_nm):
    """Diffusion coefficients in that water."""
    constant = stokes_einstein_diffusion_m2_s(1e-9, TEMPERATURE_C + 273.15, VISCOSITY_MPAS * 1e-3)
    return constant / np.asarray(diameters_nm, dtype=float)


def blurred_path(random, diffusion, n_frames, frame_time, exposure):
    """One axis of one particle: its mean positions during n exposures, m."""
    spread = np.sqrt(2 * diffusion)
    during = random.normal(0.0, spread * np.sqrt(exposure), n_frames)
    between = random.normal(0.0, spread * np.sqrt(frame_time - exposure), n_frames)
    starts = np.concatenate([[0.0], np.cumsum(during + between)[:-1]])
    return starts + during / 2 + random.normal(0.0, spread * np.sqrt(exposure / 12), n_frames)


def simulate(random, diameters_nm, lengths, *, sigma_m=0.0, exposure_share=1.0, gap_share=0.0):
    """Return a mapping of offsets, frames, x, y and sigma (m), one track for each diameter.

    ``lengths`` frames are looked at; ``gap_share`` of them are missed at random, never the first or last.
    """
    diameters_nm = np.atleast_1d(np.asarray(diameters_nm, dtype=float))
    lengths = np.broadcast_to(lengths, diameters_nm.shape)
    frame_time = 1 / FPS
    parts = []
    for diffusion, n_frames in zip(diffusion_m2_s(diameters_nm), lengths, strict=True):
        axes = [blurred_path(random, diffusion, n_frames, frame_time, exposure_share * frame_time) for _ in range(2)]
        seen = random.random(n_frames) >= gap_share
        seen[[0, -1]] = True
        parts.append((np.flatnonzero(seen), axes[0][seen], axes[1][seen]))
    frames, x, y = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    noise = random.normal(0.0, 1.0, (2, x.size)) * sigma_m
    return {
        "offsets": np.concatenate([[0], np.cumsum([len(part[0]) for part in parts])]).astype(np.int64),
        "frames": frames.astype(np.int64),
        "x": x + noise[0],
        "y": y + noise[1],
        "sigma": np.full(x.size, float(sigma_m)),
        "drift_x": np.zeros(int(frames.max()) + 1),
        "drift_y": np.zeros(int(frames.max()) + 1),
    }


def as_table(tracks, mpp=0.1, spread_frames=0, random=None):
    """Return simulated tracks as a table with trackpy's columns (px), starting at random frames if asked."""
    particle = np.repeat(np.arange(len(tracks["offsets"]) - 1), np.diff(tracks["offsets"]))
    first = np.zeros(len(tracks["offsets"]) - 1, dtype=np.int64)
    if random is not None:
        first = random.integers(0, spread_frames + 1, len(first))
    return pd.DataFrame(
        {
            "frame": tracks["frames"] + first[particle],
            "particle": particle,
            "x": tracks["x"] / (mpp * 1e-6),
            "y": tracks["y"] / (mpp * 1e-6),
            "sigma_px": tracks["sigma"] / (mpp * 1e-6),
        }
    )


def passing_capture(n_frames=500):
    """Return a capture of 64 by 48 µm through which the liquid flows by 10 µm per frame: no particle is seen twice."""
    return LinkedCapture(
        acquisition(0.0), np.arange(n_frames)[:, None] * [100.0, 0.0], field_px=(0.0, 0.0, 640.0, 480.0)
    )


def made_diffusion(random, diameters_nm, n_positions, *, captures=None, n_frames=500, light=None, threshold=np.nan):
    """Return a Diffusion made without kernels: r² of sharp, exactly localised steps is all that a track says.

    The sum S of r² over n steps is 4 D tau times a gamma variable of shape n, so ln L(d) = -n ln D - S/(4 D
    tau), and its D is S/(4 n tau). Unless ``captures`` say otherwise the liquid stands still in a sheet of 10 µm: the
    same particles come back, and the tracks weigh less than their number.
    """
    diameters_nm = np.asarray(diameters_nm, dtype=float)
    n_tracks = len(diameters_nm)
    lengths = np.broadcast_to(n_positions, (n_tracks,))
    captures = (LinkedCapture(acquisition(0.0), np.zeros((n_frames, 2))),) if captures is None else captures
    scaled_square = diffusion_m2_s(diameters_nm) * random.gamma(lengths - 1)
    grid = np.geomspace(20.0, 700.0, 150)
    d = diffusion_m2_s(grid)
    logl = -(lengths[:, None] - 1) * np.log(d) - scaled_square[:, None] / d
    columns = dict.fromkeys(Diffusion.COLUMNS, np.full(n_tracks, np.nan))
    columns |= {
        "capture": np.arange(n_tracks) % len(captures),
        "particle": np.arange(n_tracks),
        "first_frame": random.integers(0, n_frames - lengths.max(), n_tracks),
        "n_positions": lengths,
        "diffusion_um2_s": scaled_square / (lengths - 1) * 1e12,
        "light": np.full(n_tracks, np.nan) if light is None else light,
        "x": random.uniform(0.0, 640.0, n_tracks),
        "y": random.uniform(0.0, 480.0, n_tracks),
    }
    table = pd.DataFrame(columns).astype(Diffusion.COLUMNS)
    return Diffusion(table, grid, logl, captures, int(lengths.min()), threshold)
