"""NanoSight summaries: every number equal to the file, by section, whatever the version; identities as checks."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from exports_made import summary_text

import nta
from nta.errors import RejectedError
from nta.formats import read_foreign
from nta.formats.identities import nanosight_water_mpas, size_times_diffusion_nm_um2_s
from nta.formats.record import record_of
from nta.report import summary_schema


def written(tmp_path: Path, text: str, encoding: str = "iso-8859-1") -> Path:
    path = tmp_path / "std-ExperimentSummary.csv"
    path.write_bytes(text.encode(encoding))
    return path


def codes(record: nta.Measurement) -> list[str]:
    return [one.code for one in record.flags]


@pytest.mark.parametrize(("name", "n", "version"), [("beads.csv", 12, "3.2"), ("beads2.csv", 5, "3.4")])
def test_every_number_of_a_real_export_is_that_of_the_file(shared_data, name, n, version):
    path = shared_data / "nanosight" / name
    found = read_foreign(path)
    rows = list(csv.reader(path.read_text(encoding="iso-8859-1").splitlines()))

    def cells(key: str, nth: int = 0) -> list[float]:
        row = [row for row in rows if row and row[0] == key][nth]
        return [float(cell) for cell in row[1:] if cell]

    assert len(found.captures) == n
    assert version in found.program
    for label in ("Mean", "Mode", "SD", "D10", "D50", "D90"):
        *each, average, error = cells(label)
        assert [one.size_nm[label.lower()] for one in found.captures] == each
        assert (found.averages[label.lower()].value, found.averages[label.lower()].standard_error) == (
            average,
            error,
        )
    *each, average, error = cells("Concentration (Particles / ml)")
    assert [one.per_ml for one in found.captures] == each
    assert (found.averages["per_ml"].value, found.averages["per_ml"].standard_error) == (average, error)
    assert [one.per_frame for one in found.captures] == cells("Centres per frame")[:n]
    assert [one.tracks for one in found.captures] == cells("Completed tracks")
    assert [one.tracks_used for one in found.captures] == cells("Valid Tracks")
    for key, field in (
        ("Temperature/C", "temperature_c"),
        ("Viscosity/cP", "viscosity_mpas"),
        ("Frame rate/fps", "fps"),
        ("Shutter/ms", "exposure_ms"),
    ):
        assert [one.values[field] for one in found.captures] == cells(key)
    assert [one.n_frames for one in found.captures] == cells("Total frames analysed")
    bins = [[float(cell) for cell in row if cell] for row in rows if row and row[0].endswith(".5") and len(row) > n]
    assert len(bins) == 1000
    np.testing.assert_array_equal(found.histogram.diameter_nm, [row[0] for row in bins])
    np.testing.assert_array_equal(found.histogram.per_ml.T, [row[1 : n + 1] for row in bins])
    np.testing.assert_array_equal(found.histogram.average_per_ml, [row[n + 1] for row in bins])
    np.testing.assert_array_equal(found.histogram.standard_error_per_ml, [row[n + 2] for row in bins])


@pytest.mark.parametrize(("name", "mode"), [("beads.csv", 95.3), ("beads2.csv", 98.4)])
def test_the_record_of_a_real_export(shared_data, tmp_path, name, mode):
    record = record_of(read_foreign(shared_data / "nanosight" / name))
    assert record.status == "ok"
    assert record.size.mode.value == mode
    assert "import_inconsistent" not in codes(record)
    assert record.values["program"].origin == "import"
    jsonschema.validate(record.summary(), summary_schema())
    record.save(tmp_path / "out")
    assert nta.load(tmp_path / "out").summary() == record.summary()
    table = record.distribution.table
    assert np.trapezoid(table["density_per_nm"], table["diameter_nm"]) == pytest.approx(1.0, abs=1e-6)
    assert table["cumulative"].iloc[-1] == pytest.approx(1.0)


def test_a_recorded_dilution_is_taken_out_once(shared_data):
    record = record_of(read_foreign(shared_data / "nanosight" / "beads2.csv"))
    assert record.concentration.stock is not None
    assert record.concentration.stock.value == 6.09e12
    assert record.concentration.measured.value == pytest.approx(6.09e8)
    assert record.summary()["dilution"] == 1e4


def test_without_a_dilution_there_is_no_stock(shared_data):
    record = record_of(read_foreign(shared_data / "nanosight" / "beads.csv"))
    assert record.concentration.stock is None
    assert record.concentration.measured.value == 1.47e9
    assert record.summary()["dilution"] is None


def test_the_interval_is_that_of_the_captures(shared_data):
    mode = record_of(read_foreign(shared_data / "nanosight" / "beads.csv")).size.mode
    # Student's t of 11 degrees of freedom is 2.201.
    assert (mode.low, mode.high) == (pytest.approx(95.3 - 2.201 * 0.5, abs=1e-3), pytest.approx(96.4, abs=0.01))
    assert mode.n == 57_149  # tracks of all captures


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"averages": False},
        {"version": "3.2"},
        {"version": "3.0", "weightings": True},
        {"diffusion": True, "weightings": True},
        {"single": True, "d50s": (96.0,), "per_mls": (1e9,), "averages": False},
        {"d50s": (99.0,) * 29, "per_mls": (1e9,) * 29},
        {"dilution": "1.00e+04"},
    ],
)
def test_every_variant_of_the_layout_is_read(tmp_path, options):
    found = read_foreign(written(tmp_path, summary_text(**options)))
    assert found.complaints == ()
    assert found.sample == "beads µ"
    d50s = options.get("d50s", (96.0, 98.0, 101.0))
    assert [one.size_nm["d50"] for one in found.captures] == list(d50s)
    assert record_of(found).size.d50.value == pytest.approx(np.mean(d50s), abs=0.05)
    assert found.details["time_captured"] == "2020-06-16T11:52:04"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "iso-8859-1"])
def test_encodings_and_line_endings(tmp_path, encoding):
    path = written(tmp_path, summary_text().replace("\n", "\r\n"), encoding)
    assert read_foreign(path).sample == "beads µ"


def test_a_failed_capture_is_missing_and_not_zero(tmp_path):
    found = read_foreign(written(tmp_path, summary_text(failed=1)))
    record = record_of(found)
    assert found.good == (0, 2)
    assert record.size.d50.value == pytest.approx((96.0 + 101.0) / 2)
    assert record.concentration.measured.value == pytest.approx((1.43e9 + 1.18e9) / 2)
    assert [one.status for one in record.captures] == ["ok", "failed", "ok"]
    assert "capture_rejected" in codes(record)
    assert record.status == "warn"
    assert len(record.agreement.captures) == 2
    jsonschema.validate(record.summary(), summary_schema())


def test_an_export_of_which_every_capture_failed_is_rejected(tmp_path):
    record = record_of(read_foreign(written(tmp_path, summary_text((96.0,), (1e9,), failed=0, averages=False))))
    assert (record.status, record.status_code) == ("rejected", "no_result")
    assert math.isnan(record.size.d50.value)
    assert record.distribution.table.empty
    jsonschema.validate(record.summary(), summary_schema())


def test_the_makers_alerts_are_told_and_change_nothing(tmp_path):
    record = record_of(read_foreign(written(tmp_path, summary_text())))
    (alert,) = [one for one in record.flags if one.code == "maker_alert"]
    assert "std_00: Vibration detected: Minor vibration" in alert.message
    assert record.status == "ok"


def breaking(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (breaking(summary_text(), "1.43e+09", "1.46e+09"), "the bins of std_00 add up to 1.43e.09"),
        (
            breaking(summary_text(), "D50,96.0,98.0,101.0,98.3,1.5", "D50,96.0,98.0,101.0,98.3,1.9"),
            "standard error of d50",
        ),
        (breaking(summary_text(), "D50,96.0,98.0,101.0,98.3", "D50,96.0,98.0,101.0,98.9"), "the average d50 is stated"),
        (summary_text(viscosity=1.05), "the viscosity was typed in"),
        (breaking(summary_text(diffusion=True), "D50,96.0", "D50,97.0"), "do not belong together"),
    ],
)
def test_a_broken_identity_is_flagged(tmp_path, text, said):
    record = record_of(read_foreign(written(tmp_path, text)))
    told = [one.message for one in record.flags if one.code == "import_inconsistent"]
    assert any(__import__("re").search(said, message) for message in told), told
    assert record.status == "warn"


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda text: text[: text.index("[Size Data]")], "truncated", r"before its section \[Size Data\]"),
        (lambda text: text[: text.index("[Results]")], "truncated", r"before its section \[Results\]"),
        (lambda text: text[: text.index("\n500.5")], "truncated", "end at 499.5 nm"),
        (lambda text: breaking(text, "\n77.5,", "\n77.6,"), "damaged", "not 1 nm apart"),
        (lambda text: breaking(text, "\n0.5,", "\n0.7,"), "damaged", "not 1 nm apart from 0.5"),
        (lambda text: breaking(text, "[Settings]", "[Results]"), "damaged", "stands in it twice"),
        (lambda text: breaking(text, "Mode,95.0", "Mode,95x0"), "damaged", "'95x0', which is no number"),
        (lambda text: breaking(text, "D10,84.0,86.0,89.0,86.3,1.5,", "D10,84.0"), "damaged", "1 values for 3 captures"),
        (lambda text: breaking(text, "Filename:,std_00", "Filename:,"), "damaged", "does not name its captures"),
        (lambda text: breaking(text, "Weighting,Number", "Weighting,Volume"), "damaged", "no number-weighted"),
    ],
)
def test_a_spoilt_summary_is_rejected(tmp_path, change, code, said):
    with pytest.raises(RejectedError, match=said) as caught:
        read_foreign(written(tmp_path, change(summary_text())))
    assert caught.value.code == code


def test_one_dilution_of_several_captures_is_no_dilution(tmp_path):
    text = summary_text(dilution="1.00e+04").replace("1.00e+04,1.00e+04,1.00e+04", "1.00e+04,2.00e+04,1.00e+04")
    record = record_of(read_foreign(written(tmp_path, text)))
    assert record.concentration.stock is not None
    assert math.isnan(record.concentration.measured.value)
    mixed = summary_text(dilution="1.00e+04").replace("1.00e+04,1.00e+04,1.00e+04", "1.00e+04,Not recorded,1.00e+04")
    with pytest.raises(RejectedError, match="of some captures only"):
        read_foreign(written(tmp_path, mixed))


def test_a_dilution_in_the_name_is_proposed_and_not_used(tmp_path):
    path = tmp_path / "ev d200-ExperimentSummary.csv"
    path.write_text(summary_text(), encoding="utf-8")
    record = record_of(read_foreign(path))
    (proposal,) = [one for one in record.flags if one.code == "dilution_in_name"]
    assert "--dilution 200" in proposal.message
    assert record.concentration.stock is None


@pytest.mark.parametrize(("temperature", "viscosity"), [(22.348, 0.945113), (21.666, 0.960552), (22.0, 0.952941)])
def test_the_viscosity_of_nanosight(temperature, viscosity):
    assert nanosight_water_mpas(temperature) == pytest.approx(viscosity, abs=5e-7)


def test_stokes_einstein_of_100_nm_in_water():
    # k T/(3 pi eta) at 25 °C and 0.89 mPa·s: 4.907e-19 m³/s; D of 100 nm is 4.907 µm²/s.
    assert size_times_diffusion_nm_um2_s(25.0, 0.89) == pytest.approx(490.7, rel=1e-3)
