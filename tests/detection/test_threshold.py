"""The automatic threshold, on one setting: noise is not seen, and what stands out of it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from nta.detection import Detections, detect
from nta.detection.streams import core_sd
from nta.detection.threshold import _band, _rough
from nta.simulation import Lognormal
from nta.tracking import link

FIELD = {"width_px": 256, "height_px": 192}

# bits, read noise (grey levels), grey levels per photoelectron, illumination from side to side, stray photoelectrons
CAMERAS = [
    (8, 0.6, 0.25, 0.0, 0.0),
    (8, 1.0, 0.25, 1.2, 40.0),
    (8, 3.0, 0.25, 0.0, 0.0),
    (16, 0.6, 0.25, 0.0, 0.0),
    (16, 1.0, 1.0, -1.0, 20.0),
    (16, 12.0, 4.0, 0.8, 10.0),
]


def found_in_focus(detections: Detections, positions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return peak over noise, and whether it was found, of every particle in focus that stands alone."""
    noise = detections.appearance.noise_map.astype(float)
    reach = detections.margin_px + 1.0
    ratios, found = [], []
    for frame, seen in positions.groupby("frame"):
        xy = seen[["x_light", "y_light"]].to_numpy()
        local = noise[tuple(np.clip(np.rint(xy[:, ::-1]).astype(int), 0, np.array(noise.shape) - 1).T)]
        ratio = seen["peak_grey"].to_numpy() / local
        lit = ratio > 0.5
        neighbour = cKDTree(xy[lit]).query(xy, k=2)[0][:, 1] if lit.sum() > 1 else np.full(len(xy), np.inf)
        inside = np.all((xy > reach) & (xy < np.array(noise.shape)[::-1] - 1 - reach), axis=1)
        wanted = (ratio >= 5) & (neighbour > 12) & (seen["z_um"].abs().to_numpy() < 1.0) & inside
        spots = detections.table.loc[detections.table["frame"] == frame, ["x", "y"]].to_numpy()
        if wanted.any():
            distance = cKDTree(spots).query(xy[wanted])[0] if len(spots) else np.full(wanted.sum(), np.inf)
            ratios.append(ratio[wanted])
            found.append(distance < 4)
    return np.concatenate(ratios), np.concatenate(found)


@pytest.mark.parametrize(("bits", "read_noise", "gain", "gradient", "stray"), CAMERAS)
def test_noise_makes_no_tracks_and_five_standard_deviations_are_seen(filmed, bits, read_noise, gain, gradient, stray):
    camera = {
        "bit_depth": bits,
        "read_noise": read_noise,
        "gain": gain,
        "gradient_x": gradient,
        "stray_photoelectrons": stray,
        "offset": 20.0,
    }
    blank, _ = filmed(**FIELD, **camera, particles_per_frame=0.0, n_frames=100, seed=1)
    spots = detect(blank)
    tracks = link(spots).table
    assert len(spots.table) <= 10  # 0.1 per frame
    assert (tracks.groupby("particle").size() >= 5).sum() < 1

    noise = float(np.sqrt(read_noise**2 + gain**2 * stray + 1 / 12))
    light = 210.0 * noise / gain
    shown, truth = filmed(
        **FIELD,
        **camera,
        particles_per_frame=22.0,
        n_frames=40,
        population=Lognormal(107.0, 0.275),
        brightness="equal",
        reference_photoelectrons=light,
        seed=2,
    )
    ratio, found = found_in_focus(detect(shown), truth.positions)
    assert len(ratio) > 50
    assert (ratio < 8).sum() > 15  # it is about dim ones
    assert found.mean() >= 0.95
    assert found[ratio < 8].mean() >= 0.95


def test_the_threshold_follows_the_gain_of_the_camera(filmed):
    # The same light at twice the gain and twice the read noise: every choice but the unit is the same.
    one, _ = filmed(**FIELD, n_frames=12, gain=0.5, read_noise=2.0, offset=40.0, bit_depth=16, seed=3)
    first = detect(one)
    two, _ = filmed(**FIELD, n_frames=12, gain=1.0, read_noise=4.0, offset=80.0, bit_depth=16, seed=3)
    second = detect(two)
    assert first.diameter_px == second.diameter_px
    assert second.min_mass / first.min_mass == pytest.approx(2.0, rel=0.05)
    assert len(second.table) == pytest.approx(len(first.table), rel=0.03)


def test_one_giant_does_not_hide_the_dim_ones(filmed, film):
    scene = {**FIELD, "n_frames": 30, "brightness": "equal", "population": Lognormal(107.0, 0.2), "seed": 4}
    light = {"particles_per_frame": 20.0, "reference_photoelectrons": 1200.0, "read_noise": 1.0}
    plain, truth = filmed(**scene, **light)
    frames = np.array(list(plain.frames()))
    y, x = np.indices(frames.shape[1:])
    giant = 3000.0 * np.exp(-((x - 60.0) ** 2 + (y - 60.0) ** 2) / (2 * 6.0**2))
    with_giant = np.clip(frames + giant, 0, 255).astype(np.uint8)
    detections = detect(film(with_giant, "giant.mkv"))
    far = truth.positions[np.hypot(truth.positions.x - 60, truth.positions.y - 60) > 50]
    ratio, found = found_in_focus(detections, far)
    assert len(ratio) > 50
    assert found.mean() >= 0.95


def test_bands_of_large_frames_take_turns_and_small_frames_are_whole():
    bands = [_band(number, (1024, 1280)) for number in range(8)]
    assert sorted(row for band in bands for row in range(1024)[band]) == sorted([*range(1024)] * 2)
    assert bands[:4] == bands[4:]
    assert {len(range(1024)[band]) for band in bands} == {256}
    assert _band(5, (480, 640)) == slice(0, 480)


def test_bands_are_as_rough_as_whole_frames():
    """White noise in 12 frames of a megapixel, seed 31: within 0.3 %, a tenth of what decides about the threshold."""
    random = np.random.default_rng(31)
    frames = [random.standard_normal((1024, 1024), dtype=np.float32) for _ in range(12)]
    whole = core_sd([_rough(frame, 9) for frame in frames[::4]])
    parts = core_sd([_rough(frame[_band(number, frame.shape)], 9) for number, frame in enumerate(frames)])
    assert parts == pytest.approx(whole, rel=3e-3)
