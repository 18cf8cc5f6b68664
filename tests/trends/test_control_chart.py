"""Control charts against textbook examples, whose numbers are rounded as printed."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from nta.errors import UsageError
from nta.trends import Ewma, Point, Series, baseline_of, control_chart, stated_baseline

# NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.2: flow rate of ten batches.
NIST_FLOW = (49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1)
# 6.3.2.4: twenty values, EWMA_0 = 50, s = 2.0539, weight 0.3, and the averages that follow EWMA_0.
NIST_EWMA = (52.0, 47.0, 53.0, 49.3, 50.1, 47.0, 51.0, 50.1, 51.2, 50.5, 49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4,
             53.6, 52.1)  # fmt: skip
NIST_AVERAGES = (50.60, 49.52, 50.56, 50.18, 50.16, 49.21, 49.75, 49.85, 50.26, 50.33, 50.11, 49.36, 49.52, 50.05,
                 49.38, 49.92, 50.73, 51.23, 51.94, 51.99)  # fmt: skip
# Montgomery, Introduction to Statistical Quality Control, 6th ed., example 6.5: costs of mortgage loans, 20 weeks.
LOANS = (310, 288, 297, 298, 307, 303, 294, 297, 308, 306, 294, 299, 297, 299, 314, 295, 293, 306, 301, 304)
# Example 9.2: twenty values of N(10, 1), then ten of N(11, 1); weight 0.1, limits at 2.7.
SHIFTED = (9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34, 9.03, 11.47, 10.51, 9.40, 10.08, 9.37,
           10.62, 10.31, 8.52, 10.84, 10.90, 9.33, 12.29, 11.50, 10.60, 11.08, 10.38, 11.62, 11.31, 10.52)  # fmt: skip

# Textbooks round d2 = 1.1284 to 1.128, which moves a limit by 4e-4 of its distance from the centre.
ROUNDED_D2 = 4e-4


def series(values, first=datetime(2026, 11, 1, tzinfo=UTC)):
    days = (first + timedelta(days=number) for number in range(len(values)))
    points = tuple(
        Point(day, float(value), f"lot {n}") for n, (day, value) in enumerate(zip(days, values, strict=True), 1)
    )
    return Series("D50", "nm", points)


def all_records(one):
    return [point.record for point in one.points]


def test_individuals_of_the_nist_handbook():
    flow = series(NIST_FLOW)
    chart = control_chart(flow, baseline_of(flow, all_records(flow)))
    assert chart.centre == pytest.approx(50.81, abs=0.005)
    assert chart.mean_range == pytest.approx(1.8778, abs=5e-5)
    # Printed: 55.8041 and 45.8159
    for limit, printed in ((chart.high, 55.8041), (chart.low, 45.8159)):
        assert abs(limit - chart.centre) == pytest.approx(abs(printed - 50.81), rel=ROUNDED_D2)
    printed_ranges = (2.0, 2.3, 1.4, 3.5, 3.4, 1.4, 0.2, 1.2, 1.5)
    assert [point.moving_range for point in chart.points[1:]] == pytest.approx(printed_ranges)
    assert math.isnan(chart.points[0].moving_range)
    assert not chart.signals  # "the process is in control"


def test_ewma_of_the_nist_handbook():
    chart = control_chart(series(NIST_EWMA), stated_baseline(50.0, 2.0539), Ewma(0.3, 3.0))
    assert [round(point.ewma, 2) for point in chart.points] == list(NIST_AVERAGES)
    # Printed limits, those of late points: 52.5884 and 47.4115. Ours tend to them, at point 20 to 0.7^40/2 = 3e-7
    assert chart.points[-1].ewma_high == pytest.approx(52.5884, abs=1e-4)
    assert chart.points[-1].ewma_low == pytest.approx(47.4115, abs=1e-4)
    assert chart.points[0].ewma_high == pytest.approx(50.0 + 3.0 * 2.0539 * 0.3)
    assert not any(point.is_ewma_out for point in chart.points)  # "the process is in control"


def test_individuals_and_ranges_of_montgomery():
    loans = series(LOANS)
    chart = control_chart(loans, baseline_of(loans, all_records(loans)))
    assert chart.centre == pytest.approx(300.5)
    assert chart.mean_range == pytest.approx(7.79, abs=0.005)
    # Printed: 321.22 and 279.78; moving range 25.45
    assert chart.high == pytest.approx(321.22, abs=0.015)
    assert chart.low == pytest.approx(279.78, abs=0.015)
    assert chart.range_high == pytest.approx(25.45, abs=0.01)
    assert not chart.baseline.is_provisional
    assert not chart.signals


def test_the_loans_of_montgomery_after_a_shift_leave_the_limits():
    # Hand-made: after 20 weeks of example 6.5 one of 340, above 321.2, 36 above the week before (limit 25.45)
    loans = series((*LOANS, 340))
    chart = control_chart(loans, baseline_of(loans, all_records(loans)[:20]))
    (signal,) = chart.signals
    assert signal.record == "lot 21"
    assert 1 in signal.rules
    assert signal.is_range_out
    assert signal.reasons[0] == "Nelson rule 1: a point beyond 3 standard deviations"


def test_ewma_of_montgomery_finds_the_shift():
    chart = control_chart(series(SHIFTED), stated_baseline(10.0, 1.0), Ewma(0.1, 2.7))
    averages = [point.ewma for point in chart.points]
    # Printed: z1 = 0.1 x 9.45 + 0.9 x 10 = 9.945, z2 = 0.1 x 7.99 + 0.9 x 9.945 = 9.7495
    assert averages[:2] == pytest.approx([9.945, 9.7495])
    # Printed limits: 10.27 and 9.73 at the first, 10.36 and 9.64 at the second, 10.62 and 9.38 at late points
    printed = ((0, 9.73, 10.27), (1, 9.64, 10.36), (29, 9.38, 10.62))
    for at, low, high in printed:
        assert chart.points[at].ewma_low == pytest.approx(low, abs=0.005)
        assert chart.points[at].ewma_high == pytest.approx(high, abs=0.005)
    # No individual value does: the shift of one standard deviation shows in the average alone
    assert [point.record for point in chart.signals] == ["lot 29", "lot 30"]
    assert all(point.is_ewma_out and not point.rules for point in chart.signals)


def test_limits_come_from_the_stated_points_alone():
    # Baseline 10, 12, 10, 12: mean 11, mean range 2, s = 2 x sqrt(pi)/2 = 1.7725
    one = series((10, 12, 10, 12, 30, 31))
    chart = control_chart(one, baseline_of(one, ["lot 1", "lot 2", "lot 3", "lot 4"]))
    assert chart.centre == 11.0
    assert chart.high == pytest.approx(11.0 + 3.0 * math.sqrt(math.pi))
    assert chart.baseline.is_provisional
    assert chart.baseline.records == ("lot 1", "lot 2", "lot 3", "lot 4")


def test_points_are_taken_by_date_and_missing_ones_are_passed_over():
    day = datetime(2026, 11, 1)
    points = (
        Point(day + timedelta(days=2), 14.0, "c"),
        Point(day, 10.0, "a"),
        Point(day + timedelta(days=1), math.nan, "b"),
    )
    one = Series("mode", "nm", points)
    chart = control_chart(one, stated_baseline(12.0, 1.0))
    assert [point.record for point in chart.points] == ["a", "c"]
    assert chart.points[1].moving_range == 4.0
    assert one.missing == ("b",)
    document = json.loads(json.dumps(chart.to_dict(), allow_nan=False))
    assert document["missing"] == ["b"]
    assert document["points"][0]["moving_range"] is None
    assert document["points"][1]["reasons"] == ["moving range above its limit"]


def test_a_series_without_a_value_makes_an_empty_chart():
    chart = control_chart(series((math.nan,)), stated_baseline(1.0, 1.0))
    assert chart.points == ()
    assert chart.signals == ()


@pytest.mark.parametrize(
    ("values", "records", "words"),
    [
        ((1.0, 2.0), ["lot 9"], "'lot 9', which is not in the series"),
        ((1.0, 2.0), ["lot 1"], "holds 1 value;"),
        ((1.0, math.nan), ["lot 1", "lot 2"], "holds 1 value;"),
        ((1.0, 1.0), ["lot 1", "lot 2"], "choose points that differ"),
    ],
)
def test_a_baseline_that_gives_no_limits_is_refused(values, records, words):
    with pytest.raises(UsageError, match=words):
        baseline_of(series(values), records)


def test_impossible_values_are_refused():
    with pytest.raises(UsageError, match="0 and at most 1"):
        Ewma(0.0)
    with pytest.raises(UsageError, match="3 is usual"):
        Ewma(0.2, 0.0)
    with pytest.raises(UsageError, match="is infinite"):
        series((math.inf,))
    day = datetime(2026, 11, 1)
    with pytest.raises(UsageError, match="'a' twice"):
        Series("mode", "nm", (Point(day, 1.0, "a"), Point(day, 2.0, "a")))


def test_sd_from_ranges_of_normal_values_is_right():
    # sd of the mean moving range of n normal values: about 0.826/sqrt(n) d2 s (Roes et al. 1993 give 0.8264)
    n = 20_000
    values = np.random.default_rng(5).normal(100.0, 4.0, n)
    one = series(values, datetime(1900, 1, 1))
    z = (baseline_of(one, all_records(one)).sd / 4.0 - 1.0) / (0.8264 / math.sqrt(n))
    assert abs(z) < 4.0
