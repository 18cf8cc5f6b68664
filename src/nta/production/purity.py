"""Particles per µg of protein with the published bands, and the share of particles that carry a marker."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from nta.estimate import Estimate
from nta.production.quantity import Quantity

Band = Literal["high", "low", "unpure", "between bands", "cannot tell"]

HIGH_ABOVE: Final = 3e10
LOW: Final = (2e9, 2e10)
UNPURE_BELOW: Final = 1.5e9
"""Particles per µg protein: high purity above 3e10, low from 2e9 to 2e10, unpure below 1.5e9 (Webber and Clayton 2013,
J. Extracell. Vesicles 2, 19861). Nothing is published of what lies between."""


@dataclass(frozen=True, slots=True)
class Purity:
    """Particles per µg of protein.

    Parameters
    ----------
    per_ug : Estimate
        Missing when ``reason`` is not empty.
    band : {"high", "low", "unpure", "between bands", "cannot tell"}
        The published band that holds the whole interval; ``cannot tell`` where it holds only part of it.
    reason : str
        Why it is missing, and what to do.
    is_protein_exact : bool
        Whether the uncertainty of the protein is not stated, so that it was taken as exact.
    """

    per_ug: Estimate
    band: Band
    reason: str = ""
    is_protein_exact: bool = False


def purity_of(
    concentration: Quantity | None,
    protein_ug_per_ml: float | None,
    protein_relative_sd: float | None = None,
    name: str = "sample",
) -> Purity:
    """Return particles per µg of protein: particles/mL over µg/mL of the same liquid.

    Parameters
    ----------
    concentration : Quantity or None
        Particles per mL of the undiluted liquid.
    protein_ug_per_ml : float or None
        Protein of the undiluted liquid, µg/mL; ``None`` when not measured.
    protein_relative_sd : float or None
        Its relative standard uncertainty; ``None`` when not stated, and it is then taken as exact.
    name : str
        By which the protein's error is told from others.
    """
    if concentration is None:
        return Purity(Estimate.missing(), "cannot tell", "no concentration is known; see what the sample lacks")
    if protein_ug_per_ml is None:
        return Purity(Estimate.missing(), "cannot tell", "no protein was measured; write protein_ug_per_ml")
    if not protein_ug_per_ml > 0.0:
        text = f"a protein of {protein_ug_per_ml:g} µg/mL is below what the assay can see; write its limit of detection"
        return Purity(Estimate.missing(), "cannot tell", text)
    protein = Quantity.with_own_error(protein_ug_per_ml, protein_relative_sd or 0.0, f"protein of {name}")
    per_ug = concentration.over(protein).estimate
    return Purity(per_ug, band_of(per_ug), is_protein_exact=protein_relative_sd is None)


def band_of(per_ug: Estimate) -> Band:
    """Return the published band that holds the whole 95 % interval of particles per µg of protein."""
    if math.isnan(per_ug.low + per_ug.value + per_ug.high):
        return "cannot tell"
    found = {_zone(per_ug.low), _zone(per_ug.value), _zone(per_ug.high)}
    return _ZONES[found.pop()] if len(found) == 1 else "cannot tell"


_ZONES: Final[tuple[Band, ...]] = ("unpure", "between bands", "low", "between bands", "high")


def _zone(per_ug: float) -> int:
    """Return the place among the bands and the gaps between them, from below."""
    return sum((per_ug >= UNPURE_BELOW, per_ug >= LOW[0], per_ug > LOW[1], per_ug > HIGH_ABOVE))


def marker_percent(fluorescent: Quantity, scatter: Quantity) -> Estimate:
    """Return the share of particles that carry a marker, %: those seen in fluorescence over those seen in scatter.

    From paired captures of one sample. What both share (dilution, depth) cancels. The value is as measured: above
    100 % it says that the captures do not belong together, or that scatter misses what fluorescence sees.

    Parameters
    ----------
    fluorescent, scatter : Quantity
        Particles per mL in either light.
    """
    return fluorescent.over(scatter).scaled(100.0).estimate
