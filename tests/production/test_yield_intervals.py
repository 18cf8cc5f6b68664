"""Intervals of a lot's yield, what it is divided by, and what a day may lack: by hand and by Monte Carlo."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from nta.errors import UsageError
from nta.estimate import Estimate
from nta.production import FINDINGS, MISSING, Culture, Harvest, daily_yield, hours_collected
from nta.production.yields import against_forecast

PARTS = {"counting": 0.03, "captures": None, "volume": 0.12, "dilution": 0.04}


def harvest(day: str = "1", sample: str = "a", value: float = 1e10, **given: object) -> Harvest:
    """Return a sample of 100 mL with sqrt(0.03² + 0.12² + 0.04²) = 0.13 on its stock and a bead calibration."""
    spread = math.exp(1.96 * 0.13)
    values = {
        "stock": Estimate(value, value / spread, value * spread),
        "volume_ml": 100.0,
        "volume_relative_sd": 0.0,
        "parts": PARTS,
        "calibration": "abc",
        **given,
    }
    return Harvest(day, sample, "ok", **values)


def codes(*harvests: Harvest) -> list[str]:
    return [found.code for found in daily_yield(harvests).findings]


def relative_sd(estimate: Estimate) -> float:
    return math.log(estimate.high / estimate.low) / 2 / 1.96


def test_a_volume_adds_its_error_in_quadrature():
    # sqrt(0.13² + 0.05²) = 0.139284; 1e10 x 100 = 1e12
    found = harvest(volume_relative_sd=0.05).particles
    assert found.value == pytest.approx(1e12)
    assert relative_sd(found) == pytest.approx(0.139284, rel=1e-5)


def test_a_volume_adds_its_error_where_only_the_interval_of_the_stock_is_known():
    found = harvest(volume_relative_sd=0.05, parts={}).particles
    assert relative_sd(found) == pytest.approx(0.139284, rel=1e-5)
    # an open lower end stays open: 3e8 x 100 exp(1.96 x 0.05) = 3.3090e10
    bounded = harvest(stock=Estimate(1e8, 0.0, 3e8), volume_relative_sd=0.05).particles
    assert (bounded.low, bounded.high) == (0.0, pytest.approx(3.3090e10, rel=1e-4))


def test_the_calibration_of_all_days_enters_the_sum_once():
    # four equal days: own sqrt(0.03² + 0.04²) = 0.05, over four days 0.05/sqrt(4) = 0.025; shared 0.12
    # sqrt(0.025² + 0.12²) = 0.122577; half-widths added would say 0.13, quadrature alone 0.065
    total = daily_yield(harvest(str(day), str(day)) for day in range(4)).total
    assert total.value == pytest.approx(4e12)
    assert relative_sd(total) == pytest.approx(0.122577, rel=1e-5)


def test_two_calibrations_are_two_errors():
    # each 0.12 of half the sum: sqrt(2 x (0.5 x 0.13)²) = 0.091924
    total = daily_yield([harvest("1", "a"), harvest("2", "b", calibration="def")]).total
    assert relative_sd(total) == pytest.approx(0.091924, rel=1e-5)


def test_one_day_without_parts_makes_the_half_widths_add():
    yields = daily_yield([harvest("1", "a"), harvest("2", "b", parts={})])
    assert relative_sd(yields.total) == pytest.approx(0.13)
    assert "errors_added" in [found.code for found in yields.findings]


def test_the_sum_of_four_days_covers_its_truth():
    # 2000 campaigns, seed 7: 95 % of intervals hold the truth; standard error sqrt(0.95 x 0.05/2000) = 0.0049
    rng, truth, inside = np.random.default_rng(7), 1e12 * np.array([1.0, 2.0, 4.0, 1.5]), 0
    for _ in range(2000):
        errors = rng.normal(0.0, 0.12) + rng.normal(0.0, 0.05, 4)
        days = [harvest(str(day), str(day), value) for day, value in enumerate(truth / 100.0 * np.exp(errors))]
        total = daily_yield(days).total
        inside += total.low <= truth.sum() <= total.high
    assert abs(inside / 2000 - 0.95) < 4 * 0.0049


def test_the_sum_up_to_each_day_ends_at_the_first_that_is_missing():
    yields = daily_yield([harvest("1", "a"), harvest("2", "b"), harvest("3", "c", volume_ml=None), harvest("4", "d")])
    assert [one.value for one in yields.cumulative[:2]] == pytest.approx([1e12, 2e12])
    assert yields.cumulative[2].is_missing
    assert yields.cumulative[3].is_missing


def test_a_yield_by_medium_area_cells_and_hours():
    # 1e12 particles: / 250 mL = 4e9, / 2.1 m² = 4.7619e11, / 300 million cells = 3.3333e9, / 24 h = 4.1667e10
    (day,) = daily_yield([harvest(culture=Culture(250.0, 2.1, 3e8, 24.0))]).days
    found = (day.per_ml_medium, day.per_m2, day.per_million_cells, day.per_hour)
    assert [one.value for one in found] == pytest.approx([4e9, 4.7619e11, 3.3333e9, 4.1667e10], rel=1e-4)
    assert all(relative_sd(one) == pytest.approx(0.13) for one in found)
    (bare,) = daily_yield([harvest()]).days
    assert all(one.is_missing for one in (bare.per_ml_medium, bare.per_m2, bare.per_million_cells, bare.per_hour))


def test_a_culture_that_two_samples_state_differently_is_not_known():
    samples = [harvest("1", "a", culture=Culture(area_m2=2.1)), harvest("1", "b", culture=Culture(area_m2=2.2))]
    assert daily_yield(samples).days[0].per_m2.is_missing


@pytest.mark.parametrize("name", ["medium_ml", "area_m2", "cells_seeded", "hours"])
def test_nothing_is_divided_by_zero(name):
    with pytest.raises(UsageError, match=name):
        Culture(**{name: 0.0})


def test_hours_of_a_clock_that_goes_on_and_of_one_that_was_set_back():
    assert hours_collected([24.0, 48.0, 72.0, 24.0, 24.0]) == (24.0, 24.0, 24.0, 24.0, 24.0)
    assert hours_collected([24.0, None, 72.0, 96.0]) == (24.0, None, None, 24.0)


def test_a_day_is_counted_after_its_last_step_and_says_so():
    samples = [harvest("1", "raw", 1e9, step="medium"), harvest("1", "end", 1e10, step="concentration")]
    yields = daily_yield(samples)
    assert yields.total.value == pytest.approx(1e12)
    assert yields.days[0].samples == ("end",)
    # what nta batch prints names what it left out
    said = "sum of 1 day, none missing; day 1 is counted after concentration, without raw (medium)"
    assert yields.message == said
    assert "several_steps" in codes(*samples)
    assert "mixed_steps" in codes(*samples, harvest("2", "raw 2", step="medium"))
    assert "mixed_steps" not in codes(*samples)


def test_a_video_on_two_days_leaves_both_without_a_number():
    yields = daily_yield([harvest("1", "a", videos=("v" * 64,)), harvest("2", "b", videos=("v" * 64, "w" * 64))])
    assert yields.total.is_missing
    assert yields.days[0].reasons == (f"a: {MISSING['same_video']}",)
    assert {"same_video", "day_missing", "lot_without_measurement"} <= {found.code for found in yields.findings}


def test_zero_dilution_has_its_reason():
    lacking = harvest("2", "b", dilution=0.0)
    assert lacking.missing == ("zero_dilution",)
    assert lacking.particles.is_missing
    assert lacking.quantity is None
    assert "day_missing" in codes(harvest("1", "a"), lacking)


def test_a_lot_without_a_measurement_is_found():
    assert codes() == ["lot_without_measurement"]
    assert "lot_without_measurement" in codes(harvest(stock=None))
    assert "lot_without_measurement" not in codes(harvest())


def test_what_is_taken_as_exact_is_said():
    bare = replace(harvest(), volume_relative_sd=None, parts={**PARTS, "dilution": None})
    assert codes(bare) == ["volume_exact", "dilution_exact"]
    # the interval is wider than the parts that are left: the rest is kept as the sample's own
    assert relative_sd(daily_yield([bare]).total) == pytest.approx(0.13)
    assert codes(harvest()) == []
    assert codes(replace(bare, dilution=1.0)) == ["volume_exact"]


def test_every_finding_of_a_yield_has_a_level():
    yields = daily_yield([harvest(stock=None)])
    assert [FINDINGS[found.code][0] for found in yields.findings] == [found.level for found in yields.findings]


@pytest.mark.parametrize("values", [{"volume_relative_sd": -0.1}, {"volume_relative_sd": math.inf}])
def test_an_impossible_uncertainty_of_a_volume_is_refused(values):
    with pytest.raises(UsageError, match="uncertainty"):
        harvest(**values)


def test_days_outside_of_a_forecast():
    # within exp(1.96 x 0.13) = 1.2902: 1e12 (7.75e11 to 1.29e12), 2e12 (from 1.55e12), 4e12 (from 3.10e12)
    yields = daily_yield(
        [harvest("1", "a"), harvest("2", "b", 2e10), harvest("3", "c", 4e10), harvest("4", "d", stock=None)]
    )
    found = against_forecast(yields, 1.3e12, 3e12)
    assert [one.code for one in found] == ["below_forecast", "above_forecast"]
    assert ["day 1" in found[0].message, "day 3" in found[1].message] == [True, True]
    assert against_forecast(yields, 1.2e12, 3.2e12) == ()
    with pytest.raises(UsageError, match="empty"):
        against_forecast(yields, 3e12, 1e12)
