"""Every kernel against its slow twin, against theory, and against published values."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
from scipy.special import polygamma
from tracks_simulated import FPS, diffusion_m2_s, simulate

from nta.kernels import (
    BOLTZMANN_J_K,
    covariance_estimates,
    displacement_moments,
    mean_log_light,
    step_products,
    stokes_einstein_diameter_m,
    stokes_einstein_diffusion_m2_s,
    track_log_likelihood,
)

TAU = 1 / FPS
INFINITE = (math.inf, math.inf, math.inf)


def steps_of(tracks):
    """The arguments that the kernels of displacements share."""
    return tuple(tracks[name] for name in ("offsets", "frames", "x", "y", "drift_x", "drift_y"))


def likelihood_of(tracks, diffusion, blur, growth=0.0, bounds=INFINITE, kernel=track_log_likelihood):
    return kernel(
        *(tracks[name] for name in ("offsets", "frames", "x", "y", "sigma", "drift_x", "drift_y")),
        np.asarray(diffusion, dtype=float),
        TAU,
        blur,
        growth,
        *bounds,
    )


def awkward_tracks(seed=1):
    """Nine tracks with gaps, an error of its own for every position, drift, and lengths from 2 to 14."""
    random = np.random.default_rng(seed)
    lengths = [2, 3, 4, 5, 7, 9, 11, 13, 14]
    tracks = simulate(random, np.geomspace(30, 400, 9), lengths, sigma_m=30e-9, gap_share=0.25)
    tracks["sigma"] = random.uniform(5e-9, 120e-9, tracks["x"].size)
    tracks["drift_x"] = np.cumsum(random.normal(400e-9, 50e-9, tracks["drift_x"].size))
    tracks["drift_y"] = np.cumsum(random.normal(-100e-9, 50e-9, tracks["drift_y"].size))
    tracks["x"] = tracks["x"] + tracks["drift_x"][tracks["frames"]]
    tracks["y"] = tracks["y"] + tracks["drift_y"][tracks["frames"]]
    assert np.any(np.diff(tracks["frames"]) > 1)
    return tracks


def z_of_pooled_diffusion(tracks, true_diffusion, blur, bounds=INFINITE):
    """(ln D_ML - ln D)/se of all tracks together; se from the curvature (the Cramér-Rao bound)."""
    spacing = 0.005
    grid = np.arange(-100, 101) * spacing
    total = likelihood_of(tracks, true_diffusion * np.exp(grid), blur, bounds=bounds).sum(axis=0)
    top = int(np.argmax(total))
    assert 1 < top < grid.size - 2
    left, middle, right = total[top - 1 : top + 2]
    curvature = (left - 2 * middle + right) / spacing**2
    best = grid[top] + 0.5 * (left - right) / (left - 2 * middle + right) * spacing
    return best * math.sqrt(-curvature)


# --- Stokes and Einstein -----------------------------------------------------------------------------------


def test_100_nm_in_water_at_25_degrees_diffuses_with_4_9_square_micrometres_per_second():
    # CODATA 2018: kB = 1.380649e-23 J/K. kB T = 1.380649e-23 x 298.15 = 4.116405e-21 J; IAPWS 2008: 0.8900
    # mPa·s. 3 pi 0.8900e-3 x 100e-9 = 8.388052e-10 N s/m, and 4.116405e-21/8.388052e-10 = 4.90746e-12 m²/s.
    assert stokes_einstein_diffusion_m2_s(100e-9, 298.15, 0.89e-3) == pytest.approx(4.90746e-12, rel=2e-6)


def test_boltzmann_constant_is_that_of_the_si():
    assert BOLTZMANN_J_K == 1.380649e-23


def test_stokes_einstein_agrees_with_its_twin_and_is_its_own_inverse():
    for diameter_m in np.geomspace(1e-9, 1e-5, 9):
        diffusion = stokes_einstein_diffusion_m2_s(diameter_m, 310.15, 0.7e-3)
        assert diffusion == pytest.approx(naive.diffusion_m2_s(diameter_m, 310.15, 0.7e-3), rel=1e-14)
        assert stokes_einstein_diameter_m(diffusion, 310.15, 0.7e-3) == pytest.approx(diameter_m, rel=1e-14)


# --- The likelihood of a track -----------------------------------------------------------------------------


@pytest.mark.parametrize("blur", [0.0, 0.135, 1 / 6])
@pytest.mark.parametrize("growth", [0.0, 5e11])
def test_likelihood_equals_that_of_the_dense_covariance_matrix(blur, growth):
    tracks, diffusion = awkward_tracks(), diffusion_m2_s([20.0, 60.0, 110.0, 400.0, 700.0])
    fast = likelihood_of(tracks, diffusion, blur, growth)
    slow = likelihood_of(tracks, diffusion, blur, growth, kernel=naive.track_log_likelihood)
    np.testing.assert_allclose(fast, slow, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "bounds",
    [
        pytest.param((3e-6, math.inf, math.inf), id="width"),
        pytest.param((math.inf, 2e-6, math.inf), id="height"),
        pytest.param((math.inf, math.inf, 2.2e-6), id="search range"),
        pytest.param((3e-6, 2e-6, 3.1e-6), id="all"),
    ],
)
def test_conditions_of_being_observed_equal_numerical_integrals(bounds):
    tracks, diffusion = awkward_tracks(2), diffusion_m2_s([40.0, 110.0, 300.0])
    # The conditions follow the position in the field: bring every position into it, near its edges too.
    tracks["x"] = np.mod(tracks["x"], 3e-6)
    tracks["y"] = np.mod(tracks["y"], 2e-6)
    fast = likelihood_of(tracks, diffusion, 0.1, bounds=bounds)
    slow = likelihood_of(tracks, diffusion, 0.1, bounds=bounds, kernel=naive.track_log_likelihood)
    free = likelihood_of(tracks, diffusion, 0.1)
    # A difference of two error functions near 1 keeps 16 digits of 1, not of itself: 1e-9 where it is small.
    np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-9)
    assert np.all(fast >= free - 1e-12)
    assert np.any(fast > free + 0.1)


def test_displacements_of_a_blurred_particle_have_the_covariance_that_the_likelihood_assumes():
    """N = 10 000 tracks of 4 frames, seed 3: the exact Brownian bridge against C_nn, C_n,n+1 and C_n,n+2."""
    n_tracks, sigma, share = 10_000, 40e-9, 0.81
    tracks = simulate(np.random.default_rng(3), np.full(n_tracks, 80.0), 4, sigma_m=sigma, exposure_share=share)
    u = np.diff(tracks["x"].reshape(n_tracks, 4), axis=1)
    expected = naive.displacement_covariance(
        np.arange(4), np.full(4, sigma), diffusion_m2_s(80.0).item(), TAU, share / 6
    )
    found = u.T @ u / n_tracks
    # Wick: the variance of a product of two normal numbers is C_ii C_jj + C_ij².
    error = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / n_tracks)
    assert np.all(np.abs(found - expected) < 4 * error)
    assert expected[0, 1] > 10 * error[0, 1]


@pytest.mark.parametrize("exposure_share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("gap_share", [0.0, 0.15])
def test_diffusion_coefficient_is_unbiased_at_every_exposure(exposure_share, gap_share):
    """N = 500 tracks of 20 frames, seed 4, 100 nm, error 30 nm: |z| < 4 of the Cramér-Rao bound."""
    tracks = simulate(
        np.random.default_rng(4),
        np.full(500, 100.0),
        20,
        sigma_m=30e-9,
        exposure_share=exposure_share,
        gap_share=gap_share,
    )
    assert abs(z_of_pooled_diffusion(tracks, diffusion_m2_s(100.0), exposure_share / 6)) < 4
    # The test can fail: a shutter taken for the wrong one is many standard errors away.
    wrong = 0.0 if exposure_share > 0 else 1 / 12
    assert abs(z_of_pooled_diffusion(tracks, diffusion_m2_s(100.0), wrong)) > 10


def fisher_information(n_positions, sigma, diffusion, blur):
    """The information on ln D in the displacements of one track in the plane: tr[(C^-1 dC/dlnD)²], dense matrices."""
    frames, none = np.arange(n_positions), np.zeros(n_positions)
    covariance = naive.displacement_covariance(frames, np.full(n_positions, sigma), diffusion, TAU, blur)
    slope = np.linalg.solve(covariance, naive.displacement_covariance(frames, none, diffusion, TAU, blur))
    return np.trace(slope @ slope)  # 1/2 for each of two axes


def spread_of_ln_diffusion(n_tracks, n_positions, sigma_m, exposure_share, seed):
    """Variance of the ML estimates of ln D of single tracks of 100 nm, by a parabola through their maxima."""
    tracks = simulate(
        np.random.default_rng(seed),
        np.full(n_tracks, 100.0),
        n_positions,
        sigma_m=sigma_m,
        exposure_share=exposure_share,
    )
    grid = np.linspace(-3.0, 3.0, 601)
    rows = likelihood_of(tracks, diffusion_m2_s(100.0) * np.exp(grid), exposure_share / 6)
    top = rows.argmax(axis=1)
    assert np.all((top > 0) & (top < grid.size - 1))
    left, middle, right = (rows[np.arange(n_tracks), top + shift] for shift in (-1, 0, 1))
    return float(np.var(grid[top] + 0.5 * (left - right) / (left - 2 * middle + right) * (grid[1] - grid[0]), ddof=1))


@pytest.mark.parametrize("n_positions", [10, 40])
def test_single_tracks_are_sized_as_well_as_theory_allows(n_positions):
    """Sharp and exact: the Cramér-Rao bound of ln d is 1/(L - 1), 34 % at L = 10. N = 4000 tracks, seed 41.

    The sum of |u|² over n steps is a gamma variable of shape n, so the variance is psi'(n) exactly: 1/n + 1/(2n²).
    """
    n_tracks, n = 4000, n_positions - 1
    assert fisher_information(n_positions, 0.0, diffusion_m2_s(100.0), 0.0) == pytest.approx(n, rel=1e-12)
    found, exact = spread_of_ln_diffusion(n_tracks, n_positions, 0.0, 0.0, 41), float(polygamma(1, n))
    # ln of a gamma variable has the fourth cumulant polygamma(3, n): its kurtosis enters the error of a variance.
    error = math.sqrt((2 + polygamma(3, n) / exact**2) / n_tracks)
    assert abs(found / exact - 1) / error < 4
    assert exact > 1 / n


@pytest.mark.parametrize(("sigma_m", "exposure_share"), [(0.0, 1.0), (60e-9, 0.0), (40e-9, 0.81)])
def test_blurred_and_noisy_tracks_reach_the_bound_of_their_covariance(sigma_m, exposure_share):
    """N = 1000 tracks of 120 positions, seed 42: the variance is that of the dense Fisher information, 4 SE + 2 %.

    2 %: what maximum likelihood of 119 steps may be above its bound (1/(2n) for sharp tracks is 0.4 %).
    """
    information = fisher_information(120, sigma_m, diffusion_m2_s(100.0), exposure_share / 6)
    excess = spread_of_ln_diffusion(1000, 120, sigma_m, exposure_share, 42) * information - 1
    assert -4 * math.sqrt(2 / 1000) < excess < 4 * math.sqrt(2 / 1000) + 0.02
    # Noise costs something; blur alone does not, as it scales with D like the steps themselves.
    assert information <= 119 * (1 + 1e-12)


def tracks_in_a_field(width, n_tracks, n_frames, diffusion, seed):
    """Particles that start anywhere in a square field, followed until they leave it; no error, no blur."""
    random = np.random.default_rng(seed)
    x, y = (
        random.uniform(0, width, (n_tracks, 1))
        + np.pad(random.normal(0, np.sqrt(2 * diffusion * TAU), (n_tracks, n_frames - 1)), ((0, 0), (1, 0))).cumsum(1)
        for _ in range(2)
    )
    inside = np.logical_and.accumulate((x >= 0) & (x <= width) & (y >= 0) & (y <= width), axis=1)
    lengths = inside.sum(axis=1)
    inside[lengths < 2] = False
    frames = np.broadcast_to(np.arange(n_frames), inside.shape)[inside]
    return {
        "offsets": np.concatenate([[0], np.cumsum(lengths[lengths >= 2])]).astype(np.int64),
        "frames": frames.astype(np.int64),
        "x": x[inside],
        "y": y[inside],
        "sigma": np.zeros(frames.size),
        "drift_x": np.zeros(n_frames),
        "drift_y": np.zeros(n_frames),
    }


def test_outward_steps_lost_at_the_edge_of_the_field_do_not_bias_the_diffusion_coefficient():
    """N = 3000 tracks of up to 12 frames, seed 5, in a field 6 steps wide."""
    diffusion = diffusion_m2_s(100.0)
    width = 6 * math.sqrt(2 * diffusion * TAU)
    tracks = tracks_in_a_field(width, 3000, 12, diffusion, 5)
    assert abs(z_of_pooled_diffusion(tracks, diffusion, 0.0, (width, width, math.inf))) < 4
    assert z_of_pooled_diffusion(tracks, diffusion, 0.0) < -10


def test_steps_beyond_the_search_range_do_not_bias_the_diffusion_coefficient():
    """N = 20 000 steps, seed 6; those above 1.5 sd are never linked: a truncated Rayleigh distribution."""
    diffusion, random = diffusion_m2_s(100.0), np.random.default_rng(6)
    sd = math.sqrt(2 * diffusion * TAU)
    u = random.normal(0, sd, (20_000, 2))
    u = u[np.hypot(u[:, 0], u[:, 1]) < 1.5 * sd]
    tracks = {
        "offsets": np.arange(len(u) + 1, dtype=np.int64) * 2,
        "frames": np.tile(np.array([0, 1], dtype=np.int64), len(u)),
        "x": np.column_stack([np.zeros(len(u)), u[:, 0]]).ravel(),
        "y": np.column_stack([np.zeros(len(u)), u[:, 1]]).ravel(),
        "sigma": np.zeros(2 * len(u)),
        "drift_x": np.zeros(2),
        "drift_y": np.zeros(2),
    }
    assert abs(z_of_pooled_diffusion(tracks, diffusion, 0.0, (math.inf, math.inf, 1.5 * sd))) < 4
    narrow = likelihood_of(tracks, diffusion * np.array([0.6, 1.0]), 0.0).sum(axis=0)
    assert narrow[0] > narrow[1] + 100


def test_a_step_that_cannot_have_stayed_inside_gives_a_finite_likelihood():
    tracks = awkward_tracks()
    tracks["x"] = tracks["x"] - 1e-3
    assert np.all(np.isfinite(likelihood_of(tracks, diffusion_m2_s([100.0]), 0.1, bounds=(1e-6, 1e-6, 1e-6))))


# --- Covariance estimates ----------------------------------------------------------------------------------


@pytest.mark.parametrize("blur", [0.0, 0.135, 1 / 6])
def test_covariance_estimates_equal_their_twin(blur):
    tracks = awkward_tracks()
    fast = covariance_estimates(*steps_of(tracks), TAU, blur)
    np.testing.assert_allclose(fast, naive.covariance_estimates(*steps_of(tracks), TAU, blur), rtol=1e-10)
    assert np.isnan(fast[0, 0])
    assert fast[0, 2] == 1


@pytest.mark.parametrize(("exposure_share", "sigma_m"), [(1.0, 30e-9), (0.81, 0.0), (0.0, 60e-9)])
def test_covariance_estimates_are_unbiased_with_the_predicted_variance(exposure_share, sigma_m):
    """2000 tracks of N = 100 steps, seed 7; variance D² [(6 + 4e + 2e²)/N + 4 (1 + e)²/N²]/2 for two axes.

    The formula (Vestergaard, Blainey & Flyvbjerg 2014, eq. 17) is that of one axis; e = sigma²/(D tau) - 2R.
    """
    n_tracks, n_steps = 2000, 100
    tracks = simulate(
        np.random.default_rng(7),
        np.full(n_tracks, 90.0),
        n_steps + 1,
        sigma_m=sigma_m,
        exposure_share=exposure_share,
    )
    found = covariance_estimates(*steps_of(tracks), TAU, exposure_share / 6)
    diffusion = diffusion_m2_s(90.0)
    e = sigma_m**2 / (diffusion * TAU) - 2 * exposure_share / 6
    variance = diffusion**2 * ((6 + 4 * e + 2 * e**2) / n_steps + 4 * (1 + e) ** 2 / n_steps**2) / 2
    assert abs(found[:, 0].mean() - diffusion) / math.sqrt(variance / n_tracks) < 4
    # The sample variance of nearly normal numbers has a relative standard error of sqrt(2/n).
    assert abs(found[:, 0].var(ddof=1) / variance - 1) / math.sqrt(2 / n_tracks) < 4
    noise = found[:, 1]
    assert abs(noise.mean() - sigma_m**2) / (noise.std(ddof=1) / math.sqrt(n_tracks)) < 4


# --- Mean squared displacement -----------------------------------------------------------------------------


@pytest.mark.parametrize("max_lag", [1, 4, 30])
def test_displacement_moments_equal_their_twin(max_lag):
    tracks = awkward_tracks()
    fast = displacement_moments(*steps_of(tracks), max_lag)
    slow = naive.displacement_moments(*steps_of(tracks), max_lag)
    np.testing.assert_allclose(fast, slow, rtol=1e-10)
    assert fast.shape == (max_lag + 1, 2)
    assert fast[0, 1] == 0


@pytest.mark.parametrize("lag", [1, 10])
def test_mean_squared_displacement_has_the_offset_of_blur_and_noise(lag):
    """<r²> = 4 D t - 8 R D tau + 4 sigma², one pair from each of N = 4000 tracks, seed 8."""
    sigma, n_tracks = 50e-9, 4000
    tracks = simulate(np.random.default_rng(8), np.full(n_tracks, 120.0), lag + 1, sigma_m=sigma)
    moments = displacement_moments(*steps_of(tracks), lag)
    diffusion = diffusion_m2_s(120.0)
    expected = 4 * diffusion * lag * TAU - 8 / 6 * diffusion * TAU + 4 * sigma**2
    # r² of one pair is exponentially distributed: its sd is its mean.
    assert abs(moments[lag, 0] / n_tracks - expected) / (expected / math.sqrt(n_tracks)) < 4
    assert moments[lag, 1] == n_tracks


# --- Correlation of steps ----------------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [1, 2, 5])
@pytest.mark.parametrize("distance", [0, 1, 2, 3, 8])
def test_step_products_equal_their_twin(distance, lag):
    whole = simulate(np.random.default_rng(9), np.full(6, 100.0), [3, 4, 5, 10, 12, 20], sigma_m=1e-8)
    for tracks in (awkward_tracks(), whole):
        fast = step_products(*steps_of(tracks), distance, lag)
        slow = naive.step_products(*steps_of(tracks), distance, lag)
        # Squares of some 1e-13 m² stand in the last column: no absolute tolerance there.
        np.testing.assert_allclose(fast[:, :2], slow[:, :2], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(fast[:, 2], slow[:, 2], rtol=1e-10)
        assert fast.shape == (len(tracks["offsets"]) - 1, 3)


def correlation_z(products):
    return products[:, 0].sum() / math.sqrt(np.sum(products[:, 0] ** 2))


def test_steps_two_apart_do_not_correlate_however_long_the_exposure():
    """N = 2000 tracks of 20 frames, seed 10: blur and localisation reach the neighbouring step only."""
    tracks = simulate(np.random.default_rng(10), np.full(2000, 100.0), 20, sigma_m=20e-9)
    assert correlation_z(step_products(*steps_of(tracks), 1, 1)) > 10
    for distance in (2, 3):
        assert abs(correlation_z(step_products(*steps_of(tracks), distance, 1))) < 4


def test_smoothed_tracks_show_themselves_two_steps_apart():
    """Positions averaged over three frames, as some codecs do, N = 2000 tracks of 20 frames, seed 10."""
    tracks = simulate(np.random.default_rng(10), np.full(2000, 100.0), 20, sigma_m=20e-9)
    for axis in ("x", "y"):
        rows = tracks[axis].reshape(2000, 20)
        tracks[axis] = ((np.roll(rows, 1, axis=1) + rows + np.roll(rows, -1, axis=1)) / 3)[:, 1:-1].ravel()
    tracks["frames"] = np.tile(np.arange(18), 2000)
    tracks["sigma"] = np.zeros(2000 * 18)
    tracks["offsets"] = np.arange(2001, dtype=np.int64) * 18
    assert correlation_z(step_products(*steps_of(tracks), 2, 1)) > 10


def test_no_track_gives_empty_tables():
    nothing = (np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int64), *(np.empty(0) for _ in range(4)))
    assert covariance_estimates(*nothing, TAU, 0.1).shape == (0, 3)
    assert step_products(*nothing, 2, 1).shape == (0, 3)
    assert displacement_moments(*nothing, 3).sum() == 0


def test_light_equals_its_twin():
    """40 tracks of 30 sizes, seed 31; light beyond both ends of the table, and sizes that do not count."""
    random = np.random.default_rng(31)
    posterior = random.dirichlet(np.ones(30), 40)
    spans = np.sort(random.integers(0, 31, (40, 2)), axis=1)
    told = (random.uniform(0.0, 9.0, 40), posterior, spans, random.uniform(0.0, 0.1, 40), np.full(40, 1 / 40))
    law = (np.linspace(-2.0, 12.0, 30), random.uniform(0.5, 2.0, 30), random.uniform(0.0, 3.0, 200), -1.2, 0.02)
    assert mean_log_light(*told, *law) == pytest.approx(naive.mean_log_light(*told, *law), rel=1e-10)
