"""By volume instead of by number: the laws of Hatch and Choate, windows, and on how few particles it rests."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from nta.errors import UsageError
from nta.weighting import (
    MIN_ABOVE_D90,
    VolumeSizes,
    fraction_within,
    volume_density,
    volume_sizes,
)

GRID = np.arange(20.0, 1501.0)
MEDIAN_NM, LOG_SD = 110.0, 0.27
NONE_DRAWN = np.empty((0, GRID.size))


def lognormal(median_nm=MEDIAN_NM, log_sd=LOG_SD):
    return norm.pdf(np.log(GRID / median_nm) / log_sd) / (log_sd * GRID)


def drawn(n=200, seed=111, sd=0.03):
    """Lognormals whose medians differ by 3 %."""
    return np.array([lognormal(MEDIAN_NM * math.exp(z)) for z in np.random.default_rng(seed).normal(0, sd, n)])


@pytest.mark.parametrize("log_sd", [0.05, 0.27, 0.4])
def test_volume_of_a_lognormal_is_that_of_hatch_and_choate(log_sd):
    """By volume the median is exp(3 s²) of the number's, ln d spreads alike, the mean is D[4,3] = exp(3.5 s²)."""
    size = volume_sizes(GRID, lognormal(log_sd=log_sd), NONE_DRAWN, 1000, 1e9).size
    median = MEDIAN_NM * math.exp(3 * log_sd**2)
    assert size.d50.value == pytest.approx(median, rel=2e-3)
    assert size.mean.value == pytest.approx(MEDIAN_NM * math.exp(3.5 * log_sd**2), rel=2e-3)
    assert size.mode.value == pytest.approx(MEDIAN_NM * math.exp(2 * log_sd**2), rel=2e-3)
    for found, z in ((size.d10, -1.2815516), (size.d90, 1.2815516)):
        assert found.value == pytest.approx(median * math.exp(z * log_sd), rel=2e-3)
    assert size.sd.value == pytest.approx(size.mean.value * math.sqrt(math.expm1(log_sd**2)), rel=5e-3)


def test_effective_number_and_particles_above_are_those_of_a_lognormal():
    """n <d³>²/<d⁶> = n exp(-9 s²); above the volume's D90 lie the particles beyond 3 s + 1.28 sd of ln d."""
    found = volume_sizes(GRID, lognormal(), NONE_DRAWN, 1000, 1e9)
    assert found.n_effective == pytest.approx(1e9 * math.exp(-9 * LOG_SD**2), rel=2e-3)
    assert found.particles_above_d90 == pytest.approx(1e9 * norm.sf(3 * LOG_SD + 1.2815516), rel=0.02)


def test_volume_ends_where_half_a_particle_is_left():
    """A tail of 0.05 % from 400 to 1500 nm has 24 % of the volume; 500 particles show a quarter of one of it."""
    tail = np.where((GRID >= 400) & (GRID <= 1500), 5e-4 / 1100, 0.0)
    without, with_tail, believed = (
        volume_sizes(GRID, density, NONE_DRAWN, 1000, n).size.d50.value
        for density, n in ((lognormal(), 500.0), (lognormal() + tail, 500.0), (lognormal() + tail, 1e9))
    )
    assert with_tail == pytest.approx(without, rel=0.005)
    assert believed > 1.1 * without
    # What is cut off a lognormal of 500 particles is the volume beyond 3.09 sd of ln d: sf(3.09 - 3 s) = 1.1 %.
    cut = volume_density(GRID, lognormal(), 500.0)
    last = math.log(GRID[cut > 0][-1] / MEDIAN_NM) / LOG_SD
    assert last == pytest.approx(norm.isf(0.5 / 500), abs=0.02)


@pytest.mark.parametrize(("n_particles", "is_trusted"), [(2000.0, True), (200.0, False)])
def test_too_few_large_particles_are_a_reason(n_particles, is_trusted):
    """1.8 % of the particles hold the largest tenth of the volume: 36 of 2000 are enough, 4 of 200 are not."""
    found = volume_sizes(GRID, lognormal(), NONE_DRAWN, 1000, n_particles)
    assert (found.particles_above_d90 >= MIN_ABOVE_D90) == is_trusted
    assert (found.reason is None) == is_trusted
    if found.reason is not None:
        assert f"above {found.size.d90.value:.0f} nm" in found.reason
        assert f"{found.particles_above_d90:.1f} particles" in found.reason


def test_a_few_giants_that_hold_the_volume_are_a_reason():
    """2 % of 700 nm among 100 nm hold 89 % of the volume: 24 of 1200 particles, one of them above D90."""
    density = 0.98 * lognormal(100, 0.05) + 0.02 * lognormal(700, 0.2)
    found = volume_sizes(GRID, density, NONE_DRAWN, 5000, 1200.0)
    assert found.n_effective < 24
    assert found.particles_above_d90 < 2
    assert found.reason is not None


def test_intervals_are_those_of_the_draws():
    """A median that varies by 3 % varies by 3 % by volume too: half-width 1.96 x 3 % within 15 % (200 draws)."""
    size = volume_sizes(GRID, lognormal(), drawn(), 1000, 2000.0).size
    for found in (size.d10, size.d50, size.d90, size.mean):
        assert found.low < found.value < found.high
        assert (found.high - found.low) / (2 * found.value) == pytest.approx(1.96 * 0.03, rel=0.15)
    wider = volume_sizes(GRID, lognormal(), drawn(), 1000, 2000.0, 0.05).size.d50
    assert wider.high - wider.value == pytest.approx(
        math.hypot(size.d50.high - size.d50.value, 1.96 * 0.05 * size.d50.value), rel=1e-6
    )


def test_density_by_volume_is_a_density_in_any_unit():
    volume = volume_density(GRID, 7.0 * lognormal())
    assert np.trapezoid(volume, GRID) == pytest.approx(1)
    np.testing.assert_allclose(volume, volume_density(GRID, lognormal()))
    assert np.isnan(volume_density(GRID, lognormal(), 0.4)).all()


def test_windows_hold_what_the_normal_law_says():
    """From 80 to 150 nm by number; by volume the same law with its median moved by exp(3 s²)."""
    for by, median in (("number", MEDIAN_NM), ("volume", MEDIAN_NM * math.exp(3 * LOG_SD**2))):
        expected = norm.cdf(math.log(150 / median) / LOG_SD) - norm.cdf(math.log(80 / median) / LOG_SD)
        found = fraction_within(GRID, lognormal(), NONE_DRAWN, 80, 150, 1000, by=by)
        assert found.value == pytest.approx(expected, abs=1e-3)
        assert math.isnan(found.low)


def test_windows_next_to_each_other_add_up():
    parts = [
        fraction_within(GRID, lognormal(), drawn(20), *window, 9) for window in ((0, 90), (90, 140), (140, np.inf))
    ]
    assert sum(part.value for part in parts) == pytest.approx(1)
    assert all(0 <= part.low <= part.value <= part.high <= 1 for part in parts)


def test_interval_of_a_window_is_that_of_the_law_and_of_the_scale():
    """Below 100 nm: the share moves by its density times 3 % of 100 nm, from the draws as from the scale."""
    slope = lognormal()[GRID == 100][0] * 100
    from_draws = fraction_within(GRID, lognormal(), drawn(), 20, 100, 9)
    assert (from_draws.high - from_draws.low) / 2 == pytest.approx(1.96 * 0.03 * slope, rel=0.15)
    same = np.tile(lognormal(), (5, 1))
    from_scale = fraction_within(GRID, lognormal(), same, 20, 100, 9, systematic_relative_sd=0.03)
    assert (from_scale.high - from_scale.low) / 2 == pytest.approx(1.96 * 0.03 * slope, rel=0.05)
    both = fraction_within(GRID, lognormal(), drawn(), 20, 100, 9, systematic_relative_sd=0.03)
    assert both.high - both.value == pytest.approx(
        math.hypot(from_draws.high - from_draws.value, from_scale.high - from_scale.value), rel=1e-6
    )


def test_a_window_with_nothing_between_is_refused():
    with pytest.raises(UsageError, match="smaller size first"):
        fraction_within(GRID, lognormal(), NONE_DRAWN, 150, 80, 9)


def test_of_nothing_nothing_is_known():
    nothing = np.empty(0)
    found = volume_sizes(nothing, nothing, np.empty((0, 0)), 0, 0.0)
    assert found == VolumeSizes.missing() or found.size.d50.is_missing
    assert math.isnan(found.n_effective)
    assert fraction_within(nothing, nothing, np.empty((0, 0)), 30, 100, 0).is_missing
