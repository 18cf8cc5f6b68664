"""summary.json keeps its contract for every kind of measurement."""

import copy
import json

import jsonschema
import pytest

from nta.report import summary_schema
from nta.report.folder import summary_bytes

VALIDATOR = jsonschema.Draft202012Validator(summary_schema())

# The example of the design document, with numbers in place of ellipses.
DESIGN_KEYS = {
    "": {
        "schema", "status", "sample", "captures", "size_nm", "concentration_per_ml", "counts", "status_code",
        "message", "dilution", "values", "flags", "provenance", "agreement", "blank", "threshold",
    },
    "size_nm": {"mode", "mean", "sd", "d10", "d50", "d90", "span", "peaks", "method", "lines", "volume", "mixture",
                "windows"},
    "concentration_per_ml": {"measured", "stock", "volume_source", "depth_um", "parts", "captures"},
    "counts": {"detections", "particles_per_frame", "tracks", "tracks_used"},
    "provenance": {"nta", "settings_sha256", "libraries", "started_utc", "host"},
}  # fmt: skip
CAPTURE_KEYS = {
    "path", "sha256", "frames", "fps", "mpp", "exposure_ms", "width", "height", "particles_per_frame",
    "tracks", "flow_um_s", "status",
}  # fmt: skip


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(summary_schema())


def test_every_example_satisfies_the_schema_through_strict_json(measurement):
    text = summary_bytes(measurement.summary()).decode()
    assert "NaN" not in text
    assert "Infinity" not in text
    VALIDATOR.validate(json.loads(text))


def test_every_key_is_always_there(measurement):
    summary = measurement.summary()
    for name, keys in DESIGN_KEYS.items():
        assert set(summary[name] if name else summary) == keys
    for statistic in ("mode", "mean", "sd", "d10", "d50", "d90", "span"):
        assert set(summary["size_nm"][statistic]) == {"value", "low", "high"}
    for capture in summary["captures"]:
        assert set(capture) == CAPTURE_KEYS


def test_nothing_measured_is_null_and_never_zero(example):
    summary = example("rejected").summary()
    assert summary["size_nm"]["mode"] == {"value": None, "low": None, "high": None}
    assert summary["concentration_per_ml"]["measured"] == {"value": None, "low": None, "high": None}
    assert summary["concentration_per_ml"]["stock"] is None
    assert summary["counts"]["tracks"] is None


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("status",), "fine"),
        (("status_code",), "Not A Code"),
        (("schema",), "nta.measurement/2"),
        (("size_nm", "mode", "value"), "107"),
        (("size_nm", "peaks", 0, "fraction"), 1.2),
        (("concentration_per_ml", "volume_source"), "guessed"),
        (("counts", "tracks"), -1),
        (("values", "mpp", "origin"), "guessed"),
        (("captures", 0, "flow_um_s"), [1.0]),
        (("captures", 0, "sha256"), "abc"),
        (("flags", 0, "level"), "error"),
        (("provenance", "started_utc"), "yesterday"),
        (("extra",), 1),
    ],
)
def test_the_schema_refuses_what_breaks_the_rules(example, path, wrong):
    summary = copy.deepcopy(example("ok").summary())
    place = summary
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = wrong
    assert not VALIDATOR.is_valid(summary)


@pytest.mark.parametrize("key", sorted(DESIGN_KEYS[""]))
def test_the_schema_asks_for_every_key(example, key):
    summary = example("ok").summary()
    del summary[key]
    assert not VALIDATOR.is_valid(summary)


def test_a_rejected_input_says_why_and_a_good_one_has_no_code(example):
    assert not VALIDATOR.is_valid({**example("rejected").summary(), "status_code": None})
    assert not VALIDATOR.is_valid({**example("ok").summary(), "status_code": "something"})


def test_not_a_number_is_refused_and_not_written(example):
    with pytest.raises(ValueError, match="not JSON compliant"):
        summary_bytes({**example("ok").summary(), "dilution": float("nan")})


def test_a_name_that_is_not_utf8_survives():
    name = b"caf\xe9.avi".decode("utf-8", "surrogateescape")
    assert json.loads(summary_bytes({"sample": name}).decode())["sample"] == name
