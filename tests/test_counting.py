"""Counts in a thin sheet: spots that hide each other, the memory of a count, and the error stated for its mean."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tracks_simulated import acquisition

from nta.concentration import particle_concentration
from nta.counting import (
    coincidence_factor,
    depth_share_behind,
    mean_share_in_tracks,
    memory_frames,
    relative_variance_of_mean,
    share_remaining,
)
from nta.diffusion import Diffusion
from nta.distribution import SizeDistribution
from nta.sampling import share_in_tracks
from nta.tracking import LinkedCapture, Tracks

DEPTH_UM = 12.0
FIELD_PX = (0.0, 0.0, 600.0, 500.0)  # 60 x 50 µm at 0.1 µm
SIZE_NM = np.array([100.0])
ONE = np.array([1.0])


def capture(n_frames, flow_um_s=(0.0, 0.0), depth_um=DEPTH_UM):
    taken = acquisition(depth_um=depth_um, n_frames=n_frames)
    per_frame_px = np.array(flow_um_s) / taken.fps / taken.mpp
    return LinkedCapture(taken, np.arange(n_frames)[:, None] * per_frame_px, field_px=FIELD_PX)


def in_view(random, n_frames, per_frame, flow_um_s=(0.0, 0.0), margin_um=30.0):
    """Which particles are in view in which frame, (n_frames, n), and where: Brownian in a periodic box."""
    sides = np.array([60.0, 50.0, DEPTH_UM])
    box = sides + 2 * margin_um
    n = random.poisson(per_frame * box.prod() / sides.prod())
    step = acquisition().step_sd_um(100.0)
    drift = np.array([*flow_um_s, 0.0]) / acquisition().fps
    path = random.normal(0.0, step, (n_frames, n, 3))
    path[0] = random.uniform(0.0, box, (n, 3))
    np.cumsum(path, axis=0, out=path)
    path += np.arange(n_frames)[:, None, None] * drift
    path %= box
    return np.all(path < sides, axis=2), path


@pytest.mark.parametrize(("per_frame", "diameter_px"), [(20.0, 7.0), (257.0, 9.0), (80.0, 13.0)])
def test_spots_that_hide_each_other_are_counted_again(per_frame, diameter_px):
    """Points at random of which the brightest within d + 1 px hides the others (N = 60 fields, seed 11), |z| < 4."""
    random = np.random.default_rng(11)
    side, true = 500.0, per_frame
    found = []
    for _ in range(60):
        n = random.poisson(true)
        place, light = random.uniform(0, side, (n, 2)), random.random(n)
        away = np.abs(place[:, None] - place[None])
        away = np.minimum(away, side - away)
        hidden = (np.sum(away**2, axis=2) < (diameter_px + 1) ** 2) & (light[None] > light[:, None])
        found.append(n - hidden.any(axis=1).sum())
    mean = float(np.mean(found))
    corrected = mean * coincidence_factor(mean, side**2, diameter_px)
    error = np.std(found, ddof=1) / math.sqrt(len(found)) * corrected / mean * 1.3
    assert abs(corrected - true) / error < 4
    assert corrected > mean


def test_coincidence_by_hand():
    # 9 spots of 9 px on 9000 pi px²: each reserves 100 pi, together a tenth; -ln(0.9)/0.1 = 1.0536052
    assert coincidence_factor(9.0, 9000.0 * math.pi, 9.0) == pytest.approx(1.0536052, abs=1e-7)
    assert coincidence_factor(0.0, 1e5, 9.0) == 1.0
    assert math.isfinite(coincidence_factor(1e6, 1e5, 9.0))


@pytest.mark.parametrize(("time_s", "velocity"), [(0.04, 0.0), (2.0, 0.0), (20.0, 0.0), (2.0, 12.0)])
def test_what_remains_of_a_stretch(time_s, velocity):
    """N = 200 000 displacements, seed 12, against the integral in closed form, |z| < 4."""
    random = np.random.default_rng(12)
    variance, n = 2 * 4.9 * time_s, 200_000
    start = random.uniform(0, 15.0, n)
    end = start + velocity * time_s + random.normal(0, math.sqrt(variance), n)
    seen = np.mean((end > 0) & (end < 15.0))
    stated = float(share_remaining(15.0, np.array([variance]), np.array([velocity * time_s]))[0])
    assert abs(seen - stated) / math.sqrt(max(stated * (1 - stated), 1e-5) / n) < 4


def test_nothing_leaves_a_field_without_end():
    assert share_remaining(math.inf, np.array([1.0, 5.0]), np.zeros(2)) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("flow_um_s", [(0.0, 0.0), (12.0, 0.0)])
def test_the_scatter_of_mean_counts_is_the_one_stated(flow_um_s):
    """N = 120 captures of 200 frames, seed 13: the variance of their means against N tau_c/F, |z| < 4."""
    random = np.random.default_rng(13)
    n_captures, n_frames, mean = 120, 200, 20.0
    means = [in_view(random, n_frames, mean, flow_um_s)[0].sum(axis=1).mean() for _ in range(n_captures)]
    stated = mean * memory_frames(capture(n_frames, flow_um_s), n_frames, DEPTH_UM, SIZE_NM, ONE) / n_frames
    assert abs(np.var(means, ddof=1) / stated - 1.0) / math.sqrt(2 / n_captures) < 4
    # Successive frames are far from independent
    assert stated > 20 * mean / n_frames


def test_the_published_errors_of_a_mean_count():
    """100 nm, 50 per frame, 60 s: 7.5 % without flow and 3.4 % at 20 µm/s in a field of 100 x 80 x 10 µm, to 15 %."""
    taken = replace(acquisition(depth_um=10.0, n_frames=1500), mpp=0.166)
    field = (0.0, 0.0, 640.0, 480.0)
    for velocity, expected in ((0.0, 0.075), (20.0, 0.034)):
        drift = np.arange(1500)[:, None] * np.array([velocity / 25.0 / 0.166, 0.0])
        found = memory_frames(LinkedCapture(taken, drift, field_px=field), 1500, 10.0, SIZE_NM, ONE)
        assert math.sqrt(found / 1500 / 50.0) == pytest.approx(expected, rel=0.15)


def test_many_sizes_remember_as_their_mean():
    sizes = np.arange(60.0, 200.0)
    weights = np.exp(-0.5 * ((sizes - 110) / 25) ** 2)
    weights /= weights.sum()
    seen = capture(200)
    each = [memory_frames(seen, 200, DEPTH_UM, np.array([size]), ONE) for size in sizes]
    assert memory_frames(seen, 200, DEPTH_UM, sizes, weights) == pytest.approx(float(weights @ each), rel=0.01)


def test_the_depth_behind_a_share_is_found_again():
    seen = (capture(100),)
    share = 1.4 * mean_share_in_tracks(seen, SIZE_NM, ONE, 1.4, 5)
    assert depth_share_behind(share, seen, SIZE_NM, ONE, 5) == pytest.approx(1.4, rel=1e-9)
    by_hand = share_in_tracks(acquisition().step_sd_um(SIZE_NM), (1.4 * DEPTH_UM, 60.0, 50.0), 5)[0]
    assert mean_share_in_tracks(seen, SIZE_NM, ONE, 1.4, 5) == pytest.approx(by_hand)


def linked(inside, path):
    """The table of tracks that perfect linking makes: a new particle number at every return."""
    frame, particle = np.nonzero(inside)
    order = np.lexsort((frame, particle))
    frame, particle = frame[order], particle[order]
    starts = np.concatenate([[True], (np.diff(particle) != 0) | (np.diff(frame) != 1)])
    return pd.DataFrame(
        {
            "capture": 0,
            "particle": np.cumsum(starts) - 1,
            "frame": frame,
            "x": path[frame, particle, 0] * 10,
            "y": path[frame, particle, 1] * 10,
        }
    )


def test_intervals_of_counts_hold_the_truth():
    """N = 100 captures of 250 frames, 20 per frame, seed 14: 95 % of the intervals hold the truth, |z| < 4.

    The depth is known, so that all that is left is the count's own error and the share of tracks.
    """
    random = np.random.default_rng(14)
    n_frames, mean, n_captures = 250, 20.0, 100
    truth_per_ml = mean / (60.0 * 50.0 * DEPTH_UM) * 1e12
    seen = capture(n_frames)
    table = pd.DataFrame({"diameter_nm": [99.0, 100.0, 101.0], "density_per_nm": [0.0, 1.0, 0.0]})
    share = mean_share_in_tracks((seen,), SIZE_NM, ONE, 1.0, 5)
    distribution = replace(SizeDistribution.missing(), table=table, seen_share=share, n_tracks=100)
    z = []
    for _ in range(n_captures):
        tracks = Tracks(linked(*in_view(random, n_frames, mean)), (seen,))
        sized = pd.DataFrame({"capture": [0], "particle": [0]}).reindex(columns=list(Diffusion.COLUMNS))
        found = particle_concentration(tracks, Diffusion(sized, captures=(seen,)), distribution, depth_relative_sd=0.0)
        assert found.volume_source == "calibration"
        z.append(math.log(found.measured.value / truth_per_ml) / found.parts.counting)
    held = np.mean(np.abs(z) < 1.96)
    assert abs(held - 0.95) / math.sqrt(0.05 * 0.95 / n_captures) < 4
    assert 0.75 < np.std(z, ddof=1) < 1.25
    assert abs(np.mean(z)) < 0.4


def test_a_size_range_does_not_change_the_depth():
    """The share seen of a range is of its own sizes: a tenth of the positions in it make no sheet ten times as deep."""
    seen = capture(250)
    table = pd.DataFrame({"diameter_nm": [99.0, 100.0, 101.0], "density_per_nm": [0.0, 1.0, 0.0]})
    share = mean_share_in_tracks((seen,), SIZE_NM, ONE, 1.0, 5)
    whole = replace(SizeDistribution.missing(), table=table, seen_share=share, n_tracks=100)
    ranged = replace(whole, seen_share=share / 0.1, share_within=0.1)
    tracks = Tracks(linked(*in_view(np.random.default_rng(15), 250, 20.0)), (seen,))
    sized = pd.DataFrame({"capture": [0], "particle": [0]}).reindex(columns=list(Diffusion.COLUMNS))
    all_of_them, tenth = (
        particle_concentration(tracks, Diffusion(sized, captures=(seen,)), one, depth_relative_sd=0.0)
        for one in (whole, ranged)
    )
    assert tenth.measured.value == pytest.approx(0.1 * all_of_them.measured.value, rel=1e-9)
    # A tenth of the particles: a count less sure by the root of ten.
    assert tenth.parts.counting == pytest.approx(math.sqrt(10.0) * all_of_them.parts.counting, rel=1e-9)


def telegraph_counts(random, n_frames, mean, memory_frames):
    """A count of particles that come and go: each stays with the same probability from frame to frame."""
    stay = math.exp(-1 / memory_frames)
    counts = np.empty(n_frames)
    counts[0] = random.poisson(mean)
    for frame in range(1, n_frames):
        counts[frame] = random.binomial(int(counts[frame - 1]), stay) + random.poisson(mean * (1 - stay))
    return counts


def test_error_of_a_count_of_unknown_sizes():
    """N = 200 counts of 1000 frames, seed 71: mean 20, memory 10 frames; predicted against observed scatter.

    The count has variance 20 and correlation exp(-k/10), so that the mean of F frames has the relative
    variance coth(1/20)/(20 F), 20 times that of independent frames, but for the ends.
    """
    random = np.random.default_rng(71)
    n_series, n_frames, mean, memory = 200, 1000, 20.0, 10.0
    series = [telegraph_counts(random, n_frames, mean, memory) for _ in range(n_series)]
    theory = 1 / math.tanh(0.5 / memory) / mean / n_frames
    observed = np.var([counts.mean() for counts in series], ddof=1) / mean**2
    assert abs(observed / theory - 1) / math.sqrt(2 / n_series) < 4
    stated = np.array([relative_variance_of_mean(counts) for counts in series])
    # The observed scatter of 200 means has a relative standard error of sqrt(2/200) = 10 %.
    error = math.hypot(theory * math.sqrt(2 / n_series), stated.std() / math.sqrt(n_series))
    assert abs(stated.mean() - observed) / error < 4
    assert stated.mean() > 10 / (mean * n_frames)


def test_independent_counts_have_the_error_of_poisson():
    """N = 100 series of 500 frames, seed 72."""
    random = np.random.default_rng(72)
    stated = [relative_variance_of_mean(random.poisson(20.0, 500).astype(float)) for _ in range(100)]
    assert np.mean(stated) == pytest.approx(1 / (20 * 500), rel=0.15)


def test_a_count_that_never_changes_has_at_least_the_error_of_poisson():
    assert relative_variance_of_mean(np.full(100, 4.0)) == pytest.approx(1 / 400)
