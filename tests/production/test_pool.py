"""The pooled distribution against mixtures worked out by hand, and its check against the pool."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nta.errors import UsageError
from nta.estimate import Estimate
from nta.production.pool import Pool, Portion, check_pool, pool_of
from nta.production.quantity import Error, Quantity
from nta.size_statistics import point_statistics


def portion(
    name: str, centre: float, particles: float, sd: float = 0.0, sd_nm: float = 5.0, **given: object
) -> Portion:
    """Return a normal distribution of sizes around a centre, whose statistics are known within 10 %."""
    grid = np.arange(30.0, 301.0)
    density = np.exp(-0.5 * ((grid - centre) / sd_nm) ** 2)
    density /= np.trapezoid(density, grid)
    size = {key: Estimate(value, 0.9 * value, 1.1 * value) for key, value in point_statistics(grid, density).items()}
    errors = {f"count of {name}": Error(sd), "depth": Error(0.1)}
    quantity = Quantity(particles, errors)
    values = {"low_per_nm": 0.8 * density, "high_per_nm": 1.2 * density, "size": size, "quantity": quantity, **given}
    return Portion(name, quantity.estimate, grid, density, **values)


def mixed(*portions: Portion) -> Pool:
    found = pool_of(portions)
    assert found is not None
    return found


def test_a_mixture_is_weighted_by_yield():
    # 1e12 at 100 nm and 3e12 at 200 nm: shares 1/4 and 3/4, mean 0.25 x 100 + 0.75 x 200 = 175
    pool = mixed(portion("1", 100.0, 1e12), portion("2", 200.0, 3e12))
    assert dict(pool.shares) == pytest.approx({"1": 0.25, "2": 0.75})
    assert pool.size["mean"].value == pytest.approx(175.0, rel=1e-6)
    assert pool.size["mode"].value == pytest.approx(200.0, abs=0.01)
    assert np.trapezoid(pool.density_per_nm, pool.diameter_nm) == pytest.approx(1.0, abs=1e-9)
    # a quarter below 150 nm
    assert pool.fraction_between(30.0, 150.0).value == pytest.approx(0.25, abs=1e-6)


def test_sizes_move_as_the_days_do():
    # every day's D50 is known within 10 %, all to one side: so is the pool's
    pool = mixed(portion("1", 100.0, 1e12), portion("2", 100.0, 3e12))
    d50 = pool.size["d50"]
    assert (d50.value, d50.low, d50.high) == pytest.approx((100.0, 90.0, 110.0), rel=1e-3)


def test_an_error_of_the_shares_moves_the_mean_by_hand():
    # one yield is known within 20 %: d mean/d ln N1 = w1 (m1 - m) = 0.5 x (100 - 150) = -25 nm, x 0.2 = 5 nm
    # 1.96 x 5 = 9.8; the sizes are exact here, and the depth that both share does not move the mean
    first, second = portion("1", 100.0, 1e12, 0.2), portion("2", 200.0, 1e12)
    exact = [
        replace(one, size={key: Estimate(v.value, v.value, v.value) for key, v in one.size.items()})
        for one in (first, second)
    ]
    mean = mixed(*exact).size["mean"]
    assert mean.value == pytest.approx(150.0)
    assert mean.high - mean.value == pytest.approx(9.8, rel=0.02)


def test_the_band_of_the_density_by_hand():
    # at 100 nm only day 1 has particles, and both yields are exact but for the shared depth:
    # the band is the day's own, 20 % of its part
    pool = mixed(portion("1", 100.0, 1e12), portion("2", 200.0, 1e12))
    at = int(np.searchsorted(pool.diameter_nm, 100.0))
    assert pool.high_per_nm[at] / pool.density_per_nm[at] == pytest.approx(1.2)
    assert pool.low_per_nm[at] / pool.density_per_nm[at] == pytest.approx(0.8)
    # two days of 100 nm alike: 20 % of each half in quadrature, 0.2/sqrt(2) = 0.141421
    alike = mixed(portion("1", 100.0, 1e12), portion("2", 100.0, 1e12))
    assert alike.high_per_nm[at] / alike.density_per_nm[at] == pytest.approx(1.141421)


def test_a_window_has_the_interval_of_the_band():
    # half in the window; band 20 %: low 0.8 x 0.5/(0.8 x 0.5 + 1.2 x 0.5) = 0.4, high 0.6
    share = mixed(portion("1", 100.0, 1e12)).fraction_between(100.0, 400.0)
    assert (share.value, share.low, share.high) == pytest.approx((0.5, 0.4, 0.6), abs=1e-6)
    with pytest.raises(UsageError, match="empty"):
        mixed(portion("1", 100.0, 1e12)).fraction_between(400.0, 50.0)


def test_a_day_without_particles_or_sizes_is_missing_and_said():
    nothing = np.empty(0)
    unsized = Portion("2", Estimate(1e12, 1e12, 1e12), nothing, nothing, nothing, nothing, {})
    unknown = replace(portion("3", 100.0, 1e12), particles=Estimate.missing())
    pool = mixed(portion("1", 100.0, 1e12, record=4), unsized, unknown)
    assert pool.missing == ("2", "3")
    assert [found.code for found in pool.findings] == ["pool_incomplete"]
    assert pool.records == (4,)
    assert pool_of([unsized, unknown]) is None
    assert mixed(portion("1", 100.0, 1e12)).findings == ()


def test_a_size_without_an_interval_gives_none():
    bare = replace(portion("1", 100.0, 1e12), size={})
    assert np.isnan(mixed(bare).size["d50"].low)


@pytest.mark.parametrize(
    ("particles", "centre", "words"),
    [(2e12, 150.0, []), (1.4e12, 150.0, ["particles"]), (2e12, 190.0, ["D50"]), (1e12, 100.0, ["particles", "D50"])],
)
def test_the_pool_is_checked_against_its_measurement(particles, centre, words):
    # days: 1e12 each; the pool counted within 10 %: 1.4/2 = 0.7 (0.58 to 0.85), the depth cancels
    # D50 150 +- 15 nm on both sides: 21 nm and more differ
    pool = mixed(portion("1", 150.0, 1e12), portion("2", 150.0, 1e12))
    found = check_pool(pool, Quantity(2e12, {"depth": Error(0.1)}), portion("pool", centre, particles, 0.1))
    assert [one.code for one in found] == ["pool_disagrees"] * len(words)
    assert all(word in one.message for one, word in zip(found, words, strict=True))


def test_a_pool_without_numbers_contradicts_nothing():
    pool = mixed(portion("1", 150.0, 1e12))
    empty = replace(portion("pool", 150.0, 1e12), quantity=None, size={})
    assert check_pool(pool, Quantity(1e12), empty) == ()
