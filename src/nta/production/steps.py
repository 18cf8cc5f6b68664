"""Recovery of process steps: particles that came out over particles that went in, and of a whole chain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from nta.estimate import Estimate
from nta.production.harvests import MISSING, Harvest
from nta.production.quantity import Quantity


@dataclass(frozen=True, slots=True)
class Portion:
    """Liquid before or after a step: a measured sample, and the volume that went in or came out.

    Parameters
    ----------
    sample : Harvest
        Gives the concentration; its own volume is not used.
    volume_ml : float or None
        Volume at the step, mL; ``None`` when not stated.
    volume_relative_sd : float or None
        Relative standard uncertainty of it; ``None`` when not stated, and it is then taken as exact.
    """

    sample: Harvest
    volume_ml: float | None
    volume_relative_sd: float | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """Why it has no number of particles, a sentence each."""
        lacking = [code for code in self.sample.missing if code != "no_volume"]
        if self.volume_ml is None or not self.volume_ml > 0.0:
            lacking.append("no_volume")
        return tuple(f"{self.sample.sample}: {MISSING[code]}" for code in lacking)

    def particles(self, step: str) -> Quantity | None:
        """Return the particles in the volume with the sources of their error; ``None`` where they are not known."""
        concentration = self.sample.concentration
        if self.missing or concentration is None or self.volume_ml is None:
            return None
        source = f"volume of {self.sample.name} at {step}"
        return concentration.times(Quantity.with_own_error(self.volume_ml, self.volume_relative_sd or 0.0, source))


@dataclass(frozen=True, slots=True)
class Step:
    """One process step with what was measured before and after it."""

    name: str
    before: Portion
    after: Portion


@dataclass(frozen=True)
class Recovery:
    """Share of the particles that came through a step or a chain; more than 1 is possible within the interval.

    Parameters
    ----------
    name : str
        Of the step; ``chain`` for all of them.
    share : Estimate
        Particles out over particles in; missing when ``reasons`` is not empty.
    reasons : tuple of str
        Why it is missing, and what to do.
    quantity : Quantity or None
        The share with the sources of its error.
    records : tuple of int
        Numbers of the analyses behind it.
    """

    name: str
    share: Estimate
    reasons: tuple[str, ...] = ()
    quantity: Quantity | None = field(default=None, repr=False)
    records: tuple[int, ...] = ()


def recovery_of(step: Step) -> Recovery:
    """Return the recovery of one step.

    The depth in view of two samples that share a calibration cancels.
    """
    reasons = (*step.before.missing, *step.after.missing)
    records = _records(step.before, step.after)
    before, after = step.before.particles(step.name), step.after.particles(step.name)
    if not reasons and (before is None or after is None):
        reasons = ("what the interval of a concentration is made of is not on record; measure again",)
    if reasons or before is None or after is None:
        return Recovery(step.name, Estimate.missing(), reasons, None, records)
    quantity = after.over(before)
    return Recovery(step.name, quantity.estimate, (), quantity, records)


def chain_recovery(steps: Iterable[Step]) -> tuple[tuple[Recovery, ...], Recovery]:
    """Return the recovery of every step, and of the chain as their product.

    A measurement between two steps is the end of one and the start of the next: its error cancels in the product. What
    was taken away between two steps (samples for assays) is not counted as lost.

    Parameters
    ----------
    steps : iterable of Step
        In the order of the process.
    """
    each = tuple(recovery_of(step) for step in steps)
    reasons = tuple(f"{one.name}: {reason}" for one in each for reason in one.reasons)
    if not each:
        reasons = ("no step is stated; write step, volume_in_ml and volume_out_ml into the manifest",)
    records = tuple(dict.fromkeys(record for one in each for record in one.records))
    quantity = None if reasons else Quantity(1.0)
    for one in each:
        if quantity is not None and one.quantity is not None:
            quantity = quantity.times(one.quantity)
    share = Estimate.missing() if quantity is None else quantity.estimate
    return each, Recovery("chain", share, reasons, quantity, records)


def _records(*portions: Portion) -> tuple[int, ...]:
    return tuple(portion.sample.record for portion in portions if portion.sample.record is not None)
