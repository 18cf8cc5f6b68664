"""What a dilution series says: one line a dilution, how linear they are, and the range that can be used."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

from nta.estimate import Estimate
from nta.measurement import Status

SCHEMA: Final = "nta.dilution_series/1"


@dataclass(frozen=True, slots=True)
class Dilution:
    """One dilution of the sample, all its captures together.

    Parameters
    ----------
    factor : float
        Factor by which the sample was diluted.
    status : {"ok", "warn", "rejected", "failed"}
        How its measurement ended, with its ``status_code``, its ``message`` and the codes of its ``flags``.
    n_captures : int
        Captures that were measured together.
    particles_per_frame : float
        Mean number of spots in a frame; NaN where nothing was measured.
    measured, stock : Estimate
        Particles per mL in the cell, and times the factor; their intervals hold the error of the depth.
    own_sd : float
        Relative standard uncertainty of what other dilutions do not share: counting, captures, the dilution itself.
    captures_sd : float
        The part of it that captures differ by beyond counting, from all dilutions of the series; 0 where no two
        captures of one dilution tell it.
    per_excess : float
        Its square over the variance between single captures.
    volume_sd : float
        Relative standard uncertainty of the depth, which all dilutions share; 0 where not known.
    deviation : float
        Stock over that of the usable range, less 1; NaN where there is no range.
    is_usable : bool
        Whether it lies in the usable range.
    is_relative : bool
        Whether its concentration rests on a nominal depth.
    """

    factor: float
    status: Status
    status_code: str | None
    message: str
    flags: tuple[str, ...]
    n_captures: int
    particles_per_frame: float = math.nan
    measured: Estimate = field(default_factory=Estimate.missing)
    stock: Estimate = field(default_factory=Estimate.missing)
    own_sd: float = math.nan
    captures_sd: float = 0.0
    per_excess: float = 0.0
    volume_sd: float = 0.0
    deviation: float = math.nan
    is_usable: bool = False
    is_relative: bool = False

    @property
    def name(self) -> str:
        """The dilution as it is written on a tube: ``1:100``."""
        return f"1:{self.factor:.12g}"

    @property
    def is_known(self) -> bool:
        """Whether there is a concentration with an error, so that it can be compared."""
        return self.measured.value > 0.0 and 0.0 < self.own_sd < math.inf

    def to_dict(self) -> dict[str, Any]:
        """Return the dilution's entry of ``dilution_series.json``."""
        return {
            "dilution": self.factor,
            "status": self.status,
            "status_code": self.status_code,
            "message": self.message,
            "flags": list(self.flags),
            "captures": self.n_captures,
            "particles_per_frame": _finite(self.particles_per_frame),
            "measured_per_ml": self.measured.to_dict(),
            "stock_per_ml": self.stock.to_dict(),
            "own_relative_sd": _finite(self.own_sd),
            "deviation": _finite(self.deviation),
            "is_usable": self.is_usable,
            "is_relative": self.is_relative,
        }


@dataclass(frozen=True, slots=True)
class Line:
    """How far some dilutions are linear.

    Parameters
    ----------
    slope : Estimate
        Of ln(measured) on ln(1/dilution); 1 is linear. Missing with fewer than two dilutions.
    chi_square, freedom : float, int
        Of the stocks about their common value, with n - 1 degrees of freedom; NaN and 0 with fewer than two.
    p_constant : float
        Probability of so much scatter or more, were the stock the same at all dilutions.
    """

    slope: Estimate = field(default_factory=Estimate.missing)
    chi_square: float = math.nan
    freedom: int = 0
    p_constant: float = math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, ``None`` for NaN."""
        return {
            "slope": self.slope.to_dict(),
            "chi_square": _finite(self.chi_square),
            "freedom": self.freedom,
            "p_constant": _finite(self.p_constant),
        }


@dataclass(frozen=True, slots=True)
class UsableRange:
    """The longest run of neighbouring dilutions that can be used.

    Parameters
    ----------
    first, last : float
        Its lowest and its highest dilution.
    n_dilutions : int
        Dilutions in it, two or more.
    line : Line
        Of these dilutions alone.
    stock : Estimate
        Particles per mL of the undiluted sample from all of them, the error of the depth added once.
    is_within_errors : bool
        Whether the stocks agree within their errors; else they lie within the tolerance of their common value.
    """

    first: float
    last: float
    n_dilutions: int
    line: Line
    stock: Estimate
    is_within_errors: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the block ``usable_range`` of ``dilution_series.json``."""
        return {
            "first_dilution": self.first,
            "last_dilution": self.last,
            "dilutions": self.n_dilutions,
            **self.line.to_dict(),
            "stock_per_ml": self.stock.to_dict(),
            "is_within_errors": self.is_within_errors,
        }


@dataclass(frozen=True, slots=True)
class DilutionSeries:
    """A sample measured at several dilutions.

    Parameters
    ----------
    sample : str
        Name of the sample.
    status : {"ok", "warn", "rejected", "failed"}
        ``ok`` where three dilutions or more are linear and all of them; ``rejected`` or ``failed`` where none could be
        measured. What else is to be said of a dilution stands with it.
    message : str
        Whether it is linear, from where to where, which end departs and what to do.
    dilutions : tuple of Dilution
        From the most concentrated to the most dilute.
    line : Line
        Of all dilutions that have a concentration.
    usable : UsableRange or None
        ``None`` where no two neighbours can be used.
    is_relative : bool
        Whether the depth is nominal: the test of linearity holds, the stock only against samples of one setting.
    """

    sample: str
    status: Status
    message: str
    dilutions: tuple[Dilution, ...]
    line: Line
    usable: UsableRange | None
    is_relative: bool

    @property
    def stock(self) -> Estimate:
        """Particles per mL of the undiluted sample, from the usable range; missing where there is none."""
        return Estimate.missing() if self.usable is None else self.usable.stock

    def to_dict(self) -> dict[str, Any]:
        """Return what ``dilution_series.json`` holds: strict JSON values, missing is ``None``."""
        return {
            "schema": SCHEMA,
            "status": self.status,
            "message": self.message,
            "sample": self.sample,
            "stock_per_ml": self.stock.to_dict(),
            "is_relative": self.is_relative,
            "linearity": self.line.to_dict(),
            "usable_range": None if self.usable is None else self.usable.to_dict(),
            "dilutions": [one.to_dict() for one in self.dilutions],
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
