"""What the diluent alone shows, taken from what the sample shows: concentration and sizes.

A blank is the diluent, measured as the sample was. All of it is subtracted: the diluent makes up 1 - 1/k of a sample
that was diluted k times, and what comes from cell and tubing is all there, so that at most a k-th of it is too much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from nta.blank.counts import counted, difference, from_tracks, net_concentration, poisson, same_volume
from nta.blank.noun import Blank
from nta.blank.sizes import net_distribution, nonnegative_difference
from nta.calibration import TOLERANCES
from nta.concentration import Concentration
from nta.distribution import SizeDistribution
from nta.errors import UsageError
from nta.estimate import Estimate

if TYPE_CHECKING:
    from nta.measurement import Measurement

__all__ = ["HIGH_SHARE", "Blank", "Subtraction", "difference", "nonnegative_difference", "subtract_blank"]

HIGH_SHARE: Final = 0.2
"""Share of the sample's particles above which a blank is high: a tenth of it, which two blanks easily differ by, then
moves the result by more than 2 %."""

MIN_MASS_TOLERANCE: Final = 0.25
"""Relative difference that the thresholds of two captures of one camera may have: at five times the threshold, 25 % of
it change the depth in which a particle is seen by 7 %."""

_CLOSE: Final[dict[str, float]] = {
    **{name: TOLERANCES[name] for name in ("mpp", "fps", "exposure_ms")},
    "depth_um": 0.01,
    "min_mass": MIN_MASS_TOLERANCE,
}
_EXACT: Final = ("medium", "diameter_px", "invert", "size_range_nm")


@dataclass(frozen=True)
class Subtraction:
    """A sample without its blank.

    Parameters
    ----------
    measurement : Measurement
        The sample with the concentration, the distribution and the sizes that are its own.
    blank : Blank
        What was subtracted.
    complaints : dict
        A sentence by the code of its flag: ``below_blank``, ``blank_high``, ``blank_mismatch``.
    """

    measurement: Measurement
    blank: Blank
    complaints: dict[str, str]


def subtract_blank(sample: Measurement, blank: Measurement) -> Subtraction:
    """Return the sample without what its blank shows.

    The concentrations in the cell are subtracted, and the densities per nm times them. The error of the depth is common
    to both and counts once. A sample that is above its blank by no more than both errors has no concentration and no
    sizes, but an upper limit (``Subtraction.blank.limit_per_ml``). A blank of which too few particles were sized for a
    distribution counts as many as were sized, 0 included, with the sizes of the sample. The concentrations of single
    captures stay as they were counted. Nothing changes where the sample has no concentration.

    Parameters
    ----------
    sample, blank : Measurement
        Measured on one instrument at the same settings.

    Raises
    ------
    UsageError
        If the blank could not be measured, or its volume is not known.
    """
    if blank.status in ("rejected", "failed"):
        raise UsageError(f"the blank {blank.sample!r} could not be measured ({blank.message}); measure it again")
    before = sample.concentration.measured
    is_sized = not (blank.concentration.measured.is_missing or blank.distribution.table.empty)
    subtracted = blank.concentration.measured if is_sized else from_tracks(sample, blank)
    record = _record(blank, subtracted, before)
    mismatch = _mismatch(sample, blank)
    if before.is_missing:
        return Subtraction(sample, record, mismatch)
    if subtracted.is_missing:
        raise UsageError(f"the volume of the blank {blank.sample!r} is not known; give the video and not its tracks")
    is_common = not is_sized or same_volume(sample.concentration, blank.concentration)
    own = counted(sample.concentration, is_common)
    taken = counted(blank.concentration, is_common) if is_sized else poisson(subtracted)
    concentration, limit_per_ml = net_concentration(sample.concentration, own, taken, is_common)
    if concentration.measured.is_missing:
        distribution = SizeDistribution.missing()
        record = replace(record, limit_per_ml=limit_per_ml)
    else:
        distribution = net_distribution(sample, blank, own, taken) if is_sized else sample.distribution
    net = replace(sample, concentration=concentration, distribution=distribution, size=distribution.size)
    return Subtraction(net, record, {**_complaints(record, concentration), **mismatch})


def _record(blank: Measurement, subtracted: Estimate, before: Estimate) -> Blank:
    return Blank(
        sample=blank.sample,
        paths=tuple(capture.path for capture in blank.captures),
        sha256=tuple(capture.sha256 for capture in blank.captures),
        concentration=subtracted,
        before=before,
        tracks_used=len(blank.diffusion.table),
    )


def _complaints(record: Blank, concentration: Concentration) -> dict[str, str]:
    """Return what is to be said of the blank's number, by the code of the flag."""
    net, counted_per_ml, blank_per_ml = concentration.measured, record.before.value, record.concentration.value
    if net.is_missing:
        why = (
            f"within both errors nothing of it is the sample's own, at most {record.limit_per_ml:.3g} per mL (95 %)"
            if record.limit_per_ml
            else "the sample is below its blank by more than both errors, so that the two were not measured alike"
        )
        return {
            "below_blank": f"{counted_per_ml:.3g} particles per mL were counted and {blank_per_ml:.3g} in the blank: "
            f"{why}, and no concentration and no sizes are reported; dilute less, or with a cleaner diluent"
        }
    if record.fraction <= HIGH_SHARE:
        return {}
    return {
        "blank_high": f"{record.fraction:.0%} of the particles are the blank's ({blank_per_ml:.3g} of "
        f"{counted_per_ml:.3g} per mL); filter the diluent, clean the cell, or dilute less"
    }


def _mismatch(sample: Measurement, blank: Measurement) -> dict[str, str]:
    """Return in what the blank was not measured as the sample was, by the code of the flag."""
    other = [name for name in (*_EXACT, *_CLOSE) if not _fits(name, _values(sample, name), _values(blank, name))]
    if "diameter_px" in other and "min_mass" in other:
        other.remove("min_mass")  # the threshold of spots of another diameter is another quantity
    differences = [f"{name} {_stated(_values(blank, name))} and not {_stated(_values(sample, name))}" for name in other]
    sources = [one.concentration.volume_source for one in (blank, sample)]
    if sources[0] != sources[1] and not blank.concentration.measured.is_missing:
        differences.append(f"a {sources[0]} depth and not a {sources[1]} one")
    if not differences:
        return {}
    return {
        "blank_mismatch": f"the blank was measured with {', '.join(differences)}: its particles were not seen as the "
        "sample's were; measure the blank with the sample's settings"
    }


def _values(measurement: Measurement, name: str) -> list[Any]:
    """Return a value of every capture; where all agree, of one for all."""
    value = measurement.values[name].value if name in measurement.values else None
    return value if isinstance(value, list) else [value]


def _fits(name: str, sample: list[Any], blank: list[Any]) -> bool:
    """Return whether every value of the blank is one of the sample's, within the tolerance; not known is no other."""
    if name in _EXACT:
        return all(value in sample for value in blank)
    numbers = [value for value in sample if isinstance(value, int | float)]
    tolerance = _CLOSE[name]
    return not numbers or all(
        any(abs(value - number) <= tolerance * abs(number) for number in numbers)
        for value in blank
        if isinstance(value, int | float)
    )


def _stated(values: list[Any]) -> str:
    return ", ".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in values)
