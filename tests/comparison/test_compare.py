"""Differences, ratios and tests by hand; what cancels; coverage; what is missing."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from samples_made import MEDIUM, MPP, TEMPERATURE, counted, lognormal, sized, stated_settings
from scipy.special import ndtri

from nta.comparison import compare
from nta.comparison.equivalence import equivalence_test
from nta.comparison.uncertain import Uncertain, with_errors
from nta.concentration import Concentration
from nta.errors import UsageError
from nta.settings import Sourced
from nta.size_statistics import SizeStatistics
from nta.uncertainty import systematic_parts, systematic_relative_sd


@pytest.fixture
def base(a_measurement):
    return a_measurement("fresh", stated_settings())


@pytest.fixture
def other(a_measurement):
    return a_measurement("rehydrated", stated_settings())


def half_width(found):
    return (found.high - found.low) / 2.0


def test_tost_by_hand():
    # R = 1.05, s = 0.05, margins 0.8 to 1.2:
    # t_low = (ln 1.05 - ln 0.8)/0.05 = (0.048790 + 0.223144)/0.05 = 5.4387
    # t_high = (ln 1.2 - ln 1.05)/0.05 = (0.182322 - 0.048790)/0.05 = 2.6706; p = 1 - Phi(2.6706) = 0.00379
    # 90 %: exp(0.048790 -+ 1.644854 x 0.05) = 0.9671 and 1.1400
    found = equivalence_test("concentration", Uncertain(math.log(1.05), 0.05), 20.0)
    assert found.p == pytest.approx(0.00379, abs=5e-6)
    assert (found.low, found.high) == pytest.approx((0.9671, 1.1400), abs=5e-5)
    assert found.verdict == "equivalent"
    # The same with 4 degrees of freedom: tables give t(0.975; 4) = 2.776, t(0.95; 4) = 2.132, so 0.025 < p < 0.05
    assert 0.025 < equivalence_test("d50", Uncertain(math.log(1.05), 0.05, 4.0), 20.0).p < 0.05


@pytest.mark.parametrize(
    ("ratio", "sd", "verdict"),
    [
        (1.0, 0.01, "equivalent"),
        (1.19, 0.01, "cannot_tell"),  # inside, but its interval crosses the margin
        (1.0, 0.5, "cannot_tell"),
        (1.21, 0.01, "cannot_tell"),
        (1.4, 0.01, "not_equivalent"),
        (0.6, 0.01, "not_equivalent"),
        (1.0, math.nan, "cannot_tell"),
    ],
)
def test_verdict_follows_the_90_percent_interval(ratio, sd, verdict):
    found = equivalence_test("d50", Uncertain(math.log(ratio), sd), 20.0)
    assert found.verdict == verdict
    is_inside = found.low > 0.8 and found.high < 1.2
    assert is_inside == (verdict == "equivalent") == (found.p < 0.05)


def test_tost_on_a_margin_calls_equivalent_once_in_twenty():
    # N = 20 000, seed 3: truth on the upper margin
    n, sd = 20_000, 0.02
    drawn = np.random.default_rng(3).normal(math.log(1.2), sd, n)
    called = sum(equivalence_test("d50", Uncertain(float(one), sd), 20.0).verdict == "equivalent" for one in drawn)
    assert abs((called / n - 0.05) / math.sqrt(0.05 * 0.95 / n)) < 4.0


def test_welch_by_hand():
    # Variances 4 with 2 and 9 with 5 degrees of freedom: 13²/(16/2 + 81/5) = 169/24.2 = 6.983
    found = with_errors(1.0, [(2.0, 2.0), (3.0, 5.0)])
    assert found.sd == pytest.approx(math.sqrt(13.0))
    assert found.freedom == pytest.approx(6.983, abs=5e-4)
    assert math.isinf(with_errors(1.0, [(2.0, math.inf)]).freedom)


def test_parts_of_a_diameters_error_make_the_whole(base):
    parts = systematic_parts(base.values)
    assert parts == pytest.approx({"mpp": MPP, "temperature_c": TEMPERATURE, "medium": MEDIUM, "exposure_ms": 0.0})
    assert systematic_relative_sd(base.values) == pytest.approx(math.hypot(MPP, TEMPERATURE, MEDIUM))


def test_difference_of_sizes_by_hand(base, other):
    # D50 100 and 110 nm, own errors 1 and 2 nm. One instrument: pixel size and medium (1 %, 0.5 %) stretch the
    # difference of 10 nm, by 0.112; the temperatures (0.78 %) do not cancel, 0.78 and 0.858 nm.
    # Variance: 1 + 4 + 0.6084 + 0.7362 + 0.0125 = 6.3571; 1.96 x 2.5213 = 4.9418
    found = compare([sized(base, 100.0, 1.0)], [sized(other, 110.0, 2.0)])
    assert found.common == ("mpp", "medium", "exposure_ms", "depth_um")
    assert found.d50_nm.difference.value == pytest.approx(10.0)
    assert half_width(found.d50_nm.difference) == pytest.approx(4.9418, abs=1e-3)
    # The ratio: ln 1.1, variance 0.01² + (2/110)² + 2 x 0.0078² = 5.5226e-4, sd 0.02350
    assert found.d50_nm.ratio.value == pytest.approx(1.1)
    assert math.log(found.d50_nm.ratio.high / 1.1) == pytest.approx(1.96 * 0.02350, abs=1e-4)
    assert (found.mode_nm.a.value, found.mode_nm.b.value) == (90.0, 100.0)


def test_nothing_cancels_between_two_instruments(base, other):
    # As above with 1 % and 0.5 % of 100 and of 110 nm each: 5 + 0.6084 + 0.7362 + 1 + 1.21 + 0.25 + 0.3025 = 9.1071
    found = compare([sized(base, 100.0, 1.0)], [sized(other, 110.0, 2.0)], is_one_instrument=False)
    assert found.common == ()
    assert half_width(found.d50_nm.difference) == pytest.approx(1.96 * math.sqrt(9.1071), abs=1e-3)


@pytest.mark.parametrize(
    ("changed", "lost"),
    [
        ({"mpp": 0.15}, {"mpp", "depth_um"}),
        ({"exposure_ms": 30.0}, {"exposure_ms"}),
        ({"medium": "pbs"}, {"medium"}),
        ({"temperature_c": 37.0}, {"medium"}),  # another viscosity: its formula errs by another amount
    ],
)
def test_other_values_have_errors_of_their_own(a_measurement, base, changed, lost):
    found = compare([base], [a_measurement("b", stated_settings(**changed))])
    assert {"mpp", "medium", "exposure_ms", "depth_um"} - set(found.common) == lost


def test_fold_change_and_recovery_by_hand(base, other):
    # 1e8 and 0.9e8 per mL in the cell, both 1:1000; own errors 3 and 4 %, depth 25 % in common: sd 5 %
    a, b = counted(base, 1e8, 0.03, 1000.0), counted(other, 0.9e8, 0.04, 1000.0)
    found = compare([a], [b], volumes_ml=(1.0, 1.1), margin_percent=20.0)
    ratio = found.concentration_per_ml.ratio
    assert found.basis == "stock"
    assert found.concentration_per_ml.a.value == pytest.approx(1e11)
    assert ratio.value == pytest.approx(0.9)
    assert (ratio.low, ratio.high) == pytest.approx((0.9 * math.exp(-0.098), 0.9 * math.exp(0.098)), rel=1e-5)
    # Recovery 0.9 x 1.1 = 0.99 with the same relative interval
    assert found.recovery.value == pytest.approx(0.99)
    assert found.recovery.high == pytest.approx(0.99 * math.exp(0.098), rel=1e-5)
    (test,) = found.equivalence
    assert (test.quantity, test.verdict) == ("recovery", "equivalent")
    assert found.is_relative
    assert found.to_dict()["concentration_per_ml"]["is_relative"] is True
    calibrated = [replace(one, concentration=replace(one.concentration, volume_source="calibration")) for one in (a, b)]
    assert not compare(calibrated[:1], calibrated[1:]).is_relative
    # Each side alone keeps its depth: 1.96 x sqrt(0.03² + 0.25²) = 0.4935
    assert math.log(found.concentration_per_ml.a.high / 1e11) == pytest.approx(0.4935, abs=1e-4)
    # With another light sheet the depths do not cancel: sqrt(0.05² + 2 x 0.25²) = 0.35707
    apart = compare([a], [b], is_one_instrument=False).concentration_per_ml.ratio
    assert math.log(apart.high / 0.9) == pytest.approx(1.96 * 0.35707, abs=1e-4)


def test_another_calibration_is_another_depth(base, other):
    calibrated = {**other.values, "calibration_sha256": Sourced("ab" * 32, "command_line")}
    assert "depth_um" not in compare([base], [replace(other, values=calibrated)]).common


def test_groups_by_hand(a_measurement):
    # A: 98, 100, 102 nm: mean 100, sd 2, error 2/sqrt 3 = 1.1547 with 2 degrees of freedom.
    # B: 108, 112: mean 110, sd 2.8284, error 2 with 1.
    # Temperatures add 0.78 and 0.858, what is common 0.1118: variance 4/3 + 4 + 1.3571 = 6.6904,
    # freedom 6.6904²/(1.3333²/2 + 16/1) = 2.6506; t(0.975) of it 3.4362
    one = a_measurement("s", stated_settings())
    a = [sized(one, value, 1.0) for value in (98.0, 100.0, 102.0)]
    b = [sized(one, value, 1.0) for value in (108.0, 112.0)]
    found = compare(a, b)
    assert found.d50_nm.difference.value == pytest.approx(10.0)
    assert half_width(found.d50_nm.difference) == pytest.approx(_t(2.6506) * math.sqrt(6.6904), rel=1e-3)
    assert not any("one measurement" in note for note in found.notes)
    # Concentrations: the geometric mean of 1, 2 and 4e8 is 2e8
    counts = [counted(one, value, 0.05) for value in (1e8, 2e8, 4e8)]
    assert compare(counts, b).concentration_per_ml.a.value == pytest.approx(2e8)


def _t(freedom):
    """Return the 97.5 % quantile of Student's t by bisection of its tabulated integral."""
    x = np.linspace(0.0, 400.0, 4_000_001)
    density = (1.0 + x**2 / freedom) ** (-(freedom + 1.0) / 2.0)
    scale = math.gamma((freedom + 1) / 2) / math.sqrt(freedom * math.pi) / math.gamma(freedom / 2)
    cumulative = 0.5 + scale * np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2) * (x[1] - x[0])])
    return float(np.interp(0.975, cumulative, x))


def test_shift_of_two_lognormals_is_that_of_theory(base, other):
    # Lognormals of one width s: W1 = (m_B - m_A) exp(s²/2) = 10 x 1.0202 = 10.202 nm
    a, b = (sized(base, 100.0, 0.5, curve=lognormal(100.0)), sized(other, 110.0, 0.5, curve=lognormal(110.0)))
    found = compare([a], [b]).shift_nm
    assert found.value == pytest.approx(10.202, abs=0.02)
    assert 0.0 < found.low < 10.202 < found.high
    assert compare([b], [a]).shift_nm.value == pytest.approx(found.value)


def test_equal_samples_show_no_shift(base, other):
    a, b = (sized(one, 100.0, 1.0, curve=lognormal(100.0)) for one in (base, other))
    found = compare([a], [b]).shift_nm
    # Own errors of 1 nm at every share, temperature 0.78 % of each diameter, mean diameter 102.0 nm, twice:
    # about 1.96 x sqrt(2) x sqrt(1 + 0.796²) = 3.54
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(3.54, abs=0.02)


def test_a_wider_sample_with_the_same_d50_is_a_shift(base, other):
    # W1 is the mean of 100 |exp(0.3 z) - exp(0.2 z)| over normal z, by quadrature
    p = (np.arange(200_000) + 0.5) / 200_000
    truth = float(np.mean(np.abs(100.0 * np.exp(0.3 * ndtri(p)) - 100.0 * np.exp(0.2 * ndtri(p)))))
    a, b = (sized(base, 100.0, 0.5, curve=lognormal(100.0)), sized(other, 100.0, 0.5, curve=lognormal(100.0, 0.3)))
    found = compare([a], [b])
    assert found.shift_nm.value == pytest.approx(truth, rel=0.01)
    assert found.shift_nm.low > 0.0
    assert found.d50_nm.difference.value == pytest.approx(0.0)


def drawn_pair(rng, one, sizes=(100.0, 108.0), rates=(1e8, 1.3e8), curve=False):
    """Return both sides as one instrument would measure them: scale and depth in common, temperatures not."""
    shared, depth = rng.normal(0.0, math.hypot(MPP, MEDIUM)), rng.normal(0.0, 0.25)
    pair = []
    for d50, rate in zip(sizes, rates, strict=True):
        own = rng.normal(0.0, 1.5)
        scale = math.exp(shared + rng.normal(0.0, TEMPERATURE))
        shape = lognormal(d50 * scale + own) if curve else None
        sample = sized(one, d50 * scale + own, 1.5, curve=shape)
        pair.append([counted(sample, rate * math.exp(depth + rng.normal(0.0, 0.06)), 0.06)])
    return pair


def test_intervals_of_single_measurements_cover_95_percent(base):
    # N = 3000, seed 12
    n, rng = 3000, np.random.default_rng(12)
    hits = np.zeros(2)
    for _ in range(n):
        a, b = drawn_pair(rng, base)
        found = compare(a, b)
        for at, (interval, truth) in enumerate(((found.d50_nm.ratio, 1.08), (found.concentration_per_ml.ratio, 1.3))):
            hits[at] += interval.low <= truth <= interval.high
    z = (hits / n - 0.95) / math.sqrt(0.95 * 0.05 / n)
    assert np.all(np.abs(z) < 4.0), z


def test_intervals_of_groups_cover_95_percent(base):
    # N = 2000, seed 13: three against four, a scatter of 8 % between vials that no single interval holds
    n, rng, hits = 2000, np.random.default_rng(13), 0
    for _ in range(n):
        depth = rng.normal(0.0, 0.25)
        sides = [
            [counted(base, rate * math.exp(depth + rng.normal(0.0, 0.08)), 0.01) for _ in range(k)]
            for rate, k in ((1e8, 3), (1.3e8, 4))
        ]
        ratio = compare(*sides).concentration_per_ml.ratio
        hits += ratio.low <= 1.3 <= ratio.high
    # Welch's interval is not exact with so few: it covers 0.95 within 0.005 (Wang 1971, JASA 66, 605-608)
    z = (hits / n - 0.95) / math.hypot(math.sqrt(0.95 * 0.05 / n), 0.005)
    assert abs(z) < 4.0


@pytest.mark.parametrize("sizes", [(100.0, 100.0), (100.0, 103.0), (100.0, 115.0)])
def test_interval_of_the_shift_is_never_too_narrow(base, sizes):
    # N = 400, seed 14: an upper bound of the error, so it covers 95 % or more
    n, rng, hits = 400, np.random.default_rng(14), 0
    truth = abs(sizes[1] - sizes[0]) * math.exp(0.02)
    for _ in range(n):
        a, b = drawn_pair(rng, base, sizes, curve=True)
        shift = compare(a, b).shift_nm
        hits += shift.low <= truth + 0.01 and truth - 0.01 <= shift.high
    assert (hits / n - 0.95) / math.sqrt(0.95 * 0.05 / n) > -4.0


def test_a_dilution_of_one_side_alone_is_no_fold_change(base, other):
    found = compare([counted(base, 1e8, 0.03, 1000.0)], [counted(other, 1e8, 0.03)], margin_percent=20.0)
    assert found.concentration_per_ml.ratio.is_missing
    assert any("state it for all" in note for note in found.notes)
    assert found.equivalence[0].verdict == "cannot_tell"


def test_without_any_dilution_the_cell_is_compared_and_said(base, other):
    found = compare([counted(base, 1e8, 0.03)], [counted(other, 2e8, 0.03)])
    assert found.basis == "measured"
    assert found.concentration_per_ml.ratio.value == pytest.approx(2.0)
    assert any("concentrations in the cell" in note for note in found.notes)
    assert found.recovery.is_missing


def test_a_sample_without_numbers_leaves_the_others(base, other):
    blank = replace(base, sample="blank", size=SizeStatistics.missing(), concentration=Concentration.missing())
    found = compare([base], [blank, sized(other, 110.0, 1.0)])
    assert found.d50_nm.b.value == 110.0
    assert "no sizes were measured in blank" in found.notes
    assert "no concentration was measured in blank" in found.notes
    nothing = compare([base], [blank])
    assert nothing.is_missing
    document = json.loads(json.dumps(nothing.to_dict(), allow_nan=False))
    assert document["d50_nm"]["ratio"] == {"value": None, "low": None, "high": None}
    assert document["shift_nm"]["value"] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"margin_percent": 0.0}, "a margin of 0 %"),
        ({"size_margin_percent": 100.0}, "a margin of 100 %"),
        ({"volumes_ml": (1.0, 0.0)}, "a volume of 0 mL"),
        ({"volumes_ml": (math.nan, 1.0)}, "a volume of nan mL"),
    ],
)
def test_impossible_options_are_refused(base, other, options, words):
    with pytest.raises(UsageError, match=words):
        compare([base], [other], **options)


def test_empty_sides_and_one_measurement_on_both_are_refused(base, other):
    with pytest.raises(UsageError, match="one side of the comparison is empty"):
        compare([base], [])
    with pytest.raises(UsageError, match="on both sides"):
        compare([base, other], [other])
