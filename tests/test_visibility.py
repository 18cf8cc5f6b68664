"""How much light a size scatters and how deep in the sheet it is seen: the law found again from tracks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tracks_simulated import made_diffusion

from nta import fitting
from nta.fitting import fit_density
from nta.penalised import Problem, refined
from nta.visibility import MAX_EXPONENT, LightLaw, fit_light_law

LOG_D = np.log(np.geomspace(20.0, 700.0, 150))
DIAMETERS = np.array([60.0, 100.0, 160.0])


def particles_in_a_sheet(n_tracks, exponent, centre=20.0, smear=0.1, seed=31):
    """Sizes and ln light (threshold 1) of particles anywhere in a Gaussian sheet, those that are seen.

    Light is ``centre`` at 100 nm in the middle of the sheet, a power of the size, and falls as exp(-z²).
    """
    random = np.random.default_rng(seed)
    log_d = np.log(100) + random.normal(0, 0.3, 20 * n_tracks)
    log_light = math.log(centre) + exponent * (log_d - math.log(100)) - random.uniform(-4, 4, log_d.size) ** 2
    seen = np.flatnonzero(log_light > 0)[:n_tracks]
    assert len(seen) == n_tracks
    return log_d[seen], log_light[seen] + random.normal(0, smear, n_tracks)


def posterior_of(log_d, sd=0.15, seed=32):
    """What motion says of each size, an estimate off by ``sd``, once the sizes of all particles are known."""
    estimate = log_d + np.random.default_rng(seed).normal(0, sd, log_d.size)
    of_motion = np.exp(-0.5 * ((LOG_D - estimate[:, None]) / sd) ** 2)
    posterior = of_motion * np.exp(-0.5 * ((LOG_D - log_d.mean()) / log_d.std()) ** 2)
    return posterior / posterior.sum(axis=1, keepdims=True)


def law_of(n_tracks, exponent, **changes):
    log_d, log_light = particles_in_a_sheet(n_tracks, exponent, **changes)
    law = fit_light_law(log_light, posterior_of(log_d), LOG_D, np.ones(n_tracks), 0.0)
    assert law is not None
    return law


@pytest.mark.parametrize("exponent", [0.0, 2.0, 4.0])
def test_depths_of_a_gaussian_sheet_are_found_again(exponent):
    """N = 1200 particles, seed 31; h = sqrt(ln(m0/threshold)), relative to 100 nm, within 4 %."""
    depth = law_of(1200, exponent).depth_share(DIAMETERS)
    true = np.sqrt(math.log(20) + exponent * np.log(DIAMETERS / 100))
    assert depth / depth[1] == pytest.approx(true / true[1], rel=0.04)


@pytest.mark.parametrize("exponent", [-3.0, 12.0])
def test_light_that_no_particle_scatters_is_not_believed(exponent):
    """Falling with size or rising faster than Rayleigh's sixth power: noise, not physics."""
    law = law_of(300, exponent, centre=2000.0)
    assert 0 <= law.exponent <= MAX_EXPONENT


def test_depth_is_the_root_of_the_logarithm():
    # ln m0 = 3 + 2 ln(d/100): at 100 nm ln(m0/threshold) = 3 - 1 = 2, at 200 nm 2 + 2 ln 2 = 3.386294.
    law = LightLaw(3.0, 2.0, math.log(100), 1.0, 0.3)
    assert law.log_ratio(np.log([100.0, 200.0])) == pytest.approx([2.0, 3.386294], abs=1e-6)
    # Over the full width at half maximum: sqrt(2/0.693147) = 1.698644 and sqrt(3.386294/0.693147) = 2.210292.
    assert law.depth_share(np.array([100.0, 200.0])) == pytest.approx([1.698644, 2.210292], abs=1e-5)


def test_a_particle_twice_as_bright_as_the_threshold_is_seen_in_the_full_width_at_half_maximum():
    law = LightLaw(math.log(2.0), 0.0, math.log(100), 0.0, 0.3)
    assert law.depth_share(np.array([100.0])) == pytest.approx([1.0])


def test_what_was_seen_was_not_invisible():
    law = LightLaw(0.5, 6.0, math.log(100), 1.0, 0.3)
    depth = law.depth_share(np.array([20.0, 50.0, 100.0]))
    assert np.all(depth > 0)
    assert np.all(np.isfinite(depth))


def test_light_has_the_density_of_evenly_spread_depths():
    """Histogram of N = 200 000 particles of one size, seed 33, against the law away from its ends."""
    random = np.random.default_rng(33)
    law = LightLaw(4.0, 0.0, math.log(100), 0.0, 0.15)
    log_light = 4.0 - random.uniform(0, 2, 200_000) ** 2 + random.normal(0, law.smear, 200_000)
    edges = np.arange(0.8, 3.3, 0.25)
    counts = np.histogram(log_light, edges)[0]
    centres = (edges[1:] + edges[:-1]) / 2
    stated = np.exp(law.log_likelihood(centres, LOG_D[:1]))[:, 0]
    # Strays, which may have any light, take a tenth from all alike: the shape is that of the histogram within
    # 10 %.
    assert stated / stated.sum() == pytest.approx(counts / counts.sum(), rel=0.1)


def test_light_tells_bright_sizes_from_dim_ones():
    law = LightLaw(4.0, 4.0, math.log(100), 0.0, 0.3)
    dim, bright = law.log_likelihood(np.array([1.0, 7.0]), LOG_D)
    # 7 - 4 = 3 = 4 ln(d/100): at least about 212 nm; a smaller particle does not scatter so much.
    small, large = np.searchsorted(LOG_D, np.log([120.0, 215.0]))
    assert bright[large] > bright[small] + 1
    assert dim[small] > dim[large] - 0.5
    assert np.all(np.isfinite([dim, bright]))


@pytest.mark.parametrize(("n_tracks", "log_threshold"), [(12, 0.0), (300, math.nan), (300, -math.inf)])
def test_too_little_says_nothing_about_light(n_tracks, log_threshold):
    log_d, log_light = particles_in_a_sheet(n_tracks, 2.0)
    weights = np.ones(n_tracks)
    assert fit_light_law(log_light, posterior_of(log_d), LOG_D, weights, log_threshold) is None


def test_the_same_tracks_give_the_same_law():
    assert law_of(100, 2.0) == law_of(100, 2.0)


def test_a_second_round_does_not_confirm_the_first(monkeypatch):
    """Each round is told the sizes that motion allows under the density so far, and never what light said of them.

    Otherwise the light would count twice: with few positions a track the law ran to its limit.
    """
    told = []

    def watched(log_light, posterior, log_diameter, weights, log_threshold):
        told.append(posterior)
        return fit_light_law(log_light, posterior, log_diameter, weights, log_threshold)

    monkeypatch.setattr(fitting, "fit_light_law", watched)
    log_d, log_light = particles_in_a_sheet(400, 4.0, centre=5.0, seed=50)
    random = np.random.default_rng(50)
    diffusion = made_diffusion(random, np.exp(log_d), 15, light=100.0 * np.exp(log_light), threshold=100.0)
    fit_density(diffusion)
    motion, grid = refined(diffusion.log_likelihood, np.log(diffusion.diameters_nm))
    of_motion = Problem(motion, grid)
    assert len(told) == 2
    for posterior in told:
        # Of a posterior from motion alone the share behind it can be read off any one track, the same from each.
        first, second = (posterior[k] / np.maximum(of_motion.likelihood[k], 1e-12) for k in (0, 1))
        both = (of_motion.likelihood[0] > 1e-3) & (of_motion.likelihood[1] > 1e-3)
        ratio = first[both] / second[both]
        assert both.sum() > 10
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)


@pytest.mark.parametrize("smear", [0.15, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("centre", [1.5, 5.0, 100.0])
def test_the_density_of_light_is_one_over_what_is_seen(smear, centre):
    """The integral over all light above the threshold, less the tenth that may be any: 0.9 within 1 %."""
    law = LightLaw(math.log(centre), 0.0, math.log(100), 0.0, smear)
    log_light = np.linspace(0.0, math.log(centre) + 4.0 * smear, 20_001)
    density = np.exp(law.log_likelihood(log_light, np.array([math.log(100)]))[:, 0])
    stray = 0.1 / (np.ptp(log_light) + 1.0)
    assert np.trapezoid(density - stray, log_light) == pytest.approx(0.9, rel=0.01)


def test_exponents_of_dim_light_and_few_positions_are_found_again():
    """Light as d^4 of 5 thresholds, 800 tracks of 15 positions, seeds 50 to 55: 4 within 1, each.

    With a density that grew with the smear, the widest smear won, and the exponent ran to the limit of 6.
    """
    for seed in range(50, 56):
        log_d, log_light = particles_in_a_sheet(800, 4.0, centre=5.0, seed=seed)
        random = np.random.default_rng(seed)
        diffusion = made_diffusion(random, np.exp(log_d), 15, light=100.0 * np.exp(log_light), threshold=100.0)
        law = fit_density(diffusion).law
        assert law is not None
        assert law.exponent == pytest.approx(4.0, abs=1.0), seed
