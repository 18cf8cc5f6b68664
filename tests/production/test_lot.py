"""A lot held against a specification: what is known reaches its rule, and what is missing keeps it from passing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nta.estimate import Estimate
from nta.production import Harvest, daily_yield
from nta.production.assays import Result, matrix_of
from nta.production.findings import FINDINGS, finding
from nta.production.lot import BeadCheck, Lot, assess_lot, observations_of, repeatability_percent
from nta.production.pool import Portion, pool_of
from nta.production.purity import HIGH_ABOVE, purity_of
from nta.production.quantity import Error, Quantity
from nta.production.specification import ATTRIBUTES, Limit, Specification
from nta.production.steps import Recovery
from nta.size_statistics import point_statistics

RULES = Specification(
    "EV bulk",
    "1",
    (
        Limit("d50_nm", 90.0, 120.0),
        Limit("fraction_percent", low=90.0, window_nm=(50.0, 200.0)),
        Limit("concentration_per_ml", 0.8e11, 1.2e11),
        Limit("particles_per_ug", low=1e9),
        Limit("recovery_percent", low=50.0),
        Limit("cv_percent", high=90.0),
        Limit("bead_d50_nm", 95.0, 105.0),
        Limit("potency_percent", 80.0, 125.0, sd_percent=5.0),
        Limit("sterility"),
    ),
)
BEADS = (
    BeadCheck("1", "beads", Estimate(100.0, 98.0, 102.0), 11),
    BeadCheck("2", "beads 2", Estimate(101.0, 99.0, 103.0)),
)
MATRIX = matrix_of(["pool"], [Result("pool", "potency_percent", 100.0), Result("pool", "sterility", "pass")])


def harvest(day: str, **given: object) -> Harvest:
    stock = Estimate(1e10, 0.8e10, 1.25e10)
    parts = {"counting": 0.03, "volume": 0.1, "dilution": 0.01}
    values = {"stock": stock, "volume_ml": 100.0, "volume_relative_sd": 0.0, "parts": parts, "calibration": "abc"}
    return Harvest(day, f"harvest {day}", "ok", record=int(day), **{**values, **given})


def portion(day: str) -> Portion:
    grid = np.arange(30.0, 301.0)
    density = np.exp(-0.5 * ((grid - 105.0) / 15.0) ** 2)
    density /= np.trapezoid(density, grid)
    size = {key: Estimate(value, 0.95 * value, 1.05 * value) for key, value in point_statistics(grid, density).items()}
    particles = Estimate(1e12, 0.8e12, 1.25e12)
    return Portion(day, particles, grid, density, 0.9 * density, 1.1 * density, size, record=int(day))


def lot(*harvests: Harvest, **given: object) -> Lot:
    harvests = harvests or (harvest("1"), harvest("2"))
    values = {
        "pool": pool_of([portion("1"), portion("2")]),
        "concentration": Estimate(1e11, 0.9e11, 1.1e11),
        "purity": purity_of(Quantity(1e11, {"count": Error(0.05)}), 20.0, 0.05),
        "recoveries": (Recovery("chain", Estimate(0.6, 0.55, 0.65), records=(1, 2)),),
        "matrix": MATRIX,
        "beads": BEADS,
        "captures_per_ml": ((harvest("1"), (1.0, 1.02, 0.98, 1.01, 0.99)),),
        "records": (9,),
    }
    return Lot("LOT-7", daily_yield(harvests), **{**values, **given})


def codes(of: Lot) -> set[str]:
    return {found.code for found in of.findings}


def test_a_lot_that_lacks_nothing_passes():
    found = assess_lot(lot(), RULES)
    assert found.open == ()
    assert found.overall == "pass"
    # two days of beads: one verdict each
    assert len(found.verdicts) == len(RULES.limits) + 1
    assert found.verdicts[0].limit.attribute == "potency_percent"
    assert codes(lot()) == set()


def test_a_verdict_names_the_records_behind_it():
    records = {verdict.limit.attribute: verdict.seen.records for verdict in assess_lot(lot(), RULES).verdicts}
    assert records["d50_nm"] == ("analysis 1", "analysis 2")
    assert records["concentration_per_ml"] == ("analysis 9",)
    assert records["potency_percent"] == ("assay potency_percent of pool",)
    assert records["cv_percent"] == ("analysis 1",)


@pytest.mark.parametrize(
    ("given", "attribute"),
    [
        ({"pool": None}, "d50_nm"),
        ({"concentration": None}, "concentration_per_ml"),
        ({"purity": None}, "particles_per_ug"),
        ({"purity": purity_of(Quantity(1e11), None)}, "particles_per_ug"),
        ({"recoveries": ()}, "recovery_percent"),
        ({"recoveries": (Recovery("chain", Estimate.missing(), ("no step",)),)}, "recovery_percent"),
        ({"matrix": None}, "sterility"),
        ({"captures_per_ml": ((harvest("1"), (1.0,)),)}, "cv_percent"),
        ({"beads": BEADS[:1]}, "bead_d50_nm"),
        ({"beads": (*BEADS[:1], BeadCheck("2", "beads 2", Estimate.missing()))}, "bead_d50_nm"),
    ],
)
def test_whatever_is_missing_keeps_a_lot_from_passing_with_its_reason(given, attribute):
    found = assess_lot(lot(**given), RULES)
    assert found.overall == "cannot tell"
    (lacking, *_) = [
        verdict
        for verdict in found.verdicts
        if verdict.result == "cannot tell" and verdict.limit.attribute == attribute
    ]
    assert lacking.seen.is_missing
    assert lacking.reason
    assert any(attribute in text for text in found.open)


def test_a_day_without_a_bead_check_is_found():
    assert codes(lot(beads=BEADS[:1])) == {"no_bead_check"}
    (found,) = lot(beads=BEADS[:1]).findings
    assert "day 2" in found.message


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"volume_ml": None}, "day_missing"),
        ({"dilution": 0.0}, "day_missing"),
        ({"stock": None}, "day_missing"),
        ({"videos": ("v",)}, "same_video"),
    ],
)
def test_a_day_that_lacks_something_keeps_the_lot_from_passing(change, code):
    of = lot(harvest("1", videos=("v",)), harvest("2", **change))
    assert code in codes(of)
    found = assess_lot(of, RULES)
    assert found.overall == "cannot tell"
    assert any(text.startswith(code) for text in found.open)


def test_a_lot_without_a_measurement_does_not_pass():
    of = lot(harvest("1", stock=None, is_measured=False), pool=None, captures_per_ml=(), beads=BEADS[:1])
    assert {"lot_without_measurement", "day_missing"} <= codes(of)
    assert assess_lot(of, RULES).overall == "cannot tell"


def test_a_pending_assay_keeps_a_lot_from_passing_though_no_rule_asks_for_it():
    matrix = matrix_of(
        ["pool"],
        [
            *(Result("pool", *pair) for pair in (("potency_percent", 100.0), ("sterility", "pass"))),
            Result("pool", "mycoplasma", None),
        ],
    )
    found = assess_lot(lot(matrix=matrix), RULES)
    assert (found.overall, found.open) == ("cannot tell", ("mycoplasma is pending; wait for its result",))


def test_a_pool_that_lacks_a_day_says_so():
    unknown = replace(portion("2"), particles=Estimate.missing())
    of = lot(pool=pool_of([portion("1"), unknown]))
    assert codes(of) == {"pool_incomplete"}
    assert assess_lot(of, RULES).overall == "cannot tell"


def test_a_contradiction_of_the_pool_is_among_the_findings():
    assert codes(lot(pool_check=(finding("pool_disagrees", "pool: 0.5 of the days' particles"),))) == {"pool_disagrees"}


def test_a_protein_taken_as_exact_is_said():
    assert codes(lot(purity=purity_of(Quantity(1e11), 20.0))) == {"assay_exact"}


def test_every_finding_of_the_registry_has_a_meaning():
    assert all(level in ("info", "warn", "fail") and len(text) > 20 for level, text in FINDINGS.values())


def test_repeatability_by_hand():
    # 9, 10, 11: mean 10, s = 1: 10 %; n - 1 = 2, chi² at 2.5 and 97.5 % = 0.0506356 and 7.37776
    # 10 sqrt(2/7.37776) = 5.2066, 10 sqrt(2/0.0506356) = 62.847
    found = repeatability_percent([9.0, 10.0, 11.0])
    assert (found.value, found.low, found.high) == pytest.approx((10.0, 5.2066, 62.847), rel=1e-4)
    assert found.n == 3
    assert repeatability_percent([1.0]).is_missing
    assert repeatability_percent([]).is_missing
    assert repeatability_percent([0.0, 0.0]).is_missing


def test_what_no_rule_asks_for_is_known_all_the_same():
    attributes = {one.attribute for one in observations_of(lot(), RULES)}
    assert {"mode_nm", "d90_nm", "span"} <= attributes


def test_the_page_names_every_finding_and_attribute():
    page = (Path(__file__).resolve().parents[2] / "docs" / "lots.md").read_text(encoding="utf-8")
    for code, (level, text) in FINDINGS.items():
        assert f"| `{code}` | {level} | {text} |" in page
    assert all(f"`{attribute}`" in page for attribute in ATTRIBUTES)
    assert f"{HIGH_ABOVE:.0e}".replace("+", "") in page


def test_the_specification_of_the_page_can_be_used(tmp_path):
    page = (Path(__file__).resolve().parents[2] / "docs" / "lots.md").read_text(encoding="utf-8")
    path = tmp_path / "limits.toml"
    path.write_text(page.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    assert [limit.attribute for limit in Specification.load(path).limits] == [
        "potency_percent",
        "sterility",
        "concentration_per_ml",
        "fraction_percent",
    ]
