"""The read-outs of other programs: against slow twins, trackpy, known sizes and their own theory."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gamma, norm
from tracks_simulated import acquisition, as_table, diffusion_m2_s, simulate

from nta.alternatives import (
    METHODS,
    MIN_RAW_POSITIONS,
    RAW_BIN_NM,
    _maximised,
    _spread,
    ftla,
    mean_squared_displacements,
    raw,
    track_squares,
    walker,
)
from nta.diffusion import estimate_diffusion
from nta.errors import UsageError
from nta.size_statistics import cumulative_share, point_statistics
from nta.tracking import Tracks, as_tracks

GRID = np.arange(30.0, 701.0)
EXPOSURE_MS, SIGMA_M = 15.0, 40e-9
MODE_NM, CV = 107.0, 0.275


def tracks_of(diameters_nm, seed, sigma_m=SIGMA_M, **changes):
    """Tracks of 5 positions and more, 17 in the mean, 15 of 40 ms exposed, each position wrong by 40 nm."""
    random = np.random.default_rng(seed)
    lengths = 4 + random.geometric(1 / 13, len(diameters_nm))
    flat = simulate(random, diameters_nm, lengths, sigma_m=sigma_m, exposure_share=EXPOSURE_MS / 40.0, **changes)
    return as_tracks(as_table(flat), acquisition(EXPOSURE_MS))


def squares_of(tracks):
    return track_squares(tracks, estimate_diffusion(tracks))


@cache
def of_one_size():
    """N = 1000, seed 91: 100 nm."""
    return squares_of(tracks_of(np.full(1000, 100.0), 91))


@cache
def of_lognormal():
    """N = 1000, seed 92: mode 107 nm, CV 27.5 %."""
    sd = math.sqrt(math.log1p(CV**2))
    return squares_of(tracks_of(np.random.default_rng(93).lognormal(math.log(MODE_NM) + sd**2, sd, 1000), 92))


@cache
def of_mixture():
    """N = 1000, seed 94: half of them 100 nm, half 200 nm."""
    return squares_of(tracks_of(np.where(np.arange(1000) % 2 == 0, 100.0, 200.0), 94))


def wasserstein_1(density, cumulative_truth):
    return np.abs(cumulative_share(GRID, density) - cumulative_truth).sum() * (GRID[1] - GRID[0])


def lognormal_truth():
    sd = math.sqrt(math.log1p(CV**2))
    return norm.cdf((np.log(GRID / MODE_NM) - sd**2) / sd)


# --- What a track is to them -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gappy():
    """N = 60, seed 95; a fifth of the positions missing, and a steady flow of 2 px per frame along x."""
    tracks = tracks_of(np.full(60, 100.0), 95, gap_share=0.2)
    table = tracks.table.assign(x=tracks.table["x"] + 2.0 * tracks.table["frame"])
    n_frames = int(table["frame"].max()) + 1
    drift = np.stack([2.0 * np.arange(n_frames), np.zeros(n_frames)], axis=1)
    return Tracks(table, (replace(tracks.captures[0], drift_px=drift),))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # trackpy's use of pandas
def test_mean_squared_displacements_are_trackpys(gappy):
    import trackpy

    still = gappy.table.assign(x=gappy.table["x"] - 2.0 * gappy.table["frame"])
    expected = trackpy.imsd(still, mpp=0.1, fps=25.0, max_lagtime=4)
    (_, flat), *_ = gappy.flat(1)
    found, pairs = mean_squared_displacements(flat, 4)
    np.testing.assert_allclose(found.T * 1e12, expected[list(flat.particles)].to_numpy(), rtol=1e-9)
    assert pairs[0].sum() < 4 * (flat.offsets[1] - flat.offsets[0])


def test_raw_is_the_histogram_that_pandas_and_polyfit_make(gappy):
    squares = squares_of(gappy)
    lags = np.arange(1, 5) / 25.0
    sizes = []
    for _, track in gappy.table.groupby("particle"):
        if len(track) < MIN_RAW_POSITIONS:
            continue
        place = track.set_index("frame")[["x", "y"]].mul(0.1e-6)
        place["x"] -= 2.0 * 0.1e-6 * place.index
        place = place.reindex(range(place.index[0], place.index[-1] + 1))
        msd = [(place - place.shift(lag)).pow(2).sum(axis=1, skipna=False).mean() for lag in (1, 2, 3, 4)]
        slope = np.polyfit(lags, msd, 1)[0]
        if slope > 0:
            sizes.append(float(diffusion_m2_s(1.0)) / (slope / 4))
    edges = np.arange(GRID[0] - 0.5, GRID[-1] + RAW_BIN_NM, RAW_BIN_NM)
    counts = np.histogram(sizes, edges)[0].repeat(int(RAW_BIN_NM))[: GRID.size]
    assert 20 < counts.sum() / RAW_BIN_NM < 60
    np.testing.assert_allclose(raw(squares, GRID), counts / np.trapezoid(counts, GRID), rtol=1e-9)


def test_inverse_diameter_and_noise_have_the_means_that_theory_gives():
    """<r²> of one frame is 4 D tau (1 - 2 R) + 4 s²: in its unit 1/d + noise. N = 1000, seed 91."""
    squares = of_one_size()
    unit = 4 * float(diffusion_m2_s(1.0)) * 0.04 * (1 - 2 * EXPOSURE_MS / 40.0 / 6)
    np.testing.assert_allclose(squares.noise_per_nm, 4 * SIGMA_M**2 / unit, rtol=1e-6)
    error = squares.inverse_per_nm * squares.n_steps
    mean = error.sum() / squares.n_steps.sum()
    expected = 1 / 100 + 4 * SIGMA_M**2 / unit
    # Steps that correlate a little spread a little more than independent ones: 10 % is far too much for that.
    assert abs(mean / expected - 1) < 4 * 1.1 / math.sqrt(squares.n_steps.sum())


def test_tracks_of_something_else_are_refused(gappy):
    with pytest.raises(UsageError, match="not of these tracks"):
        track_squares(gappy, estimate_diffusion(tracks_of(np.full(20, 100.0), 96)))


# --- Known sizes -------------------------------------------------------------------------------------------


def test_walker_narrows_one_size():
    """W1 to 100 nm: the raw histogram's is over 30 nm, Walker's under 5, and its mode within 2 nm."""
    truth = (GRID >= 100.0).astype(float)
    found = walker(of_one_size(), GRID)
    assert wasserstein_1(raw(of_one_size(), GRID), truth) > 30
    assert wasserstein_1(found, truth) < 5
    assert point_statistics(GRID, found)["mode"] == pytest.approx(100, abs=2)


def test_finite_track_length_adjustment_narrows_one_size_less():
    truth = (GRID >= 100.0).astype(float)
    adjusted = ftla(of_one_size(), GRID)
    assert wasserstein_1(walker(of_one_size(), GRID), truth) < wasserstein_1(adjusted, truth) < 9
    assert point_statistics(GRID, adjusted)["mode"] == pytest.approx(100, abs=4)


@pytest.mark.parametrize(("method", "most"), [(walker, 8.0), (ftla, 8.0)])
def test_a_lognormal_is_found_again(method, most):
    """Mode 107 nm, CV 27.5 %: W1 under 8 nm and the median within 5 %; the raw histogram's W1 is over 20."""
    found = method(of_lognormal(), GRID)
    assert wasserstein_1(found, lognormal_truth()) < most
    assert wasserstein_1(raw(of_lognormal(), GRID), lognormal_truth()) > 20
    assert point_statistics(GRID, found)["d50"] == pytest.approx(MODE_NM * (1 + CV**2), rel=0.05)


@pytest.mark.parametrize("method", [walker, ftla])
def test_100_and_200_nm_are_told_apart(method):
    found = method(of_mixture(), GRID)
    halves = (GRID < 141, GRID >= 141)
    tops = [found[half].max() for half in halves]
    assert [GRID[half][found[half].argmax()] for half in halves] == pytest.approx([100, 200], rel=0.05)
    assert found[(GRID > 120) & (GRID < 160)].min() < 0.3 * min(tops)
    # Every particle left one track: 0.5 within 4 sqrt(0.5 x 0.5/1000), and the tails of either in the other's half.
    assert np.interp(141, GRID, cumulative_share(GRID, found)) == pytest.approx(0.5, abs=0.065)


@pytest.mark.parametrize("method", [walker, ftla])
def test_localisation_errors_are_taken_out_track_by_track(method):
    """N = 800, seeds 100, 101: 100 nm, half of the tracks with an error of 20 nm, half of 250 nm; the latter adds 36 %
    to a mean squared step."""
    sharp, blunt = (tracks_of(np.full(400, 100.0), seed, sigma_m) for seed, sigma_m in ((100, 20e-9), (101, 250e-9)))
    both = pd.concat([sharp.table, blunt.table.assign(capture=1)], ignore_index=True)
    found = method(squares_of(Tracks(both, (*sharp.captures, *blunt.captures))), GRID)
    # 13 steps a track, whose scale is known to 1/sqrt(13 x 800) and, through the noise, a little less.
    assert point_statistics(GRID, found)["mode"] == pytest.approx(100, rel=4 * 1.4 / math.sqrt(13 * 800))
    assert wasserstein_1(found, (GRID >= 100.0).astype(float)) < 10


# --- Their theory ------------------------------------------------------------------------------------------


def test_walker_is_bayes_rule_in_a_loop():
    """Four tracks, five sizes, three steps; the gamma law written as scipy has it."""
    few = of_one_size()
    sizes = np.geomspace(50.0, 200.0, 5)
    four = replace(
        few,
        n_positions=few.n_positions[:4],
        n_steps=few.n_steps[:4],
        inverse_per_nm=few.inverse_per_nm[:4],
        noise_per_nm=few.noise_per_nm[:4],
        line_nm=few.line_nm[:4],
        diameters_nm=sizes,
    )
    share = np.full(5, 0.2)
    for _ in range(3):
        posterior = np.zeros(5)
        for n, y, noise in zip(four.n_steps, four.inverse_per_nm, four.noise_per_nm, strict=True):
            joint = [p * gamma.pdf(y, n, scale=(1 / d + noise) / n) for p, d in zip(share, sizes, strict=True)]
            posterior += np.array(joint) / sum(joint)
        share = posterior / 4
    at_sizes = np.arange(50.0, 201.0)
    density = np.interp(at_sizes, sizes, share / sizes)
    expected = density / np.trapezoid(density, at_sizes)
    np.testing.assert_allclose(walker(four, at_sizes, n_steps=3), expected, rtol=1e-9)


def test_spread_is_that_of_gamma_variables():
    """Tracks of 4 and of 30 steps, 100 nm, against 400000 drawn sizes, seed 97: each bin within 4.5 sd."""
    n_steps = np.array([4, 4, 4, 30], dtype=np.int64)
    log_edges = np.log(np.geomspace(20.0, 1000.0, 40))
    found = _spread(n_steps, 2e-4, log_edges, np.array([100.0, 150.0]))
    np.testing.assert_allclose(found.sum(axis=0), 1.0, rtol=1e-12)
    random, n_drawn = np.random.default_rng(97), 400_000
    drawn_steps = random.choice(n_steps, n_drawn)
    inverse = random.gamma(drawn_steps, (1 / 100 + 2e-4) / drawn_steps)
    bins = np.clip(np.searchsorted(log_edges, -np.log(inverse)) - 1, 0, 38)
    counts = np.bincount(bins, minlength=39)
    expected = n_drawn * found[:, 0]
    assert np.all(np.abs(counts - expected) < 4.5 * np.sqrt(expected + 1) + 0.01 * expected)


def test_every_step_explains_the_tracks_better():
    random = np.random.default_rng(98)
    likelihood, weights = random.random((50, 20)), random.random(50)
    explained = [weights @ np.log(likelihood @ _maximised(likelihood, weights, n)) for n in range(12)]
    assert np.all(np.diff(explained) > 0)


# --- Weights -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_weights_are_counts_and_draws_are_rows(name):
    """A weight of 2 is the track twice; many draws at once are the same as one after the other."""
    squares = of_mixture()
    random = np.random.default_rng(99)
    weights = random.poisson(1.0, (3, len(squares.n_steps))).astype(float)
    together = METHODS[name](squares, GRID, weights)
    assert together.shape == (3, GRID.size)
    np.testing.assert_allclose(np.trapezoid(together, GRID, axis=1), 1.0, rtol=1e-9)
    np.testing.assert_allclose(METHODS[name](squares, GRID, weights[1]), together[1], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(METHODS[name](squares, GRID, 2.0 * weights[1]), together[1], rtol=1e-6, atol=1e-12)
    assert not np.allclose(together[0], together[1], rtol=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_no_track_gives_no_number(name):
    tracks = tracks_of(np.full(20, 100.0), 96)
    none = squares_of(Tracks(tracks.table.iloc[:0], tracks.captures))
    assert np.isnan(METHODS[name](none, GRID, None)).all()
    assert METHODS[name](none, GRID, None).shape == GRID.shape
    unweighted = squares_of(tracks)
    assert np.isnan(METHODS[name](unweighted, GRID, np.zeros(len(unweighted.n_steps)))).all()


def test_captures_of_other_frame_rates_speak_of_the_same_sizes():
    """The same steps taken as those of half the frame time and half the viscosity are the same sizes."""
    tracks = tracks_of(np.full(200, 100.0), 96)
    first = acquisition(EXPOSURE_MS)
    slow = replace(first, fps=12.5, exposure_ms=30.0, viscosity_mpas=2 * first.viscosity_mpas)
    both = pd.concat([tracks.table, tracks.table.assign(capture=1)], ignore_index=True)
    captures = (tracks.captures[0], replace(tracks.captures[0], acquisition=slow))
    squares = squares_of(Tracks(both, captures))
    for per_track in (squares.inverse_per_nm, squares.noise_per_nm, squares.line_nm):
        np.testing.assert_allclose(per_track[:200], per_track[200:], rtol=1e-9)
