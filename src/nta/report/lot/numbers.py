"""Dossier -> its numbers: one list, of which the CSV and the JSON file are made; the pages state the same."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from nta.csvtable import Cell, csv_text
from nta.estimate import Estimate
from nta.report.lot.noun import Collection, Dossier, Trend

SCHEMA: Final = "nta.lot/1"

COLUMNS: Final = ("level", "lot", "day", "sample", "quantity", "unit", "value", "low", "high", "result", "message")
"""Columns of ``report.csv``; ``low`` and ``high`` are the 95 % interval."""

PER: Final = (
    ("per_ml_medium", "particles/mL of medium"),
    ("per_m2", "particles/m²"),
    ("per_million_cells", "particles/10⁶ cells"),
    ("per_hour", "particles/h"),
)
"""What a day's particles are divided by, with the unit."""

SIZES: Final = (
    ("mode", "nm, by number"),
    ("mean", "nm, by number"),
    ("sd", "nm, by number"),
    ("d10", "nm, by number"),
    ("d50", "nm, by number"),
    ("d90", "nm, by number"),
    ("span", ""),
)


class Number(NamedTuple):
    """One number of a report, or the reason why there is none."""

    level: str
    day: str
    sample: str
    quantity: str
    unit: str
    estimate: Estimate
    result: str = ""
    message: str = ""


def numbers_of(dossier: Dossier) -> list[Number]:
    """Return every number of a report: of the lot, its days, its pool, its samples; then verdicts and findings."""
    return [
        *_of_days(dossier),
        *_of_pool(dossier),
        *(number for one in dossier.by_day for number in _of_collection(one)),
        *_of_verdicts(dossier),
        *(
            Number("finding", "", "", one.code, "", Estimate.missing(), one.level, one.message)
            for one in dossier.findings
        ),
    ]


def _of_days(dossier: Dossier) -> Iterator[Number]:
    yields = dossier.lot.yields
    yield Number("lot", "", "", "particles", "particles", yields.total, "", yields.message)
    for day, up_to in zip(yields.days, yields.cumulative, strict=True):
        reasons = "; ".join(day.reasons)
        yield Number("day", day.day, "; ".join(day.samples), "particles", "particles", day.particles, "", reasons)
        yield Number("day", day.day, "", "cumulative", "particles", up_to)
        for name, unit in PER:
            yield Number("day", day.day, "", name, unit, getattr(day, name))
    for level, recoveries in (("day", dossier.lot.recoveries), ("step", dossier.lot.step_recoveries)):
        for recovery in recoveries:
            reasons = "; ".join(recovery.reasons)
            yield Number(level, recovery.name, "", "recovery", "%", recovery.share.scaled(100.0), "", reasons)


def _of_pool(dossier: Dossier) -> Iterator[Number]:
    lot = dossier.lot
    for name, unit in SIZES:
        estimate = Estimate.missing() if lot.pool is None else lot.pool.size[name]
        yield Number("pool", "", "", name, unit, estimate)
    for portion, share in ({} if lot.pool is None else lot.pool.shares).items():
        yield Number("pool", "", portion, "share", "%", Estimate(100.0 * share, math.nan, math.nan))
    for one in lot.markers:
        yield Number("marker", "", one.sample, one.attribute, "%", one.percent, "", one.reason)
    if lot.concentration is not None:
        yield Number("pool", "", "", "concentration", "particles/mL", lot.concentration)
    if lot.purity is not None:
        unit = "particles/µg protein"
        yield Number("pool", "", "", "particles_per_ug", unit, lot.purity.per_ug, lot.purity.band, lot.purity.reason)


def _of_collection(one: Collection) -> Iterator[Number]:
    volume = Estimate(math.nan if one.volume_ml is None else one.volume_ml, math.nan, math.nan)
    yield Number("sample", one.day, one.name, "volume", "mL", volume, one.status, one.message)
    for name in ("measured", "stock"):
        yield Number("sample", one.day, one.name, name, "particles/mL", concentration_of(one, name))
    for name, unit in SIZES:
        yield Number("sample", one.day, one.name, name, unit, size_of(one, name))
    for assay in one.assays:
        value = float(assay.value) if isinstance(assay.value, int | float) else math.nan
        word = assay.value if isinstance(assay.value, str) else "pending" if assay.value is None else "measured"
        yield Number("assay", one.day, one.name, assay.assay, "", Estimate(value, math.nan, math.nan), word)


def size_of(one: Collection, name: str) -> Estimate:
    """Return a statistic of a sample's sizes, missing where it was not measured."""
    return _estimate(None if one.summary is None else one.summary["size_nm"][name])


def concentration_of(one: Collection, name: str) -> Estimate:
    """Return a sample's concentration in the cell (``measured``) or undiluted (``stock``), particles/mL."""
    return _estimate(None if one.summary is None else one.summary["concentration_per_ml"][name])


def _estimate(block: dict[str, float | None] | None) -> Estimate:
    return Estimate.missing() if block is None else Estimate.from_dict(block)


def _of_verdicts(dossier: Dossier) -> Iterator[Number]:
    if dossier.assessment is None:
        return
    for verdict in dossier.assessment.verdicts:
        value = Estimate.missing() if isinstance(verdict.seen.value, str) else verdict.seen.value
        message = "; ".join(part for part in (verdict.limit.rule, verdict.reason, *verdict.seen.records) if part)
        yield Number("verdict", "", verdict.seen.of, verdict.limit.attribute, "", value, verdict.result, message)


def csv_of(dossier: Dossier) -> str:
    """Return the numbers as CSV."""
    return csv_text(COLUMNS, (_row(dossier, number) for number in numbers_of(dossier)))


def _row(dossier: Dossier, number: Number) -> dict[str, Cell]:
    names = {
        name: getattr(number, name) for name in ("level", "day", "sample", "quantity", "unit", "result", "message")
    }
    ends = {name: getattr(number.estimate, name) for name in ("value", "low", "high")}
    return {"lot": dossier.lot.name, **names, **ends}


def document_of(dossier: Dossier) -> dict[str, Any]:
    """Return ``report.json``: the numbers of the CSV, and every record behind them, as strict JSON."""
    lot, assessment = dossier.lot, dossier.assessment
    return {
        "schema": SCHEMA,
        "title": dossier.title,
        "lot": lot.name,
        "days": [day.day for day in lot.yields.days],
        "missing_days": list(lot.yields.missing_days),
        "is_relative": lot.yields.is_relative,
        "overall": None if assessment is None else assessment.overall,
        "open": [] if assessment is None else list(assessment.open),
        "specification": None
        if assessment is None
        else {name: getattr(assessment.specification, name) for name in ("name", "version", "sha256")},
        "forecast_particles_per_day": None if dossier.forecast is None else list(dossier.forecast),
        "numbers": [_json_number(number) for number in numbers_of(dossier)],
        "pool": None if lot.pool is None else _pool(dossier),
        "samples": [_sample(one) for one in dossier.by_day],
        "trends": [trend_document(one) for one in dossier.trends],
        "store": {name: getattr(dossier.chain, name) for name in ("store", "head", "entries", "broken")},
    }


def _json_number(number: Number) -> dict[str, Any]:
    names = ("level", "day", "sample", "quantity", "unit", "result", "message")
    return {**{name: getattr(number, name) or None for name in names}, **number.estimate.to_dict()}


def _pool(dossier: Dossier) -> dict[str, Any]:
    pool = dossier.lot.pool
    if pool is None:
        return {}
    rows = ("diameter_nm", "density_per_nm", "low_per_nm", "high_per_nm")
    return {"missing": list(pool.missing), **{name: _json_row(getattr(pool, name)) for name in rows}}


def _json_row(values: Iterable[float]) -> list[float | None]:
    """Return numbers with ``None`` for those that are not known: an import may have no band."""
    return [float(value) if math.isfinite(value) else None for value in values]


def _sample(one: Collection) -> dict[str, Any]:
    summary = one.summary or {}
    return {
        **{name: getattr(one, name) for name in ("lot", "day", "name", "role", "status", "message", "volume_ml")},
        **{name: getattr(one, name) for name in ("record", "made_utc", "decision", "reason")},
        "facts": dict(one.facts),
        "flags": summary.get("flags", []),
        "values": summary.get("values", {}),
        "captures": summary.get("captures", []),
        "excluded": [{"path": path, "reason": reason} for path, reason in one.excluded],
        "provenance": summary.get("provenance"),
    }


def trend_document(one: Trend) -> dict[str, Any]:
    """Return a trend as strict JSON; that of its chart where it has one."""
    if one.chart is not None:
        return one.chart.to_dict()
    points = [{"date": at.date.isoformat(), "record": at.record, "value": at.value} for at in one.series.measured]
    missing = list(one.series.missing)
    return {"attribute": one.series.attribute, "unit": one.series.unit, "points": points, "missing": missing}
