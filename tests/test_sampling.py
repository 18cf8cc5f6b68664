"""What share of the particles in view ends up in tracks: against particles that walk in and out of a box."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from naive import survival_of_walk
from scipy import special
from tracks_simulated import acquisition, made_diffusion, passing_capture

from nta.fitting import fit_density
from nta.sampling import effective_particles, probability_inside, share_in_tracks, tracks_per_particle
from nta.tracking import LinkedCapture

SHEET = (10.0, math.inf, math.inf)
N_WALKERS = 200_000
FRAMES = (2, 5, 10, 20, 30)
# Steps of 100, 60 and 40 nm in water at 25 frames per second, sqrt(2 D tau), in sheets of 10 and 4 µm.
WALKS = [(0.63, 10.0), (0.81, 10.0), (0.99, 10.0), (0.63, 4.0), (0.81, 4.0)]


def stays_of(random, places, lengths, step_sd, n_steps):
    """How many of ``n_steps`` steps from ``places`` (n, axes) end in the box before one does not."""
    inside, stays = np.ones(len(places), dtype=bool), np.zeros(len(places), dtype=np.int64)
    for _ in range(n_steps):
        places = places + random.normal(0, step_sd, places.shape)
        inside &= np.all((places >= 0) & (places <= lengths), axis=1)
        stays += inside
    return stays


@cache
def stays_before_and_after(step_sd, depth):
    """Frames in view before and after one in which the walker is anywhere in the sheet; seed 21.

    Walks are the same backwards, so that both are drawn forwards; a run is then before + 1 + after long.
    """
    random = np.random.default_rng(21)
    places = random.uniform(0, depth, (N_WALKERS, 1))
    return tuple(stays_of(random, places, np.array([depth]), step_sd, max(FRAMES)) for _ in range(2))


def within_four_errors(stated, found, n):
    return abs(stated - found) < 4 * math.sqrt(stated * (1 - stated) / n)


@pytest.mark.parametrize("n_frames", FRAMES)
@pytest.mark.parametrize(("step_sd_um", "depth_um"), WALKS)
def test_probability_of_staying_in_the_sheet(step_sd_um, depth_um, n_frames):
    """N = 200 000 walkers, seed 21."""
    _, after = stays_before_and_after(step_sd_um, depth_um)
    stated = probability_inside(np.array([step_sd_um]), (depth_um, math.inf, math.inf), n_frames)[0]
    assert within_four_errors(stated, np.mean(after >= n_frames - 1), N_WALKERS)


@pytest.mark.parametrize("min_track", FRAMES)
@pytest.mark.parametrize(("step_sd_um", "depth_um"), WALKS)
def test_share_of_positions_in_tracks_that_are_long_enough(step_sd_um, depth_um, min_track):
    """N = 200 000 walkers, seed 21: the positions whose run of frames in view is long enough."""
    before, after = stays_before_and_after(step_sd_um, depth_um)
    stated = share_in_tracks(np.array([step_sd_um]), (depth_um, math.inf, math.inf), min_track)[0]
    assert 0.05 < stated < 1.0
    assert within_four_errors(stated, np.mean(before + 1 + after >= min_track), N_WALKERS)


@pytest.mark.parametrize("n_frames", [2, 7, 12])
def test_probability_of_staying_in_a_box(n_frames):
    """N = 200 000 walkers, seed 22, in a box of 4 by 9 by 6 µm: a product, for the axes are independent."""
    random, box = np.random.default_rng(22), np.array([4.0, 9.0, 6.0])
    places = random.uniform(0, 1, (N_WALKERS, 3)) * box
    found = np.mean(stays_of(random, places, box, 0.63, n_frames - 1) == n_frames - 1)
    assert within_four_errors(probability_inside(np.array([0.63]), tuple(box), n_frames)[0], found, N_WALKERS)


@pytest.mark.parametrize("n_frames", [2, 3, 6, 8, 9, 30, 100])
def test_probability_against_the_power_of_a_dense_matrix(n_frames):
    ratio = np.geomspace(0.05, 9.9, 7)
    twin = [survival_of_walk(value, n_frames) for value in ratio]
    np.testing.assert_allclose(probability_inside(ratio, (1.0,), n_frames), twin, rtol=1e-4, atol=1e-7)


def test_two_frames_have_a_closed_form():
    """E[(L - |step|)+]/L, from steps far shorter than the side to steps far longer."""
    ratio = np.geomspace(1e-4, 100, 300)
    exact = special.erf(1 / (ratio * math.sqrt(2))) + ratio * math.sqrt(2 / math.pi) * np.expm1(-0.5 / ratio**2)
    np.testing.assert_allclose(probability_inside(ratio, (1.0,), 2), exact, rtol=1e-3)
    np.testing.assert_allclose(probability_inside(ratio[ratio < 10], (1.0,), 2), exact[ratio < 10], rtol=2e-5)
    np.testing.assert_allclose(probability_inside(ratio[ratio < 5], (1.0,), 2), exact[ratio < 5], rtol=3e-6)


@pytest.mark.parametrize("n_frames", [2, 5, 8, 30, 400])
def test_probability_has_no_cliff_and_no_kink(n_frames):
    """The distribution divides by it. The slope of ln Q in ln s/L falls from 0 to 1 - n, nowhere faster than n."""
    log_ratio = np.linspace(math.log(1e-3), math.log(30), 5000)
    around_join = np.log([0.01 * (1 - 1e-6), 0.01 * (1 + 1e-6)])
    below, above = probability_inside(np.exp(around_join), (1.0,), n_frames)
    assert below == pytest.approx(above, rel=1e-4)
    log_q = np.log(np.maximum(probability_inside(np.exp(log_ratio), (1.0,), n_frames), 1e-250))
    slope = np.diff(log_q[log_q > -500]) / np.diff(log_ratio)[0]
    assert np.all(slope <= 0)
    assert np.all(np.abs(np.diff(slope)) < n_frames * np.diff(log_ratio)[0])


def test_sides_may_differ_between_the_steps():
    step, depth = np.array([0.3, 0.6, 0.6]), np.array([2.0, 4.0, math.inf])
    each = [probability_inside(step[i : i + 1], (float(depth[i]), 20.0), 6)[0] for i in range(3)]
    assert probability_inside(step, (depth, 20.0), 6) == pytest.approx(each, rel=1e-12)


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
    assert 0.0 <= q[2] < 1e-30
    assert np.all(np.diff(q) <= 0)


@pytest.mark.parametrize(("step_sd_um", "depth_um", "min_track"), [(0.63, 10.0, 5), (0.63, 4.0, 20), (0.81, 4.0, 10)])
def test_tracks_that_a_particle_leaves(step_sd_um, depth_um, min_track):
    """1000 walkers in a periodic liquid six sheets deep, 400 frames, seed 22: their runs in the sheet, counted."""
    random = np.random.default_rng(22)
    steps = random.normal(0, step_sd_um, (1000, 400))
    z = np.mod(random.uniform(0, 6 * depth_um, (1000, 1)) + np.cumsum(steps, axis=1), 6 * depth_um)
    change = np.diff(np.pad(z < depth_um, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    walker, start = np.nonzero(change == 1)
    runs = np.nonzero(change == -1)[1] - start
    tracks = np.bincount(walker[runs >= min_track], minlength=1000) * 6.0  # a sixth of them is in view
    stated = tracks_per_particle(np.array([step_sd_um]), (depth_um, math.inf, math.inf), min_track, 400)[0]
    assert abs(stated - tracks.mean()) < 4 * tracks.std() / math.sqrt(1000)
    assert tracks.std() / math.sqrt(1000) < 0.1 * stated


def test_tracks_per_particle_by_hand():
    """A capture as long as a track has those in view from the start; the twentieth is the least."""
    step = np.array([0.63, 500.0])
    q = probability_inside(step, SHEET, 5)
    assert tracks_per_particle(step, SHEET, 5, 5) == pytest.approx([q[0], 0.05])
    assert tracks_per_particle(step, (math.inf,) * 3, 5, 300) == pytest.approx([1.0, 1.0])


def test_share_is_the_published_combination_of_probabilities():
    sd = np.array([0.2, 0.6, 1.1])
    q5, q6 = (probability_inside(sd, SHEET, n) for n in (5, 6))
    assert share_in_tracks(sd, SHEET, 5) == pytest.approx(5 * q5 - 4 * q6, rel=1e-12)


def test_share_falls_with_mobility_and_never_to_nothing():
    share = share_in_tracks(np.geomspace(0.01, 100, 50), SHEET, 5)
    assert np.all(np.diff(share) <= 0)
    assert share[0] == pytest.approx(1.0, abs=0.01)
    assert share[-1] == 0.05


# --- Independent particles ---------------------------------------------------------------------------------


def test_effective_particles_by_hand():
    """0.4 N (1 + reach/L) per side, reach = sqrt(16 D t/pi): t = pi s and D = 4 µm²/s make it 8 µm."""
    assert effective_particles(10.0, 4.0, math.pi, SHEET) == pytest.approx(0.4 * 10 * 1.8)
    assert effective_particles(10.0, 4.0, math.pi, (10.0, 16.0, 32.0)) == pytest.approx(0.4 * 10 * 1.8 * 1.5 * 1.25)
    assert effective_particles(10.0, 4.0, 0.0, SHEET) == pytest.approx(4.0)


def test_effective_particles_in_a_flow_by_hand():
    """16 µm at 16/pi µm/s leave pi s of 4 pi s; the flow's 64 µm stand in place of the walk along it."""
    found = effective_particles(10.0, 4.0, 4 * math.pi, (10.0, 16.0, 32.0), (16.0 / math.pi, 0.0))
    assert found == pytest.approx(0.4 * 10 * (1 + 8 / 10) * (1 + 64 / 16) * (1 + 8 / 32))


def times_in_view(sides, margin, diffusion, n_frames, n_walkers, seed):
    """Walkers in view at a time, and the frames in view of each; they start up to ``margin`` µm outside."""
    random, sides = np.random.default_rng(seed), np.asarray(sides)
    places = random.uniform(-margin, sides + margin, (n_walkers, len(sides)))
    times = np.zeros(n_walkers)
    for _ in range(n_frames):
        times += np.all((places >= 0) & (places <= sides), axis=1)
        places += random.normal(0, math.sqrt(2 * diffusion / 25.0), places.shape)
    return n_walkers * np.prod(sides / (sides + 2 * margin)), times


def test_distinct_visitors_of_a_sheet():
    """8000 walkers, seed 23, 1500 frames at 25 per second: 2 % are missed between frames, and 4 standard errors."""
    in_view, times = times_in_view((10.0,), 200.0, 5.0, 1500, 8000, 23)
    distinct = np.count_nonzero(times)
    stated = effective_particles(in_view, 5.0, 60.0, SHEET) / 0.4
    assert distinct > 4 * in_view
    assert abs(stated - distinct) < 0.02 * distinct + 4 * math.sqrt(distinct)


@pytest.mark.parametrize(("depth_um", "diffusion"), [(10.0, 5.0), (10.0, 1.0), (4.0, 5.0)])
def test_effective_visitors_of_a_box(depth_um, diffusion):
    """20 000 walkers, seed 24, 500 frames: (sum t)²/sum t² of the times in view.

    A rough number, and never far too high: a third too low at most where few come (0.55 in place of the 0.4).
    """
    in_view, times = times_in_view((depth_um, 60.0, 50.0), 60.0, diffusion, 500, 20_000, 24)
    stated = effective_particles(in_view, diffusion, 20.0, (depth_um, 60.0, 50.0))
    assert 0.65 < stated * np.sum(times**2) / np.sum(times) ** 2 < 1.25


def still_capture(n_frames=500):
    return LinkedCapture(acquisition(0.0), np.zeros((n_frames, 2)))


def weight_of(captures, n_tracks=300):
    """What all tracks of 20 positions weigh in a fit; D and positions per frame of each capture, by hand."""
    diffusion = made_diffusion(np.random.default_rng(25), np.full(n_tracks, 100.0), 20, captures=captures)
    by_hand = 0.0
    for _, table in diffusion.table.groupby("capture"):
        frames = table["first_frame"].max() + 20 - table["first_frame"].min()
        reach = math.sqrt(16 * table["diffusion_um2_s"].mean() * frames / 25.0 / math.pi)
        by_hand += 0.4 * 20 * len(table) / frames * (1 + reach / 10.0)
    return fit_density(diffusion).weights.sum(), by_hand


@pytest.mark.parametrize("n_captures", [1, 2])
def test_tracks_of_a_still_liquid_weigh_as_much_as_its_particles(n_captures):
    weight, by_hand = weight_of((still_capture(),) * n_captures)
    assert weight == pytest.approx(by_hand)
    assert weight < 0.1 * 300


def test_tracks_of_a_passing_liquid_weigh_no_more_than_their_number():
    assert weight_of((passing_capture(),))[0] == pytest.approx(300)
