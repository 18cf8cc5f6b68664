"""One to three sizes in place of a curve: what they find, and when the evidence prefers them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tracks_simulated import made_diffusion

from nta.fitting import _weighed
from nta.lines import BROADEST, MAX_LINES, NARROWEST, LineProblem, Lines
from nta.penalised import DensityFit, Problem, best_of


def problems_of(diameters_nm, n_positions=20, seed=41):
    diffusion = made_diffusion(np.random.default_rng(seed), diameters_nm, n_positions)
    log_d = np.log(diffusion.diameters_nm)
    curve = Problem(diffusion.log_likelihood, log_d)
    return curve, LineProblem(curve.likelihood, log_d), np.ones(len(diameters_nm))


def weighed(diameters_nm, n_positions=20):
    """What the evidence prefers, and the summary of one, two and three lines."""
    curve, lines, weights = problems_of(diameters_nm, n_positions)
    curves = curve.fits(weights)
    best, _, probability = _weighed(curves, lines, weights)
    assert probability.sum() == pytest.approx(1)
    evidence = best_of(curves).log_evidence
    return best, [lines.summed_up(rung, weights) for rung in lines.fits(weights, curves[0].log_evidence, evidence)]


@pytest.fixture(scope="module")
def of_one_size():
    """N = 600 tracks of 20 positions, 100 nm, seed 41."""
    return weighed(np.full(600, 100.0))


@pytest.fixture(scope="module")
def of_two_sizes():
    """N = 600 tracks of 40 positions, a third of them 80 nm, the others 130 nm, seed 41."""
    return weighed(np.where(np.arange(600) % 3 == 0, 80.0, 130.0), 40)


def test_one_size_is_read_as_one_narrow_line(of_one_size):
    one = of_one_size[0]
    assert isinstance(one, Lines)
    assert len(one.shares) == 1
    # A track of 19 steps in a plane knows ln d to 1/sqrt(19); 600 of them to a 24th of it.
    assert abs(one.log_means[0] - math.log(100)) < 4 / math.sqrt(19 * 600)
    # 600 variances of 1/19 each add up to a total known to 1/19 sqrt(2/600): a width of 6 % is 1.2 of its errors.
    assert NARROWEST < one.log_sd < 0.06


def test_two_sizes_are_read_with_their_shares(of_two_sizes):
    two = of_two_sizes[0]
    assert isinstance(two, Lines)
    assert len(two.shares) == 2
    order = np.argsort(two.log_means)
    for mean, size, number in zip(two.log_means[order], (80.0, 130.0), (200, 400), strict=True):
        assert abs(mean - math.log(size)) < 4 * 1.5 / math.sqrt(39 * number)
    assert two.shares[order[0]] == pytest.approx(1 / 3, abs=4 * 1.5 * math.sqrt(2 / 9 / 600))


@pytest.mark.parametrize("n_tracks", [50, 150, 600])
def test_a_broad_population_stays_a_curve(n_tracks):
    """Also with few tracks, where a few lines would explain as much: sd of ln d 0.27, seed 42."""
    sizes = np.random.default_rng(42).lognormal(math.log(110.0), 0.27, n_tracks)
    assert isinstance(weighed(sizes)[0], DensityFit)


def test_beads_of_twelve_per_cent_are_a_curve():
    """N = 600 tracks of 60 positions: wider than any line may be, and known to be so."""
    sizes = np.random.default_rng(42).lognormal(math.log(110.0), 0.14, 600)
    assert isinstance(weighed(sizes, 60)[0], DensityFit)


def test_scores_are_the_derivatives_of_the_likelihood():
    _, lines, weights = problems_of(np.where(np.arange(60) % 2 == 0, 90.0, 140.0))
    means, shares = np.log([92.0, 118.0, 150.0]), np.array([0.2, 0.5, 0.3])
    here = lines._state(means, shares, weights, 0.05)
    h = 1e-6
    for number in range(5):
        step = h * np.eye(5)[number]
        ahead, behind = (lines._state(*lines._moved(here, sign * step), weights, 0.05) for sign in (1, -1))
        slope = (ahead.log_likelihood - behind.log_likelihood) / (2 * h)
        assert weights @ here.scores[:, number] == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_at_the_top_every_score_vanishes():
    _, lines, weights = problems_of(np.where(np.arange(200) % 2 == 0, 80.0, 150.0), 40)
    state = lines._climbed(np.log([85.0, 140.0]), np.array([0.4, 0.6]), weights, 0.03, 60, 1e-9)
    information = state.scores.T @ state.scores
    slopes = weights @ state.scores
    # What a last step would gain, in nats.
    assert slopes @ np.linalg.solve(information, slopes) < 1e-6


def test_evidence_of_one_line_is_the_integral_over_its_mean():
    """Laplace's approximation against a sum over means a thousandth apart."""
    _, lines, weights = problems_of(np.full(100, 100.0))
    fit = lines._fitted(Lines(np.log([105.0]), np.ones(1), 0.05, np.empty(0), math.nan), weights, 0.05)
    means = np.linspace(math.log(60), math.log(160), 1000)
    values = np.array([lines._state(np.array([m]), np.ones(1), weights, 0.05).log_likelihood for m in means])
    highest = values.max()
    integral = highest + math.log(np.sum(np.exp(values - highest)) * (means[1] - means[0]))
    expected = integral - math.log(math.log(700 / 20)) - math.log(math.log(1 / NARROWEST))
    assert fit.log_evidence == pytest.approx(expected, abs=0.05)


def test_log_density_integrates_to_the_shares():
    fit = Lines(np.log([80.0, 160.0]), np.array([0.3, 0.7]), 0.04, np.empty(0), 0.0)
    log_d = np.linspace(math.log(40), math.log(320), 4001)
    density = np.exp(fit.log_density(log_d))
    below = log_d < math.log(113)
    assert density[below].sum() / density.sum() == pytest.approx(0.3, abs=1e-6)
    mean = density[below] @ log_d[below] / density[below].sum()
    variance = density[below] @ (log_d[below] - mean) ** 2 / density[below].sum()
    assert math.sqrt(variance) == pytest.approx(0.04, rel=1e-3)


def test_the_narrowest_line_still_shows_on_a_grid_of_one_nanometre():
    fit = Lines(np.log([60.3]), np.ones(1), NARROWEST, np.empty(0), 0.0)
    diameter_nm = np.arange(30.0, 200.0)
    density = np.exp(fit.log_density(np.log(diameter_nm))) / diameter_nm
    assert density @ diameter_nm / density.sum() == pytest.approx(60.3, abs=0.05)


def test_refitting_with_the_same_weights_changes_nothing(of_two_sizes):
    _, lines, weights = problems_of(np.where(np.arange(600) % 3 == 0, 80.0, 130.0), 40)
    two = of_two_sizes[1][1]
    again = lines.refitted(two, weights)
    np.testing.assert_allclose(again.log_means, two.log_means, atol=1e-3)
    np.testing.assert_allclose(again.shares, two.shares, atol=1e-3)


def test_refitting_follows_the_weights(of_two_sizes):
    """Tracks of the larger size alone: its share is all there is."""
    _, lines, weights = problems_of(np.where(np.arange(600) % 3 == 0, 80.0, 130.0), 40)
    only = np.where(np.arange(600) % 3 == 0, 0.0, weights)
    again = lines.refitted(of_two_sizes[1][1], only)
    assert again.share @ np.log(np.geomspace(20.0, 700.0, again.share.size)) == pytest.approx(math.log(130), abs=0.03)


def test_the_same_tracks_give_the_same_bytes():
    a, b = (weighed(np.full(100, 100.0)) for _ in range(2))
    assert [rung.share.tobytes() for rung in a[1]] == [rung.share.tobytes() for rung in b[1]]


def test_widths_and_numbers_are_within_what_is_stated(of_two_sizes):
    _, lines, weights = problems_of(np.where(np.arange(600) % 3 == 0, 80.0, 130.0), 40)
    ladder = lines.fits(weights, 0.0, -1e9)
    assert [len(rung[0].shares) for rung in ladder] == list(range(1, MAX_LINES + 1))
    assert all(NARROWEST * 0.999 < fit.log_sd < BROADEST * 1.001 for rung in ladder for fit in rung)
