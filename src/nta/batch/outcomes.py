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
from nta.production import Harvest

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
    number of the analysis in the store, ``decision`` whether it counts, and ``reason`` why not.
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
    )


def harvests_of(batch: Batch) -> tuple[Harvest, ...]:
    """Return the samples of a batch as harvests, failures included; blanks, beads and pools are none."""
    return tuple(_harvest(outcome) for outcome in batch.outcomes if outcome.sample.role == "sample")


def _harvest(outcome: Outcome) -> Harvest:
    is_measured = not outcome.estimate("measured").is_missing
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
    )
