"""DilutionSeries and its measurements -> a folder: a result folder a dilution, one JSON, one table, one page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import nta
from nta.csvtable import Cell, csv_text, estimate_cells
from nta.dilutions import TOLERANCE, Dilution, DilutionSeries
from nta.measurement import Measurement
from nta.report import folder as folders
from nta.report import formatting as fmt
from nta.report import pages

DOCUMENT: Final = "dilution_series.json"
TABLE: Final = "dilution_series.csv"
PAGE: Final = "dilution_series.html"

_SCHEMA_FAMILY: Final = "nta.dilution_series/"


def folder_name(factor: float) -> str:
    """Return the name of the folder of a dilution: ``dilution_100``."""
    return f"dilution_{factor:.12g}"


def check_series_directory(directory: str | Path, sources: Sequence[str | Path] = ()) -> None:
    """Refuse a folder that a series must not replace: anything but an absent, empty, or earlier one.

    Raises
    ------
    UsageError
        As :func:`nta.report.check_directory`.
    """
    folders.check_directory(directory, sources, is_series)


def is_series(directory: Path) -> bool:
    """Whether ``directory`` holds a dilution series of nta, of whatever version."""
    return folders.holds_schema(directory / DOCUMENT, _SCHEMA_FAMILY)


def save_series(series: DilutionSeries, measurements: Sequence[Measurement], directory: str | Path) -> Path:
    """Write the folder of a series, whole or not at all; an earlier series there is replaced.

    Parameters
    ----------
    series : DilutionSeries
        What the measurements say together.
    measurements : sequence of Measurement
        In the order of ``series.dilutions``, of any status.
    directory : path
        Parents are created.

    Raises
    ------
    UsageError
        If something that is not a dilution series is in the way.
    FailedError
        If the folder cannot be written; what was there before is untouched.
    """
    check_series_directory(directory, [capture.path for one in measurements for capture in one.captures])

    def fill(folder: Path) -> None:
        for dilution, measurement in zip(series.dilutions, measurements, strict=True):
            inside = folder / folder_name(dilution.factor)
            inside.mkdir()
            folders.write_files(measurement, inside)
        (folder / DOCUMENT).write_bytes(folders.summary_bytes(series_document(series)))
        (folder / TABLE).write_bytes(csv_text(COLUMNS, map(table_row, series.dilutions)).encode("utf-8", "replace"))
        (folder / PAGE).write_bytes(render_series(series).encode("utf-8", "replace"))

    return folders.write_folder(directory, fill)


def series_document(series: DilutionSeries) -> dict[str, Any]:
    """Return what ``dilution_series.json`` holds: the series, the folder of each dilution, the program."""
    document = series.to_dict()
    for entry in document["dilutions"]:
        entry["folder"] = folder_name(entry["dilution"])
    return {**document, "nta": nta.__version__}


def table_row(dilution: Dilution) -> dict[str, Cell]:
    """Return a dilution's row of ``dilution_series.csv``; what is missing is an empty cell."""
    return {
        "dilution": dilution.factor,
        "status": dilution.status,
        "captures": dilution.n_captures,
        "particles_per_frame": dilution.particles_per_frame,
        **estimate_cells("measured", "_per_ml", dilution.measured),
        **estimate_cells("stock", "_per_ml", dilution.stock),
        "own_relative_sd": dilution.own_sd,
        "deviation": dilution.deviation,
        "is_usable": "yes" if dilution.is_usable else "no",
        "is_relative": "yes" if dilution.is_relative else "no",
        "flags": " ".join(dilution.flags),
        "folder": folder_name(dilution.factor),
        "message": dilution.message,
    }


COLUMNS: Final = tuple(table_row(Dilution(1.0, "ok", None, "", (), 1)))
"""Columns of ``dilution_series.csv``."""


def render_series(series: DilutionSeries) -> str:
    """Return the page: no script, nothing fetched, every name escaped."""
    # Here and not above: drawing alone needs matplotlib, which takes long to load.
    from nta.report.dilution_figure import dilution_svg

    context: dict[str, Any] = {
        "series": series,
        "figure": "data:image/svg+xml;base64," + base64.b64encode(dilution_svg(series)).decode("ascii"),
        "folder_name": folder_name,
        "percent": percent,
        "lines": [("All dilutions", series.line), *([("Usable range", series.usable.line)] if series.usable else [])],
        "tolerance": f"{TOLERANCE:.0%}",
        "fixed": fmt.fixed,
        "interval": fmt.interval,
        "version": nta.__version__,
    }
    return pages.template("dilution_series.html.j2").render(context)


def percent(share: float, signed: bool = False) -> str:
    """Return a share as per cent with one decimal, a dash when it is missing."""
    text = fmt.fixed(100.0 * share)
    return text if text == fmt.MISSING else f"{'+' if signed and share > 0 else ''}{text} %"
