"""A manifest: which videos are which sample, of which day, how diluted, for how much liquid."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nta.errors import SettingsError, UsageError
from nta.settings import Settings

REQUIRED_COLUMNS: Final = ("day", "sample", "video")
COLUMNS: Final = (*REQUIRED_COLUMNS, "dilution", "volume_ml")
MANIFEST_NAME: Final = "manifest.csv"


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a manifest.

    Parameters
    ----------
    day : str
        Label of the day, as written.
    name : str
        Name of the sample; unique in its manifest.
    videos : tuple of Path
        Its captures, in the order of the rows.
    dilution : float or None
        Factor by which it was diluted before the measurement; ``None`` when not stated.
    volume_ml : float or None
        Volume of the undiluted liquid that it stands for, mL; ``None`` when not stated.
    """

    day: str
    name: str
    videos: tuple[Path, ...]
    dilution: float | None = None
    volume_ml: float | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The samples of a batch, in the order in which they are first named."""

    path: Path
    samples: tuple[Sample, ...]


def find_manifest(location: Path) -> Path:
    """Return the manifest: the file itself, ``manifest.csv`` in the folder, or its only such CSV.

    Raises
    ------
    UsageError
        If there is none, or more than one.
    """
    if location.is_file():
        return location
    if not location.is_dir():
        raise UsageError(f"{str(location)!r} does not exist; give a folder with a {MANIFEST_NAME}, or the file itself")
    if (location / MANIFEST_NAME).is_file():
        return location / MANIFEST_NAME
    found = [path for path in sorted(location.glob("*.csv")) if _looks_like_manifest(path)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            f"{str(location)!r} holds no CSV with the columns {','.join(COLUMNS)}; write them to {MANIFEST_NAME} there"
        )
    names = ", ".join(path.name for path in found)
    raise UsageError(f"{str(location)!r} holds {len(found)} manifests ({names}); give one of them by its path")


def _looks_like_manifest(path: Path) -> bool:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        header = next(csv.reader([file.readline(10_000)]), [])
    return set(REQUIRED_COLUMNS) <= {name.strip() for name in header}


def read_manifest(location: str | Path) -> Manifest:
    """Read a manifest and check it as a whole.

    Parameters
    ----------
    location : path
        The CSV file, or the folder that holds it. Video paths are relative to the folder of the file.

    Raises
    ------
    UsageError
        With every fault at once, one a line, each with its row (the header is row 1) and column.
    """
    path = find_manifest(Path(location))
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{str(path)!r} is not UTF-8 text (byte {error.start}); save it as CSV UTF-8") from None
    table = list(csv.reader(io.StringIO(text, newline="")))
    header = [name.strip() for name in table[0]] if table else []
    faults = _header_faults(header)
    samples: tuple[Sample, ...] = ()
    if not faults:
        samples = _collect(path.parent, header, table[1:], faults)
        if not samples and not faults:
            faults.append("there is no row below the header; write one for each video")
    if faults:
        raise UsageError("\n".join([f"the manifest {str(path)!r} cannot be used:", *faults]))
    return Manifest(path, samples)


def _header_faults(header: Sequence[str]) -> list[str]:
    if len(header) == 1 and ";" in header[0]:
        return ["row 1: the columns are separated by semicolons; save it with commas"]
    faults = [
        f"row 1, column {name}: missing; the columns are {','.join(COLUMNS)}"
        for name in REQUIRED_COLUMNS
        if name not in header
    ]
    for number, name in enumerate(header, start=1):
        if name not in COLUMNS:
            faults.append(f"row 1, column {name or number}: not known; the columns are {','.join(COLUMNS)}")
        elif name in header[: number - 1]:
            faults.append(f"row 1, column {name}: stands twice")
    return faults


@dataclass
class _Draft:
    """A sample while its rows are being collected."""

    day: str
    first_row: int
    videos: list[Path] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)


def _collect(folder: Path, header: list[str], rows: list[list[str]], faults: list[str]) -> tuple[Sample, ...]:
    """Return the samples of the rows; what is wrong is added to ``faults``."""
    drafts: dict[str, _Draft] = {}
    seen: dict[Path, int] = {}
    for row_number, row in enumerate(rows, start=2):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) > len(header):
            faults.append(f"row {row_number}: has {len(cells)} cells for {len(header)} columns")
            continue
        by_name = dict(zip(header, cells, strict=False))
        empty = [name for name in REQUIRED_COLUMNS if not by_name.get(name)]
        faults += [f"row {row_number}, column {name}: is empty; every row needs one" for name in empty]
        if not by_name.get("sample"):
            continue
        draft = drafts.setdefault(by_name["sample"], _Draft(by_name.get("day", ""), row_number))
        _add_row(draft, by_name, folder, row_number, seen, faults)
    return tuple(
        Sample(
            draft.day,
            name,
            tuple(draft.videos),
            draft.numbers.get("dilution"),
            draft.numbers.get("volume_ml"),
        )
        for name, draft in drafts.items()
    )


def _add_row(
    draft: _Draft, cells: dict[str, str], folder: Path, row: int, seen: dict[Path, int], faults: list[str]
) -> None:
    day = cells.get("day", "")
    if day and day != draft.day:
        # Taken as two samples, a mistyped day would count one harvest twice.
        faults.append(
            f"row {row}, column day: {day!r}, but sample {cells['sample']!r} is of day {draft.day!r} in row "
            f"{draft.first_row}; give each day's sample its own name"
        )
    if cells.get("video"):
        video = folder / cells["video"]
        first = seen.setdefault(video.resolve(), row)
        if first != row:
            faults.append(f"row {row}, column video: {cells['video']!r} stands in row {first} already")
        elif not video.is_file():
            faults.append(f"row {row}, column video: there is no file {str(video)!r}")
        draft.videos.append(video)
    for name in ("dilution", "volume_ml"):
        if not cells.get(name):
            continue
        try:
            value = _number(name, cells[name])
        except ValueError as error:
            faults.append(f"row {row}, column {name}: {error}")
            continue
        if draft.numbers.setdefault(name, value) != value:
            faults.append(
                f"row {row}, column {name}: {value:g}, but an earlier row of sample {cells['sample']!r} says "
                f"{draft.numbers[name]:g}; one sample has one"
            )


def _number(name: str, text: str) -> float:
    """Return a dilution or a volume; raises ValueError with what is wrong and what to do."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number; write it like 1000 or 12.5, or leave it empty") from None
    if not math.isfinite(value) or "_" in text:
        raise ValueError(f"{text!r} is not a finite number; leave it empty when it is not known")
    if name == "volume_ml" and value <= 0:
        raise ValueError(f"a volume of {value:g} mL is not positive; leave it empty when it is not known")
    if name == "dilution":
        try:
            Settings(dilution=value)
        except SettingsError as error:
            raise ValueError(str(error).removeprefix("dilution: ")) from None
    return value
