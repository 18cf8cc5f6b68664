"""Marker-positive shares from paired captures: by hand, with their interval, and every gap as a finding."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from lot_records import PARTS, Made, lot_of_days, new_store, record

from nta.batch import read_manifest
from nta.batch.lots import lot_of_records
from nta.batch.recorded import of_lot
from nta.estimate import Estimate
from nta.production import Harvest
from nta.production.lot import assess_lot
from nta.production.markers import marker_of
from nta.production.specification import Limit, Specification
from nta.store import Assay


def harvest(name, per_ml, **values):
    # the interval is that of the parts alone: 1.96 x root of the sum of their squares
    sd = math.sqrt(sum(part**2 for part in PARTS.values()))
    stock = Estimate(per_ml, per_ml / math.exp(1.96 * sd), per_ml * math.exp(1.96 * sd))
    given = {"parts": PARTS, "dilution": 10.0, "n_captures": 1000, "calibration": "c", "volume_ml": None, **values}
    return Harvest("1", name, "ok", stock, **given)


def test_the_share_is_fluorescence_over_scatter_and_the_common_depth_cancels():
    found = marker_of("cd63", harvest("f", 3e10, record=2), harvest("s", 1e11, record=1))
    assert found.percent.value == pytest.approx(30.0)
    # counting 3 %, captures 2 %, dilution 2 % of either; 5 % of the depth are those of both: 100 x 1.7e-3 in squares
    sd = math.sqrt(2.0 * (0.03**2 + 0.02**2 + 0.02**2))
    assert found.percent.high == pytest.approx(30.0 * math.exp(1.96 * sd), rel=2e-3)
    assert found.percent.low == pytest.approx(30.0 * math.exp(-1.96 * sd), rel=2e-3)
    assert found.records == (2, 1)
    assert found.findings == ()


def test_other_calibrations_do_not_cancel():
    one = marker_of("cd63", harvest("f", 3e10), harvest("s", 1e11)).percent
    other = marker_of("cd63", harvest("f", 3e10, calibration="d"), harvest("s", 1e11)).percent
    assert other.high > 1.05 * one.high


def test_more_in_fluorescence_than_in_scatter_is_found():
    (found,) = marker_of("cd9", harvest("f", 2e11), harvest("s", 1e11)).findings
    assert found.code == "marker_above_scatter"
    assert "200 %" in found.message


@pytest.mark.parametrize(
    ("marker", "fluorescent", "scatter", "words"),
    [
        ("", harvest("f", 1e10), harvest("s", 1e11), "write marker into the manifest"),
        ("cd9", harvest("f", 1e10), None, "write scatter_sample"),
        ("cd9", replace(harvest("f", 1e10), stock=None), harvest("s", 1e11), "the dilution is not stated"),
        ("cd9", harvest("f", 1e10), replace(harvest("s", 1e11), status="rejected"), "rejected or failed"),
        ("cd9", harvest("f", 1e10), replace(harvest("s", 1e11), parts={}), "not on record"),
    ],
)
def test_what_is_missing_is_a_finding_and_no_number(marker, fluorescent, scatter, words):
    found = marker_of(marker, fluorescent, scatter)
    assert found.percent.is_missing
    assert words in found.reason
    assert [one.code for one in found.findings] == ["marker_missing"]


def test_a_lot_has_the_markers_of_its_records_and_its_limits_see_them(tmp_path):
    first, *others = lot_of_days(1e11, 2e11)
    facts = {"marker": "cd63", "scatter_sample": first.name}
    fluorescent = Made(first.day, "f", 4e10, role="fluorescence", volume_ml=None, facts=facts)
    store = record(new_store(tmp_path), first, *others, fluorescent)
    lot = lot_of_records(of_lot(store, None), "LOT-7")
    assert lot.yields.total.value == pytest.approx(3.6e12)  # fluorescence is counted in no yield
    (marker,) = lot.markers
    assert (marker.attribute, marker.sample) == ("cd63_percent", first.name)
    assert marker.percent.value == pytest.approx(40.0)
    (verdict,) = assess_lot(lot, Specification("x", "1", (Limit("cd63_percent", 20.0),))).verdicts
    assert verdict.result == "pass"
    assert verdict.seen.records == ("analysis 5", "analysis 1")


def test_the_uncertainty_of_a_protein_is_in_the_purity(tmp_path):
    protein = (Assay("protein", "ug_per_ml", "20.0"),)
    pool = Made("1", "pool", 1e11, role="pool", assays=protein)
    exact = lot_of_records(of_lot(record(new_store(tmp_path), Made("1", "h"), pool), None), "LOT-7").purity
    (tmp_path / "b").mkdir()
    stated = replace(pool, facts={"protein_sd_percent": 15.0})
    wide = lot_of_records(of_lot(record(new_store(tmp_path / "b"), Made("1", "h"), stated), None), "LOT-7").purity
    assert wide.per_ug.value == exact.per_ug.value == pytest.approx(5e9)
    assert exact.is_protein_exact
    assert not wide.is_protein_exact
    # 15 % more in quadrature, in the logarithm
    more = math.log(wide.per_ug.high / wide.per_ug.value) ** 2 - math.log(exact.per_ug.high / exact.per_ug.value) ** 2
    assert math.sqrt(more) / 1.96 == pytest.approx(0.15, rel=0.1)


def test_a_manifest_states_markers_and_the_uncertainty_of_a_protein(tmp_path):
    for name in ("s", "f"):
        (tmp_path / f"{name}.avi").write_text(name)
    (tmp_path / "manifest.csv").write_text(
        "day,sample,video,role,marker,scatter_sample,protein_ug_per_ml,protein_sd_percent\n"
        "1,s,s.avi,sample,,,20,5\n1,f,f.avi,fluorescence,cd63,s,,\n"
    )
    scatter, fluorescent = read_manifest(tmp_path).samples
    assert scatter.facts == {"protein_sd_percent": 5.0}
    assert fluorescent.role == "fluorescence"
    assert fluorescent.facts == {"marker": "cd63", "scatter_sample": "s"}
