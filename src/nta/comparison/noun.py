"""What two samples or groups differ by, in numbers that a person can act on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

from nta.estimate import Estimate

SCHEMA: Final = "nta.comparison/1"

Verdict = Literal["equivalent", "not_equivalent", "cannot_tell"]
Basis = Literal["stock", "measured"]


@dataclass(frozen=True, slots=True)
class Change:
    """One quantity of both sides.

    Parameters
    ----------
    quantity : str
        ``mode``, ``d50``, or ``concentration``.
    a, b : Estimate
        Each side: nm, or particles/mL. For a group the mean, of concentrations the geometric one.
    difference : Estimate
        B minus A, in the same unit; of concentrations missing, where only ratios hold.
    ratio : Estimate
        B over A.
    """

    quantity: str
    a: Estimate
    b: Estimate
    difference: Estimate
    ratio: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Return the change as strict JSON."""
        return {name: getattr(self, name).to_dict() for name in ("a", "b", "difference", "ratio")}


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Two one-sided tests of a ratio against its margins (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15, 657-680).

    Parameters
    ----------
    quantity : str
        ``mode``, ``d50``, ``concentration`` or ``recovery``.
    margin_low, margin_high : float
        Ratios between which the two count as equal.
    low, high : float
        90 % interval of the ratio: both ends within the margins is the same as p < 0.05.
    p : float
        The larger of the two one-sided probabilities; NaN where no error is known.
    verdict : {"equivalent", "not_equivalent", "cannot_tell"}
        ``not_equivalent`` where the whole 90 % interval lies outside of the margins.
    """

    quantity: str
    margin_low: float
    margin_high: float
    low: float
    high: float
    p: float
    verdict: Verdict

    def to_dict(self) -> dict[str, Any]:
        """Return the test as strict JSON."""
        return {
            "quantity": self.quantity,
            "margins": [self.margin_low, self.margin_high],
            "interval_90": [_finite(self.low), _finite(self.high)],
            "p": _finite(self.p),
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class Comparison:
    """Two samples or groups, A the reference.

    Parameters
    ----------
    a, b : tuple of str
        Names of the measurements of each side.
    mode_nm, d50_nm : Change
        Diameters by number, nm.
    shift_nm : Estimate
        Wasserstein-1 distance of the two distributions, nm: how far the particles move on the average.
    concentration_per_ml : Change
        Its ratio is the fold change.
    basis : {"stock", "measured"}
        Which concentration is compared: undiluted, or that in the cell where no dilution is stated on either side.
    recovery : Estimate
        Particles in all of B over those in all of A, 0 to 1; missing where no volumes were stated.
    equivalence : tuple of Equivalence
        The tests that margins were stated for.
    common : tuple of str
        Values whose error is taken as the same on both sides, so that it cancels.
    notes : tuple of str
        What the intervals do not hold, and what is missing, one sentence each.
    is_relative : bool
        Whether a concentration of either side rests on a nominal depth.
    """

    a: tuple[str, ...]
    b: tuple[str, ...]
    mode_nm: Change
    d50_nm: Change
    shift_nm: Estimate
    concentration_per_ml: Change
    basis: Basis
    recovery: Estimate
    equivalence: tuple[Equivalence, ...]
    common: tuple[str, ...]
    notes: tuple[str, ...]
    is_relative: bool = False

    @property
    def is_missing(self) -> bool:
        """Whether nothing could be compared."""
        return self.d50_nm.ratio.is_missing and self.concentration_per_ml.ratio.is_missing

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as strict JSON, every key present, missing is ``None``."""
        return {
            "schema": SCHEMA,
            "a": list(self.a),
            "b": list(self.b),
            "mode_nm": self.mode_nm.to_dict(),
            "d50_nm": self.d50_nm.to_dict(),
            "shift_nm": self.shift_nm.to_dict(),
            "concentration_per_ml": {
                "basis": self.basis,
                "is_relative": self.is_relative,
                **self.concentration_per_ml.to_dict(),
            },
            "recovery": self.recovery.to_dict(),
            "equivalence": [test.to_dict() for test in self.equivalence],
            "common": list(self.common),
            "notes": list(self.notes),
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
