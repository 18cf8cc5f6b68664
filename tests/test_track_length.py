"""How sizes and lengths of tracks go together: the law found again, and what it mends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from naive import class_log_likelihood
from tracks_simulated import made_diffusion, passing_capture

from nta import fitting, track_length
from nta.fitting import fit_density
from nta.track_length import N_CLASSES, LengthLaw, fit_length_law

LOG_D = np.log(np.geomspace(20.0, 700.0, 300))


def tracks_of(n_tracks, mean_length, sd=0.25, seed=41):
    """Sizes of particles (ln d normal about ln 100, sd 0.3) and lengths, geometric about ``mean_length(d)``.

    The sizes are those of *tracks*. Of each an estimate is known that is off by ``sd``.
    """
    random = np.random.default_rng(seed)
    log_d = math.log(100) + random.normal(0, 0.3, n_tracks)
    lengths = 4.0 + random.geometric(1.0 / (mean_length(np.exp(log_d)) - 4.0))
    estimate = log_d + random.normal(0, sd, n_tracks)
    return log_d, lengths, -0.5 * ((LOG_D - estimate[:, None]) / sd) ** 2


def law_of(log_d, lengths, log_likelihood):
    """The law, told the true density of the positions' sizes."""
    share, _ = np.histogram(log_d, np.append(LOG_D, LOG_D[-1] + np.diff(LOG_D)[0]), weights=lengths)
    smooth = np.convolve(share, np.exp(-0.5 * (np.arange(-30, 31) / 8.0) ** 2), mode="same")
    law = fit_length_law(lengths, log_likelihood, smooth / smooth.sum(), LOG_D, lengths / lengths.mean())
    assert law is not None
    return law


def test_longer_tracks_of_larger_particles_are_found():
    """N = 8000 tracks, seed 41, mean length in proportion to the diameter; sizes known to 25 % each.

    Of the truth: for positions of 80 and of 125 nm (within 3 %), the share in tracks of 40 positions or more.
    A logistic line is not the exact law, hence 0.04 on top of four standard errors.
    """
    log_d, lengths, log_likelihood = tracks_of(8000, lambda d: 0.25 * d)
    law = law_of(log_d, lengths, log_likelihood)
    long_classes = np.flatnonzero(law.edges >= 40)
    for diameter_nm in (80.0, 125.0):
        near = np.abs(log_d - math.log(diameter_nm)) < 0.03
        long = lengths >= law.edges[long_classes[0]]
        weight = lengths * near
        true = weight[long].sum() / weight.sum()
        error = math.sqrt(true * (1 - true) * (weight**2).sum()) / weight.sum()
        odds = law.intercepts + law.slopes * (math.log(diameter_nm) - law.log_reference)
        share = np.exp(odds) / np.exp(odds).sum()
        assert share[long_classes[0] + 1 :].sum() == pytest.approx(true, abs=4 * error + 0.04)


def test_lengths_that_know_nothing_of_size_say_nothing():
    """N = 8000, seed 42: every slope is within four of the standard errors that 300 such fits would have.

    The information on one slope is that of a binary variable of share 1/8 on sizes of sd 0.3 known to a share
    0.3²/(0.3² + 0.25²) of their variance; positions count N_eff = N / (E n²/(E n)²), about N/1.7.
    """
    log_d, lengths, log_likelihood = tracks_of(8000, lambda d: np.full_like(d, 25.0), seed=42)
    law = law_of(log_d, lengths, log_likelihood)
    n_effective = lengths.sum() ** 2 / (lengths @ lengths)
    known = 0.3**2 * 0.3**2 / (0.3**2 + 0.25**2)
    slope_sd = 1.0 / math.sqrt(n_effective * (1 / 8) * (7 / 8) * known)
    assert np.abs(law.slopes).max() < 4 * slope_sd


def test_gradient_is_that_of_the_likelihood():
    """Against central differences of the naive sum, to 1e-6."""
    random = np.random.default_rng(43)
    groups = [(random.random((7, 5)), random.random(7)) for _ in range(3)]
    odds = random.normal(size=(3, 5))

    def value_of(odds):
        return class_log_likelihood(groups, odds)

    probability = np.exp(odds) / np.exp(odds).sum(axis=0)
    value, gradient = track_length._log_likelihood(groups, probability)
    assert value == pytest.approx(value_of(odds), rel=1e-12)
    for k in range(3):
        for j in range(5):
            step = np.zeros_like(odds)
            step[k, j] = 1e-5
            slope = (value_of(odds + step) - value_of(odds - step)) / 2e-5
            assert gradient[k, j] == pytest.approx(slope, abs=1e-6)


def test_probabilities_of_the_classes_sum_to_one():
    law = LengthLaw(np.array([10.0, 20.0]), np.array([0.1, 0.4, -0.2]), np.array([-1.0, 0.0, 0.7]), 4.6, np.ones(3))
    of_each = np.exp(law.log_likelihood(np.array([5.0, 10.0, 300.0]), LOG_D))
    assert of_each.sum(axis=0) == pytest.approx(np.ones(LOG_D.size))
    # ln odds of the last class against the first at e^4.6 · e^0.5: (-0.2 + 0.35) - (0.1 - 0.5) = 0.55.
    last = law.log_likelihood(np.array([300.0]), np.array([5.1])) - law.log_likelihood(np.array([5.0]), np.array([5.1]))
    assert last == pytest.approx(0.55)


def test_tracks_per_position_is_the_mean_of_the_inverse_length():
    """By hand: odds equal, classes of 1/length 0.2, 0.05: (0.2 + 0.05)/2."""
    law = LengthLaw(np.array([10.0]), np.zeros(2), np.zeros(2), 4.6, np.array([0.2, 0.05]))
    assert law.tracks_per_position(LOG_D[:4]) == pytest.approx(np.full(4, 0.125))


def test_classes_hold_equal_shares_of_the_positions():
    random = np.random.default_rng(44)
    lengths = 4.0 + random.geometric(0.05, 5000)
    edges = track_length._edges(lengths)
    classes = track_length._classes(lengths, edges)
    share = np.bincount(classes, lengths, edges.size + 1) / lengths.sum()
    assert edges.size == N_CLASSES - 1
    assert share == pytest.approx(np.full(N_CLASSES, 1 / N_CLASSES), abs=0.02)


def test_tracks_of_one_length_have_no_law():
    log_likelihood = np.zeros((200, LOG_D.size))
    share = np.full(LOG_D.size, 1 / LOG_D.size)
    assert fit_length_law(np.full(200, 30.0), log_likelihood, share, LOG_D, np.ones(200)) is None


def test_few_tracks_have_no_law():
    _, lengths, log_likelihood = tracks_of(49, lambda d: 0.25 * d)
    share = np.full(LOG_D.size, 1 / LOG_D.size)
    assert fit_length_law(lengths, log_likelihood, share, LOG_D, lengths) is None


def test_two_lengths_make_two_classes():
    """What eleven short positions of 30 frames leave: most tracks as long as the capture."""
    _, _, log_likelihood = tracks_of(200, lambda d: 0.25 * d)
    lengths = np.where(np.arange(200) % 3 == 0, 12.0, 30.0)
    share = np.full(LOG_D.size, 1 / LOG_D.size)
    law = fit_length_law(lengths, log_likelihood, share, LOG_D, lengths / 20.0)
    assert law is not None
    assert list(law.edges) == [30.0]


def test_short_tracks_are_not_drawn_to_the_middle(monkeypatch):
    """16 sets of 600 tracks, seeds 50 to 65; lengths geometric about 10 + 0.1 d/nm: links break and particles leave.

    The mean ln d of all positions against that of the very particles: within four standard errors over the sets with
    the law, and beyond them without, where short tracks (small particles, little known of each) are drawn to the
    middle. The liquid flows, so that 600 tracks are 600 particles.
    """

    def error_of(seed):
        random = np.random.default_rng(seed)
        log_d = math.log(100) + random.normal(0, 0.3, 600)
        lengths = 4 + random.geometric(1.0 / (6.0 + 0.1 * np.exp(log_d)))
        diffusion = made_diffusion(random, np.exp(log_d), lengths, captures=(passing_capture(),))
        fitted = fit_density(diffusion)
        return float(fitted.best.share @ fitted.log_grid) - float(lengths @ log_d) / lengths.sum()

    seeds = range(50, 66)
    with_law = [error_of(seed) for seed in seeds]
    monkeypatch.setattr(fitting, "fit_length_law", lambda *_: None)
    without = [error_of(seed) for seed in seeds]
    z_with, z_without = (np.mean(errors) / (np.std(errors, ddof=1) / math.sqrt(16)) for errors in (with_law, without))
    assert abs(z_with) < 4, with_law
    assert z_without > 4, without
