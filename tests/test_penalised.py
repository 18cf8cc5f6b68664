"""The penalised fit: its derivatives, what it finds, how smooth it chooses to be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tracks_simulated import made_diffusion

from nta.penalised import N_SPLINES, SMOOTHNESS_GRID, Problem, lognormal_log_likelihood

MEDIAN_NM, LOG_SD = 110.0, 0.27


def problem_of(diameters_nm, n_positions=20, seed=41):
    diffusion = made_diffusion(np.random.default_rng(seed), diameters_nm, n_positions)
    return Problem(diffusion.log_likelihood, np.log(diffusion.diameters_nm)), np.log(diffusion.diameters_nm)


def lognormal(n_tracks, seed=42):
    return np.random.default_rng(seed).lognormal(math.log(MEDIAN_NM), LOG_SD, n_tracks)


def mixture(n_tracks):
    return np.where(np.arange(n_tracks) % 2 == 0, 100.0, 200.0)


def test_likelihood_rows_may_have_any_offset():
    diffusion = made_diffusion(np.random.default_rng(41), lognormal(50), 20)
    log_d = np.log(diffusion.diameters_nm)
    shifted = diffusion.log_likelihood + np.linspace(-1000, 1000, 50)[:, None]
    a, b = (Problem(logl, log_d).fit(np.ones(50)) for logl in (diffusion.log_likelihood, shifted))
    assert 0.5 * np.abs(a.share - b.share).sum() < 1e-3


def test_newton_step_has_the_slope_of_the_objective():
    """The slope that the step states, gradient'step, against a central difference along it."""
    problem, _ = problem_of(lognormal(80))
    weights = np.random.default_rng(43).uniform(0.2, 3, 80)
    penalty = 1e-3 * problem._penalty
    coefficients = problem._start(weights) + np.random.default_rng(44).normal(0, 0.3, N_SPLINES)
    _, share = problem._objective(coefficients, weights, penalty)
    step, slope = problem._newton_step(coefficients, share, weights, penalty)
    h = 1e-5
    ahead, behind = (problem._objective(coefficients + sign * h * step, weights, penalty)[0] for sign in (1, -1))
    assert slope > 0
    assert slope == pytest.approx((ahead - behind) / (2 * h), rel=1e-5)


def test_at_the_solution_the_gradient_vanishes_in_every_direction():
    problem, _ = problem_of(lognormal(200))
    weights, smoothness = np.ones(200), 1e-3
    fit = problem.fit_with(weights, smoothness, problem._start(weights))
    penalty, h = smoothness * problem._penalty, 1e-4
    for direction in np.eye(N_SPLINES):
        ahead, here, behind = (
            problem._objective(fit.coefficients + shift * h * direction, weights, penalty)[0] for shift in (1, 0, -1)
        )
        slope, curvature = (ahead - behind) / (2 * h), (ahead - 2 * here + behind) / h**2
        assert curvature < 1e-3
        # What is left to gain along this direction, slope²/(2 |curvature|), against 200 tracks of about 1
        # each.
        assert slope**2 / (2 * max(abs(curvature), 1e-3)) < 1e-3


def test_evidence_holds_the_determinant_of_the_true_hessian():
    """ln det A against second differences of the likelihood in all 60 x 60 directions."""
    problem, _ = problem_of(mixture(40))
    weights, smoothness = np.linspace(0.5, 2, 40), 1e-4
    fit = problem.fit_with(weights, smoothness, problem._start(weights))
    nothing, h = np.zeros((N_SPLINES, N_SPLINES)), 2e-3
    steps = h * np.eye(N_SPLINES)

    def likelihood(shift):
        return problem._objective(fit.coefficients + shift, weights, nothing)[0]

    hessian = np.empty((N_SPLINES, N_SPLINES))
    for i in range(N_SPLINES):
        for j in range(i + 1):
            corners = [
                likelihood(steps[i] + steps[j]),
                -likelihood(steps[i] - steps[j]),
                -likelihood(steps[j] - steps[i]),
                likelihood(-steps[i] - steps[j]),
            ]
            hessian[i, j] = hessian[j, i] = sum(corners) / (4 * h * h)
    matrix = -hessian + smoothness * problem._penalty + 1 / N_SPLINES
    value = problem._objective(fit.coefficients, weights, smoothness * problem._penalty)[0]
    expected = value + 0.5 * (N_SPLINES - 3) * math.log(smoothness) - 0.5 * np.linalg.slogdet(matrix)[1]
    assert fit.log_evidence == pytest.approx(expected, abs=0.01)


def test_penalty_is_the_integral_of_the_squared_third_derivative():
    """A cubic has a constant third derivative: theta = c x³ costs 36 c² times the width of the grid."""
    problem, log_d = problem_of(lognormal(5))
    x = log_d - log_d.mean()
    coefficients = np.linalg.lstsq(problem._basis, x**3, rcond=None)[0]
    assert coefficients @ problem._penalty @ coefficients == pytest.approx(36 * (log_d[-1] - log_d[0]), rel=1e-6)
    parabola = np.linalg.lstsq(problem._basis, x**2 - 3 * x + 1, rcond=None)[0]
    assert abs(parabola @ problem._penalty @ parabola) < 1e-6


def test_a_lognormal_is_found_again():
    """N = 1000 tracks of 20 positions, seed 41: mean and sd of ln d within 4 standard errors."""
    n_tracks = 1000
    sizes = lognormal(n_tracks)
    problem, log_d = problem_of(sizes)
    share = problem.fit(np.ones(n_tracks)).share
    mean = share @ log_d
    sd = math.sqrt(share @ (log_d - mean) ** 2)
    # One track's ln d has the error 1/sqrt(19) beside the spread of the sizes.
    total_variance = LOG_SD**2 + 1 / 19
    assert abs(mean - math.log(MEDIAN_NM)) < 4 * math.sqrt(total_variance / n_tracks)
    # var(s²) = 2 sigma⁴/n, and s² = sd² + a known error.
    assert abs(sd**2 - LOG_SD**2) < 4 * total_variance * math.sqrt(2 / n_tracks)
    assert share.sum() == pytest.approx(1, abs=1e-12)


@pytest.fixture(scope="module")
def of_mixture():
    """N = 500 tracks of 40 positions, seed 41: half of them 100 nm, half 200 nm."""
    problem, log_d = problem_of(mixture(500), n_positions=40)
    return problem.fit(np.ones(500)), log_d


def test_evidence_is_stiff_for_a_lognormal_and_yields_to_a_mixture(of_mixture):
    stiff, loose = problem_of(lognormal(500))[0].fit(np.ones(500)), of_mixture[0]
    assert stiff.smoothness >= 1e-2
    assert loose.smoothness <= stiff.smoothness / 1e3
    assert {stiff.smoothness, loose.smoothness} <= set(SMOOTHNESS_GRID)


def test_100_and_200_nm_are_resolved(of_mixture):
    """Two peaks within 5 %, half of the particles each."""
    share, log_d = of_mixture[0].share, of_mixture[1]
    tops = [i for i in range(1, share.size - 1) if share[i - 1] < share[i] > share[i + 1] > 0.1 * share.max()]
    assert np.exp(log_d[tops]) == pytest.approx([100, 200], rel=0.05)
    between = share[tops[0] : tops[1]].min()
    assert between < 0.3 * share[tops].min()
    assert share[log_d < math.log(141)].sum() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("smoothness", [100.0, 1.0])
@pytest.mark.parametrize("n_tracks", [40, 400])
def test_a_stiff_fit_follows_the_data_as_far_as_a_lognormal_can(smoothness, n_tracks):
    """Every lognormal is free of penalty: leaving out the small half must move even the stiffest fit."""
    sizes = np.sort(lognormal(n_tracks))
    problem, log_d = problem_of(sizes)
    start = problem.fit_with(np.ones(n_tracks), smoothness, problem._start(np.ones(n_tracks)))
    weights = np.where(np.arange(n_tracks) < n_tracks // 2, 0.0, 2.0)
    moved = problem.fit_with(weights, smoothness, start.coefficients)
    above = np.log(sizes[n_tracks // 2 :]).mean() - np.log(sizes).mean()
    assert (moved.share - start.share) @ log_d == pytest.approx(above, abs=4 / math.sqrt(19 * n_tracks / 2))


def test_a_weight_of_two_is_the_track_twice():
    sizes = lognormal(60)
    diffusion = made_diffusion(np.random.default_rng(41), sizes, 20)
    log_d = np.log(diffusion.diameters_nm)
    weights = np.ones(60)
    weights[:20] = 2
    once = Problem(diffusion.log_likelihood, log_d).fit_with(weights, 1e-2, np.zeros(N_SPLINES))
    rows = np.concatenate([diffusion.log_likelihood, diffusion.log_likelihood[:20]])
    twice = Problem(rows, log_d).fit_with(np.ones(80), 1e-2, np.zeros(N_SPLINES))
    assert 0.5 * np.abs(once.share - twice.share).sum() < 1e-3


def test_the_same_tracks_give_the_same_bytes():
    a, b = (problem_of(lognormal(100))[0].fit(np.ones(100)) for _ in range(2))
    assert a.share.tobytes() == b.share.tobytes()
    assert (a.smoothness, a.log_evidence) == (b.smoothness, b.log_evidence)


def test_the_start_does_not_decide_where_the_fit_ends():
    problem, _ = problem_of(lognormal(300))
    weights = np.ones(300)
    near = problem.fit_with(weights, 1.0, problem._start(weights))
    far = problem.fit_with(weights, 1.0, np.zeros(N_SPLINES))
    assert 0.5 * np.abs(near.share - far.share).sum() < 0.005


def test_spline_between_the_grid_points_is_the_fitted_one():
    problem, log_d = problem_of(lognormal(100))
    fit = problem.fit(np.ones(100))
    theta = fit.log_density(log_d)
    ratio = np.exp(theta - theta.max())
    np.testing.assert_allclose(ratio / ratio.sum(), fit.share, rtol=1e-6, atol=1e-15)
    middle = fit.log_density((log_d[60:90] + log_d[61:91]) / 2)
    assert np.all(np.abs(middle - (theta[60:90] + theta[61:91]) / 2) < 0.1)


def test_posterior_mean_lies_between_the_track_and_the_population():
    problem, log_d = problem_of(np.full(200, 110.0), n_positions=5)
    fit = problem.fit_with(np.ones(200), 1e-2, problem._start(np.ones(200)))
    posterior = problem.posterior(fit.share)
    np.testing.assert_allclose(posterior.sum(axis=1), 1.0, rtol=1e-12)
    assert (posterior @ log_d).mean() == pytest.approx(fit.share @ log_d, abs=0.02)
    # A track of four steps knows ln d to 1/sqrt(4); the population knows it better.
    assert (posterior @ log_d).std() < 0.5 / math.sqrt(4)


def test_lognormal_log_likelihood_is_the_maximum_over_all_lognormals():
    """Against every mean and sd of a grid; expectation-maximisation stops a little short of the top."""
    logl = made_diffusion(np.random.default_rng(41), lognormal(100), 20).log_likelihood
    log_d = np.log(np.geomspace(20.0, 700.0, 150))
    highest = -math.inf
    for mean in np.linspace(4.4, 5.0, 25):
        for sd in np.linspace(0.1, 0.5, 25):
            share = np.exp(-0.5 * ((log_d - mean) / sd) ** 2)
            share /= share.sum()
            highest = max(highest, np.sum(np.logaddexp.reduce(logl + np.log(share + 1e-300), axis=1)))
    assert lognormal_log_likelihood(logl, log_d) == pytest.approx(highest, abs=0.3)


def test_one_size_alone_is_narrow():
    """N = 300 tracks of 20 positions, seed 41."""
    problem, log_d = problem_of(np.full(300, 100.0))
    share = problem.fit(np.ones(300)).share
    mean = share @ log_d
    assert abs(mean - math.log(100)) < 4 / math.sqrt(300 * 19)
    assert math.sqrt(share @ (log_d - mean) ** 2) < 0.1


def test_tracks_that_no_size_explains_end_at_the_grid():
    """Each is likeliest at 20 nm by thousands of nats, as random positions are: a fit, and no number out of range."""
    log_d = np.log(np.geomspace(20.0, 700.0, 150))
    problem = Problem(np.tile(-6e4 * (log_d - log_d[0]), (60, 1)), log_d)
    fits = problem.fits(np.ones(60))
    assert all(abs(fit.log_evidence) < 1e6 for fit in fits)
    assert all(np.isfinite(fit.share).all() and fit.share[0] > 0.5 for fit in fits)
