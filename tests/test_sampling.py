"""What share of the particles in view ends up in tracks: against particles that walk in and out of a box."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nta.sampling import probability_inside, share_in_tracks

SHEET = (10.0, math.inf, math.inf)


def stays_inside(step_sd, lengths, n_frames, n_particles, seed):
    """Share of particles, anywhere in the box at first, that are inside at ``n_frames`` frames in a row."""
    random = np.random.default_rng(seed)
    inside = np.ones(n_particles, dtype=bool)
    for length in (length for length in lengths if math.isfinite(length)):
        position = random.uniform(0, length, n_particles)
        for _ in range(n_frames - 1):
            position = position + random.normal(0, step_sd, n_particles)
            inside &= (position >= 0) & (position <= length)
    return inside.mean()


@pytest.mark.parametrize(
    ("step_sd_um", "lengths_um", "n_frames"),
    [
        (0.63, SHEET, 5),  # 100 nm in water at 25 frames per second: sqrt(2 x 4.9 x 0.04)
        (1.14, SHEET, 5),  # 30 nm
        (0.63, SHEET, 12),
        (0.63, (10.0, 44.0, 33.0), 7),
        (0.3, (2.0, 44.0, 33.0), 2),
    ],
)
def test_probability_of_staying_in_view(step_sd_um, lengths_um, n_frames):
    """N = 200 000 particles, seed 21: within the stated 1 % and 4 standard errors."""
    n_particles = 200_000
    stated = probability_inside(np.array([step_sd_um]), lengths_um, n_frames)[0]
    found = stays_inside(step_sd_um, lengths_um, n_frames, n_particles, 21)
    assert found > 0.7  # where the formula promises its accuracy
    assert abs(stated - found) < 0.01 * found + 4 * math.sqrt(found * (1 - found) / n_particles)


def test_two_frames_in_a_sheet_by_hand():
    # One step: a particle within |z| of an edge is lost if it steps over it; integrated over both edges of a
    # sheet 10 deep this is E|step|/10 = 0.5 sqrt(2/pi)/10 = 0.0398942.
    found = probability_inside(np.array([0.5]), SHEET, 2)
    assert found[0] == pytest.approx(1 - 0.0398942, abs=1e-7)


def test_one_frame_needs_no_staying_and_open_sides_lose_nothing():
    assert probability_inside(np.array([0.1, 5.0]), SHEET, 1) == pytest.approx([1.0, 1.0])
    assert probability_inside(np.array([5.0]), (math.inf,) * 3, 100) == pytest.approx([1.0])


def test_probability_never_leaves_zero_to_one():
    q = probability_inside(np.array([0.0, 1.0, 50.0]), (10.0, 20.0, 20.0), 50)
    assert q[0] == 1.0
    assert q[2] == 0.0
    assert np.all(np.diff(q) <= 0)


def share_in_long_runs(step_sd, depth, min_track, seed, n_particles=1000, n_frames=800):
    """Walk particles in a periodic liquid six sheets deep; return their positions in long runs and in all."""
    random = np.random.default_rng(seed)
    z = np.mod(
        random.uniform(0, 6 * depth, (n_particles, 1))
        + np.cumsum(random.normal(0, step_sd, (n_particles, n_frames)), axis=1),
        6 * depth,
    )
    seen = np.pad(z < depth, ((0, 0), (1, 1))).astype(np.int8)
    change = np.diff(seen, axis=1)
    in_long, in_all = np.zeros(n_particles), np.zeros(n_particles)
    particle, start = np.nonzero(change == 1)
    lengths = np.nonzero(change == -1)[1] - start
    np.add.at(in_all, particle, lengths)
    np.add.at(in_long, particle, lengths * (lengths >= min_track))
    return in_long, in_all


@pytest.mark.parametrize(("step_sd_um", "min_track"), [(0.63, 5), (1.14, 5), (0.63, 3)])
def test_share_of_positions_in_tracks_that_are_long_enough(step_sd_um, min_track):
    """N = 1000 particles x 800 frames, seed 22: within the formula's 1 % and 4 standard errors."""
    in_long, in_all = share_in_long_runs(step_sd_um, 10.0, min_track, 22)
    found = in_long.sum() / in_all.sum()
    error = np.std(in_long - found * in_all) / in_all.mean() / math.sqrt(len(in_all))
    stated = share_in_tracks(np.array([step_sd_um]), SHEET, min_track)[0]
    assert abs(stated - found) < 0.01 + 4 * error
    assert found < 0.98


def test_share_is_the_published_combination_of_probabilities():
    sd = np.array([0.2, 0.6, 1.1])
    q5, q6 = (probability_inside(sd, SHEET, n) for n in (5, 6))
    assert share_in_tracks(sd, SHEET, 5) == pytest.approx(5 * q5 - 4 * q6, rel=1e-12)


def test_share_falls_with_mobility_and_never_to_nothing():
    share = share_in_tracks(np.geomspace(0.01, 100, 50), SHEET, 5)
    assert np.all(np.diff(share) <= 0)
    assert share[0] == pytest.approx(1.0, abs=0.01)
    assert share[-1] == 0.05
