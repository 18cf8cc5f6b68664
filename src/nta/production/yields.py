"""Daily yield: how many particles a day's liquid held, and how many there are in all.

The particles of a sample are its stock concentration times the volume that it stands for. What is not known
stays missing: a day without a number never counts as 0, and the sum says how many days it lacks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nta.errors import UsageError
from nta.estimate import Estimate
from nta.production.findings import Finding, finding
from nta.production.harvests import MISSING, Culture, Harvest
from nta.production.quantity import Quantity, total_of


@dataclass(frozen=True, slots=True)
class Day:
    """Particles of one day: the sum of its samples, missing when one of them is.

    ``quantity`` holds the sources of the error, ``None`` where they are not on record; ``culture`` what the day's
    liquid came from; ``step`` after which process step it was counted.
    """

    day: str
    samples: tuple[str, ...]
    particles: Estimate
    reasons: tuple[str, ...] = ()
    quantity: Quantity | None = None
    culture: Culture = field(default_factory=Culture)
    step: str = ""

    @property
    def per_ml_medium(self) -> Estimate:
        """Particles per mL of conditioned medium."""
        return self._per(self.culture.medium_ml)

    @property
    def per_m2(self) -> Estimate:
        """Particles per m² of culture area."""
        return self._per(self.culture.area_m2)

    @property
    def per_million_cells(self) -> Estimate:
        """Particles per million cells seeded."""
        cells = self.culture.cells_seeded
        return self._per(None if cells is None else cells / 1e6)

    @property
    def per_hour(self) -> Estimate:
        """Particles per hour of collection."""
        return self._per(self.culture.hours)

    def _per(self, divisor: float | None) -> Estimate:
        """Return the particles over an exact number; missing where that is not stated."""
        return Estimate.missing() if divisor is None else self.particles.scaled(1.0 / divisor)


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
    cumulative : tuple of Estimate
        Sum up to each day; missing from the first day on that has no number.
    findings : tuple of Finding
        What could be wrong with it, and what to do.
    """

    harvests: tuple[Harvest, ...]
    days: tuple[Day, ...]
    total: Estimate
    missing_days: tuple[str, ...]
    cumulative: tuple[Estimate, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def is_relative(self) -> bool:
        """Whether any number rests on a nominal depth: then only ratios between days hold."""
        return any(harvest.is_relative for harvest in self.harvests)

    @property
    def message(self) -> str:
        """Over how many days the sum goes, how many it lacks, and which samples of several steps are not in it."""
        steps = [found.message for found in self.findings if found.code in ("several_steps", "mixed_steps")]
        return "; ".join([self._extent(), *steps])

    def _extent(self) -> str:
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

    For numbers of which it is not on record what their errors come from: one interval does not say which part of it
    is shared. The half-widths are therefore added, as if all of it were (correlation 1): never too narrow; sqrt(n)
    times too wide for n equal, independent errors. A missing term makes the sum missing; so does an empty sum.
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

    The errors of a calibration and of a blank are common to all days that rest on it and enter the sum once; counts,
    captures, dilutions and volumes are each sample's own. Where the sources of one number are not on record,
    half-widths are added (:func:`sum_of`).

    Parameters
    ----------
    harvests : iterable of Harvest
        Every sample stands for liquid of its own: two samples of one day are added, not averaged. Of samples of one
        day that were taken after several process steps, those after the last one are counted, in the order given.
    """
    harvests = tuple(harvests)
    repeated = _repeated_videos(harvests)
    days = tuple(
        _day(day, [harvest for harvest in harvests if harvest.day == day], repeated)
        for day in dict.fromkeys(harvest.day for harvest in harvests)
    )
    known = [day for day in days if not day.particles.is_missing]
    return DailyYield(
        harvests,
        days,
        _sum(known),
        tuple(day.day for day in days if day.particles.is_missing),
        tuple(_sum(days[: last + 1]) for last in range(len(days))),
        _findings(harvests, days, repeated),
    )


def against_forecast(yields: DailyYield, low: float, high: float) -> tuple[Finding, ...]:
    """Return the days whose whole 95 % interval is below or above a forecast, particles a day.

    Raises
    ------
    UsageError
        If the forecast is empty.
    """
    if not 0.0 <= low < high:
        raise UsageError(f"a forecast from {low:g} to {high:g} particles is empty; give the lower end first")
    found = []
    for day in yields.days:
        text = (
            f"day {day.day}: {day.particles.value:.3g} ({day.particles.low:.3g} to {day.particles.high:.3g}) particles"
        )
        if day.particles.high < low:
            found.append(
                finding("below_forecast", f"{text}, forecast at least {low:.3g}; look at the culture's record")
            )
        elif day.particles.low > high:
            found.append(finding("above_forecast", f"{text}, forecast at most {high:.3g}; look for a wrong dilution"))
    return tuple(found)


def counted(harvests: Sequence[Harvest]) -> tuple[Harvest, ...]:
    """Return those samples of one day whose particles are added: all that were taken after the last step named."""
    steps = [harvest.step for harvest in harvests if harvest.step]
    if not steps:
        return tuple(harvests)
    return tuple(harvest for harvest in harvests if harvest.step == steps[-1])


def hours_collected(hours_since_medium: Sequence[float | None]) -> tuple[float | None, ...]:
    """Return for how long each day's medium was collected, from the hours since the medium was replaced.

    A clock that goes on (24, 48, 72) gives the differences; one that does not rise was set back, and its hours are
    those of the day.

    Parameters
    ----------
    hours_since_medium : sequence of float or None
        One for each day, in their order; after a day that is not stated no difference is known.
    """
    found: list[float | None] = []
    before: float | None = 0.0
    for now in hours_since_medium:
        if now is None or before is None:
            found.append(None)
        else:
            found.append(now - before if now > before else now)
        before = now
    return tuple(found)


def _repeated_videos(harvests: Sequence[Harvest]) -> frozenset[str]:
    """Return the hashes of videos that more than one sample holds."""
    times = Counter(video for harvest in harvests for video in set(harvest.videos))
    return frozenset(video for video, number in times.items() if number > 1)


def _day(label: str, harvests: list[Harvest], repeated: frozenset[str]) -> Day:
    added = counted(harvests)
    reasons = tuple(f"{one.sample}: {MISSING[code]}" for one in added for code in _codes(one, repeated))
    quantities = [harvest.quantity for harvest in added]
    known = [quantity for quantity in quantities if quantity is not None]
    quantity = total_of(known) if known and len(known) == len(quantities) and not reasons else None
    if reasons:
        particles = Estimate.missing()
    elif len(added) == 1:
        particles = added[0].particles
    else:
        particles = sum_of(one.particles for one in added) if quantity is None else quantity.estimate
    samples = tuple(harvest.sample for harvest in added)
    return Day(label, samples, particles, reasons, quantity, _culture(harvests), added[0].step)


def _codes(harvest: Harvest, repeated: frozenset[str]) -> tuple[str, ...]:
    return (*harvest.missing, *(("same_video",) if repeated.intersection(harvest.videos) else ()))


def _culture(harvests: Sequence[Harvest]) -> Culture:
    """Return what stands with the day's samples; what two of them state differently is not known."""

    def one(name: str) -> float | None:
        stated = {getattr(harvest.culture, name) for harvest in harvests} - {None}
        return stated.pop() if len(stated) == 1 else None

    return Culture(one("medium_ml"), one("area_m2"), one("cells_seeded"), one("hours"))


def _sum(days: Sequence[Day]) -> Estimate:
    quantities = [day.quantity for day in days if day.quantity is not None]
    if len(days) < 2 or len(quantities) < len(days):
        return sum_of(day.particles for day in days)
    return total_of(quantities).estimate


def _findings(harvests: Sequence[Harvest], days: Sequence[Day], repeated: frozenset[str]) -> tuple[Finding, ...]:
    found: list[Finding] = []
    if all(day.particles.is_missing for day in days):
        found.append(
            finding("lot_without_measurement", "no day has a number of particles; see what each of them lacks")
        )
    found += [finding("day_missing", f"day {day.day}: {'; '.join(day.reasons)}") for day in days if day.reasons]
    for video in sorted(repeated):
        names = ", ".join(_on_record(harvest) for harvest in harvests if video in harvest.videos)
        ways = "take it out of all but one, or exclude with nta mark what was renamed since"
        found.append(finding("same_video", f"the video {video[:12]} is in {names}; {ways}"))
    found += _findings_of_steps(harvests, days)
    return (*found, *_assumptions(harvests, days))


def _on_record(harvest: Harvest) -> str:
    return harvest.name if harvest.record is None else f"{harvest.name} (analysis {harvest.record})"


def _findings_of_steps(harvests: Sequence[Harvest], days: Sequence[Day]) -> list[Finding]:
    found = []
    for day in days:
        left = [one for one in harvests if one.day == day.day and one.sample not in day.samples]
        if left:
            names = ", ".join(f"{one.sample} ({one.step or 'no step'})" for one in left)
            found.append(finding("several_steps", f"day {day.day} is counted after {day.step}, without {names}"))
    if len(steps := dict.fromkeys(day.step for day in days)) > 1:
        names = ", ".join(step or "no step" for step in steps)
        found.append(finding("mixed_steps", f"days are counted after {names}; state one step for all of them"))
    return found


def _assumptions(harvests: Sequence[Harvest], days: Sequence[Day]) -> list[Finding]:
    """Return what had to be taken as exact or as common, one finding for all samples that it holds for."""
    known = [one for one in harvests if not one.missing and any(one.sample in day.samples for day in days)]
    lacking = {
        "volume_exact": [one.name for one in known if one.volume_relative_sd is None],
        "dilution_exact": [one.name for one in known if one.parts.get("dilution") is None and one.dilution != 1.0],
        "errors_added": [one.name for one in known if one.quantity is None],
    }
    ways = {
        "volume_exact": "state volume_sd_percent in the manifest",
        "dilution_exact": "state dilution_sd_percent in the manifest",
        "errors_added": "measure again with this version for an interval of the sum that is not too wide",
    }
    return [finding(code, f"{', '.join(names)}: {ways[code]}") for code, names in lacking.items() if names]
