"""A dilution series against arithmetic by hand, its intervals against simulated counts, and its words."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from nta.agreement import CaptureResult, Reading, agreement_of
from nta.blank import Blank
from nta.concentration import Concentration, Parts
from nta.dilutions import Dilution, DilutionSeries, captures_by_dilution, dilution_series
from nta.dilutions.linearity import common_stock, line_of
from nta.dilutions.usable import UNUSABLE, usable_range
from nta.errors import UsageError
from nta.estimate import Estimate
from nta.quality import FLAGS, flag
from nta.settings import Settings

STOCK = 1.0e11


@pytest.fixture
def measured(a_measurement):
    """Return a function from a dilution, what it measures over what it should, and errors to its measurement."""

    @functools.cache
    def bare(factor):
        return a_measurement(settings=Settings().updated("command_line", {"dilution": float(factor)}))

    def make(factor, ratio=1.0, counting=0.05, volume=0.25, dilution_sd=math.nan, flags=(), captures=()):
        value = STOCK / factor * ratio
        spread = math.exp(1.96 * math.hypot(counting, volume))
        estimate = Estimate(value, value / spread, value * spread, 500)
        parts = Parts(counting=counting, volume=volume, dilution=dilution_sd)
        each = tuple(value * capture for capture in captures) or (value,)
        readings = [
            CaptureResult(str(rate), 500, 300, per_ml=Reading(rate, rate * counting * math.sqrt(len(each))))
            for rate in each
        ]
        return replace(
            bare(factor),
            concentration=Concentration(estimate, estimate.scaled(factor), "calibration", 10.0, parts, each),
            flags=tuple(flag(code, code) for code in flags),
            agreement=agreement_of(readings),
        )

    return make


def dilution(factor, ratio=1.0, own_sd=0.05, volume_sd=0.0, captures_sd=0.0, per_excess=0.0):
    value = STOCK / factor * ratio
    return Dilution(
        float(factor), "ok", None, "", (), 1, 40.0, Estimate(value, value, value, 500), Estimate.missing(),
        own_sd, captures_sd, per_excess, volume_sd,
    )  # fmt: skip


def names(series: DilutionSeries) -> list[str]:
    return [one.name for one in series.dilutions if one.is_usable]


def test_an_exact_series_has_slope_1_and_its_own_stock():
    line = line_of([dilution(factor) for factor in (100, 200, 400)])
    assert line.slope.value == pytest.approx(1.0, abs=1e-12)
    assert line.chi_square == pytest.approx(0.0, abs=1e-18)
    assert (line.freedom, line.p_constant, line.slope.n) == (2, 1.0, 3)
    # Equal errors s at ln 2 from the middle: the sd of the slope is s/(ln 2 sqrt 2)
    assert line.slope.high - 1.0 == pytest.approx(1.96 * 0.05 / (math.log(2.0) * math.sqrt(2.0)))


def test_slope_and_chi_square_by_hand():
    # ln(measured) changes by ln 4 - ln 1.1 where the dilution changes by ln 4
    two = line_of([dilution(100, 1.1, 0.03), dilution(400, 1.0, 0.04)])
    assert two.slope.value == pytest.approx(1.0 + math.log(1.1) / math.log(4.0))
    assert two.slope.high - two.slope.low == pytest.approx(2.0 * 1.96 * 0.05 / math.log(4.0))
    # The difference of two over its error, 0.05 of a 3-4-5 triangle
    assert two.chi_square == pytest.approx((math.log(1.1) / 0.05) ** 2)
    assert two.p_constant == pytest.approx(stats.chi2.sf(two.chi_square, 1))


def test_the_regression_is_that_of_numpy():
    random = np.random.default_rng(5)
    series = [dilution(50.0 * 2**k, math.exp(random.normal(0.0, 0.1)), 0.03 * (k + 1)) for k in range(6)]
    x = -np.log([one.factor for one in series])
    y = np.log([one.measured.value for one in series])
    weights = [1.0 / one.own_sd for one in series]
    (slope, _), covariance = np.polyfit(x, y, 1, w=weights, cov="unscaled")
    line = line_of(series)
    assert line.slope.value == pytest.approx(slope)
    assert line.slope.high - line.slope.low == pytest.approx(2.0 * 1.96 * math.sqrt(covariance[0, 0]))


def test_the_common_error_counts_once_and_changes_no_slope():
    plain = [dilution(factor, 1.0, 0.06, 0.0) for factor in (100, 200, 400)]
    deep = [replace(one, volume_sd=0.08) for one in plain]
    assert line_of(deep) == line_of(plain)
    stock = common_stock(deep)
    # sqrt(0.06²/3 + 0.08²), not sqrt((0.06² + 0.08²)/3)
    assert stock.value == pytest.approx(STOCK)
    assert math.log(stock.high / stock.value) == pytest.approx(1.96 * math.sqrt(0.06**2 / 3 + 0.08**2))
    assert stock.n == 1500


def test_what_captures_differ_by_widens_by_students_t():
    # All of the error is that of one capture each, whose variance was told by 4 differences
    series = [dilution(factor, ratio, 0.05, 0.0, 0.05, 1.0) for factor, ratio in ((100, 1.0), (400, 1.1))]
    line = line_of(series, excess_error=0.05**2 * math.sqrt(2.0 / 4.0))
    sd = 0.05 * math.sqrt(2.0) / math.log(4.0)
    assert line.slope.high - line.slope.value == pytest.approx(stats.t.ppf(0.975, 4) * sd)
    # One difference over its error, known as well as a t of 4: the square of it
    assert line.p_constant == pytest.approx(2.0 * stats.t.sf(math.log(1.1) / (0.05 * math.sqrt(2.0)), 4))


@pytest.mark.parametrize(
    ("spread", "n_captures", "lowest", "highest"), [(0.0, 4, 0.95, 0.985), (0.05, 4, 0.95, 0.95), (0.05, 2, 0.91, 0.95)]
)
def test_the_interval_of_the_slope_holds_1_in_19_of_20_series(measured, spread, n_captures, lowest, highest):
    """4 dilutions, Poisson counts of 500 to 4000 a capture, captures 0 or 5 % further apart: N = 1000, seed 7.

    A common factor of 20 % moves each series. An excess that is 0 is known from 12 differences only and not taken
    below 0, so that the interval is then too wide. From 4 differences it is known too badly for chi-square.
    """
    random, n, hits, held = np.random.default_rng(7), 1000, 0, 0
    for _ in range(n):
        depth = math.exp(random.normal(0.0, 0.2))
        series = []
        for factor in (100.0, 200.0, 400.0, 800.0):
            expected = 4.0e5 / factor
            counts = random.poisson(expected * np.exp(random.normal(0.0, spread, n_captures)))
            counting = 1.0 / math.sqrt(counts.sum())
            ratio = depth * counts.mean() / expected
            series.append(measured(factor, ratio, counting, 0.2, captures=counts / counts.mean()))
        found = dilution_series(series)
        hits += found.line.slope.low <= 1.0 <= found.line.slope.high
        held += found.line.p_constant >= 0.05
    for covered in (hits, held):
        assert (covered - lowest * n) / math.sqrt(lowest * (1.0 - lowest) * n) > -4
        assert (covered - highest * n) / math.sqrt(highest * (1.0 - highest) * n) < 4


def test_the_slope_covers_1_exactly_as_theory_says_where_the_errors_are_known():
    random, n = np.random.default_rng(3), 4000
    sds = (0.03, 0.05, 0.08)
    hits = 0
    for _ in range(n):
        ratios = np.exp(random.normal(0.0, sds) + random.normal(0.0, 0.3))
        line = line_of([dilution(f, r, sd) for f, r, sd in zip((100, 300, 900), ratios, sds, strict=True)])
        hits += line.slope.low <= 1.0 <= line.slope.high
    assert abs(hits - 0.95 * n) / math.sqrt(0.95 * 0.05 * n) < 4


def test_the_stock_of_the_range_covers_the_truth_with_one_common_error():
    """N = 2000, seed 4: counting 5 % a dilution, one depth of 10 % for all of a series."""
    random, n, hits = np.random.default_rng(4), 2000, 0
    for _ in range(n):
        ratios = np.exp(random.normal(0.0, 0.05, 3) + random.normal(0.0, 0.1))
        stock = common_stock([dilution(f, r, 0.05, 0.1) for f, r in zip((100, 200, 400), ratios, strict=True)])
        hits += stock.low <= STOCK <= stock.high
    assert abs(hits - 0.95 * n) / math.sqrt(0.95 * 0.05 * n) < 4


def test_a_linear_series_is_ok_and_says_so(measured):
    series = dilution_series([measured(factor) for factor in (400, 100, 200)])
    assert (series.status, names(series)) == ("ok", ["1:100", "1:200", "1:400"])
    assert "usable from 1:100 to 1:400: the stocks of all 3 dilutions agree within their errors" in series.message
    assert series.stock.value == pytest.approx(STOCK)
    assert not series.is_relative
    assert not any(one.is_relative for one in series.dilutions)
    assert [one.deviation for one in series.dilutions] == pytest.approx([0.0] * 3, abs=1e-12)


def test_crowding_reads_low_at_the_concentrated_end(measured):
    """Each particle hides others: at 1:25 four times as many are lost as at 1:100."""
    ratios = {25: 0.70, 50: 0.99, 100: 1.0, 200: 1.01, 400: 0.99}
    series = dilution_series([measured(factor, ratio, 0.03) for factor, ratio in ratios.items()])
    assert series.status == "warn"
    assert names(series) == ["1:50", "1:100", "1:200", "1:400"]
    assert "at the concentrated end 1:25 reads 30% too low: particles hide each other there, so dilute more" in (
        series.message
    )
    assert series.line.slope.high < 1.0
    assert series.usable.line.slope.low < 1.0 < series.usable.line.slope.high


def test_the_diluents_own_particles_read_high_at_the_dilute_end(measured, a_measurement):
    # 5e7 per mL of the diluent's own: 5 % of 1:100, 40 % of 1:800, 80 % of 1:1600
    series = [measured(factor, 1.0 + 5e7 * factor / STOCK, 0.03) for factor in (25, 50, 100, 800, 1600)]
    found = dilution_series(series)
    assert names(found) == ["1:25", "1:50", "1:100"]
    assert "at the dilute end 1:800 and 1:1600 read 36% and 75% too high" in found.message
    assert "give --blank" in found.message
    taken = Blank("blank", (), (), Estimate(1e6, 5e5, 2e6), Estimate(1e8, 9e7, 1.1e8), 10)
    with_blank = dilution_series([replace(one, blank=taken) for one in series])
    assert "give --blank" not in with_blank.message
    assert "the blank that was taken off is not all of them" in with_blank.message


def test_losses_and_pipetting_have_words_of_their_own(measured):
    lost = dilution_series([measured(f, r, 0.03) for f, r in ((100, 1.0), (200, 1.0), (400, 0.6))])
    assert "at the dilute end 1:400 reads 40% too low: particles are lost there" in lost.message
    mixed = dilution_series([measured(f, r, 0.03) for f, r in ((100, 1.5), (200, 1.0), (400, 1.0))])
    assert "at the concentrated end 1:100 reads 50% too high" in mixed.message


@pytest.mark.parametrize("code", UNUSABLE)
def test_a_flagged_dilution_is_left_out_and_named(measured, code):
    assert code in FLAGS
    series = dilution_series([measured(50, 0.8, flags=(code,)), *(measured(factor) for factor in (100, 200))])
    assert names(series) == ["1:100", "1:200"]
    assert f"1:50 is {UNUSABLE[code]} (-20% beside the range): " in series.message
    assert series.status == "warn"


def test_a_flag_in_the_middle_ends_the_run(measured):
    series = [measured(factor, flags=("crowded",) if factor == 100 else ()) for factor in (50, 100, 200, 400, 800)]
    assert names(dilution_series(series)) == ["1:200", "1:400", "1:800"]


def test_of_equal_runs_the_one_of_the_smallest_error_is_used():
    series = [dilution(f, r, sd) for f, r, sd in ((10, 0.5, 0.05), (20, 0.5, 0.05), (40, 1.0, 0.03), (80, 1.0, 0.03))]
    found = usable_range(series)
    assert (found.first, found.last) == (40.0, 80.0)


def test_a_tenth_is_no_disagreement_however_small_the_errors():
    near = usable_range([dilution(f, r, 0.005) for f, r in ((100, 1.0), (200, 1.08), (400, 0.95))])
    assert (near.n_dilutions, near.is_within_errors) == (3, False)
    far = usable_range([dilution(f, r, 0.005) for f, r in ((100, 1.0), (200, 1.0), (400, 1.3))])
    assert (far.n_dilutions, far.is_within_errors) == (2, True)


def test_a_slow_trend_is_seen_by_the_slope_where_chi_square_sees_nothing():
    # Stocks rise by e^0.05 a step of 2, each known to 8 %: 17.5 steps² over (8/5)² steps², chi-square 6.84 of 5
    series = [dilution(2.0**k, math.exp(0.05 * k), 0.08) for k in range(6)]
    line = line_of(series)
    assert line.chi_square == pytest.approx(17.5 * (5 / 8) ** 2)
    assert line.p_constant > 0.2
    assert line.slope.high < 1.0
    assert usable_range(series).n_dilutions < 6


def test_a_wide_error_is_no_agreement_to_be_proud_of(measured):
    series = dilution_series([measured(100, 1.0, 0.05), measured(200, 1.0, 0.05), measured(400, 1.35, 0.2)])
    assert names(series) == ["1:100", "1:200", "1:400"]
    assert (
        "1:400 reads 34% too high, which its own standard error of 20% allows: record more captures" in series.message
    )


@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        ((0.5, 1.0, 2.0), ["no usable range", "either the concentrated end 1:100 reads too low", "1:400 too high"]),
        ((2.0, 1.0, 0.5), ["no usable range", "the dilute end 1:400 reads too low beside 1:100"]),
        ((1.0, 2.0, 1.0), ["no usable range", "the stocks scatter", "--dilution-sd-percent"]),
    ],
)
def test_where_no_neighbours_agree_the_slope_says_what_may_be_wrong(measured, ratios, words):
    series = dilution_series([measured(f, r, 0.03) for f, r in zip((100, 200, 400), ratios, strict=True)])
    assert series.usable is None
    assert series.stock.is_missing
    assert series.status == "warn"
    assert all(math.isnan(one.deviation) for one in series.dilutions)
    for word in words:
        assert word in series.message


def test_two_dilutions_have_a_slope_and_one_has_none(measured):
    two = dilution_series([measured(100), measured(200)])
    assert two.line.slope.value == pytest.approx(1.0)
    assert two.line.slope.high - two.line.slope.low == pytest.approx(2 * 1.96 * 0.05 * math.sqrt(2) / math.log(2))
    assert (two.status, names(two)) == ("warn", ["1:100", "1:200"])
    assert "measure three dilutions or more" in two.message
    one = dilution_series([measured(100)])
    assert one.line.slope.is_missing
    assert math.isnan(one.line.p_constant)
    assert one.usable is None
    assert "only one dilution has a concentration" in one.message
    assert "measure three dilutions or more" in one.message


def test_what_was_not_measured_is_missing_and_named(measured, a_measurement):
    rejected = replace(
        measured(400), status="rejected", status_code="not_a_video", message="it is text",
        concentration=Concentration.missing(),
    )  # fmt: skip
    series = dilution_series([measured(100), measured(200), rejected])
    assert (series.status, names(series)) == ("warn", ["1:100", "1:200"])
    assert "1:400 has no concentration: it is text" in series.message
    row = series.to_dict()["dilutions"][2]
    assert row["measured_per_ml"] == row["stock_per_ml"] == {"value": None, "low": None, "high": None}
    assert row["own_relative_sd"] is None
    nothing = dilution_series([rejected, replace(rejected, values=measured(100).values)])
    assert (nothing.status, nothing.usable) == ("rejected", None)
    assert "no dilution has a concentration" in nothing.message
    json.dumps(nothing.to_dict(), allow_nan=False)


def test_a_stated_dilution_error_weighs_on_each_dilution(measured):
    plain = dilution_series([measured(f) for f in (100, 200, 400)])
    stated = dilution_series([measured(f, dilution_sd=0.12) for f in (100, 200, 400)])
    wider = (stated.line.slope.high - 1.0) / (plain.line.slope.high - 1.0)
    assert wider == pytest.approx(0.13 / 0.05)  # a triangle of 5, 12, 13


def test_captures_that_differ_tell_the_error_of_single_ones_too(measured):
    """A relative sd of 20 % between 3 captures at one dilution stands for the one capture of the others."""
    apart = measured(100, counting=0.01, captures=(0.8, 1.0, 1.2))
    series = dilution_series([apart, measured(200, counting=0.01), measured(400, counting=0.01)])
    between = math.sqrt(0.2**2 - 3 * 0.01**2 * (0.8**2 + 1.0 + 1.2**2) / 3)
    # The captures are one sample, so that it stands for a root of 3 less there
    assert [one.captures_sd for one in series.dilutions] == pytest.approx([between / math.sqrt(3), between, between])
    assert series.dilutions[1].own_sd == pytest.approx(math.hypot(0.01, between))


def test_a_captures_own_factor_moves_the_blanks_particles_too(measured):
    """Where half of what was counted was the blank's, what captures differ by is twice as much of the rest."""
    apart = measured(100, counting=0.01, captures=(0.8, 1.0, 1.2))
    before = apart.concentration.measured.scaled(2.0)
    taken = Blank("blank", (), (), apart.concentration.measured, before, 10)
    plain, net = (dilution_series([one, measured(200)]).dilutions[0] for one in (apart, replace(apart, blank=taken)))
    assert net.captures_sd == pytest.approx(2.0 * plain.captures_sd)


def test_a_dilution_that_is_not_above_its_blank_says_that(measured):
    below = replace(measured(400, flags=("below_blank",)), concentration=Concentration.missing())
    series = dilution_series([measured(100), measured(200), below])
    assert names(series) == ["1:100", "1:200"]
    assert "1:400 is not above the blank: dilute less, or with a cleaner diluent" in series.message


def test_a_series_needs_each_dilution_once(measured, a_measurement):
    for wrong in ([], [measured(100), measured(100)]):
        with pytest.raises(UsageError, match="one measurement for each dilution"):
            dilution_series(wrong)
    with pytest.raises(UsageError, match="is not known"):
        dilution_series([measured(100), a_measurement()])


def test_equal_dilutions_are_captures_of_one_sample(tmp_path):
    paths = [tmp_path / name for name in ("a.avi", "b.avi", "c.avi")]
    for path in paths:
        path.touch()
    groups = captures_by_dilution(paths, [400.0, 100.0, 400.0])
    assert groups == {100.0: (paths[1],), 400.0: (paths[0], paths[2])}
    assert list(groups) == [100.0, 400.0]


@pytest.mark.parametrize(
    ("dilutions", "settings", "words"),
    [
        ([100.0], Settings(), "1 dilutions for 2 captures; give one a capture"),
        ([100.0, 0.5], Settings(), "0.5 is below 1"),
        ([100.0, math.inf], Settings(), "inf is no number"),
        ([100.0, math.nan], Settings(), "nan is no number"),
        ([100.0, 200.0], Settings(dilution=100.0), "leave --dilution out"),
    ],
)
def test_wrong_dilutions_are_refused(tmp_path, dilutions, settings, words):
    paths = [tmp_path / "a.avi", tmp_path / "b.avi"]
    for path in paths:
        path.touch()
    with pytest.raises(UsageError, match=words):
        captures_by_dilution(paths, dilutions, settings)
    with pytest.raises(UsageError, match="there is no file"):
        captures_by_dilution([paths[0], tmp_path / "none.avi"], [100.0, 200.0])
