"""The noun at the end of the road: what it says of itself in JSON."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from nta.concentration import Concentration
from nta.diffusion import Diffusion
from nta.estimate import Estimate
from nta.measurement import SCHEMA, Capture, Counts, Measurement
from nta.settings import Sourced
from nta.size_statistics import Peak, SizeStatistics
from nta.tracking import Tracks

STATISTICS = ("mode", "mean", "sd", "d10", "d50", "d90", "span")


def as_json(measurement: Measurement) -> dict:
    return json.loads(json.dumps(measurement.summary(), allow_nan=False))


def test_the_summary_is_strict_json_with_every_number_in_its_place(a_measurement):
    measurement = a_measurement()
    values = as_json(measurement)
    assert values["schema"] == SCHEMA == "nta.measurement/1"
    assert values["size_nm"]["d50"]["value"] == measurement.size.d50.value
    assert values["size_nm"]["peaks"] == [
        {
            "diameter": measurement.size.peaks[0].diameter.to_dict(),
            "fraction": 1.0,
            "fraction_low": 0.9,
            "fraction_high": 1.0,
        }
    ]
    assert values["concentration_per_ml"]["measured"]["value"] == measurement.concentration.measured.value
    assert values["captures"][0]["flow_um_s"] == [None, None]
    assert values["values"]["mpp"] == {"value": 0.14, "origin": "assumed"}
    assert values["flags"] == [{"code": "assumed", "level": "info", "message": "the pixel size was assumed"}]
    assert set(values["provenance"]) == {"nta", "settings_sha256", "libraries", "started_utc", "host"}


@pytest.mark.parametrize("nothing", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_null(a_measurement, nothing):
    estimate = Estimate(nothing, nothing, nothing)
    size = SizeStatistics(*[estimate] * len(STATISTICS), peaks=(Peak(estimate, nothing),))
    measurement = dataclasses.replace(
        a_measurement(),
        size=size,
        concentration=Concentration(estimate, estimate, "nominal", nothing),
        counts=Counts(3, nothing, 1, 0),
        captures=(Capture("a.avi", fps=nothing, flow_um_s=(nothing, 1.0)),),
        values={"dilution": Sourced(nothing, "assumed"), "mpp": Sourced(nothing, "video")},
    )
    values = as_json(measurement)
    null = {"value": None, "low": None, "high": None}
    assert all(values["size_nm"][name] == null for name in STATISTICS)
    assert values["size_nm"]["peaks"] == [
        {"diameter": null, "fraction": None, "fraction_low": None, "fraction_high": None}
    ]
    assert values["concentration_per_ml"] == {
        "measured": null,
        "stock": null,
        "volume_source": "nominal",
        "depth_um": None,
        "parts": {"counting": None, "captures": None, "volume": None, "dilution": None, "blank": None},
        "captures": [],
    }
    assert values["counts"]["particles_per_frame"] is None
    assert values["captures"][0]["fps"] is None
    assert values["captures"][0]["flow_um_s"] == [None, 1.0]
    assert values["dilution"] is None
    assert values["values"]["mpp"]["value"] is None


def test_a_stock_that_is_not_known_is_null(a_measurement):
    assert as_json(a_measurement())["concentration_per_ml"]["stock"] is None
    assert as_json(a_measurement())["dilution"] is None


def test_a_measurement_cannot_be_changed(a_measurement):
    measurement = a_measurement()
    with pytest.raises(dataclasses.FrozenInstanceError):
        measurement.status = "ok"
    with pytest.raises(dataclasses.FrozenInstanceError):
        measurement.captures[0].frames = 3


def test_tables_of_nothing_have_their_columns():
    tracks, diffusion = Tracks.empty_table(), Diffusion.empty_table()
    assert len(tracks) == len(diffusion) == 0
    assert list(tracks.columns) == list(Tracks.COLUMNS)
    assert {"diffusion_um2_s", "diameter_nm", "localisation_error_nm", "n_positions"} <= set(diffusion.columns)
    assert tracks["frame"].dtype == np.int64


def test_saving_and_drawing_go_through_the_report(a_measurement, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("nta.report.save", lambda m, directory: seen.append(directory) or directory, raising=False)
    monkeypatch.setattr("nta.report.plot_distribution", lambda m: m.sample, raising=False)
    measurement = a_measurement()
    assert measurement.save(str(tmp_path / "out")) == tmp_path / "out"
    assert measurement.plot() == "sample"
    assert seen == [tmp_path / "out"]
