"""Companion assays of a lot in one matrix: what was measured, what is pending, what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from nta.errors import UsageError

State = Literal["measured", "pending", "missing"]

ASSAYS: Final[dict[str, str]] = {
    "potency_percent": "% of the reference",
    "sterility": "",
    "mycoplasma": "",
    "endotoxin_eu_per_ml": "EU/mL",
    "cd9_percent": "%",
    "cd63_percent": "%",
    "cd81_percent": "%",
    "protein_ug_per_ml": "µg/mL",
    "lipid_ug_per_ml": "µg/mL",
    "rna_ng_per_ml": "ng/mL",
}
"""Columns of a manifest with their units, potency before purity."""

OUTCOMES: Final = ("sterility", "mycoplasma")
"""Assays that end with a word, ``pass`` or ``fail``."""


@dataclass(frozen=True, slots=True)
class Result:
    """One assay of one sample, as a manifest states it.

    Parameters
    ----------
    sample : str
        Of which sample.
    assay : str
        One of :data:`ASSAYS`.
    value : float, str or None
        A number in the assay's unit, or ``pass`` or ``fail``; ``None`` while it is pending.

    Raises
    ------
    UsageError
        If the assay is not known, or a value is not of its kind.
    """

    sample: str
    assay: str
    value: float | str | None

    def __post_init__(self) -> None:
        if self.assay not in ASSAYS:
            raise UsageError(f"{self.assay!r} is no assay; known are {', '.join(ASSAYS)}")
        if self.value is None:
            return
        is_word = self.value in ("pass", "fail")
        is_number = isinstance(self.value, int | float) and 0.0 <= self.value < float("inf")
        if not (is_word if self.assay in OUTCOMES else is_number):
            wanted = "pass or fail" if self.assay in OUTCOMES else "a number, 0 or more"
            raise UsageError(f"{self.assay} of {self.sample!r} is {self.value!r}; write {wanted}, or leave it empty")


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of the matrix."""

    state: State
    value: float | str | None = None


@dataclass(frozen=True)
class Matrix:
    """Assays of a lot: one row for each assay in the order of :data:`ASSAYS`, one column for each sample.

    Parameters
    ----------
    samples : tuple of str
        The columns.
    rows : dict of str to tuple of Cell
        By assay.
    """

    samples: tuple[str, ...]
    rows: dict[str, tuple[Cell, ...]]

    def cell(self, assay: str, sample: str) -> Cell:
        """Return one place; missing where the sample or the assay is not in the matrix."""
        if assay not in self.rows or sample not in self.samples:
            return Cell("missing")
        return self.rows[assay][self.samples.index(sample)]

    def state(self, assay: str) -> State:
        """Return how far an assay is for the lot: measured when one sample has it and none is pending."""
        states = [cell.state for cell in self.rows.get(assay, ())]
        if "pending" in states:
            return "pending"
        return "measured" if "measured" in states else "missing"

    @property
    def open(self) -> tuple[str, ...]:
        """Assays that are pending or missing."""
        return tuple(assay for assay in self.rows if self.state(assay) != "measured")


def matrix_of(samples: Sequence[str], results: Iterable[Result]) -> Matrix:
    """Return the matrix of a lot.

    Raises
    ------
    UsageError
        If two results are of one assay of one sample, or a result is of a sample that is not in the lot.
    """
    found: dict[tuple[str, str], Cell] = {}
    for result in results:
        place = result.assay, result.sample
        if result.sample not in samples:
            raise UsageError(f"{result.assay} is of {result.sample!r}, which is not in the lot; check the name")
        if place in found:
            raise UsageError(f"{result.assay} of {result.sample!r} is stated twice; keep one of them")
        found[place] = Cell("pending") if result.value is None else Cell("measured", result.value)
    rows = {assay: tuple(found.get((assay, sample), Cell("missing")) for sample in samples) for assay in ASSAYS}
    return Matrix(tuple(samples), rows)
