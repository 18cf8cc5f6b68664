"""A value with its interval: the one form in which numbers leave the library."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError

import pytest

from nta.estimate import Estimate


def test_missing_is_not_a_number_and_never_zero():
    missing = Estimate.missing()
    assert missing.is_missing
    assert all(math.isnan(number) for number in (missing.value, missing.low, missing.high))
    assert missing.to_dict() == {"value": None, "low": None, "high": None}


def test_zero_is_a_value():
    zero = Estimate(0.0, 0.0, 0.0)
    assert not zero.is_missing
    assert zero.to_dict() == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_an_open_interval_is_null_in_json():
    text = json.dumps(Estimate(1.5, math.nan, math.inf).to_dict(), allow_nan=False)
    assert json.loads(text) == {"value": 1.5, "low": None, "high": None}


def test_scaling_keeps_the_relative_interval_and_the_count():
    scaled = Estimate(2.0, 1.0, 5.0, 7).scaled(1000.0)
    assert scaled == Estimate(2000.0, 1000.0, 5000.0, 7)


def test_scaling_what_is_missing_keeps_it_missing():
    assert Estimate.missing().scaled(10.0).is_missing


def test_what_was_written_is_read_again():
    written = Estimate(107.0, 100.5, 113.25)
    assert Estimate.from_dict(written.to_dict()) == written
    assert Estimate.from_dict(Estimate.missing().to_dict()).is_missing
    assert Estimate.from_dict({}).is_missing


def test_estimates_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Estimate(1.0, 0.5, 2.0).value = 3.0
