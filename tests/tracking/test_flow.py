"""The motion that all particles share: found before linking, measured after it, and not invented."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nta.tracking import link
from nta.tracking.flow import common_step_px, drift_from_links

FLOWS = [(10.0, 0.0), (0.0, -6.0), (3.5, 1.2), (-17.0, 8.0), (0.4, 0.0)]


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("step_px", [1.0, 4.0])
def test_flow_is_found_without_links(swarm, flow, step_px):
    table = swarm(flow_px=flow, step_px=step_px, seed=1)
    found = common_step_px(table, 320, 240, 3.0)
    # About 1500 steps: a standard error of step/sqrt(1500), and chance pairs beside the pile
    assert np.hypot(*(np.array(found) - flow)) < 0.2 * step_px + 0.3


def test_flow_is_found_at_low_and_at_high_density(swarm):
    for n, n_frames in ((4, 200), (200, 20)):
        table = swarm(n=n, n_frames=n_frames, flow_px=(8.0, -3.0), step_px=2.0, seed=2)
        assert np.hypot(*(np.array(common_step_px(table, 320, 240, 3.0)) - (8.0, -3.0))) < 1.0


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_flow(seed):
    random = np.random.default_rng(seed)
    spots = pd.DataFrame(
        {
            "frame": np.sort(random.integers(0, 100, 300)),
            "x": random.uniform(5, 315, 300),
            "y": random.uniform(5, 235, 300),
        }
    )
    assert common_step_px(spots, 320, 240, 3.0) == (0.0, 0.0)
    assert common_step_px(spots.iloc[:0], 320, 240, 3.0) == (0.0, 0.0)


@pytest.mark.parametrize("flow", [*FLOWS, (0.0, 0.0)])
def test_drift_of_linked_particles_is_the_flow(swarm, spotted, flow):
    n_frames, step = 80, 2.0
    table = swarm(n=40, n_frames=n_frames, flow_px=flow, step_px=step, seed=3)
    tracks = link(spotted(table, n_frames))
    (capture,) = tracks.captures
    drift = capture.drift_px
    assert drift.shape == (n_frames, 2)
    per_frame = (drift[-1] - drift[0]) / (n_frames - 1)
    n_steps = len(tracks.table) - tracks.n_tracks
    assert n_steps > 1500
    z = (per_frame - flow) / (step / np.sqrt(n_steps))
    assert np.all(np.abs(z) < 4)
    um_s = np.array(flow) * 0.14 * 25.0
    np.testing.assert_allclose(capture.flow_um_s, um_s, atol=4 * step / np.sqrt(n_steps) * 0.14 * 25.0)
    if np.hypot(*flow) > 3:
        assert np.hypot(*(per_frame - flow)) < 0.03 * np.hypot(*flow)


def test_drift_follows_a_flow_that_changes(swarm, spotted):
    n_frames = 150
    still = swarm(n=60, n_frames=n_frames, step_px=1.5, seed=4)
    # Up to 2 px per frame, there and back within six seconds
    path = 2.0 * 150 / (2 * np.pi) * (1 - np.cos(2 * np.pi * np.arange(n_frames) / 150))
    table = still.assign(x=still["x"] + path[still["frame"]])
    drift = link(spotted(table, n_frames)).captures[0].drift_px
    # The mean path of 60 particles wanders by 1.5 sqrt(150/60) px; a running mean of a second rounds the bends.
    assert np.abs(drift[:, 0] - path).max() < 8
    assert path.max() > 90
    assert np.abs(drift[:, 1]).max() < 8


def test_drift_takes_no_part_of_the_brownian_motion(swarm):
    # Subtracting the mean step of each frame would take 1/n of the variance; a second's mean takes 1/(n 25).
    table = swarm(n=12, n_frames=400, step_px=2.0, seed=5)
    linked = table.assign(particle=table["truth"]).sort_values(["particle", "frame"], ignore_index=True)
    drift = drift_from_links(linked, 400, 25.0)
    step = np.diff(linked[["x", "y"]].to_numpy(), axis=0)
    same = (np.diff(linked["particle"]) == 0) & (np.diff(linked["frame"]) == 1)
    left = step - np.diff(drift[linked["frame"]], axis=0)
    share = np.mean(left[same] ** 2) / np.mean(step[same] ** 2)
    assert 1 - share < 2.5 / (12 * 25)


def test_drift_of_nothing_is_nothing(spotted, swarm):
    tracks = link(spotted(swarm().iloc[:0]))
    assert tracks.n_tracks == 0
    assert len(tracks.captures[0].drift_px) == 0
    assert np.isnan(tracks.captures[0].flow_um_s).all()
    one = swarm(n=1, n_frames=1)
    assert link(spotted(one, 1)).n_tracks == len(one)
