"""Particles per µg of protein and marker fractions by hand; the matrix of assays."""

from __future__ import annotations

import math

import pytest

from nta.batch.columns import ALL
from nta.errors import UsageError
from nta.estimate import Estimate
from nta.production.assays import ASSAYS, OUTCOMES, Cell, Result, matrix_of
from nta.production.purity import band_of, marker_percent, purity_of
from nta.production.quantity import Error, Quantity


def test_particles_per_ug_by_hand():
    # 1e12 per mL over 20 µg/mL = 5e10 per µg; sqrt(0.08² + 0.06²) = 0.1; exp(1.96 x 0.1) = 1.21653
    found = purity_of(Quantity(1e12, {"count": Error(0.08)}), 20.0, 0.06)
    assert found.per_ug.value == pytest.approx(5e10)
    assert (found.per_ug.low, found.per_ug.high) == pytest.approx((5e10 / 1.21653, 5e10 * 1.21653), rel=1e-5)
    assert (found.band, found.reason, found.is_protein_exact) == ("high", "", False)


def test_a_protein_without_an_uncertainty_is_exact_and_said():
    assert purity_of(Quantity(1e12), 20.0).is_protein_exact


@pytest.mark.parametrize(
    ("concentration", "protein", "words"),
    [
        (None, 20.0, "no concentration"),
        (Quantity(1e12), None, "no protein"),
        (Quantity(1e12), 0.0, "limit of detection"),
        (Quantity(1e12), math.nan, "limit of detection"),
    ],
)
def test_what_is_missing_is_no_number(concentration, protein, words):
    found = purity_of(concentration, protein)
    assert found.per_ug.is_missing
    assert found.band == "cannot tell"
    assert words in found.reason


@pytest.mark.parametrize(
    ("low", "value", "high", "band"),
    [
        (3.1e10, 4e10, 5e10, "high"),
        (2.9e10, 4e10, 5e10, "cannot tell"),
        (2.1e10, 2.5e10, 3.0e10, "between bands"),
        (2e9, 1e10, 2e10, "low"),
        (1.5e9, 1.7e9, 1.9e9, "between bands"),
        (1e8, 1e9, 1.49e9, "unpure"),
        (1e8, 1e9, 1.51e9, "cannot tell"),
        (math.nan, 1e9, math.nan, "cannot tell"),
        # from one band to another across the gap
        (1.4e9, 1.7e9, 2.1e9, "cannot tell"),
        (1.7e9, 1.8e9, 2.5e10, "cannot tell"),
    ],
)
def test_bands_of_webber_and_clayton(low, value, high, band):
    assert band_of(Estimate(value, low, high)) == band


def test_a_marker_fraction_by_hand():
    # 3e8 of 1e9 = 30 %; the depth cancels: sqrt(0.04² + 0.03²) = 0.05; 30 exp(+-0.098) = 27.200 and 33.089
    found = marker_percent(
        Quantity(3e8, {"count in fluorescence": Error(0.04), "depth": Error(0.2)}),
        Quantity(1e9, {"count in scatter": Error(0.03), "depth": Error(0.2)}),
    )
    assert (found.value, found.low, found.high) == pytest.approx((30.0, 27.200, 33.089), rel=1e-4)


def test_assays_are_those_of_a_manifest_with_potency_before_purity():
    assert set(ASSAYS) == {column.name for column in ALL if column.group == "assay"}
    assert {column.name for column in ALL if column.group == "assay" and column.kind == "choice"} == set(OUTCOMES)
    order = list(ASSAYS)
    assert order.index("potency_percent") < order.index("cd63_percent") < order.index("protein_ug_per_ml")


def test_the_matrix_tells_measured_pending_and_missing():
    matrix = matrix_of(
        ["a", "b"],
        [Result("a", "protein_ug_per_ml", 0.0), Result("b", "sterility", None), Result("a", "mycoplasma", "pass")],
    )
    # 0 is a measured value
    assert matrix.cell("protein_ug_per_ml", "a") == Cell("measured", 0.0)
    assert matrix.cell("protein_ug_per_ml", "b") == Cell("missing")
    assert matrix.cell("sterility", "b") == Cell("pending")
    assert matrix.cell("sterility", "c") == Cell("missing")
    assert [matrix.state(name) for name in ("mycoplasma", "sterility", "potency_percent")] == [
        "measured",
        "pending",
        "missing",
    ]
    assert matrix.open[0] == "potency_percent"
    assert "mycoplasma" not in matrix.open


@pytest.mark.parametrize(
    ("assay", "value"),
    [
        ("protein", 1.0),
        ("sterility", 1.0),
        ("protein_ug_per_ml", "pass"),
        ("cd9_percent", -1.0),
        ("cd9_percent", math.nan),
    ],
)
def test_an_assay_of_another_kind_is_refused(assay, value):
    with pytest.raises(UsageError):
        Result("a", assay, value)


def test_contradicting_results_are_refused():
    with pytest.raises(UsageError, match="twice"):
        matrix_of(["a"], [Result("a", "cd9_percent", 1.0), Result("a", "cd9_percent", 2.0)])
    with pytest.raises(UsageError, match="not in the lot"):
        matrix_of(["a"], [Result("b", "cd9_percent", 1.0)])
