"""A batch -> a lot: its samples by their roles, with their results, assays and process steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.batch.manifest import Manifest
from nta.batch.outcomes import SIZES, Batch, Outcome, fact_of, harvest_of, harvests_of, without_old_names
from nta.batch.recorded import Recorded, curve_of, told_apart
from nta.errors import UsageError
from nta.estimate import Estimate
from nta.production import Harvest, daily_yield, total_of
from nta.production.assays import OUTCOMES, Matrix, Result, matrix_of
from nta.production.findings import Finding
from nta.production.lot import BeadCheck, Lot
from nta.production.markers import Marker, marker_of
from nta.production.pool import Pool, Portion, check_pool, pool_of
from nta.production.purity import Purity, purity_of
from nta.production.steps import Portion as Liquid
from nta.production.steps import Recovery, Step, chain_recovery
from nta.production.yields import DailyYield
from nta.store import Assay

_DISTRIBUTION: Final = "distribution.csv"

Curve = Callable[[Outcome], NDArray[np.float64]]
"""Where the distribution of a sample is read: diameter, nm, density and its band, nm⁻¹, as four rows."""


def lot_of(batch: Batch, name: str) -> Lot:
    """Return what a batch knows of a lot.

    Particles and sizes are those of the samples that count in the yield; concentration and purity those of the sample
    of the role ``pool``, and missing without one.

    Parameters
    ----------
    batch : Batch
        Its result folders have to be where they were written.
    name : str
        Of the lot, as in the manifest.

    Raises
    ------
    UsageError
        If no sample is of that lot, or more than one is its pool.
    """
    of_lot = replace(batch, outcomes=tuple(one for one in batch.outcomes if one.sample.lot == name))
    if not of_lot.outcomes:
        lots = ", ".join(dict.fromkeys(one.sample.lot for one in batch.outcomes))
        raise UsageError(f"no sample is of the lot {name!r}; the manifest has {lots or 'none'}")
    return _lot(of_lot, name, lambda one: _distribution(batch.directory, one))


def lot_of_records(records: Sequence[Recorded], name: str) -> Lot:
    """Return what a store knows of a lot, as :func:`lot_of` does for a batch: no video and no folder is read.

    Parameters
    ----------
    records : sequence of Recorded
        Its samples (:func:`nta.batch.recorded.of_lot`), or those of several days.
    name : str
        By which it is called.

    Raises
    ------
    UsageError
        If more than one sample is its pool.
    """
    records = told_apart(records)
    curves = {one.outcome.sample.name: one.curve for one in records}
    of_lot = Batch(Manifest(Path(), ()), Path(), tuple(one.outcome for one in records))
    return _lot(of_lot, name, lambda one: curves[one.sample.name])


def _only_pool(of_lot: Batch, name: str) -> Outcome | None:
    pools = [one for one in of_lot.outcomes if one.sample.role == "pool"]
    if len(pools) > 1:
        names = ", ".join(one.sample.name for one in pools)
        raise UsageError(f"the lot {name!r} has {len(pools)} pools ({names}); make all but one of them samples")
    return pools[0] if pools else None


def _lot(of_lot: Batch, name: str, curve: Curve) -> Lot:
    of_lot = replace(of_lot, outcomes=without_old_names(of_lot.outcomes))
    pool_outcome = _only_pool(of_lot, name)
    samples = {one.sample.name: one for one in of_lot.outcomes if one.sample.role == "sample"}
    yields = daily_yield(harvests_of(of_lot))
    harvests = [one for one in yields.harvests if any(one.sample in day.samples for day in yields.days)]
    pool = pool_of([_portion(curve, one, samples[one.sample], yields) for one in harvests])
    measured = None if pool_outcome is None else harvest_of(pool_outcome)
    return Lot(
        name,
        yields,
        pool,
        _concentration(measured),
        None if pool_outcome is None or measured is None else _purity(pool_outcome, measured),
        *_recoveries(of_lot),
        _matrix([one for one in of_lot.outcomes if one.sample.role in ("sample", "pool")]),
        tuple(_bead_check(one) for one in of_lot.outcomes if one.sample.role == "beads"),
        tuple((one, samples[one.sample].captures_per_ml) for one in harvests),
        () if measured is None or measured.record is None else (measured.record,),
        _pool_check(curve, yields, pool, pool_outcome),
        _markers(of_lot),
    )


def _concentration(measured: Harvest | None) -> Estimate | None:
    """Return particles per mL of the pool; ``None`` where it was not measured, or does not count."""
    if measured is None or any(code != "no_volume" for code in measured.missing):
        return None
    return measured.stock


def _purity(outcome: Outcome, measured: Harvest) -> Purity:
    """Return the particles per µg of the pool's protein; one that is pending is not there yet."""
    protein = next((one for one in outcome.sample.assays if one.name == "protein"), None)
    value = None if protein is None or protein.value is None else float(protein.value)
    sd_percent = fact_of(outcome, "protein_sd_percent")
    return purity_of(measured.concentration, value, None if sd_percent is None else sd_percent / 100.0, measured.name)


def _markers(of_lot: Batch) -> tuple[Marker, ...]:
    """Return the marker share of every sample of the role fluorescence, with the scatter sample that it names."""
    paired = {one.sample.name: one for one in of_lot.outcomes if one.sample.role in ("sample", "pool")}
    found = []
    for one in of_lot.outcomes:
        if one.sample.role == "fluorescence":
            scatter = paired.get(str(one.sample.facts.get("scatter_sample", "")))
            marker = str(one.sample.facts.get("marker", ""))
            found.append(marker_of(marker, harvest_of(one), None if scatter is None else harvest_of(scatter)))
    return tuple(found)


def _matrix(outcomes: Sequence[Outcome]) -> Matrix:
    results = [result_of(one.sample.name, assay) for one in outcomes for assay in one.sample.assays]
    return matrix_of([one.sample.name for one in outcomes], results)


def result_of(sample: str, assay: Assay) -> Result:
    """Return an assay of a manifest as one of the matrix."""
    name = f"{assay.name}_{assay.unit}" if assay.unit else assay.name
    if assay.state == "pending" or assay.value is None:
        return Result(sample, name, None)
    return Result(sample, name, assay.value if name in OUTCOMES else float(assay.value))


def _bead_check(outcome: Outcome) -> BeadCheck:
    counts = outcome.status in ("ok", "warn") and outcome.decision != "excluded"
    d50_nm = outcome.estimate("d50") if counts else Estimate.missing()
    return BeadCheck(outcome.sample.day, outcome.sample.name, d50_nm, outcome.record)


def _recoveries(of_lot: Batch) -> tuple[tuple[Recovery, ...], tuple[Recovery, ...]]:
    """Return the recovery of each day's chain, and of each of its steps; none where no sample names a step."""
    samples = [one for one in of_lot.outcomes if one.sample.role == "sample"]
    if not any(one.sample.facts.get("step") for one in samples):
        return (), ()
    chains, steps = [], []
    for day in dict.fromkeys(one.sample.day for one in samples):
        each, chain = _recoveries_of_a_day([one for one in samples if one.sample.day == day])
        chains.append(replace(chain, name=f"day {day}"))
        steps += [replace(one, name=f"day {day}, {one.name}") for one in each]
    return tuple(chains), tuple(steps)


def _recoveries_of_a_day(outcomes: Sequence[Outcome]) -> tuple[tuple[Recovery, ...], Recovery]:
    return chain_recovery(
        [_step(before, after) for before, after in pairwise(outcomes) if after.sample.facts.get("step")]
    )


def _step(before: Outcome, after: Outcome) -> Step:
    """Return a step between two samples that follow each other; volume_sd_percent is that of both volumes."""
    sd_percent = fact_of(after, "volume_sd_percent")
    sd = None if sd_percent is None else sd_percent / 100.0
    volume_out_ml = fact_of(after, "volume_out_ml")
    came_out = after.sample.volume_ml if volume_out_ml is None else volume_out_ml
    return Step(
        str(after.sample.facts["step"]),
        Liquid(harvest_of(before), fact_of(after, "volume_in_ml"), sd),
        Liquid(harvest_of(after), came_out, sd),
    )


def _pool_check(curve: Curve, yields: DailyYield, pool: Pool | None, measured: Outcome | None) -> tuple[Finding, ...]:
    """Return where the pool contradicts the days; nothing where a day is missing, as the pool then holds more."""
    quantities = [day.quantity for day in yields.days if day.quantity is not None]
    if pool is None or measured is None or yields.missing_days or len(quantities) < len(yields.days):
        return ()
    harvest = harvest_of(measured)
    if _concentration(harvest) is None:
        return ()
    return check_pool(pool, total_of(quantities), _portion(curve, harvest, measured, yields))


def _portion(curve: Curve, harvest: Harvest, outcome: Outcome, yields: DailyYield) -> Portion:
    """Return a sample's part of the pool; without particles where its day has none."""
    is_known = harvest.day not in yields.missing_days
    diameter_nm, density, low, high = curve(outcome)
    return Portion(
        harvest.name,
        harvest.particles if is_known else Estimate.missing(),
        diameter_nm,
        density,
        low,
        high,
        {name: outcome.estimate(name) for name in SIZES},
        harvest.quantity if is_known else None,
        harvest.record,
    )


def _distribution(directory: Path, outcome: Outcome) -> NDArray[np.float64]:
    """Return diameter, density and its band as four rows; without columns where nothing was sized.

    Raises
    ------
    UsageError
        If a result folder has no distribution.
    """
    if outcome.folder is None:
        return np.empty((4, 0))
    path = directory / outcome.folder / _DISTRIBUTION
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return curve_of(file)
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(f"cannot read {str(path)!r} ({error}); run nta batch again to write it anew") from None
