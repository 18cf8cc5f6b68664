"""One sample of the liquid that a bioreactor gave: its concentration, its volume, and what is not known of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nta.errors import UsageError
from nta.estimate import NORMAL_95, Estimate
from nta.production.quantity import Quantity, stock_quantity

if TYPE_CHECKING:
    from nta.measurement import Status

MISSING: Final[dict[str, str]] = {
    "excluded": "the measurement is excluded; nta show tells why",
    "no_measurement": "the measurement was rejected or failed; see its message, and measure again",
    "no_concentration": "no concentration was measured; see the flags of the measurement",
    "no_dilution": "the dilution is not stated; write it into the manifest (1 = undiluted)",
    "zero_dilution": "the dilution is stated as 0 or less; write the factor into the manifest (1 = undiluted)",
    "no_volume": "the volume is not stated; write volume_ml into the manifest",
    "same_video": "a video is also one of another sample; take it out of one, or exclude the older name with nta mark",
}
"""Why a sample has no number of particles, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Culture:
    """What a yield is divided by; ``None`` where it is not stated.

    Parameters
    ----------
    medium_ml : float or None
        Conditioned medium that was harvested, mL.
    area_m2 : float or None
        Culture area, m².
    cells_seeded : float or None
        Number of cells.
    hours : float or None
        For how long the medium was collected, h.

    Raises
    ------
    UsageError
        If one of them is not positive.
    """

    medium_ml: float | None = None
    area_m2: float | None = None
    cells_seeded: float | None = None
    hours: float | None = None

    def __post_init__(self) -> None:
        for name in ("medium_ml", "area_m2", "cells_seeded", "hours"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < math.inf:
                raise UsageError(f"{name} of {value:g} is not positive; give None when it is not known")


@dataclass(frozen=True, slots=True)
class Harvest:
    """One sample with the volume that it stands for.

    Parameters
    ----------
    day, sample : str
        Labels of the day and the sample.
    status : {"ok", "warn", "rejected", "failed"}
        How the measurement ended.
    stock : Estimate or None
        Concentration of the undiluted liquid, particles/mL; ``None`` when the dilution is not known.
    volume_ml : float or None
        Volume, mL; ``None`` when not stated.
    is_measured : bool
        Whether there is a concentration in the measuring cell, so that only the dilution is lacking.
    is_relative : bool
        Whether the concentration rests on a nominal depth.
    is_excluded : bool
        Whether somebody has decided that the measurement does not count.
    volume_relative_sd : float or None
        Relative standard uncertainty of the volume; ``None`` when not stated, and it is then taken as exact.
    dilution : float or None
        Factor by which it was diluted, where it is on record.
    parts : mapping
        ``concentration_per_ml.parts`` of its summary; empty where it is not on record.
    n_captures : int
        Captures behind it.
    calibration : str or None
        Hash of the calibration file; ``None`` for a nominal depth.
    blank : str or None
        Hashes of the captures of the blank that was subtracted; ``None`` without one.
    step : str
        Process step after which it was taken.
    culture : Culture
        What a yield is divided by.
    videos : tuple of str
        Hashes of its captures.
    record : int or None
        Number of the analysis in the store.

    Raises
    ------
    UsageError
        If the volume is not positive, or an uncertainty negative.
    """

    day: str
    sample: str
    status: Status
    stock: Estimate | None
    volume_ml: float | None
    is_measured: bool = True
    is_relative: bool = False
    is_excluded: bool = False
    volume_relative_sd: float | None = None
    dilution: float | None = None
    parts: Mapping[str, float | None] = field(default_factory=dict)
    n_captures: int = 0
    calibration: str | None = None
    blank: str | None = None
    step: str = ""
    culture: Culture = field(default_factory=Culture)
    videos: tuple[str, ...] = ()
    record: int | None = None

    def __post_init__(self) -> None:
        if self.volume_ml is not None and not self.volume_ml > 0:
            raise UsageError(f"a volume of {self.volume_ml:g} mL is not positive; give None when it is not known")
        if self.volume_relative_sd is not None and not 0.0 <= self.volume_relative_sd < math.inf:
            raise UsageError(
                f"a volume's uncertainty of {self.volume_relative_sd:g} is negative; give None when it is not known"
            )

    @property
    def missing(self) -> tuple[str, ...]:
        """The codes of :data:`MISSING` that hold; empty when the number of particles is known."""
        codes = [code for code in (self._missing_stock(),) if code is not None]
        if self.volume_ml is None:
            codes.append("no_volume")
        return tuple(codes)

    def _missing_stock(self) -> str | None:
        if self.is_excluded:
            return "excluded"
        if self.status in ("rejected", "failed"):
            return "no_measurement"
        if self.dilution is not None and not self.dilution > 0:
            return "zero_dilution"
        if self.stock is None:
            return "no_dilution" if self.is_measured else "no_concentration"
        return "no_concentration" if self.stock.is_missing else None

    @property
    def concentration(self) -> Quantity | None:
        """Particles/mL with the sources of its error; ``None`` where it is missing or they are not on record."""
        if self._missing_stock() is not None or self.stock is None:
            return None
        return stock_quantity(self.stock, self.parts, self.n_captures, self.name, self.calibration, self.blank)

    @property
    def volume(self) -> Quantity | None:
        """The volume, mL, with its own error; ``None`` where it is not stated."""
        if self.volume_ml is None:
            return None
        return Quantity.with_own_error(self.volume_ml, self.volume_relative_sd or 0.0, f"volume of {self.name}")

    @property
    def name(self) -> str:
        """By which its own errors are told from those of other samples."""
        return f"{self.day}/{self.sample}"

    @property
    def quantity(self) -> Quantity | None:
        """Particles in the volume with the sources of their error; ``None`` where these are not on record."""
        concentration, volume = self.concentration, self.volume
        return None if concentration is None or volume is None else concentration.times(volume)

    @property
    def particles(self) -> Estimate:
        """Particles in the volume: stock x volume; missing when :attr:`missing` is not empty."""
        if self.missing or self.stock is None or self.volume_ml is None:
            return Estimate.missing()
        found = self.stock.scaled(self.volume_ml)
        if not self.volume_relative_sd:
            return found
        quantity = self.quantity
        return _widened(found, self.volume_relative_sd) if quantity is None else quantity.estimate


def _widened(found: Estimate, relative_sd: float) -> Estimate:
    """Return the interval with one more relative error, for a stock of which only the interval is known.

    In the logarithm the distances of the ends from the value and the new error are added in quadrature.
    """
    if not (found.low > 0.0 and found.high < math.inf):
        spread = math.exp(NORMAL_95 * relative_sd)
        return Estimate(found.value, found.low / spread, found.high * spread, found.n)
    more = NORMAL_95 * relative_sd
    below = math.hypot(math.log(found.value / found.low), more)
    above = math.hypot(math.log(found.high / found.value), more)
    return Estimate(found.value, found.value * math.exp(-below), found.value * math.exp(above), found.n)
