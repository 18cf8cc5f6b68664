"""A lot from the records of a batch: roles, assays, steps and result folders find their places."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nta.batch import Sample, lot_of
from nta.batch.manifest import Manifest
from nta.batch.outcomes import Batch, Outcome
from nta.errors import UsageError
from nta.estimate import Estimate
from nta.production.lot import assess_lot
from nta.production.specification import Limit, Specification
from nta.store import Assay

PARTS = {"counting": 0.03, "captures": None, "volume": 0.1, "dilution": 0.02}
PROTEIN = Assay("protein", "ug_per_ml", "20.0")


def outcome(day: str, name: str, per_ml: float, **sample: object) -> Outcome:
    stock = Estimate(per_ml, per_ml / 1.232, per_ml * 1.232)
    sizes = dict.fromkeys(("mode", "mean", "d10", "d50", "d90"), Estimate(105.0, 100.0, 110.0))
    return Outcome(
        Sample(day, name, (), lot="LOT-7", **sample),
        "ok",
        None,
        "",
        folder=name,
        estimates={"measured": stock, "stock": stock, **sizes},
        volume_source="calibration",
        dilution=1000.0,
        record=len(name),
        parts=PARTS,
        captures_per_ml=(1.0, 1.1, 0.9),
        calibration="abc",
        videos=(name,),
    )


@pytest.fixture
def batch(tmp_path) -> Batch:
    outcomes = (
        outcome("1", "one", 1e10, volume_ml=100.0),
        outcome("2", "three", 3e10, volume_ml=100.0),
        outcome("1", "b1", 1e8, role="beads"),
        outcome("2", "b2", 1e8, role="beads"),
        outcome("2", "the pool", 2e10, volume_ml=200.0, role="pool", assays=(PROTEIN, Assay("sterility", "", "pass"))),
    )
    grid = np.arange(50.0, 201.0)
    density = np.exp(-0.5 * ((grid - 105.0) / 10.0) ** 2)
    density /= np.trapezoid(density, grid)
    header = "diameter_nm,density_per_nm,density_low_per_nm,density_high_per_nm,cumulative\n"
    rows = "".join(f"{d},{f},{0.9 * f},{1.1 * f},0\n" for d, f in zip(grid, density, strict=True))
    for one in outcomes:
        (tmp_path / str(one.folder)).mkdir()
        (tmp_path / str(one.folder) / "distribution.csv").write_text(header + rows)
    return Batch(Manifest(Path("m.csv"), ()), tmp_path, outcomes)


def changed(batch: Batch, number: int, **values: object) -> Batch:
    outcomes = list(batch.outcomes)
    outcomes[number] = replace(outcomes[number], **values)
    return replace(batch, outcomes=tuple(outcomes))


def test_roles_find_their_places(batch):
    lot = lot_of(batch, "LOT-7")
    # 1e10 x 100 + 3e10 x 100 = 4e12
    assert lot.yields.total.value == pytest.approx(4e12)
    assert dict(lot.pool.shares) == pytest.approx({"1/one": 0.25, "2/three": 0.75})
    assert lot.pool.size["d50"].value == pytest.approx(105.0, abs=0.01)
    assert lot.concentration.value == 2e10
    # 2e10 per mL over 20 µg/mL
    assert lot.purity.per_ug.value == pytest.approx(1e9)
    assert [check.day for check in lot.beads] == ["1", "2"]
    assert lot.matrix.cell("sterility", "the pool").value == "pass"
    assert lot.matrix.cell("protein_ug_per_ml", "the pool").value == 20.0
    assert lot.recoveries == ()
    assert lot.records == (8,)
    # the pool holds 2e10 x 200 = 4e12, as the days do
    assert lot.pool_check == ()


def test_a_pool_with_half_of_the_particles_is_found(batch):
    sample = replace(batch.outcomes[4].sample, volume_ml=100.0)
    assert [found.code for found in lot_of(changed(batch, 4, sample=sample), "LOT-7").pool_check] == ["pool_disagrees"]


def test_steps_of_a_day_give_its_recovery(batch):
    first = outcome("1", "one", 1e10, volume_ml=100.0, facts={"step": "medium"})
    facts = {"step": "concentration", "volume_in_ml": 100.0, "volume_out_ml": 10.0}
    # 6e10 x 10 of 1e10 x 100: 60 %
    after = outcome("1", "end", 6e10, volume_ml=10.0, facts=facts)
    (recovery,) = lot_of(replace(batch, outcomes=(first, replace(after, folder="one"))), "LOT-7").recoveries
    assert (recovery.name, recovery.records) == ("day 1", (3,))
    assert recovery.share.value == pytest.approx(0.6)


def test_a_day_without_a_step_has_no_recovery_where_others_have(batch):
    sample = replace(batch.outcomes[0].sample, facts={"step": "concentration"})
    recoveries = lot_of(changed(batch, 0, sample=sample), "LOT-7").recoveries
    assert [one.share.is_missing for one in recoveries] == [True, True]
    assert all(one.reasons for one in recoveries)


def test_a_failed_day_and_failed_beads_keep_the_lot_from_passing(batch):
    rules = Specification("x", "1", (Limit("bead_d50_nm", 90.0, 120.0),))
    assert assess_lot(lot_of(batch, "LOT-7"), rules).overall == "pass"
    for number, code in ((1, "day_missing"), (3, "no_bead_check")):
        lot = lot_of(changed(batch, number, status="failed", folder=None), "LOT-7")
        assert code in {found.code for found in lot.findings}
        assert assess_lot(lot, rules).overall == "cannot tell"


def test_an_excluded_pool_gives_no_concentration_and_no_purity(batch):
    sample = replace(batch.outcomes[4].sample, volume_ml=100.0)  # half of the particles, were it not excluded
    lot = lot_of(changed(batch, 4, decision="excluded", sample=sample), "LOT-7")
    assert lot.pool_check == ()
    assert lot.concentration is None
    assert lot.purity.per_ug.is_missing


def test_a_pending_protein_is_no_number(batch):
    sample = replace(batch.outcomes[4].sample, assays=(Assay("protein", "ug_per_ml", None, "pending"),))
    lot = lot_of(changed(batch, 4, sample=sample), "LOT-7")
    assert lot.purity.per_ug.is_missing
    assert lot.matrix.state("protein_ug_per_ml") == "pending"


def test_what_cannot_be_a_lot_is_refused(batch):
    with pytest.raises(UsageError, match="no sample is of the lot 'LOT-8'; the manifest has LOT-7"):
        lot_of(batch, "LOT-8")
    with pytest.raises(UsageError, match="2 pools"):
        lot_of(replace(batch, outcomes=(*batch.outcomes, batch.outcomes[4])), "LOT-7")
    (batch.directory / "one" / "distribution.csv").unlink()
    with pytest.raises(UsageError, match="run nta batch again"):
        lot_of(batch, "LOT-7")
