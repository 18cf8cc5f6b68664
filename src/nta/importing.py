"""Another program's files -> records of the same kind as our own, and a table that compares them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from nta.csvtable import Cell, csv_text
from nta.errors import NTAError, UsageError
from nta.formats import kind_of, read_foreign
from nta.formats.record import record_of, refused_record
from nta.measurement import Measurement
from nta.pipeline import analyze
from nta.progress import Progress
from nta.settings import Settings

COLUMNS: Final = (
    *("file", "sample", "capture", "program", "status", "captures"),
    *("mode_nm", "mean_nm", "sd_nm", "d10_nm", "d50_nm", "d90_nm"),
    *("measured_per_ml", "stock_per_ml", "dilution", "particles_per_frame", "tracks", "tracks_used"),
)
"""Columns of the comparison; ``capture`` is empty in the row of a whole sample."""


def import_results(
    paths: Sequence[str | Path], settings: Settings | None = None, *, progress: Progress | None = None
) -> tuple[Measurement, ...]:
    """Return the record of each export: NanoSight summaries, particle data, tracks and experiments; ZetaView texts.

    Parameters
    ----------
    paths : sequence of paths
        The exports, one sample each.
    settings : Settings, optional
        How tables of tracks are sized: they hold no result that could be read, so our own estimator makes it.
    progress : callable, optional
        Told ``(stage, done, total)`` while tracks are sized.

    Returns
    -------
    tuple of Measurement
        One for each path, also where it is rejected: then with that status and a sentence that says what to do.

    Raises
    ------
    UsageError
        If a file is missing or none is named.
    """
    if not paths:
        raise UsageError("there is nothing to import; name at least one exported file")
    return tuple(_imported(Path(path), settings, progress) for path in paths)


def _imported(path: Path, settings: Settings | None, progress: Progress | None) -> Measurement:
    if kind_of(path) == "tracks":
        return analyze(path, settings=settings, progress=progress)
    try:
        return record_of(read_foreign(path))
    except UsageError:
        raise
    except NTAError as error:
        return refused_record(path, error)


def comparison_rows(paths: Sequence[str | Path], records: Sequence[Measurement]) -> list[dict[str, Cell]]:
    """Return one row for each sample and, below it, one for each of its captures, by the names of :data:`COLUMNS`."""
    rows: list[dict[str, Cell]] = []
    for path, record in zip(paths, records, strict=True):
        shared: dict[str, Cell] = {"file": Path(path).name, "sample": record.sample, "program": program_of(record)}
        rows.append(shared | _sample_cells(record))
        rows += [shared | cells for cells in _capture_cells(record)]
    return rows


def comparison_csv(paths: Sequence[str | Path], records: Sequence[Measurement]) -> str:
    """Return the comparison as CSV."""
    return csv_text(COLUMNS, comparison_rows(paths, records))


def program_of(record: Measurement) -> str:
    """Return which program measured a sample."""
    sourced = record.values.get("program")
    return f"nta {record.provenance.nta}" if sourced is None else str(sourced.value)


def _sample_cells(record: Measurement) -> dict[str, Cell]:
    stock, dilution = record.concentration.stock, record.values.get("dilution")
    factor = None if dilution is None else dilution.value
    return {
        "status": record.status,
        "captures": len(record.captures),
        **{f"{name}_nm": getattr(record.size, name).value for name in ("mode", "mean", "sd", "d10", "d50", "d90")},
        "measured_per_ml": record.concentration.measured.value,
        "stock_per_ml": None if stock is None else stock.value,
        "dilution": factor if isinstance(factor, int | float) else None,
        "particles_per_frame": record.counts.particles_per_frame,
        "tracks": record.counts.tracks,
        "tracks_used": record.counts.tracks_used,
    }


def _capture_cells(record: Measurement) -> list[dict[str, Cell]]:
    return [
        {
            "capture": one.name,
            "mode_nm": one.mode_nm.value,
            "d50_nm": one.d50_nm.value,
            "measured_per_ml": one.per_ml.value,
            "particles_per_frame": one.particles_per_frame.value,
            "tracks": one.tracks,
            "tracks_used": one.tracks_used,
        }
        for one in record.agreement.captures
    ]
