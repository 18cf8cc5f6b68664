"""Dossier -> Document: first page, a page for each sample, assays, trends, settings, sources, signatures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Final

import nta
from nta.production.assays import ASSAYS, Cell
from nta.report import formatting as fmt
from nta.report.lot import charts
from nta.report.lot.blocks import (
    Block,
    Column,
    Document,
    Note,
    Notes,
    Pairs,
    Picture,
    Pictures,
    Section,
    Signatures,
    Table,
    Text,
)
from nta.report.lot.first_page import first_page, size_table, verdict_of
from nta.report.lot.noun import Collection, Dossier
from nta.report.lot.numbers import concentration_of, size_of
from nta.report.page import value_row
from nta.settings import Sourced

_ROLES: Final = {
    "sample": "sample",
    "blank": "blank (diluent)",
    "beads": "bead check",
    "pool": "pool",
    "fluorescence": "fluorescence of a sample",
}
_FACTS: Final = {
    "culture_area_m2": "Culture area, m²",
    "inlet_ml_per_h": "Inlet, mL/h",
    "volume_in_ml": "Volume into the step, mL",
    "volume_out_ml": "Volume out of the step, mL",
    "volume_sd_percent": "Uncertainty of the volume, %",
    "protein_sd_percent": "Uncertainty of the protein, %",
    "hours_since_medium": "Hours since the medium was replaced",
}
_ASSAYS: Final = {
    **{f"cd{number}_percent": f"CD{number}-positive" for number in (9, 63, 81)},
    "endotoxin_eu_per_ml": "Endotoxin",
    "lipid_ug_per_ml": "Lipid",
    "potency_percent": "Potency",
    "protein_ug_per_ml": "Protein",
    "rna_ng_per_ml": "RNA",
}
_LEVELS: Final = {"fail": "Fails", "warn": "Warning", "info": "Note"}
_SIGNED_BY: Final = ("Measured by", "Reviewed by", "Approved by")


def document_of(dossier: Dossier) -> Document:
    """Return the report as sections, the same for the page and for the PDF."""
    level, verdict, sentence = verdict_of(dossier)
    sections = [first_page(dossier)]
    sections += [_collection(one) for one in dossier.by_day]
    sections += [_matrix(dossier), _trends(dossier), _settings(dossier), _sources(dossier), _excluded(dossier)]
    sections.append(_end(dossier))
    chain = dossier.chain
    foot = f"Head of the audit chain {chain.head}"
    return Document(
        dossier.title,
        "Nanoparticle tracking analysis – particles by day",
        level,
        verdict,
        sentence,
        tuple(sections),
        foot,
    )


def _collection(one: Collection) -> Section:
    parts = (_of_liquid, _of_numbers, _of_flags, _of_captures)
    heading = f"{one.name} – day {one.day}"
    return Section(heading, tuple(block for part in parts for block in part(one)), is_new_page=True)


def _of_liquid(one: Collection) -> Iterator[Block]:
    summary = one.summary or {}
    pairs = [
        ("Lot", one.lot),
        ("Role", _ROLES.get(one.role, one.role)),
        ("Status", one.status),
        ("Analysis", fmt.MISSING if one.record is None else f"{one.record}, {one.made_utc}"),
        ("Counts", f"no: {one.reason}" if one.decision == "excluded" else "yes" if one.record is not None else "no"),
        ("Volume, mL", fmt.general(one.volume_ml)),
        ("Dilution", fmt.plain(summary.get("dilution"), "dilution")),
    ]
    pairs += [(_FACTS.get(name, fmt.words(name)), _text(value)) for name, value in one.facts.items()]
    yield Pairs(tuple(pairs))


def _text(value: object) -> str:
    return fmt.general(value) if isinstance(value, float) else str(value)


def _of_numbers(one: Collection) -> Iterator[Block]:
    if one.summary is None:
        yield Text(f"Not measured: {one.message}")
        return
    words = f"Number-weighted size distribution of {one.name} with its 95 % band (sampling error alone)."
    yield Pictures((Picture(lambda: charts.sample_figure(one.curve), words),))
    yield size_table("Hydrodynamic diameter of the particles", lambda name: size_of(one, name))
    rows = []
    for name, label in (("measured", "In the measuring cell"), ("stock", "Undiluted")):
        found = concentration_of(one, name)
        rows.append((label, fmt.scientific(found.value), fmt.scientific_interval(found)))
    source = one.summary["concentration_per_ml"]["volume_source"]
    columns = (Column("Particles/mL", weight=2.0), Column("Value", True), Column("95 % interval", True, 2.0))
    relative = ", so that the numbers are relative" if source == "nominal" else ""
    yield Table(columns, tuple(rows), "" if source is None else f"Depth in view: {source}{relative}")


def _of_flags(one: Collection) -> Iterator[Block]:
    flags = (one.summary or {}).get("flags", [])
    if flags:
        yield Notes(
            tuple(
                Note(flag["level"], f"{_LEVELS[flag['level']]}: {fmt.words(flag['code'])}", flag["message"])
                for flag in flags
            )
        )


def _of_captures(one: Collection) -> Iterator[Block]:
    captures = (one.summary or {}).get("captures", [])
    if not captures:
        return
    headings = (("Capture", 3.0), ("Status", 1.0), ("Frames", 1.0), ("Particles/frame", 1.2), ("Tracks", 1.0))
    columns = tuple(Column(name, name not in ("Capture", "Status"), weight) for name, weight in headings)
    rows = tuple(
        (
            _file(capture["path"]),
            capture["status"],
            fmt.count(capture["frames"]),
            fmt.fixed(capture["particles_per_frame"]),
            fmt.count(capture["tracks"]),
        )
        for capture in captures
    )
    yield Table(columns, rows, "Captures; their hashes stand under Sources")


def _file(path: str) -> str:
    return PurePath(path).name or path


def _matrix(dossier: Dossier) -> Section:
    matrix = dossier.lot.matrix
    markers = _markers(dossier)
    if matrix is None or not matrix.samples:
        return Section("Assays", (Text("No assay is on record."), *markers), is_new_page=True)
    columns = (Column("Assay", weight=2.0), Column("Lot"), Column("Sample", weight=2.0), Column("Result", True))
    rows = []
    for assay, cells in matrix.rows.items():
        unit = f", {ASSAYS[assay]}" if ASSAYS[assay] else ""
        known = [(name, cell) for name, cell in zip(matrix.samples, cells, strict=True) if cell.state != "missing"]
        for name, cell in known or [("", Cell("missing"))]:
            label = f"{_ASSAYS.get(assay, fmt.words(assay))}{unit}"
            rows.append((label, matrix.state(assay), name, _cell(cell)))
    text = "One row for each assay and sample, potency first; an assay that nobody stated is missing."
    return Section("Assays", (Text(text), Table(columns, tuple(rows)), *markers), is_new_page=True)


def _markers(dossier: Dossier) -> tuple[Block, ...]:
    """Return the marker shares of paired captures, where there are any."""
    if not dossier.lot.markers:
        return ()
    columns = (Column("Marker"), Column("Sample", weight=2.0), Column("Share, %", True), Column("95 % interval", True))
    rows = tuple(
        (one.marker.upper(), one.sample, fmt.fixed(one.percent.value), one.reason or fmt.interval(one.percent))
        for one in dossier.lot.markers
    )
    return (Table(columns, rows, "Particles seen in fluorescence over those seen in scatter"),)


def _cell(cell: Cell) -> str:
    if cell.value is None:
        return cell.state
    return cell.value if isinstance(cell.value, str) else fmt.general(cell.value, 4)


def _trends(dossier: Dossier) -> Section:
    blocks: list[Block] = []
    for trend in dossier.trends:
        name, n = trend.series.attribute, len(trend.series.measured)
        words = f"{name} over {n} measurement{'s' if n != 1 else ''}."
        # The figure is bound now: the loop's variable is another one when it is drawn.
        picture = Picture(lambda trend=trend: charts.trend_figure(trend), words, is_wide=True)  # type: ignore[misc]
        blocks.append(Pictures((picture,), f"{words} {_baseline(trend.chart)}"))
        if trend.chart is not None and trend.chart.signals:
            signals = trend.chart.signals
            blocks.append(Notes(tuple(Note("warn", one.record, "; ".join(one.reasons)) for one in signals)))
    return Section("Trends", tuple(blocks) or (Text("Nothing was measured that could be followed."),), True)


def _baseline(chart: Any) -> str:  # noqa: ANN401  # ControlChart or None
    if chart is None:
        return "No baseline was stated, so there are no limits."
    provisional = ", fewer than 20: provisional" if chart.baseline.is_provisional else ""
    return (
        f"Limits from {len(chart.baseline.records)} records{provisional}: {chart.low:.4g} to {chart.high:.4g}, "
        f"centre {chart.centre:.4g}. A square marks a point that breaks a rule, the numbers above it are Nelson rules."
    )


def _settings(dossier: Dossier) -> Section:
    """Return every value that was used, each once for all samples that share it."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    measured = [one for one in dossier.by_day if one.summary is not None]
    for one in measured:
        values = (one.summary or {})["values"]
        for name, entry in values.items():
            row = value_row(name, Sourced(entry["value"], entry["origin"]), values)
            found.setdefault((row.label, row.text, row.unit, row.origin), []).append(one.name)
    headings = (("Setting", 2.4), ("Value", 2.0), ("Origin", 1.2), ("Samples", 2.4))
    columns = tuple(Column(name, weight=weight) for name, weight in headings)
    rows = [
        (label, f"{text} {unit}".strip(), origin, "all" if len(names) == len(measured) else ", ".join(names))
        for (label, text, unit, origin), names in sorted(found.items())
    ]
    made = [(one.name, (one.summary or {})["provenance"]) for one in measured]
    versions = tuple((name, by["nta"], by["settings_sha256"]) for name, by in made)
    by = (Column("Sample", weight=2.0), Column("nta"), Column("SHA-256 of the settings", weight=4.5))
    return Section(
        "Settings",
        (Table(columns, tuple(rows), "Every value that was used, and where it came from"), Table(by, versions)),
        is_new_page=True,
    )


def _sources(dossier: Dossier) -> Section:
    columns = (Column("Sample", weight=1.5), Column("Capture", weight=2.0), Column("SHA-256", weight=3.4))
    rows = tuple(
        (one.name, _file(capture["path"]), capture["sha256"] or fmt.MISSING)
        for one in dossier.by_day
        for capture in (one.summary or {}).get("captures", [])
    )
    return Section("Sources", (Table(columns, rows, "Every capture, by the hash of its bytes"),), True)


def _excluded(dossier: Dossier) -> Section:
    columns = (Column("Sample", weight=1.5), Column("What", weight=2.0), Column("Reason", weight=3.4))
    rows = [(one.name, _file(path), reason) for one in dossier.by_day for path, reason in one.excluded]
    decided = [one for one in dossier.by_day if one.decision == "excluded"]
    rows += [(one.name, f"analysis {one.record}", one.reason or "") for one in decided]
    rows += [
        (one.name, _file(capture["path"]), f"{capture['status']}: {one.message}")
        for one in dossier.by_day
        for capture in (one.summary or {}).get("captures", [])
        if capture["status"] in ("rejected", "failed")
    ]
    block: Block = Table(columns, tuple(rows)) if rows else Text("Nothing was left out.")
    return Section("Left out, with the reasons", (block,))


def _end(dossier: Dossier) -> Section:
    chain = dossier.chain
    state = "each as it was written" if chain.broken is None else f"broken: {chain.broken}"
    pairs = (
        ("Store", chain.store),
        ("Records in its audit chain", f"{fmt.count(chain.entries)}, {state}"),
        ("Head of the chain", chain.head),
        ("Report by", f"nta {nta.__version__}"),
    )
    text = (
        "“Particles” is everything that scatters enough light to be tracked. Intervals hold counts, captures, "
        "dilution, volume and calibration as far as they are stated. nta verify STORE --head HASH checks the record."
    )
    return Section("Record and signatures", (Pairs(pairs), Text(text), Signatures(_SIGNED_BY)))
