"""Films with a memory: from which lag on they are sized, what that gives, and what the tracks say of the exposure."""

from __future__ import annotations

import math

import naive
import numpy as np
import pandas as pd
import pytest
from tracks_simulated import acquisition, as_table, blurred_path, diffusion_m2_s, simulate

from nta.diffusion import estimate_diffusion, smallest_diameter_nm
from nta.kernels import BOLTZMANN_J_K
from nta.lags import (
    ExposureCheck,
    SafeLag,
    check_exposure,
    every_kth_position,
    find_safe_lag,
    short_lag_score,
)
from nta.tracking import LinkedCapture, Tracks, as_tracks, search_range

SHARE = 0.8
TAKEN = acquisition(SHARE * 40.0)


def remembering_tracks(seed, keep=0.5, n=150, lengths=(20, 60), size_nm=100.0, sigma_m=10e-9):
    """A film whose pictures keep a share of the one before: a recursive filter of positions, 30 frames of run-in."""
    random, parts = np.random.default_rng(seed), []
    for particle, length in enumerate(random.integers(*lengths, n)):
        axes = []
        for _ in range(2):
            path = blurred_path(random, diffusion_m2_s(size_nm).item(), length + 30, 0.04, SHARE * 0.04)
            path += random.normal(0.0, sigma_m, path.size)
            for frame in range(1, path.size):
                path[frame] = keep * path[frame - 1] + (1 - keep) * path[frame]
            axes.append(path[30:] / 1e-7)
        table = {
            "frame": np.arange(length),
            "particle": particle,
            "x": axes[0],
            "y": axes[1],
            "sigma_px": sigma_m / 1e-7,
        }
        parts.append(pd.DataFrame(table))
    return as_tracks(pd.concat(parts, ignore_index=True), TAKEN)


def clean_tracks(seed, n=250, sizes=None, sigma_m=15e-9, share=SHARE, stated_share=None):
    random = np.random.default_rng(seed)
    sizes = random.lognormal(np.log(100.0), 0.3, n) if sizes is None else sizes
    table = as_table(simulate(random, sizes, random.integers(6, 40, n), sigma_m=sigma_m, exposure_share=share))
    return as_tracks(table, acquisition((share if stated_share is None else stated_share) * 40.0))


def flats(tracks, min_track=5):
    return list(tracks.flat(min_track))


def pooled_size_nm(diffusion):
    """The one size at which all tracks together are most likely, by a parabola."""
    total, log_d = diffusion.log_likelihood.sum(axis=0), np.log(diffusion.diameters_nm)
    top = int(np.argmax(total))
    left, middle, right = total[top - 1 : top + 2]
    return math.exp(log_d[top] + 0.5 * (left - right) / (left - 2 * middle + right) * (log_d[1] - log_d[0]))


@pytest.mark.parametrize("keep", [0.4, 0.6])
def test_a_film_with_a_memory_is_sized_from_longer_steps(monkeypatch, keep):
    """100 nm, N = 24 films of 150 tracks, seeds 0 to 23: the mean of ln d within 4 standard errors and 1 %."""
    found = [estimate_diffusion(remembering_tracks(seed, keep)) for seed in range(24)]
    assert all(one.lag.z > 4 and one.lag.is_safe and one.lag.frames >= 4 for one in found)
    error = np.log([pooled_size_nm(one) / 100.0 for one in found])
    assert abs(error.mean()) < 4 * error.std(ddof=1) / math.sqrt(24) + 0.01
    # Each on its own: within 5 sd of a pooled size from some 150 x 33/k steps
    assert np.abs(error).max() < 0.2
    # The steps of one frame would have been far off.
    monkeypatch.setattr("nta.diffusion.find_safe_lag", lambda _captures: SafeLag())
    assert pooled_size_nm(estimate_diffusion(remembering_tracks(0, keep))) > 140.0


def test_the_mean_diffusion_coefficient_is_told_for_both_lags():
    """N = 800 tracks, seed 31: D of 100 nm, 4.9 µm²/s, within 5 % from long steps, far below from short ones."""
    lag = find_safe_lag(flats(remembering_tracks(31, n=800)))
    true = diffusion_m2_s(100.0).item() * 1e12
    assert lag.diffusion_um2_s == pytest.approx(true, rel=0.05)
    assert lag.short_diffusion_um2_s < 0.8 * true
    assert lag.blur_excess > 0.3


def test_intervals_of_longer_steps_hold_the_truth():
    """N = 600 tracks, seed 32: at least 95 of 100 (the mean of the phases is wide), 4 binomial standard errors."""
    table = estimate_diffusion(remembering_tracks(32, n=600)).table
    true = diffusion_m2_s(100.0).item() * 1e12
    held = ~(table["diffusion_low_um2_s"] > true) & ~(table["diffusion_high_um2_s"] < true)
    assert held.mean() > 0.95 - 4 * math.sqrt(0.95 * 0.05 / len(table))


def test_tracks_without_two_long_steps_drop_out():
    tracks = remembering_tracks(33, lengths=(6, 60), n=400)
    found = estimate_diffusion(tracks)
    shortest = 2 * found.lag.frames + 1
    assert found.lag.frames > 1
    assert found.min_track == shortest == found.lag.min_positions
    assert found.table["n_positions"].min() == shortest
    lengths = tracks.table.groupby("particle").size()
    assert len(found.table) == (lengths >= shortest).sum() < len(lengths)
    assert np.all(np.isfinite(found.log_likelihood))


def test_an_error_that_nobody_knows_is_missing_there():
    tracks = remembering_tracks(34, n=200)
    bare = estimate_diffusion(tracks.table[["frame", "particle", "x", "y"]], acquisition=TAKEN)
    assert bare.lag.frames > 1
    assert bare.table["localisation_error_nm"].isna().all()
    assert pooled_size_nm(bare) == pytest.approx(100.0, rel=0.15)


@pytest.mark.parametrize("seed", range(8))
def test_clean_tracks_are_sized_as_if_there_were_no_such_test(monkeypatch, seed):
    tracks = clean_tracks(seed)
    found = estimate_diffusion(tracks)
    assert (found.lag.frames, found.lag.is_safe, found.lag.blur_excess) == (1, True, 0.0)
    monkeypatch.setattr("nta.diffusion.find_safe_lag", lambda _captures: SafeLag())
    without = estimate_diffusion(tracks)
    assert found.log_likelihood.tobytes() == without.log_likelihood.tobytes()
    pd.testing.assert_frame_equal(found.table, without.table, check_exact=True)


def test_without_enough_long_tracks_no_lag_is_safe():
    lag = find_safe_lag(flats(remembering_tracks(35, n=99)))
    assert (lag.frames, lag.is_safe, lag.blur_excess) == (1, False, 0.0)
    assert lag.z > 4
    assert math.isnan(lag.diffusion_um2_s)


def test_a_memory_longer_than_the_tracks_leaves_no_safe_lag():
    """All particles swing with a period of 60 frames: steps of up to 30 frames correlate, tracks hold 20."""
    table = clean_tracks(36, n=400).table
    table = table[table["frame"] < 20].assign(
        x=lambda t: t["x"] + 60 * np.sin(2 * np.pi * (t["frame"] + 7 * t["particle"]) / 60)
    )
    assert not find_safe_lag(flats(as_tracks(table, TAKEN))).is_safe


def test_no_track_is_no_reason_to_doubt():
    for nothing in ((), flats(clean_tracks(1, n=19))):
        lag = find_safe_lag(nothing)
        assert (lag.frames, lag.is_safe, lag.z) == (1, True, 0.0)
        check = check_exposure(nothing)
        assert (check.z, check.sizes_z) == (0.0, 0.0)
        assert math.isnan(check.short_nm)


# --- The parts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [2, 3, 7])
@pytest.mark.parametrize("gap_share", [0.0, 0.3])
def test_every_kth_position_is_that_of_its_twin(lag, gap_share):
    made = simulate(np.random.default_rng(71), np.full(5, 100.0), [3, 7, 8, 20, 31], sigma_m=1e-8, gap_share=gap_share)
    ((_, flat),) = flats(as_tracks(as_table(made), TAKEN), 2)
    for phase in range(lag):
        part = every_kth_position(flat, lag, phase)
        for track, rows in enumerate(naive.every_kth_position(flat.offsets, flat.frames, lag, phase)):
            mine = slice(part.offsets[track], part.offsets[track + 1])
            assert part.frames[mine].tolist() == flat.frames[rows].tolist()
            assert part.x_m[mine].tolist() == flat.x_m[rows].tolist()
            assert part.sigma_m[mine].tolist() == flat.sigma_m[rows].tolist()


def test_likelihood_of_a_longer_lag_is_the_mean_of_its_phases_by_dense_matrices():
    """Blur stays what it is, the time between two positions grows, and errors are a part of the memory."""
    found = estimate_diffusion(remembering_tracks(72, n=120))
    k, capture = found.lag.frames, found.captures[0]
    blur = capture.acquisition.blur_coefficient + found.lag.blur_excess
    d = capture.acquisition.diffusion_m2_s(found.diameters_nm[::30])
    ((_, flat),) = flats(Tracks(remembering_tracks(72, n=120).table, found.captures), found.min_track)
    expected = np.zeros((len(flat.particles), d.size))
    for phase in range(k):
        for track, rows in enumerate(naive.every_kth_position(flat.offsets, flat.frames, k, phase)):
            if len(rows) < 2:
                continue
            part = (
                flat.frames[rows],
                flat.x_m[rows],
                flat.y_m[rows],
                np.zeros(len(rows)),
                flat.drift_x_m,
                flat.drift_y_m,
            )
            expected[track] += naive.track_log_likelihood(np.array([0, len(rows)]), *part, d, 0.04, blur, 0.0)[0] / k
    np.testing.assert_allclose(found.log_likelihood[:, ::30], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("exposure_share", [0.81, 1.0])
@pytest.mark.parametrize("lag", [1, 2, 4])
def test_blur_and_localisation_alone_do_not_correlate_steps_two_apart(exposure_share, lag):
    for seed in range(4):
        for apart in (2, 3):
            correlation, z = short_lag_score(flats(clean_tracks(seed, share=exposure_share)), apart, lag)
            assert abs(correlation) < 0.15
            assert z < 4


@pytest.mark.parametrize("lag", [1, 3])
def test_the_score_is_a_standard_normal_number_for_clean_tracks(lag):
    # 40 captures of 120 tracks: the mean square of 40 standard normal numbers is 1 ± 0.22
    scores = [short_lag_score(flats(clean_tracks(100 + seed, n=120)), 2, lag, least=0.0)[1] for seed in range(40)]
    assert 1 - 4 * 0.224 < np.mean(np.square(scores)) < 1 + 4 * 0.224


@pytest.mark.parametrize(("correlation", "is_told"), [(-0.004, False), (0.02, True), (-0.02, True)])
def test_a_correlation_that_changes_no_size_is_none_however_many_tracks_show_it(correlation, is_told):
    """2000 tracks of 500 steps: the standard error is 1/sqrt(2e6) = 0.07 %, so that -0.4 % are 5.7 of them."""
    random = np.random.default_rng(0)
    steps = random.normal(0.0, 1.0, (2000, 500, 2))
    steps[:, 2:] += correlation * steps[:, :-2].copy()
    table = pd.DataFrame(np.cumsum(steps, axis=1).reshape(-1, 2), columns=["x", "y"])
    table = table.assign(frame=np.tile(np.arange(500), 2000), particle=np.repeat(np.arange(2000), 500), sigma_px=0.1)
    captures = flats(as_tracks(table, TAKEN))
    found, z = short_lag_score(captures, 2, least=0.0)
    assert found == pytest.approx(correlation, abs=4 / math.sqrt(2e6))
    assert z > 4
    assert (find_safe_lag(captures).z > 4) == is_told


def test_few_tracks_have_no_score():
    correlation, z = short_lag_score(flats(clean_tracks(1, n=19)), 2)
    assert np.isnan(correlation)
    assert z == 0.0
    assert short_lag_score((), 2)[1] == 0.0


# --- The exposure ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_the_right_exposure_passes(share):
    """30 captures of 250 tracks, seeds 200 to 229: the size score is standard normal, the blur score never 4."""
    checks = [check_exposure(flats(clean_tracks(200 + seed, share=share))) for seed in range(30)]
    scores = np.array([check.sizes_z for check in checks])
    assert abs(scores.mean()) * math.sqrt(30) < 4
    assert 1 - 4 * math.sqrt(2 / 30) < np.mean(scores**2) < 1 + 4 * math.sqrt(2 / 30)
    assert max(check.z for check in checks) < 4


def test_a_stated_exposure_that_is_too_short_is_found():
    """Taken with 0.8 of the frame, stated 0: N = 1000 tracks of 100 nm, seed 43."""
    check = check_exposure(flats(clean_tracks(43, sizes=np.full(1000, 100.0), n=1000, share=0.8, stated_share=0.0)))
    assert check.z > 10
    # Localisation errors correlate steps the other way, so that this is a lower bound: 0.8 less sigma² 6/(2 D tau)
    assert check.longest_share == pytest.approx(0.8 - 3 * 15e-9**2 / (diffusion_m2_s(100.0).item() * 0.04), abs=0.06)
    assert check.sizes_z > 10
    # Blur ignored: lag 1 reads d/(1 - 2R), lag 4 d/(1 - 2R/4)
    assert check.short_nm == pytest.approx(100 / (1 - 0.8 / 3), rel=0.03)
    assert check.long_nm == pytest.approx(100 / (1 - 0.8 / 12), rel=0.04)
    assert check.reconciling_share == pytest.approx(0.8, abs=0.12)


def test_an_assumed_exposure_that_is_too_long_is_found():
    check = check_exposure(flats(clean_tracks(44, n=1000, share=0.1, stated_share=0.9)))
    assert check.z < -10
    assert check.sizes_z < -10
    assert check.short_nm < 0.85 * check.long_nm
    assert check.reconciling_share == pytest.approx(0.1, abs=0.15)


def test_particles_that_do_not_move_have_no_exposure():
    still = clean_tracks(45, n=40)
    table = still.table.assign(x=1.0, y=1.0, sigma_px=0.1)
    assert math.isnan(check_exposure(flats(as_tracks(table, TAKEN))).short_nm)
    assert math.isnan(ExposureCheck().short_nm)


# --- The smallest size -----------------------------------------------------------------------------------------


def tracks_within(reach_px, sigma_px=0.2, share=0.5, n=30):
    table = clean_tracks(46, n=n).table.assign(sigma_px=sigma_px)
    capture = LinkedCapture(acquisition(share * 40.0), np.zeros((100, 2)), search_range_px=reach_px)
    return Tracks(table.assign(capture=0), (capture,))


@pytest.mark.parametrize(("reach_px", "sigma_px", "share"), [(10.0, 0.2, 0.5), (4.0, 0.0, 0.0), (25.0, 0.5, 1.0)])
def test_one_step_in_a_hundred_of_the_smallest_size_is_lost(reach_px, sigma_px, share):
    size_m = smallest_diameter_nm(tracks_within(reach_px, sigma_px, share)) * 1e-9
    d = naive.diffusion_m2_s(size_m, 298.15, 0.89e-3)
    variance = naive.displacement_covariance(np.arange(2), np.full(2, sigma_px * 1e-7), d, 0.04, share / 6)[0, 0]
    assert 1 - naive.probability_within(reach_px * 1e-7, math.sqrt(variance)) == pytest.approx(0.01, rel=1e-7)


def test_simulated_steps_leave_the_range_one_time_in_a_hundred():
    """N = 100 000 steps from tracks of 2 frames, seed 47: 1 % within 4 binomial standard errors."""
    size = smallest_diameter_nm(tracks_within(10.0, 0.3, 1.0))
    made = simulate(np.random.default_rng(47), np.full(100_000, size), 2, sigma_m=0.3e-7)
    steps = np.hypot(np.diff(made["x"].reshape(-1, 2)), np.diff(made["y"].reshape(-1, 2)))
    assert abs((steps > 1e-6).mean() - 0.01) / math.sqrt(0.01 * 0.99 / 100_000) < 4


def test_the_range_that_is_chosen_for_a_size_reaches_below_it():
    """25 frames/s, 0.166 µm/px: 30 nm needs 22 px and the margin for 0.1 %, so 1 % is lost below two thirds of it."""
    wide = acquisition(0.0, mpp=0.166)
    capture = LinkedCapture(wide, np.zeros((100, 2)), search_range_px=search_range(wide, 30.0))
    table = tracks_within(1.0).table.assign(sigma_px=0.0)
    assert 15.0 < smallest_diameter_nm(Tracks(table, (capture,))) < 30.0 * 2 / 3
    narrow = LinkedCapture(wide, np.zeros((100, 2)), search_range_px=10.0)
    both = pd.concat([table, table.assign(capture=1)], ignore_index=True)
    # 10 px = 1.66 µm: s² = r²/(2 ln 100), d = kT/(3 pi eta) 2 tau/s²; the capture that reaches least far counts
    expected = BOLTZMANN_J_K * 298.15 / (3 * np.pi * 0.89e-3) * 2 * 0.04 / (1.66e-6**2 / (2 * math.log(100)))
    assert smallest_diameter_nm(Tracks(both, (capture, narrow))) == pytest.approx(expected * 1e9, rel=1e-9)


def test_without_a_range_there_is_no_limit_and_with_too_narrow_a_one_no_size():
    assert math.isnan(smallest_diameter_nm(tracks_within(math.inf)))
    assert smallest_diameter_nm(tracks_within(1.0, sigma_px=1.0)) == math.inf
    assert math.isnan(smallest_diameter_nm(Tracks(Tracks.empty_table())))
