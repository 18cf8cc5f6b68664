"""Results in the layouts that other programs read: NanoSight's summary, Parquet, trackpy's columns."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

import numpy as np

from nta.csvtable import safe_cell, write_whole
from nta.errors import UsageError
from nta.formats.foreign import Floats
from nta.formats.nanosight import SINGLE_HEAD
from nta.measurement import Measurement

Layout = Literal["nanosight", "parquet", "trackpy"]

_N_BINS: Final = 1000
_PERCENTILES: Final = 101
_TRACKPY: Final = ("y", "x", "mass", "size", "ecc", "signal", "raw_mass", "ep", "frame", "particle")


def nanosight_summary(measurement: Measurement) -> str:
    """Return a result as NanoSight's summary of one analysis, with one column for the sample.

    Concentrations are those of the stock where the dilution is known, as there. Programs that read such files look for
    its sections, its bins of 1 nm from 0.5 to 999.5, and its percentiles.

    Raises
    ------
    UsageError
        If nothing was sized.
    """
    _check_sized(measurement)
    stock = measurement.concentration.stock
    stated = measurement.concentration.measured if stock is None else stock
    cumulative = _cumulative(measurement, np.arange(_N_BINS + 1.0))
    per_bin = np.diff(cumulative) * stated.value
    rows = [
        *_head_rows(measurement),
        *_result_rows(measurement, stated.value),
        *_size_rows(measurement),
        ["Graph Data"],
        ["Bin centre (nm)", "Concentration (particles / ml)"],
        *([f"{place + 0.5:.1f}", _shown(value)] for place, value in enumerate(per_bin)),
        [""],
        ["Percentile", "Size (nm)"],
        *([str(percent), f"{value:.1f}"] for percent, value in enumerate(_percentiles(measurement))),
    ]
    return "".join(",".join(_quoted(cell) for cell in row) + ",\n" for row in rows)


def _head_rows(measurement: Measurement) -> Iterator[list[str]]:
    name = measurement.sample
    yield [SINGLE_HEAD]
    yield [f"Created with nta {measurement.provenance.nta}"]
    yield [""]
    yield ["[Experiment Details]"]
    yield ["Software Version", f"nta {measurement.provenance.nta}"]
    yield ["Sample Name", name]
    yield ["Diluent", _value(measurement, "diluent")]
    yield ["Remarks", _value(measurement, "remarks")]
    yield [""]
    yield ["Filename:", name]
    yield [""]
    yield ["[Conditions]"]
    yield ["Temperature/C", _value(measurement, "temperature_c")]
    yield ["Viscosity/cP", _value(measurement, "viscosity_mpas")]
    yield ["Shutter/ms", _value(measurement, "exposure_ms")]
    yield ["Frame rate/fps", _value(measurement, "fps")]
    yield [""]
    yield ["[Settings]"]
    frames = [one.frames for one in measurement.captures if one.frames is not None]
    yield ["Total frames analysed", str(sum(frames)) if frames else ""]
    yield [""]


def _result_rows(measurement: Measurement, per_ml: float) -> Iterator[list[str]]:
    counts = measurement.counts
    dilution = _value(measurement, "dilution")
    yield ["[Results]"]
    yield ["Dilution factor (concentrations adjusted for this factor)", dilution or "Not recorded"]
    yield ["Concentration (Particles / ml)", _shown(per_ml)]
    yield ["Centres per frame", _shown(counts.particles_per_frame)]
    yield ["Completed tracks", _shown(counts.tracks)]
    yield [""]


def _size_rows(measurement: Measurement) -> Iterator[list[str]]:
    yield ["[Size Data]"]
    yield ["Analysis Method", f"nta {measurement.distribution.method}"]
    yield ["Weighting", "Number"]
    yield ["Filename", measurement.sample]
    for label in ("Mean", "Mode", "SD", "D10", "D50", "D90"):
        yield [label, _shown(getattr(measurement.size, label.lower()).value)]
    yield ["Valid Tracks", _shown(measurement.counts.tracks_used)]


def _cumulative(measurement: Measurement, diameter_nm: Floats) -> Floats:
    table = measurement.distribution.table
    known = table["diameter_nm"].to_numpy(np.float64), table["cumulative"].to_numpy(np.float64)
    return np.asarray(np.interp(diameter_nm, *known, left=0.0, right=1.0), dtype=np.float64)


def _percentiles(measurement: Measurement) -> Floats:
    table = measurement.distribution.table
    known = table["cumulative"].to_numpy(np.float64), table["diameter_nm"].to_numpy(np.float64)
    return np.asarray(np.interp(np.linspace(0.0, 1.0, _PERCENTILES), *known), dtype=np.float64)


def _value(measurement: Measurement, name: str) -> str:
    """Return a value of the sample; empty where it has none, or captures differ in it."""
    sourced = measurement.values.get(name)
    if sourced is None or sourced.value is None or isinstance(sourced.value, list):
        return ""
    return _shown(sourced.value) if isinstance(sourced.value, int | float) else str(sourced.value)


def _shown(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.10g}"


def _quoted(cell: str) -> str:
    text = str(safe_cell(cell)) if not _is_number(cell) else cell
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n\r') else text


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def trackpy_table(measurement: Measurement) -> str:
    """Return the linked positions as CSV in trackpy's columns; one capture after the other, particles numbered through.

    Raises
    ------
    UsageError
        If the result holds no tracks.
    """
    table = measurement.tracks.table
    if not len(table):
        raise UsageError(f"the result of {measurement.sample!r} holds no tracks; export it as nanosight or parquet")
    kept = table[[name for name in _TRACKPY if name in table]].copy()
    kept["particle"] = table.groupby(["capture", "particle"], sort=True).ngroup().to_numpy(np.int64)
    kept["capture"] = table["capture"].to_numpy(np.int64)
    text: str = kept.to_csv(index=False, lineterminator="\n")
    return text


def _write_parquet(measurement: Measurement, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = measurement.distribution.table.copy()
    table["concentration_per_ml_per_nm"] = table["density_per_nm"] * measurement.concentration.measured.value
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    summary = json.dumps(measurement.summary(), allow_nan=False, separators=(",", ":")).encode()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(arrow.replace_schema_metadata({b"nta_summary": summary}), temporary, compression="zstd")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


_WRITERS: Final[dict[Layout, Callable[[Measurement, Path], None]]] = {
    "nanosight": lambda measurement, path: write_whole(path, nanosight_summary(measurement)),
    "parquet": _write_parquet,
    "trackpy": lambda measurement, path: write_whole(path, trackpy_table(measurement)),
}
SUFFIXES: Final[dict[Layout, str]] = {
    "nanosight": "_Summary.csv",
    "parquet": "_distribution.parquet",
    "trackpy": "_tracks.csv",
}
"""How the file of each layout ends when nobody names it."""


def export(measurement: Measurement, path: str | Path, layout: Layout) -> Path:
    """Write a result in the layout of another program, whole or not at all.

    Parameters
    ----------
    measurement : Measurement
        The result.
    path : path
        A file that is not there yet.
    layout : {"nanosight", "parquet", "trackpy"}
        NanoSight's summary as CSV; the distribution as Parquet, the summary in its metadata under ``nta_summary``; the
        linked positions as CSV in trackpy's columns (px, grey levels).

    Raises
    ------
    UsageError
        If the file is there, or the result lacks what the layout holds.
    """
    target = Path(path)
    if layout not in _WRITERS:
        raise UsageError(f"{layout!r} is no layout; there are {', '.join(_WRITERS)}")
    if target.exists():
        raise UsageError(f"{str(target)!r} is there already; name another file with -o")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {str(target.parent)!r}; make it, or name another file with -o")
    _WRITERS[layout](measurement, target)
    return target


def _check_sized(measurement: Measurement) -> None:
    if measurement.distribution.table.empty:
        raise UsageError(f"nothing was sized in {measurement.sample!r}, so there is no distribution to export")
