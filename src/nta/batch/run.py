"""A manifest in; one result folder a sample and one table of all of them out."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nta.batch.manifest import Manifest, Sample
from nta.concentration import Concentration
from nta.csvtable import Cell, csv_text, write_whole
from nta.errors import NTAError, UsageError
from nta.estimate import Estimate
from nta.measurement import Measurement, Status
from nta.progress import Progress, silent
from nta.settings import Settings
from nta.size_statistics import SizeStatistics

logger = logging.getLogger(__name__)

TABLE_NAME: Final = "batch.csv"

# What a broken input or a full disk can raise below the library's own errors. One sample must not end a
# night's work, so these become its row, with the trace in the log; an interruption is none of them.
_BREAKDOWNS: Final = (OSError, ValueError, ArithmeticError, LookupError, RuntimeError, MemoryError)


@dataclass(frozen=True)
class Outcome:
    """How one sample of a batch ended, and its numbers; missing ones are NaN or ``None``, never 0."""

    sample: Sample
    status: Status
    status_code: str | None
    message: str
    folder: str | None = None
    size: SizeStatistics = field(default_factory=SizeStatistics.missing)
    concentration: Concentration = field(default_factory=Concentration.missing)
    dilution: float | None = None
    particles_per_frame: float | None = None
    tracks_used: int | None = None
    flags: tuple[str, ...] = ()

    def row(self) -> dict[str, Cell]:
        """Return the sample's row of ``batch.csv``."""
        row: dict[str, Cell] = {
            "day": self.sample.day,
            "sample": self.sample.name,
            "status": self.status,
            "status_code": self.status_code,
            "message": self.message,
            "captures": len(self.sample.videos),
            "dilution": self.dilution,
            "volume_ml": self.sample.volume_ml,
            "particles_per_frame": self.particles_per_frame,
            "tracks_used": self.tracks_used,
            "volume_source": self.concentration.volume_source,
            "flags": " ".join(self.flags),
            "folder": self.folder,
        }
        for name, unit, estimate in _estimates(self.size, self.concentration):
            row |= estimate_cells(name, unit, estimate)
        return row


@dataclass(frozen=True)
class Batch:
    """All outcomes of a manifest, and the folder in which the results lie."""

    manifest: Manifest
    directory: Path
    outcomes: tuple[Outcome, ...]

    @property
    def all_measured(self) -> bool:
        """Whether no sample was rejected or failed."""
        return all(outcome.status in ("ok", "warn") for outcome in self.outcomes)


def estimate_cells(name: str, unit: str, estimate: Estimate) -> dict[str, Cell]:
    """Return an estimate as three cells: ``name_unit``, ``name_low_unit``, ``name_high_unit``."""
    return {
        f"{name}{part}{unit}": number
        for part, number in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high))
    }


def _estimates(size: SizeStatistics, concentration: Concentration) -> Iterator[tuple[str, str, Estimate]]:
    for name in SizeStatistics.STATISTICS:
        yield name, "" if name == "span" else "_nm", getattr(size, name)
    yield "measured", "_per_ml", concentration.measured
    yield "stock", "_per_ml", concentration.stock if concentration.stock is not None else Estimate.missing()


def table_columns() -> tuple[str, ...]:
    """Return the columns of ``batch.csv``: words, then numbers with their intervals, then the folder."""
    row = Outcome(Sample("", "", ()), "ok", None, "").row()
    numbers = [name for name in row if name.endswith(("_nm", "_per_ml")) or name.startswith("span")]
    words = [name for name in row if name not in numbers and name not in ("flags", "folder")]
    return (*words, *numbers, "flags", "folder")


def folder_names(samples: Sequence[Sample]) -> tuple[str, ...]:
    """Return one folder name a sample: portable, and different also where letter case does not count."""
    names: list[str] = []
    taken: set[str] = set()
    for sample in samples:
        base = re.sub(r"[^\w.-]+", "_", sample.name).strip("._-")[:80] or "sample"
        name, number = base, 2
        while name.casefold() in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return tuple(names)


def run_batch(
    manifest: Manifest,
    directory: str | Path,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Batch:
    """Measure every sample of a manifest; a sample that fails becomes a row, and the rest go on.

    ``batch.csv`` is written anew after each sample, so that an interrupted batch leaves what was done.

    Parameters
    ----------
    manifest : Manifest
        What to measure.
    directory : path
        Where ``batch.csv`` and one result folder a sample go; made when it is not there.
    settings : Settings, optional
        For all samples; a dilution in the manifest ranks above one in the settings.
    progress : Progress, optional
        Called with the stage ``samples`` and with the stages of each sample.

    Raises
    ------
    UsageError
        If ``directory`` is a file, or holds something and no ``batch.csv``.
    """
    directory = Path(directory)
    listen = progress if progress is not None else silent
    _prepare(directory)
    outcomes: list[Outcome] = []
    _write_table(directory, outcomes)
    for sample, folder in zip(manifest.samples, folder_names(manifest.samples), strict=True):
        listen("samples", len(outcomes), len(manifest.samples))
        outcomes.append(_run_sample(sample, directory / folder, settings or Settings(), listen))
        _write_table(directory, outcomes)
    listen("samples", len(outcomes), len(manifest.samples))
    return Batch(manifest, directory, tuple(outcomes))


def _prepare(directory: Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{str(directory)!r} is a file; give a folder for the results")
    if directory.is_dir() and any(directory.iterdir()) and not (directory / TABLE_NAME).is_file():
        raise UsageError(f"{str(directory)!r} holds other files and no {TABLE_NAME}; give another folder")
    directory.mkdir(parents=True, exist_ok=True)


def _write_table(directory: Path, outcomes: Sequence[Outcome]) -> None:
    write_whole(directory / TABLE_NAME, csv_text(table_columns(), (outcome.row() for outcome in outcomes)))


def _run_sample(sample: Sample, folder: Path, settings: Settings, progress: Progress) -> Outcome:
    # The manifest lies beside the videos and speaks of them, as a sidecar does.
    settings = settings.updated("sidecar", {"dilution": sample.dilution})
    # Here and not above: a fault in the manifest is said before the libraries that measure have loaded.
    from nta.pipeline import analyze

    try:
        measurement = analyze(sample.videos, settings=settings, sample=sample.name, progress=progress)
        measurement.save(folder)
    except NTAError as error:
        return Outcome(sample, "failed", error.code, str(error), dilution=settings.dilution)
    except _BREAKDOWNS as error:
        logger.debug("sample %r broke down", sample.name, exc_info=error)
        message = f"nta broke down ({type(error).__name__}: {error}); analyse it alone with --debug"
        return Outcome(sample, "failed", "internal_error", message, dilution=settings.dilution)
    return _outcome(sample, measurement, folder.name, settings.dilution)


def _outcome(sample: Sample, measurement: Measurement, folder: str, dilution: float | None) -> Outcome:
    return Outcome(
        sample,
        measurement.status,
        measurement.status_code,
        measurement.message,
        folder=folder,
        size=measurement.size,
        concentration=measurement.concentration,
        dilution=dilution,
        particles_per_frame=measurement.counts.particles_per_frame,
        tracks_used=measurement.counts.tracks_used,
        flags=tuple(flag.code for flag in measurement.flags),
    )
