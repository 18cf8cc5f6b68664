"""Daily yield: how many particles a day's liquid held, and how many there are in all.

The particles of a sample are its stock concentration times the volume that it stands for. What is not known
stays missing: a day without a number never counts as 0, and the sum says how many days it lacks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nta.errors import UsageError
from nta.estimate import Estimate

if TYPE_CHECKING:
    from nta.measurement import Status

MISSING: Final[dict[str, str]] = {
    "excluded": "the measurement is excluded; nta show tells why",
    "no_measurement": "the measurement was rejected or failed; see its message, and measure again",
    "no_concentration": "no concentration was measured; see the flags of the measurement",
    "no_dilution": "the dilution is not stated; write it into the manifest (1 = undiluted)",
    "no_volume": "the volume is not stated; write volume_ml into the manifest",
}
"""Why a sample has no number of particles, and what to do about it."""


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
        Volume, mL, taken as exact; ``None`` when not stated.
    is_measured : bool
        Whether there is a concentration in the measuring cell, so that only the dilution is lacking.
    is_relative : bool
        Whether the concentration rests on a nominal depth.
    is_excluded : bool
        Whether somebody has decided that the measurement does not count.

    Raises
    ------
    UsageError
        If the volume is not positive.
    """

    day: str
    sample: str
    status: Status
    stock: Estimate | None
    volume_ml: float | None
    is_measured: bool = True
    is_relative: bool = False
    is_excluded: bool = False

    def __post_init__(self) -> None:
        if self.volume_ml is not None and not self.volume_ml > 0:
            raise UsageError(f"a volume of {self.volume_ml:g} mL is not positive; give None when it is not known")

    @property
    def missing(self) -> tuple[str, ...]:
        """The codes of :data:`MISSING` that hold; empty when the number of particles is known."""
        codes: list[str] = []
        if self.is_excluded:
            codes.append("excluded")
        elif self.status in ("rejected", "failed"):
            codes.append("no_measurement")
        elif self.stock is None:
            codes.append("no_dilution" if self.is_measured else "no_concentration")
        elif self.stock.is_missing:
            codes.append("no_concentration")
        if self.volume_ml is None:
            codes.append("no_volume")
        return tuple(codes)

    @property
    def particles(self) -> Estimate:
        """Particles in the volume: stock x volume; missing when :attr:`missing` is not empty."""
        if self.missing or self.stock is None or self.volume_ml is None:
            return Estimate.missing()
        return self.stock.scaled(self.volume_ml)


@dataclass(frozen=True, slots=True)
class Day:
    """Particles of one day: the sum of its samples, missing when one of them is."""

    day: str
    samples: tuple[str, ...]
    particles: Estimate
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class DailyYield:
    """Particles of every sample and day, and their sum.

    Parameters
    ----------
    harvests : tuple of Harvest
        The samples behind it.
    days : tuple of Day
        In the order in which the days were first named.
    total : Estimate
        Sum of the days that have a number; missing when none has.
    missing_days : tuple of str
        Days that the sum lacks.
    """

    harvests: tuple[Harvest, ...]
    days: tuple[Day, ...]
    total: Estimate
    missing_days: tuple[str, ...]

    @property
    def is_relative(self) -> bool:
        """Whether any number rests on a nominal depth: then only ratios between days hold."""
        return any(harvest.is_relative for harvest in self.harvests)

    @property
    def message(self) -> str:
        """One sentence: over how many days the sum goes, and how many it lacks."""
        known = len(self.days) - len(self.missing_days)
        if not self.missing_days:
            return f"sum of {known} day{'s' if known != 1 else ''}, none missing"
        names = ", ".join(self.missing_days)
        if known == 0:
            return f"no day has a number of particles (missing: {names})"
        lacking = len(self.missing_days)
        return f"sum of {known} of {len(self.days)} days; {lacking} missing and not counted: {names}"


def sum_of(estimates: Iterable[Estimate]) -> Estimate:
    """Return the sum with an interval that holds however the errors hang together.

    Pixel size, depth, temperature and dilution steps are common to all days, so their errors do not average
    out, and one interval does not say which part of it is shared. The half-widths are therefore added, as if
    all of it were (correlation 1): never too narrow; sqrt(n) times too wide for n equal, independent errors.
    A missing term makes the sum missing; so does an empty sum.
    """
    terms = tuple(estimates)
    if not terms:
        return Estimate.missing()
    return Estimate(
        math.fsum(term.value for term in terms),
        math.fsum(term.low for term in terms),
        math.fsum(term.high for term in terms),
    )


def daily_yield(harvests: Iterable[Harvest]) -> DailyYield:
    """Return particles per day and their sum.

    Parameters
    ----------
    harvests : iterable of Harvest
        Every sample stands for liquid of its own: two samples of one day are added, not averaged.
    """
    harvests = tuple(harvests)
    days = tuple(
        _day(day, [harvest for harvest in harvests if harvest.day == day])
        for day in dict.fromkeys(harvest.day for harvest in harvests)
    )
    known = [day for day in days if not day.particles.is_missing]
    return DailyYield(
        harvests,
        days,
        sum_of(day.particles for day in known),
        tuple(day.day for day in days if day.particles.is_missing),
    )


def _day(label: str, harvests: list[Harvest]) -> Day:
    reasons = tuple(f"{harvest.sample}: {MISSING[code]}" for harvest in harvests for code in harvest.missing)
    particles = Estimate.missing() if reasons else sum_of(harvest.particles for harvest in harvests)
    return Day(label, tuple(harvest.sample for harvest in harvests), particles, reasons)
