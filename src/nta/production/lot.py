"""A lot as a whole: what is known of every attribute that a specification can limit, and what is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import chdtri

from nta.estimate import Estimate
from nta.production.assays import Matrix
from nta.production.findings import Finding, finding
from nta.production.harvests import Harvest
from nta.production.markers import Marker
from nta.production.pool import Pool
from nta.production.purity import Purity
from nta.production.release import Assessment, Observation, assess
from nta.production.specification import ATTRIBUTES, Specification
from nta.production.steps import Recovery
from nta.production.yields import DailyYield

_SIZES: Final = {"mode_nm": "mode", "d10_nm": "d10", "d50_nm": "d50", "d90_nm": "d90", "span": "span"}


@dataclass(frozen=True, slots=True)
class BeadCheck:
    """Beads measured on a day, to see whether the instrument was fit.

    Parameters
    ----------
    day, sample : str
        Labels.
    d50_nm : Estimate
        D50 of the beads, nm, by number; missing where they were not measured.
    record : int or None
        Number of the analysis in the store.
    """

    day: str
    sample: str
    d50_nm: Estimate
    record: int | None = None


@dataclass(frozen=True)
class Lot:
    """Everything that is known of a lot; ``None`` where a part of it is not.

    Parameters
    ----------
    name : str
        Of the lot.
    yields : DailyYield
        Its days.
    pool : Pool or None
        Its distribution, by its days.
    concentration : Estimate or None
        Of the pool as it was measured, particles/mL.
    purity : Purity or None
        Particles per µg of protein.
    recoveries : tuple of Recovery
        Of the whole chain of process steps, one for each day.
    step_recoveries : tuple of Recovery
        Of each step of each day.
    matrix : Matrix or None
        Companion assays.
    beads : tuple of BeadCheck
        Bead checks of its days.
    captures_per_ml : tuple of (Harvest, tuple of float)
        Concentration of each capture, by sample.
    records : tuple of int
        Numbers of the analyses behind the measurement of the pool.
    pool_check : tuple of Finding
        Where the measurement of the pool contradicts the days (:func:`nta.production.pool.check_pool`).
    markers : tuple of Marker
        Marker-positive shares from paired captures.
    """

    name: str
    yields: DailyYield
    pool: Pool | None = None
    concentration: Estimate | None = None
    purity: Purity | None = None
    recoveries: tuple[Recovery, ...] = ()
    step_recoveries: tuple[Recovery, ...] = ()
    matrix: Matrix | None = None
    beads: tuple[BeadCheck, ...] = ()
    captures_per_ml: tuple[tuple[Harvest, tuple[float, ...]], ...] = ()
    records: tuple[int, ...] = ()
    pool_check: tuple[Finding, ...] = ()
    markers: tuple[Marker, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What could be wrong with it."""
        found = [*self.yields.findings, *(() if self.pool is None else self.pool.findings), *self.pool_check]
        found += [
            finding("no_bead_check", f"day {day.day}: no beads were measured; give them the role beads in the manifest")
            for day in self.yields.days
            if not _beads_of(day.day, self.beads)
        ]
        found += [one for marker in self.markers for one in marker.findings]
        if self.purity is not None and self.purity.is_protein_exact and not self.purity.per_ug.is_missing:
            found.append(finding("assay_exact", "the protein's uncertainty is not stated; give it with the assay"))
        return tuple(found)


def assess_lot(lot: Lot, specification: Specification) -> Assessment:
    """Hold a lot against a specification; what is missing in it keeps it from passing."""
    pending = () if lot.matrix is None else tuple(a for a in lot.matrix.rows if lot.matrix.state(a) == "pending")
    return assess(specification, observations_of(lot, specification), pending, lot.findings)


def observations_of(lot: Lot, specification: Specification) -> tuple[Observation, ...]:
    """Return what is known of every attribute that a specification limits, missing values with their reason.

    Sizes and windows are those of the pooled distribution by the days' yields.
    """
    windows = [limit.window_nm for limit in specification.limits if limit.window_nm is not None]
    return (
        *_of_pool(lot, windows),
        *_of_numbers(lot),
        *_of_beads(lot),
        *_of_captures(lot),
        *_of_assays(lot),
        *_of_markers(lot),
    )


def repeatability_percent(per_ml: Sequence[float]) -> Estimate:
    """Return the coefficient of variation of the captures of one sample, %, with its 95 % interval.

    100 s/mean, s of n - 1 differences; the interval is that of s, by chi-square, as the mean's own error is small
    beside it: s sqrt((n - 1)/chi²).

    Parameters
    ----------
    per_ml : sequence of float
        Concentration of each capture; missing with fewer than two.
    """
    values = np.asarray(per_ml, dtype=np.float64)
    n = values.size
    if n < 2 or not values.mean() > 0.0:
        return Estimate.missing()
    cv = 100.0 * float(values.std(ddof=1) / values.mean())
    # chdtri gives the upper tail's point.
    low, high = (cv * math.sqrt((n - 1) / float(chdtri(n - 1, tail))) for tail in (0.025, 0.975))
    return Estimate(cv, low, high, n)


def _of_pool(lot: Lot, windows: Sequence[tuple[float, float]]) -> list[Observation]:
    if lot.pool is None:
        reason = "no day has particles and sizes; see what each of them lacks"
        names = [*((name, None) for name in _SIZES), *(("fraction_percent", window) for window in windows)]
        return [Observation(name, Estimate.missing(), "pool", (), reason, window) for name, window in names]
    records = _analyses(lot.pool.records)
    found = [Observation(name, lot.pool.size[key], "pool", records) for name, key in _SIZES.items()]
    for window in windows:
        share = lot.pool.fraction_between(*window).scaled(100.0)
        found.append(Observation("fraction_percent", share, "pool", records, window_nm=window))
    return found


def _of_numbers(lot: Lot) -> list[Observation]:
    found = []
    if lot.concentration is not None:
        found.append(Observation("concentration_per_ml", lot.concentration, "pool", _analyses(lot.records)))
    if lot.purity is not None:
        records = _analyses(lot.records)
        found.append(Observation("particles_per_ug", lot.purity.per_ug, "pool", records, lot.purity.reason))
    for recovery in lot.recoveries:
        share, reason = recovery.share.scaled(100.0), "; ".join(recovery.reasons)
        found.append(Observation("recovery_percent", share, recovery.name, _analyses(recovery.records), reason))
    return found


def _of_beads(lot: Lot) -> list[Observation]:
    """Return the bead checks of every day; a day without any is missing, whatever the other days have."""
    found = []
    for day in lot.yields.days:
        checks = _beads_of(day.day, lot.beads)
        for check in checks:
            records = _analyses(() if check.record is None else (check.record,))
            found.append(Observation("bead_d50_nm", check.d50_nm, f"day {day.day}, {check.sample}", records))
        if not checks:
            reason = "no beads were measured on this day"
            found.append(Observation("bead_d50_nm", Estimate.missing(), f"day {day.day}", (), reason))
    return found


def _beads_of(day: str, beads: Sequence[BeadCheck]) -> list[BeadCheck]:
    """Return the checks of a day that have a size."""
    return [check for check in beads if check.day == day and not check.d50_nm.is_missing]


def _of_captures(lot: Lot) -> list[Observation]:
    reason = "fewer than two captures; record more of them"
    return [
        Observation(
            "cv_percent",
            repeatability_percent(per_ml),
            harvest.name,
            _analyses(() if harvest.record is None else (harvest.record,)),
            reason if len(per_ml) < 2 else "",
        )
        for harvest, per_ml in lot.captures_per_ml
    ]


def _of_assays(lot: Lot) -> list[Observation]:
    """Return every assay that was measured; its interval is what the specification states of it."""
    if lot.matrix is None:
        return []
    found = []
    for assay, cells in lot.matrix.rows.items():
        for sample, cell in zip(lot.matrix.samples, cells, strict=True):
            if cell.value is not None:
                value = cell.value if isinstance(cell.value, str) else Estimate(float(cell.value), math.nan, math.nan)
                found.append(Observation(assay, value, sample, (f"assay {assay} of {sample}",)))
    return found


def _of_markers(lot: Lot) -> list[Observation]:
    """Return the marker shares of paired captures; they bring their own intervals."""
    return [
        Observation(one.attribute, one.percent, one.sample, _analyses(one.records), one.reason)
        for one in lot.markers
        if one.attribute in ATTRIBUTES
    ]


def _analyses(records: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"analysis {record}" for record in records)
