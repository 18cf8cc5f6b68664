"""How every sample of a batch ended, as rows of ``batch.csv`` and as harvests for the yield."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nta.batch.manifest import Manifest, Sample
from nta.csvtable import Cell, estimate_cells
from nta.estimate import Estimate
from nta.production import Culture, Harvest, hours_collected

if TYPE_CHECKING:
    # The nouns that measure load numba; whoever only hands out jobs does without.
    from nta.measurement import Status

TABLE_NAME: Final = "batch.csv"

SIZES: Final = ("mode", "mean", "sd", "d10", "d50", "d90", "span")
"""The statistics of a size distribution, as in ``summary.json``."""

CONCENTRATIONS: Final = ("measured", "stock")


@dataclass(frozen=True)
class Outcome:
    """How one sample of a batch ended, and its numbers; missing ones are NaN or ``None``, never 0.

    ``estimates`` holds the sizes in nm (the span as it is) and the concentrations per mL by name. ``record`` is the
    number of the analysis in the store, ``decision`` whether it counts, and ``reason`` why not. ``parts`` holds the
    relative standard uncertainties of the concentration, ``captures_per_ml`` that of each capture, ``calibration``,
    ``blank`` and ``videos`` the hashes of the calibration file, of the blank's captures and of the captures.
    """

    sample: Sample
    status: Status
    status_code: str | None
    message: str
    folder: str | None = None
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    volume_source: str | None = None
    dilution: float | None = None
    particles_per_frame: float | None = None
    tracks_used: int | None = None
    flags: tuple[str, ...] = ()
    record: int | None = None
    decision: str = ""
    reason: str | None = None
    parts: Mapping[str, float | None] = field(default_factory=dict)
    captures_per_ml: tuple[float, ...] = ()
    calibration: str | None = None
    blank: str | None = None
    videos: tuple[str, ...] = ()

    def estimate(self, name: str) -> Estimate:
        """Return one of the estimates, missing where there is none."""
        return self.estimates.get(name, Estimate.missing())

    def row(self) -> dict[str, Cell]:
        """Return the sample's row of ``batch.csv``."""
        row: dict[str, Cell] = {
            "lot": self.sample.lot,
            "day": self.sample.day,
            "sample": self.sample.name,
            "role": self.sample.role,
            "status": self.status,
            "status_code": self.status_code,
            "message": self.message,
            "captures": len(self.sample.videos),
            "excluded": "; ".join(f"{one.video.name}: {one.reason}" for one in self.sample.excluded),
            "dilution": self.dilution,
            "volume_ml": self.sample.volume_ml,
            "particles_per_frame": self.particles_per_frame,
            "tracks_used": self.tracks_used,
            "volume_source": self.volume_source,
            "record": self.record,
            "decision": self.decision,
            "decision_reason": self.reason,
            "flags": " ".join(self.flags),
            "folder": self.folder,
        }
        for name in SIZES:
            row |= estimate_cells(name, "" if name == "span" else "_nm", self.estimate(name))
        for name in CONCENTRATIONS:
            row |= estimate_cells(name, "_per_ml", self.estimate(name))
        return row


@dataclass(frozen=True)
class Batch:
    """All outcomes of a manifest, the folder in which the results lie, and how many jobs ran."""

    manifest: Manifest
    directory: Path
    outcomes: tuple[Outcome, ...]
    jobs_run: int = 0

    @property
    def all_measured(self) -> bool:
        """Whether no sample was rejected or failed."""
        return all(outcome.status in ("ok", "warn") for outcome in self.outcomes)


def table_columns() -> tuple[str, ...]:
    """Return the columns of ``batch.csv``: words, then numbers with their intervals, then what leads further."""
    row = Outcome(Sample("", "", ()), "ok", None, "").row()
    numbers = [name for name in row if name.endswith(("_nm", "_per_ml")) or name.startswith("span")]
    last = ("flags", "record", "decision", "decision_reason", "folder")
    words = [name for name in row if name not in numbers and name not in last]
    return (*words, *numbers, *last)


def folder_names(samples: Sequence[Sample]) -> tuple[str, ...]:
    """Return one folder name a sample: portable, and different also where letter case does not count."""
    names: list[str] = []
    taken: set[str] = {"objects"}
    for sample in samples:
        base = re.sub(r"[^\w.-]+", "_", sample.name).strip("._-")[:80] or "sample"
        name, number = base, 2
        while name.casefold() in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return tuple(names)


def outcome_of(sample: Sample, summary: Mapping[str, Any], folder: str, row: Mapping[str, Any]) -> Outcome:
    """Return the outcome of a sample that is on record.

    Parameters
    ----------
    sample : Sample
        What the manifest says of it.
    summary : mapping
        Its ``summary.json``.
    folder : str
        Name of its result folder.
    row : mapping
        Its current analysis in the store.
    """
    density = summary["concentration_per_ml"]
    blocks = {**{name: summary["size_nm"][name] for name in SIZES}, **{name: density[name] for name in CONCENTRATIONS}}
    return Outcome(
        sample,
        summary["status"],
        summary["status_code"],
        summary["message"],
        folder=folder,
        estimates={name: Estimate.from_dict(block) for name, block in blocks.items() if block is not None},
        volume_source=density["volume_source"],
        dilution=summary["dilution"],
        particles_per_frame=summary["counts"]["particles_per_frame"],
        tracks_used=summary["counts"]["tracks_used"],
        flags=tuple(flag["code"] for flag in summary["flags"]),
        record=row["id"],
        decision=row.get("decision", "current"),
        reason=row.get("reason"),
        parts=density.get("parts") or {},
        captures_per_ml=tuple(density.get("captures") or ()),
        calibration=summary.get("values", {}).get("calibration_sha256", {}).get("value"),
        blank=_blank(summary),
        videos=_sources(summary),
    )


def _sources(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the hashes of the captures; that of the export for what another program measured."""
    export = summary.get("values", {}).get("export_sha256", {}).get("value")
    hashes = [capture.get("sha256") for capture in summary["captures"]]
    return tuple(sha256 for sha256 in (*hashes, export) if sha256 is not None)


def _blank(summary: Mapping[str, Any]) -> str | None:
    """Return the hashes of the captures of the blank that was subtracted."""
    blank = summary.get("blank")
    return None if blank is None else " ".join(sorted(one for one in blank["sha256"] if one is not None)) or None


def harvests_of(batch: Batch) -> tuple[Harvest, ...]:
    """Return the samples of a batch as harvests, failures included; blanks, beads and pools are none."""
    samples = [outcome for outcome in without_old_names(batch.outcomes) if outcome.sample.role == "sample"]
    days = {day: [one for one in samples if one.sample.day == day] for day in dict.fromkeys(_days(samples))}
    clocks = [next((fact_of(one, "hours_since_medium") for one in each), None) for each in days.values()]
    hours = dict(zip(days, hours_collected(clocks), strict=True))
    return tuple(
        harvest_of(one, _culture(one, _medium_ml(days[one.sample.day]), hours[one.sample.day])) for one in samples
    )


def without_old_names(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Return outcomes without those that are excluded and whose captures a sample of the same role counts.

    Such a sample goes on under another name or day: nothing is lost with it, so that its day lacks nothing.
    """
    held = {(one.sample.role, video) for one in outcomes if one.decision != "excluded" for video in one.videos}

    def is_old(one: Outcome) -> bool:
        own = {(one.sample.role, video) for video in one.videos}
        return one.decision == "excluded" and bool(own) and own <= held

    return tuple(one for one in outcomes if not is_old(one))


def _days(samples: Sequence[Outcome]) -> list[str]:
    return [one.sample.day for one in samples]


def fact_of(outcome: Outcome, name: str) -> float | None:
    """Return a number that the manifest states of a sample's culture or process, ``None`` where it does not."""
    value = outcome.sample.facts.get(name)
    return None if value is None else float(value)


def _positive(value: float | None) -> float | None:
    """Return what can be divided by; a manifest may state 0 cells or hours."""
    return value if value is not None and value > 0.0 else None


def _medium_ml(of_a_day: Sequence[Outcome]) -> float | None:
    """Return the conditioned medium of a day: what went into its first step, or all its samples where there is none."""
    if any(one.sample.facts.get("step") for one in of_a_day):
        went_in = fact_of(of_a_day[0], "volume_in_ml")
        return of_a_day[0].sample.volume_ml if went_in is None else went_in
    volumes = [one.sample.volume_ml for one in of_a_day]
    known = [volume for volume in volumes if volume is not None]
    return sum(known) if len(known) == len(volumes) else None


def _culture(outcome: Outcome, medium_ml: float | None, hours: float | None) -> Culture:
    area_m2, cells = fact_of(outcome, "culture_area_m2"), fact_of(outcome, "cells_seeded")
    return Culture(medium_ml, _positive(area_m2), _positive(cells), _positive(hours))


def harvest_of(outcome: Outcome, culture: Culture | None = None) -> Harvest:
    """Return one sample as a harvest, whatever its role."""
    is_measured = not outcome.estimate("measured").is_missing
    volume_sd_percent = fact_of(outcome, "volume_sd_percent")
    return Harvest(
        day=outcome.sample.day,
        sample=outcome.sample.name,
        status=outcome.status,
        stock=outcome.estimates.get("stock"),
        volume_ml=outcome.sample.volume_ml,
        is_measured=is_measured,
        # A sample without a concentration says nothing about what the numbers rest on.
        is_relative=outcome.volume_source == "nominal" and is_measured,
        is_excluded=outcome.decision == "excluded",
        volume_relative_sd=None if volume_sd_percent is None else volume_sd_percent / 100.0,
        dilution=outcome.dilution,
        parts=outcome.parts,
        n_captures=len(outcome.captures_per_ml),
        calibration=outcome.calibration,
        blank=outcome.blank,
        step=str(outcome.sample.facts.get("step", "")),
        culture=Culture() if culture is None else culture,
        videos=outcome.videos,
        record=outcome.record,
    )
