"""The lognormal mixture: how many components it finds, where, how much of each; against a direct maximisation."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy.optimize import minimize
from tracks_simulated import made_diffusion

from nta.errors import UsageError
from nta.mixture import MAX_COMPONENTS, SMALLEST_LOG_SD, _Problem, fit_mixture

MODE_NM, CV = 107.0, 0.275
LOG_SD = math.sqrt(math.log1p(CV**2))


def diffusion_of(sizes, n_positions=20, seed=101):
    return made_diffusion(np.random.default_rng(seed), sizes, n_positions)


def mixture_of(sizes, n_positions=20, weights=None, **options):
    diffusion = diffusion_of(sizes, n_positions)
    return fit_mixture(diffusion.log_likelihood, diffusion.diameters_nm, weights, **options)


def lognormal(n_tracks, seed=102):
    return np.random.default_rng(seed).lognormal(math.log(MODE_NM) + LOG_SD**2, LOG_SD, n_tracks)


def two_sizes(small, large, share_small, n_tracks):
    return np.where(np.arange(n_tracks) < share_small * n_tracks, small, large)


def test_a_lognormal_is_one_component():
    """N = 1000 tracks of 20 positions, seeds 101, 102: mode and CV within 4 standard errors."""
    found = mixture_of(lognormal(1000))
    assert len(found.components) == 1
    (one,) = found.components
    assert one.fraction == 1.0
    variance = LOG_SD**2 + 1 / 19  # of one track's ln d
    mean_error = math.sqrt(variance / 1000)
    sd_error = variance * math.sqrt(2 / 1000) / (2 * LOG_SD)
    # ln mode = mean - sd²
    assert abs(math.log(one.mode_nm / MODE_NM)) < 4 * math.hypot(mean_error, 2 * LOG_SD * sd_error) + 0.001
    assert abs(math.sqrt(math.log1p(one.cv**2)) - LOG_SD) < 4 * sd_error


@pytest.mark.parametrize(("small", "large", "share"), [(80, 120, 0.5), (100, 200, 0.5), (100, 200, 0.8)])
def test_two_sizes_are_two_components(small, large, share):
    """N = 1000 tracks of 60 positions, seed 101: sizes and fractions within 4 standard errors of labels that were
    known, and within twice that where the two overlap (80 and 120 nm lie 3 sd of one track apart)."""
    found = mixture_of(two_sizes(small, large, share, 1000), n_positions=60)
    assert len(found.components) == 2
    low, high = found.components
    slack = 2 if large / small < 2 else 1
    assert abs(math.log(low.mode_nm / small)) < 4 * slack / math.sqrt(1000 * share * 59)
    assert abs(math.log(high.mode_nm / large)) < 4 * slack / math.sqrt(1000 * (1 - share) * 59)
    assert abs(low.fraction - share) < 4 * slack * math.sqrt(share * (1 - share) / 1000)
    assert low.fraction + high.fraction == pytest.approx(1)
    assert max(low.cv, high.cv) < 0.1


def test_three_sizes_are_three_components():
    """N = 900 tracks of 60 positions, seed 101: 60, 120 and 300 nm."""
    found = mixture_of(np.repeat([60.0, 120.0, 300.0], 300), n_positions=60)
    assert [component.mode_nm for component in found.components] == pytest.approx([60, 120, 300], rel=0.04)
    assert [component.fraction for component in found.components] == pytest.approx([1 / 3] * 3, abs=0.03)
    assert int(np.argmin(found.bic)) == 2


def test_one_size_is_as_narrow_as_can_be_told():
    """N = 500, seed 101."""
    (one,) = mixture_of(np.full(500, 100.0)).components
    assert SMALLEST_LOG_SD <= one.cv * 1.001 < 0.08
    assert abs(math.log(one.mode_nm / 100)) < 4 / math.sqrt(500 * 19) + 0.001


@pytest.mark.parametrize("n_components", [1, 2])
def test_it_climbs_as_high_as_a_direct_maximisation(n_components):
    """ln L against Nelder-Mead and BFGS on the same parameters, started from the truth. N = 300, 90 and 190 nm."""
    diffusion = diffusion_of(two_sizes(90, 190, 0.5, 300) * np.exp(np.random.default_rng(3).normal(0, 0.1, 300)))
    log_d = np.log(diffusion.diameters_nm)
    rows = diffusion.log_likelihood - diffusion.log_likelihood.max(axis=1, keepdims=True)

    def minus_log_likelihood(parameters):
        shares, means, log_sds = parameters.reshape(3, n_components)
        shares = np.exp(shares - np.logaddexp.reduce(shares))
        density = np.zeros(log_d.size)
        for share, mean, log_sd in zip(shares, means, np.exp(log_sds), strict=True):
            shape = np.exp(-0.5 * ((log_d - mean) / log_sd) ** 2)
            density += share * shape / shape.sum()
        return -np.sum(np.log(np.exp(rows) @ density))

    centres = [math.log(130)] if n_components == 1 else [math.log(90), math.log(190)]
    start = np.concatenate([np.zeros(n_components), centres, np.full(n_components, math.log(0.2))])
    simplex = minimize(minus_log_likelihood, start, method="Nelder-Mead", options={"maxiter": 4000, "maxfev": 4000})
    highest = -min(simplex.fun, minimize(minus_log_likelihood, simplex.x, method="BFGS", options={"gtol": 1e-3}).fun)
    fit = _Problem(diffusion.log_likelihood, log_d, np.ones(300)).ladder()[n_components - 1]
    assert fit.log_likelihood == pytest.approx(highest, abs=0.25)  # a component costs 1.5 ln n, 8.6 here


def test_bic_counts_parameters_and_particles():
    """-2 ln L + (3 K - 1) ln n; with n halved at the same shares of the weights the likelihood counts half."""
    sizes = lognormal(200)
    all_of_them, half = (mixture_of(sizes, n_effective=n) for n in (200.0, 100.0))
    assert mixture_of(sizes).n_effective == pytest.approx(200)
    one, one_of_half = all_of_them.bic[0] - 2 * math.log(200), half.bic[0] - 2 * math.log(100)
    assert one_of_half == pytest.approx(one / 2, abs=0.01)
    assert mixture_of(sizes, weights=np.repeat([1.0, 3.0], 100)).n_effective == pytest.approx(400**2 / 1000)


def test_few_particles_are_not_split():
    """What 1000 tracks show as two sizes, the same tracks taken as those of 20 particles do not."""
    sizes = two_sizes(80, 120, 0.5, 1000)
    assert len(mixture_of(sizes, n_positions=60, n_effective=1000.0).components) == 2
    assert len(mixture_of(sizes, n_positions=60, n_effective=20.0).components) == 1


def test_two_sizes_that_short_tracks_cannot_tell_apart_stay_one():
    """N = 1000 tracks of 20 positions, seed 101: 80 and 120 nm gain 3.5 in ln L over a lognormal, and cost 10."""
    assert len(mixture_of(two_sizes(80, 120, 0.5, 1000)).components) == 1


def test_fractions_are_divided_by_what_is_seen():
    """Of 100 nm a quarter is seen of what is seen of 200 nm: equal numbers of tracks are four particles to one."""
    sizes = two_sizes(100, 200, 0.5, 1000)
    as_tracked = mixture_of(sizes).components
    in_liquid = mixture_of(sizes, seen=lambda d: 0.2 * (d / 200) ** 2).components
    odds = [low.fraction / high.fraction for low, high in (as_tracked, in_liquid)]
    assert odds[1] / odds[0] == pytest.approx(4, rel=0.1)
    assert in_liquid[0].mode_nm == pytest.approx(100, rel=0.05)


def test_a_lognormal_divided_by_a_power_moves_its_mode_as_it_should():
    """Divided by d³ a lognormal's mode falls by exp(-3 s²), and its CV stays (Hatch and Choate)."""
    sizes = lognormal(1000)
    (tracked,), (liquid,) = (mixture_of(sizes, seen=seen).components for seen in (None, lambda d: d**3))
    log_sd = math.sqrt(math.log1p(tracked.cv**2))
    assert math.log(liquid.mode_nm / tracked.mode_nm) == pytest.approx(-3 * log_sd**2, abs=0.004)
    assert liquid.cv == pytest.approx(tracked.cv, rel=0.01)


def test_rows_may_have_any_offset_and_the_same_tracks_give_the_same_bytes():
    diffusion = diffusion_of(two_sizes(80, 120, 0.5, 300))
    shifted = diffusion.log_likelihood + np.linspace(-500, 500, 300)[:, None]
    a, b, c = (
        fit_mixture(logl, diffusion.diameters_nm)
        for logl in (diffusion.log_likelihood, diffusion.log_likelihood, shifted)
    )
    assert a == b
    assert [part.mode_nm for part in a.components] == pytest.approx([part.mode_nm for part in c.components], rel=1e-3)


def test_weight_of_zero_is_no_track_and_no_track_is_no_component():
    sizes = np.concatenate([lognormal(300), np.full(50, 400.0)])
    diffusion = diffusion_of(sizes)
    logl, diameters_nm = diffusion.log_likelihood, diffusion.diameters_nm
    weighted = fit_mixture(logl, diameters_nm, np.repeat([1.0, 0.0], [300, 50]))
    assert weighted.components == fit_mixture(logl[:300], diameters_nm).components
    assert fit_mixture(logl[:0], diameters_nm).components == ()
    assert fit_mixture(logl, diameters_nm, np.zeros(350)).components == ()


def test_a_matrix_that_does_not_fit_is_refused():
    diffusion = diffusion_of(lognormal(20))
    with pytest.raises(UsageError, match="one row a track"):
        fit_mixture(diffusion.log_likelihood, diffusion.diameters_nm, np.ones(21))


def test_it_takes_less_than_a_second_for_1000_tracks():
    """0.1 s of processor time on an idle machine; a second allows for a busy one."""
    diffusion = diffusion_of(two_sizes(80, 120, 0.5, 1000))
    before = time.process_time()
    found = fit_mixture(diffusion.log_likelihood, diffusion.diameters_nm)
    assert time.process_time() - before < 1.0
    assert len(found.bic) <= MAX_COMPONENTS
