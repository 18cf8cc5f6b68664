"""Whole captures without a picture: detections and tracks of blurred free diffusion, and what can go wrong with them.

The paths are those of :mod:`tracks_simulated`; a particle's track ends and another begins as it leaves the sheet.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from tracks_simulated import acquisition, diffusion_m2_s

from nta.detection import Appearance, Detections
from nta.tracking import LinkedCapture, Tracks
from nta.tracking.flow import drift_from_links

SIDE_PX = (640.0, 480.0)
MIN_MASS = 100.0
SIGMA_PX = 0.25


class Simulated(NamedTuple):
    """One capture."""

    detections: Detections
    tracks: Tracks


def simulated_capture(
    random,
    *,
    n_frames=150,
    per_frame=30,
    median_nm=100.0,
    mpp=0.14,
    fps=25.0,
    exposure_ms=32.5,
    flow_px=(3.0, 0.5),
    mean_track=20.0,
    vibration_px=0.0,
    jump=None,
    spot_sd_px=2.2,
    noise_sd=3.0,
    mass_factor=1.0,
    size_spread=0.12,
):
    """Return the detections and tracks of one capture, lognormal sizes (spread 0.3), a field of 640 x 480 px.

    ``jump`` is (frame, px): from that frame on everything lies that much further right; steps of more than 15 px
    break all tracks, as the linker does.
    """
    taken = acquisition(exposure_ms, mpp=mpp, fps=fps, n_frames=n_frames, width_px=640, height_px=480)
    sizes_nm = random.lognormal(np.log(median_nm), 0.3, per_frame)
    spread_px = np.sqrt(2.0 * diffusion_m2_s(sizes_nm)) / (mpp * 1e-6)
    shape = (2, n_frames, per_frame)
    during = random.normal(0.0, 1.0, shape) * spread_px * np.sqrt(taken.exposure_s)
    between = random.normal(0.0, 1.0, shape) * spread_px * np.sqrt(taken.frame_time_s - taken.exposure_s)
    bridge = random.normal(0.0, 1.0, shape) * spread_px * np.sqrt(taken.exposure_s / 12.0)
    common = np.asarray(flow_px)[:, None] * np.arange(n_frames) + random.normal(0.0, vibration_px, (2, n_frames))
    if jump is not None:
        common[0, jump[0] :] += jump[1]
    start = random.uniform(0.0, 1.0, (2, 1, per_frame)) * np.asarray(SIDE_PX)[:, None, None]
    free = start + np.cumsum(during + between, axis=1) - 0.5 * during - between + bridge
    place = free + common[:, :, None] + random.normal(0.0, SIGMA_PX, shape)
    box = np.floor(place / np.asarray(SIDE_PX)[:, None, None])
    new = random.random((n_frames, per_frame)) < 1.0 / mean_track
    new[1:] |= np.any(np.diff(box, axis=1) != 0, axis=0)
    if jump is not None and abs(jump[1]) > 15.0:
        new[jump[0]] = True
    place -= box * np.asarray(SIDE_PX)[:, None, None]
    frame = np.broadcast_to(np.arange(n_frames)[:, None], new.shape)
    track = np.cumsum(new, axis=0) * per_frame + np.arange(per_frame)
    seen = random.random(new.shape) >= 0.03
    track = track * 2 * n_frames + np.cumsum(~seen, axis=0)  # no track goes on over a gap
    light = MIN_MASS * (1.0 + mass_factor * random.lognormal(1.0, 0.8, per_frame))
    table = pd.DataFrame(
        {
            "particle": np.unique(track[seen], return_inverse=True)[1],
            "frame": frame[seen],
            "x": place[0][seen],
            "y": place[1][seen],
            "mass": np.broadcast_to(light, new.shape)[seen],
            "size": spot_sd_px * random.lognormal(0.0, size_spread, int(seen.sum())),
            "sigma_px": SIGMA_PX,
        }
    ).sort_values(["particle", "frame"], ignore_index=True)
    drift = drift_from_links(table, n_frames, fps)
    linked = LinkedCapture(taken, drift, 25.0, (-0.5, -0.5, *SIDE_PX))
    return Simulated(
        detections_of(table, taken, spot_sd_px=spot_sd_px, noise_sd=noise_sd),
        Tracks(table.assign(capture=0), (linked,)),
    )


def detections_of(table, taken, *, spot_sd_px=2.2, noise_sd=3.0, saturated_share=0.0):
    """Return the detections behind a table of positions."""
    flat = np.zeros((4, 4), dtype=np.float32)
    appearance = Appearance(flat, noise_sd, flat + noise_sd, spot_sd_px, False, saturated_share, 255)
    spots = table.drop(columns="particle", errors="ignore")
    return Detections(spots, taken, appearance, 5, (0, 0, 640, 480), 0, appearance.diameter_px, MIN_MASS)


def together(captures):
    """Return the captures of a sample by name, and their tracks as one."""
    tables = [one.tracks.table.assign(capture=number) for number, one in enumerate(captures)]
    tracks = Tracks(pd.concat(tables, ignore_index=True), tuple(one.tracks.captures[0] for one in captures))
    return [(f"{number}.avi", one.detections) for number, one in enumerate(captures)], tracks
