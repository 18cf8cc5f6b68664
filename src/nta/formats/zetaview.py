"""ZetaView 8.x: the text export of one measurement, and that of its positions (``_11pos``).

The sum of its concentrations is that of the cell: the dilution stands beside it and is not multiplied in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from nta.formats.foreign import Floats, ForeignCapture, ForeignResult, Histogram, Stated
from nta.formats.text import TextFile, damaged, number, numbers, shown, truncated
from nta.size_statistics import point_statistics

SIZE_HEAD: Final = "Size / nm"
POSITION_HEAD: Final = "Position"

_COLUMNS: Final = 5
_LAST_BIN_NM: Final = 5997.5
_END_OF_BINS: Final = -1.0
_NEVER: Final = "1904-01-01"  # the clock's zero: never checked
_NUMBERS: Final = {
    "temperature": "temperature_c",
    "viscosity": "viscosity_mpas",
    "micrometer per pixel": "mpp",
}
_DETAILS: Final = {
    "operator": "operator",
    "experiment": "experiment",
    "zetaview s/n": "serial_number",
    "sop": "sop",
    "electrolyte": "diluent",
    "remarks": "remarks",
    "particle drift check result": "drift_check",
    "cell check result": "cell_check",
    "concentration correction factor": "concentration_correction",
    "laser wavelength nm": "laser_nm",
    "laser wavelength": "laser_nm",
}
_CAMERA_RATE: Final = re.compile(r"\bFRate\s+([0-9.]+)|\bFpSec\s+([0-9.]+)")
_FIRST_NUMBER: Final = re.compile(r"[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?")


def read_size_export(file: TextFile) -> ForeignResult:
    """Return what a size export states.

    Raises
    ------
    RejectedError
        ``truncated`` or ``damaged``.
    """
    header, table = _parts(file)
    diameter_nm, bins, tracks = _bins(file, table)
    values = _values(file, header)
    capture = ForeignCapture(
        name=header.get("original file") or file.path.stem,
        values=values,
        size_nm=_sizes(file, header, diameter_nm, bins),
        per_ml=float(bins.sum()) if bins.size else 0.0,
        per_frame=_value(file, header, "average number of particles"),
        tracks=_whole(_value(file, header, "number of traces")),
        tracks_used=_whole(float(tracks.sum())) if tracks.size else None,
    )
    return ForeignResult(
        path=file.path,
        sha256=file.sha256,
        kind="ZetaView size export",
        program=_program(header),
        sample=header.get("sample") or file.path.stem,
        captures=(capture,),
        histogram=Histogram(diameter_nm, bins[None, :] if bins.size else np.empty((0, 0))),
        dilution=_dilution(file, header),
        details=_details(header),
        complaints=_median_complaints(file, header, capture),
    )


def _parts(file: TextFile) -> tuple[Mapping[str, str], list[list[str]]]:
    """Return the header by its keys in lower case, and the rows of the table below it."""
    rows = file.rows("\t")
    start = next((place for place, row in enumerate(rows) if row and row[0] == SIZE_HEAD), None)
    if start is None:
        raise truncated(file.path, f"its table with the column {SIZE_HEAD!r} is missing")
    if len(rows[start]) < _COLUMNS:
        raise damaged(file.path, f"its table has {len(rows[start])} columns in place of {_COLUMNS}")
    header: dict[str, str] = {}
    for row in rows[:start]:
        key, _, rest = row[0].partition(":") if row else ("", "", "")
        value = " ".join([rest.lstrip(":").strip(), *row[1:]]).strip()
        if key and value:
            header.setdefault(key.strip().lower(), value)
    return header, [row for row in rows[start + 1 :] if any(row)]


def _bins(file: TextFile, table: list[list[str]]) -> tuple[Floats, Floats, Floats]:
    """Return centres, particles per mL and numbers of the linear bins; the row of -1 ends them.

    A run that failed has that row alone.
    """
    linear: list[tuple[float, ...]] = []
    for place, row in enumerate(table):
        if len(row) < _COLUMNS:
            raise truncated(file.path, f"row {place + 1} of its table has {len(row)} of {_COLUMNS} columns")
        values = numbers(file.path, row[:_COLUMNS], f"row {place + 1} of its table")
        if values[0] == _END_OF_BINS:
            break
        linear.append(values)
    else:
        raise truncated(file.path, "its table ends before the row of -1 that closes it")
    if not linear:
        return np.empty(0), np.empty(0), np.empty(0)
    cells = np.array(linear)
    if not np.isfinite(cells).all() or (cells < 0).any():
        raise damaged(file.path, "a bin of its distribution is missing or negative")
    steps = np.diff(cells[:, 0])
    if cells[-1, 0] < _LAST_BIN_NM:
        raise truncated(file.path, f"its bins end at {cells[-1, 0]:g} nm, and should reach {_LAST_BIN_NM:g}")
    if len(steps) and not np.allclose(steps, steps[0], rtol=1e-3):
        raise damaged(file.path, "the bins of its distribution are not of one width")
    if len(steps) and not np.isclose(cells[0, 0], steps[0] / 2.0, rtol=1e-3):
        raise damaged(file.path, f"its bins begin at {cells[0, 0]:g} nm, and should at {steps[0] / 2.0:g}")
    return cells[:, 0], cells[:, 2], cells[:, 1]


def _sizes(file: TextFile, header: Mapping[str, str], diameter_nm: Floats, bins: Floats) -> Mapping[str, float]:
    """Return the statistics: the stated median, and what the bins say of the rest, which the file does not state."""
    if not bins.size or not bins.sum() > 0:
        return {}
    found = point_statistics(diameter_nm, bins)
    stated = _value(file, header, "median number (d50)")
    if math.isfinite(stated):
        found["d50"] = stated
    return {name: value for name, value in found.items() if name != "span"}


def _median_complaints(file: TextFile, header: Mapping[str, str], capture: ForeignCapture) -> tuple[str, ...]:
    """Return a sentence where the stated median lies outside what the bins' own D10 and D90 allow."""
    stated = _value(file, header, "median number (d50)")
    low, high = (capture.size_nm.get(name, math.nan) for name in ("d10", "d90"))
    if not math.isfinite(stated) or low <= stated <= high or not math.isfinite(low + high):
        return ()
    return (f"the median is stated as {stated:.4g} nm, and 80 % of the bins lie from {low:.4g} to {high:.4g} nm",)


def _values(file: TextFile, header: Mapping[str, str]) -> Mapping[str, float]:
    found = {name: _value(file, header, key) for key, name in _NUMBERS.items()}
    rate = _CAMERA_RATE.findall(header.get("camera", ""))
    # FRate is what the camera did, FpSec what it was told.
    done = [first for first, _ in rate if first] or [second for _, second in rate]
    found["fps"] = number(file.path, done[0], "the camera's frame rate") if done else math.nan
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _value(file: TextFile, header: Mapping[str, str], key: str) -> float:
    """Return the number with which the value of a key begins; a unit may follow it."""
    text = header.get(key, "")
    match = _FIRST_NUMBER.match(text)
    return number(file.path, match[0] if match else text, shown(key))


def _dilution(file: TextFile, header: Mapping[str, str]) -> float:
    value = _value(file, header, "dilution")
    return value if value >= 1.0 else math.nan


def _program(header: Mapping[str, str]) -> str:
    stated = header.get("software", "")
    return stated if "zetaview" in stated.lower() else f"ZetaView {stated}".strip()


def _details(header: Mapping[str, str]) -> Mapping[str, str | float]:
    found: dict[str, str | float] = {
        name: header[key] for key, name in _DETAILS.items() if key in header and not header[key].startswith(_NEVER)
    }
    if header.get("date") and not header["date"].startswith(_NEVER):
        found["time_captured"] = f"{header['date']}T{header['time']}" if "time" in header else header["date"]
    return found


def _whole(value: float) -> int | None:
    return int(value) if math.isfinite(value) and value >= 0 else None


# What a column of the table of positions means for us: the beginning of its head -> the name here.
_POSITION_COLUMNS: Final = {
    "av. no of particles": "per_frame",
    "conc. (p./ml)": "per_ml",
    "no. of traces": "tracks",
    "x50": "d50",
    "peak": "mode",
}


def is_positions(head: str) -> bool:
    """Return whether a text begins as a table of positions does, at most a few lines of header above it."""
    return any(
        {"use", "position"} <= {cell.strip().lower() for cell in line.split("\t")} for line in head.split("\n")[:80]
    )


def read_positions(file: TextFile) -> ForeignResult:
    """Return what a table of positions states: each position a capture.

    Raises
    ------
    RejectedError
        ``truncated`` without its row of means, ``damaged``.
    """
    rows = [row for row in file.rows("\t") if any(row)]
    start = next(place for place, row in enumerate(rows) if {"use", "position"} <= {cell.lower() for cell in row})
    head = [cell.lower() for cell in rows[start]]
    columns = {
        name: next((place for place, cell in enumerate(head) if cell.startswith(begins)), None)
        for begins, name in _POSITION_COLUMNS.items()
    }
    at = head.index("position")
    captures, averages = [], {}
    for row in rows[start + 1 :]:
        label = next((cell for cell in row if cell), "").lower().rstrip(".:")
        if label == "mean":
            averages = {
                name: Stated(_cell(file, row, place, "the mean"))
                for name, place in columns.items()
                if place is not None and name != "tracks"
            }
        elif not label.startswith(("st.dev", "st dev", "rel")) and _is_used(row, head):
            captures.append(_position(file, row, columns, at))
    if not captures or not averages:
        raise truncated(file.path, "it ends before the row of means that closes it")
    return ForeignResult(
        path=file.path,
        sha256=file.sha256,
        kind="ZetaView positions",
        program="ZetaView",
        sample=file.path.stem.removesuffix("_11pos"),
        captures=tuple(captures),
        averages=averages,
    )


def _is_used(row: list[str], head: list[str]) -> bool:
    """Return whether the column Use says that a position counts."""
    use = row[head.index("use")].lower() if head.index("use") < len(row) else ""
    return use not in ("0", "no", "false", "")


def _position(file: TextFile, row: list[str], columns: Mapping[str, int | None], at: int) -> ForeignCapture:
    if len(row) <= at:
        raise damaged(file.path, "a row of its table has no position")
    cells = {name: _cell(file, row, place, f"{name} of position {row[at]}") for name, place in columns.items()}
    return ForeignCapture(
        name=f"position {row[at]}",
        size_nm={name: cells[name] for name in ("d50", "mode")},
        per_ml=cells["per_ml"],
        per_frame=cells["per_frame"],
        tracks=_whole(cells["tracks"]),
    )


def _cell(file: TextFile, row: list[str], place: int | None, what: str) -> float:
    return number(file.path, row[place], what) if place is not None and place < len(row) else math.nan
