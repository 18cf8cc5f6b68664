"""Measurements as a series: the number that is followed, and what is missing."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from datetime import datetime

import pytest

from nta.errors import UsageError
from nta.standards.suitability import _TREND_COLUMNS
from nta.trends import ATTRIBUTES, BEAD_UNITS, bead_series, measured_series

DAY = datetime(2026, 11, 1)


def test_the_number_of_each_result_is_followed(a_measurement):
    one = a_measurement("s")
    wanted = {
        "mode_nm": one.size.mode.value,
        "d10_nm": one.size.d10.value,
        "d50_nm": one.size.d50.value,
        "d90_nm": one.size.d90.value,
        "span": one.size.span.value,
        "measured_per_ml": one.concentration.measured.value,
    }
    for attribute, value in wanted.items():
        series = measured_series(attribute, [(DAY, "lot 1", one)])
        assert series.values().tolist() == [value]
        assert series.unit == ATTRIBUTES[attribute].unit
    assert len(set(wanted.values())) == len(wanted)


def test_a_stock_without_dilution_is_a_point_without_a_value(a_measurement):
    one = a_measurement("s")
    undiluted = replace(one, concentration=replace(one.concentration, stock=None))
    stated = replace(one, concentration=replace(one.concentration, stock=one.concentration.measured.scaled(10.0)))
    series = measured_series("stock_per_ml", [(DAY, "lot 1", undiluted), (DAY, "lot 2", stated)])
    assert series.missing == ("lot 1",)
    assert math.isnan(series.points[0].value)
    assert series.values().tolist() == [one.concentration.measured.value * 10.0]


def test_an_attribute_that_is_not_there_is_refused(a_measurement):
    with pytest.raises(UsageError, match="no attribute 'd51_nm' can be followed; there are mode_nm, "):
        measured_series("d51_nm", [])


def test_bead_checks_are_followed_by_the_time_they_were_made():
    text = (
        "calibration,made_utc,constant_um\n"
        "ns300.toml,2026-11-02T08:00:00+00:00,9.8\n"
        "ns300.toml,2026-11-01T08:00:00+00:00,10.1\n"
        "ns300.toml,2026-11-03T08:00:00+00:00,\n"
    )
    series = bead_series("constant_um", csv.DictReader(text.splitlines()))
    assert series.values().tolist() == [10.1, 9.8]
    assert series.unit == "µm"
    assert series.missing == ("2026-11-03T08:00:00+00:00",)


def test_the_trend_record_of_calibrate_has_these_columns():
    assert {"made_utc", *BEAD_UNITS} <= set(_TREND_COLUMNS)


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("verdict", "made_utc,verdict\n", "no column 'verdict' of a bead check"),
        ("constant_um", "made_utc\n2026-11-01\n", "line 1 is not of a trend record"),
        ("constant_um", "constant_um,made_utc\n1\n", "line 1 is not of a trend record"),
        ("constant_um", "made_utc,constant_um\nyesterday,1\n", "line 1 is not of a trend record"),
        ("constant_um", "made_utc,constant_um\n2026-11-01,much\n", "line 1 is not of a trend record"),
    ],
)
def test_what_is_no_bead_check_is_refused(column, text, words):
    with pytest.raises(UsageError, match=words):
        bead_series(column, csv.DictReader(text.splitlines()))
