"""The captures of a sample judged singly: tables of Grubbs, an example by hand, and how often good samples cry."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from captures_simulated import simulated_capture, together
from scipy import stats

from nta.agreement import (
    QUANTITIES,
    Agreement,
    CaptureResult,
    Reading,
    agreement_of,
    capture_results,
    grubbs_critical,
    grubbs_outlier,
    spread_of,
)
from nta.diffusion import estimate_diffusion
from nta.distribution import SizeDistribution, size_distribution
from nta.quality import of_agreement
from nta.settings import Settings

# Grubbs & Beck 1972, Technometrics 14, 847-854, table I: upper 2.5 % points, two-sided 5 %.
GRUBBS_TABLE = {3: 1.155, 4: 1.481, 5: 1.715, 6: 1.887, 7: 2.020, 8: 2.126, 9: 2.215, 10: 2.290, 11: 2.355, 12: 2.412}
GRUBBS_TABLE |= {15: 2.549, 20: 2.709}


@pytest.mark.parametrize(("n", "tabulated"), GRUBBS_TABLE.items())
def test_critical_values_are_those_of_the_table(n, tabulated):
    assert grubbs_critical(n) == pytest.approx(tabulated, abs=0.0015)


def test_grubbs_finds_one_in_twenty_normal_samples():
    random = np.random.default_rng(1)
    n = 4000
    found = sum(grubbs_outlier(random.normal(0.0, 1.0, 6)) is not None for _ in range(n))
    assert abs(found - 0.05 * n) / math.sqrt(0.05 * 0.95 * n) < 4


def test_two_values_or_equal_ones_hold_no_outlier():
    assert grubbs_outlier(np.array([1.0, 100.0])) is None
    assert grubbs_outlier(np.array([7.0, 7.0, 7.0, 7.0])) is None
    assert grubbs_outlier(np.array([1.0, 1.1, 0.9, 1.0, 5.0])) == 4


def test_a_spread_by_hand():
    # 98, 100, 102, 104, 96: mean 100, sd sqrt(10) = 3.162, standard error 1.414; t(4) = 2.776
    spread = spread_of([Reading(value, 2.0) for value in (98.0, 100.0, 102.0, 104.0, 96.0)])
    assert spread.mean.value == 100.0
    assert spread.mean.n == 5
    assert spread.between_sd == pytest.approx(math.sqrt(10.0))
    assert spread.standard_error == pytest.approx(math.sqrt(2.0))
    assert spread.mean.high - 100.0 == pytest.approx(2.776 * math.sqrt(2.0), abs=1e-3)
    assert spread.mean.low == pytest.approx(200.0 - spread.mean.high)
    assert spread.within_sd == 2.0
    assert spread.within_standard_error == pytest.approx(2.0 / math.sqrt(5.0))
    assert spread.excess == pytest.approx(math.sqrt(10.0 - 4.0) / 100.0)
    # Squares over the variance: 40/4 = 10 with 4 degrees of freedom
    assert spread.p_disagree == pytest.approx(stats.chi2.sf(10.0, 4))
    assert spread.outlier is None


def test_what_is_missing_is_passed_over_and_never_0():
    spread = spread_of([Reading(), Reading(5.0, math.nan), Reading(7.0, 1.0)])
    assert (spread.mean.value, spread.mean.n) == (6.0, 2)
    assert spread.within_sd == 1.0  # an error that is not known is taken as that of the others
    assert spread_of([]).mean.is_missing
    alone = spread_of([Reading(5.0, 1.0)])
    assert (alone.mean.value, alone.within_standard_error) == (5.0, 1.0)
    assert math.isnan(alone.between_sd)
    assert math.isnan(alone.mean.low)


def test_without_errors_grubbs_alone_decides():
    values = (1.0, 1.1, 0.9, 1.0, 5.0)
    assert spread_of([Reading(value) for value in values]).outlier == 4
    assert math.isnan(spread_of([Reading(value) for value in values]).p_disagree)
    # The same values with errors as large as the distance are no outlier.
    assert spread_of([Reading(value, 3.0) for value in values]).outlier is None


def captures(d50_nm, per_ml, d50_sd=2.0, per_ml_sd=0.05e8):
    return [
        CaptureResult(f"{number}.avi", 500, 300, d50_nm=Reading(d50, d50_sd), per_ml=Reading(rate, per_ml_sd))
        for number, (d50, rate) in enumerate(zip(d50_nm, per_ml, strict=True))
    ]


def test_an_outlier_is_named_with_its_quantity_and_kept():
    agreement = agreement_of(captures([100, 101, 99, 100, 130], [1e8, 1.02e8, 0.97e8, 1e8, 1.01e8]))
    assert agreement.outliers == {4: ("d50_nm",)}
    assert len(agreement.captures) == 5
    assert agreement.spreads["d50_nm"].mean.value == pytest.approx(106.0)
    outlier = next(found for found in of_agreement(agreement) if found.code == "capture_outlier")
    assert "4.avi" in outlier.message
    assert "D50 (130, mean of all 106)" in outlier.message


def test_scatter_beyond_the_captures_own_errors_is_told_with_both():
    agreement = agreement_of(captures([100, 100, 101, 99], [1.0e8, 1.4e8, 0.7e8, 1.2e8]))
    assert agreement.disagreements == ("per_ml",)
    (found,) = of_agreement(agreement)
    assert found.code == "captures_disagree"
    assert "concentration (28% between captures, 5% within)" in found.message


def test_a_scatter_that_changes_nothing_is_none():
    # 0.5 nm between captures that are each exact to 0.1 nm: significant, and 0.5 %
    agreement = agreement_of(captures([100.0, 100.5, 101.0, 100.0], [1e8] * 4, d50_sd=0.1))
    assert agreement.spreads["d50_nm"].p_disagree < 1e-6
    assert of_agreement(agreement) == []


def test_the_record_is_strict_json_and_comes_back():
    agreement = agreement_of(captures([100.0, 101.0, math.nan, 130.0], [1e8, 1e8, 0.9e8, 1e8]))
    text = json.dumps(agreement.to_dict(), allow_nan=False)
    back = Agreement.from_dict(json.loads(text))
    assert json.dumps(back.to_dict(), allow_nan=False) == text
    assert json.loads(text)["captures"][2]["d50_nm"]["value"] is None
    assert json.loads(text)["between"]["d50_nm"]["n_captures"] == 3


@pytest.mark.parametrize("n", [3, 5, 11])
def test_good_samples_are_flagged_in_less_than_2_percent(n):
    """Normal readings whose stated errors are true: 1000 samples, all four quantities."""
    random = np.random.default_rng(n)
    flagged = 0
    for _ in range(1000):
        good = [
            CaptureResult("a", 1, 1, *(Reading(100.0 + 12.0 * random.normal(), 12.0) for _ in QUANTITIES))
            for _ in range(n)
        ]
        flagged += bool(of_agreement(agreement_of(good)))
    assert flagged < 20


SETTINGS = Settings(mpp=0.14, fps=25, exposure_ms=32.5, temperature_c=25, medium="water", depth_um=10)


@pytest.fixture(scope="module")
def sample():
    """Three captures of 100 nm and one of 140 nm."""
    random = np.random.default_rng(4)
    made = [
        simulated_capture(random, per_frame=30, n_frames=80, median_nm=size, flow_px=(0.0, 0.0))
        for size in (100.0, 100.0, 100.0, 140.0)
    ]
    named, tracks = together(made)
    diffusion = estimate_diffusion(tracks, SETTINGS)
    distribution = size_distribution(diffusion, SETTINGS, n_draws=20)
    results = capture_results([name for name, _ in named], tracks, diffusion, distribution, SETTINGS)
    return tracks, diffusion, distribution, results


def test_each_capture_is_sized_from_its_own_tracks(sample):
    _, diffusion, distribution, results = sample
    assert [one.name for one in results] == ["0.avi", "1.avi", "2.avi", "3.avi"]
    assert sum(one.tracks_used for one in results) == len(diffusion.table)
    sizes = np.array([one.d50_nm.value for one in results])
    errors = np.array([one.d50_nm.sd for one in results])
    # 100 nm, CV of the 30 particles of a capture 30 %: 0.3 x 1.25/sqrt(30) = 7 % is the error of their median
    assert np.all(np.abs(sizes[:3] / 100.0 - 1.0) < 4 * 0.07)
    assert sizes[3] > 120.0
    assert np.all((errors / sizes > 0.02) & (errors / sizes < 0.15))
    # Errors of a quarter of the positions are twice those of all.
    drawn = distribution.drawn
    d50 = [np.interp(0.5, np.cumsum(row) / row.sum(), distribution.table["diameter_nm"]) for row in drawn]
    assert errors.mean() / (sizes.mean() * np.std(d50) / np.mean(d50)) == pytest.approx(2.0, rel=0.1)


def test_each_capture_is_counted_by_itself(sample):
    tracks, _, _, results = sample
    for number, one in enumerate(results):
        mine = tracks.table[tracks.table["capture"] == number]
        assert one.particles_per_frame.value == pytest.approx(len(mine) / 80)
        assert one.tracks == mine["particle"].nunique()
        assert 0.0 < one.per_ml.sd < 0.5 * one.per_ml.value
    # The slots of the simulation are as many in every capture, in 640 x 480 px and 10 µm: 30/(89.6 x 67.2 x 10) per µm³
    rates = np.array([one.per_ml.value for one in results])
    assert rates == pytest.approx(30.0 / (89.6 * 67.2 * 10.0) * 1e12, rel=0.25)


def test_one_capture_is_the_sample():
    random = np.random.default_rng(5)
    named, tracks = together([simulated_capture(random, n_frames=60)])
    diffusion = estimate_diffusion(tracks, SETTINGS)
    distribution = size_distribution(diffusion, SETTINGS, n_draws=5)
    (one,) = capture_results([named[0][0]], tracks, diffusion, distribution, SETTINGS)
    assert one.d50_nm.value == distribution.size.d50.value
    assert of_agreement(agreement_of([one])) == []


def test_a_sample_in_which_nothing_was_sized_has_no_sizes():
    random = np.random.default_rng(6)
    named, tracks = together([simulated_capture(random, n_frames=12, per_frame=2, mean_track=2.0)] * 2)
    diffusion = estimate_diffusion(tracks, SETTINGS)
    results = capture_results([name for name, _ in named], tracks, diffusion, SizeDistribution.missing(), SETTINGS)
    assert all(math.isnan(one.d50_nm.value) and math.isnan(one.per_ml.value) for one in results)
    assert all(one.particles_per_frame.value > 0 for one in results)
    assert of_agreement(agreement_of(results)) == []
