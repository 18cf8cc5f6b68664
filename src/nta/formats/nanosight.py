"""NanoSight NTA 3.x: ``-ExperimentSummary.csv`` and ``_Summary.csv``, read by section."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from nta.formats.foreign import STATISTICS, Floats, ForeignCapture, ForeignResult, Histogram, Stated
from nta.formats.nano import iso_time
from nta.formats.sections import Block, Sections, averages_of, blocks, numbers_of, read_sections
from nta.formats.text import TextFile, damaged, number, truncated

EXPERIMENT_HEAD: Final = "NTA Experiment Summary File"
SINGLE_HEAD: Final = "NTA Single Analysis Summary File"

_FIRST_BIN_NM: Final = 0.5
_LAST_BIN_NM: Final = 999.5
_UM2_PER_E4_NM2: Final = 1e-2
_CONDITIONS: Final = {
    "fps": "frame rate/fps",
    "exposure_ms": "shutter/ms",
    "temperature_c": "temperature/c",
    "viscosity_mpas": "viscosity/cp",
}
_DETAILS: Final = {
    "experiment": ("experiment name",),
    "operator": ("operator name",),
    "pretreatment": ("pre-treatment",),
    "diluent": ("diluent",),
    "remarks": ("remarks",),
}
# What the program writes where nothing is wrong.
_GOOD: Final = frozenset(("", "ok", "no", "none"))
_NO_ALERT: Final = ("vibration correction applied", "concentration upgrade")


def read_summary(file: TextFile) -> ForeignResult:
    """Return what a summary states.

    Raises
    ------
    RejectedError
        ``truncated`` or ``damaged``.
    """
    sections = read_sections(file)
    block = _number_weighted(sections, "size data")
    if block is None:
        raise damaged(file.path, "it holds no number-weighted distribution; export it with number weighting")
    if tuple(block.cells("filename")[: len(sections.names)]) != sections.names:
        raise damaged(file.path, "its distribution names other captures than its results")
    dilution, is_adjusted = _dilution(sections)
    first_line = sections.rows[""][1] if len(sections.rows[""]) > 1 else []
    program = first_line[0].removeprefix("Created with ") if first_line else ""
    return ForeignResult(
        path=file.path,
        sha256=file.sha256,
        kind="NanoSight summary",
        program=program or sections.text("experiment details", "software version") or "NTA",
        sample=_sample(sections),
        captures=_captures(sections, block),
        averages=_averages(sections, block),
        histogram=_histogram(sections, block),
        dilution=dilution,
        is_adjusted=is_adjusted,
        method="ftla",
        details=_details(sections),
    )


def _sample(sections: Sections) -> str:
    stated = sections.text("experiment details", "sample name", "sample description")
    return stated or sections.file.path.stem.removesuffix("-ExperimentSummary").removesuffix("_Summary")


def _details(sections: Sections) -> Mapping[str, str | float]:
    found: dict[str, str | float] = {
        name: text for name, starts in _DETAILS.items() if (text := sections.text("experiment details", *starts))
    }
    time = iso_time(sections.text("experiment details", "time captured"))
    if time is not None:
        found["time_captured"] = time
    return found


def _dilution(sections: Sections) -> tuple[float, bool]:
    """Return the dilution that all captures share, and whether concentrations hold one.

    A combined experiment may hold captures of several dilutions: its concentrations are those of the stock all the
    same.
    """
    each = [value if value > 0 else math.nan for value in sections.numbers("results", "dilution factor")]
    stated = {value for value in each if math.isfinite(value)}
    if not stated:
        return math.nan, False
    if not all(math.isfinite(value) for value in each):
        raise damaged(
            sections.file.path, "it states a dilution of some captures only, so its concentrations do not compare"
        )
    return (stated.pop() if len(stated) == 1 else math.nan), True


def _captures(sections: Sections, block: Block) -> tuple[ForeignCapture, ...]:
    conditions = {name: sections.numbers("conditions", key) for name, key in _CONDITIONS.items()}
    size = {name: numbers_of(sections, block.cells(name), f"{name} in [Size Data]") for name in STATISTICS}
    per_ml = sections.numbers("results", "concentration (particles")
    per_frame = sections.numbers("results", "centres per frame")
    frames = sections.numbers("settings", "total frames")
    tracks = sections.numbers("results", "completed tracks")
    valid = block.cells("valid tracks")
    used = numbers_of(sections, valid, "valid tracks") if valid else (math.nan,) * len(sections.names)
    diffusion = _diffusion_d50(sections)
    return tuple(
        ForeignCapture(
            name=name,
            values={key: column[place] for key, column in conditions.items() if math.isfinite(column[place])},
            size_nm={key: column[place] for key, column in size.items()},
            per_ml=per_ml[place],
            per_frame=per_frame[place],
            n_frames=_count(frames[place]),
            tracks=_count(tracks[place]),
            tracks_used=_count(used[place]),
            diffusion_d50_um2_s=diffusion[place],
            alerts=_alerts(sections, place),
        )
        for place, name in enumerate(sections.names)
    )


def _count(value: float) -> int | None:
    return int(value) if math.isfinite(value) and value >= 0 else None


def _diffusion_d50(sections: Sections) -> tuple[float, ...]:
    """Return the median diffusion coefficient of each capture, µm²/s; the file's unit is 10⁴ nm²/s."""
    block = _number_weighted(sections, "diffusion coefficient data")
    if block is None or not block.cells("d50"):
        return (math.nan,) * len(sections.names)
    return tuple(value * _UM2_PER_E4_NM2 for value in numbers_of(sections, block.cells("d50"), "D50 of the diffusion"))


def _number_weighted(sections: Sections, section: str) -> Block | None:
    return next((block for block in blocks(sections, section) if block.weighting == "number"), None)


def _averages(sections: Sections, block: Block) -> Mapping[str, Stated]:
    if not sections.has_averages:
        return {}
    found = {name: Stated(*averages_of(sections, block.cells(name), f"the average {name}")) for name in STATISTICS}
    found["per_ml"] = Stated(*sections.averages("results", "concentration (particles"))
    found["per_frame"] = Stated(*sections.averages("results", "centres per frame"))
    return found


def _histogram(sections: Sections, block: Block) -> Histogram:
    """Return the bins of all captures.

    Raises
    ------
    RejectedError
        ``truncated`` when they end before 999.5 nm, ``damaged`` when they are not 1 nm apart.
    """
    path = sections.file.path
    centres = np.array([number(path, row[0], "a bin centre") for row in block.bins])
    if not len(centres) or centres[-1] < _LAST_BIN_NM:
        last = f"end at {centres[-1]:g} nm" if len(centres) else "are missing"
        raise truncated(path, f"the bins of its distribution {last}, and should reach {_LAST_BIN_NM:g}")
    if not np.allclose(centres, _FIRST_BIN_NM + np.arange(len(centres)), atol=1e-6):
        raise damaged(path, f"the bins of its distribution are not 1 nm apart from {_FIRST_BIN_NM:g} nm on")
    per_ml = np.array([numbers_of(sections, row[1:], f"the bin {row[0]} nm") for row in block.bins]).T
    if not np.isfinite(per_ml).all() or (per_ml < 0).any():
        raise damaged(path, "a bin of its distribution is missing or negative")
    pairs = np.array([averages_of(sections, row[1:], f"the average of the bin {row[0]} nm") for row in block.bins])
    average, error = (pairs[:, 0], pairs[:, 1]) if np.isfinite(pairs[:, 0]).all() else (_NONE, _NONE)
    return Histogram(centres, per_ml, average, error)


_NONE: Final[Floats] = np.empty(0)


def _alerts(sections: Sections, place: int) -> tuple[str, ...]:
    """Return what the program says against a capture in its two sections of warnings."""
    found = []
    for section in ("concentration warnings", "information"):
        for row in sections.rows.get(section, [])[1:]:
            if len(row) <= place + 1 or row[0].lower().startswith(_NO_ALERT):
                continue
            if row[place + 1].lower() not in _GOOD:
                found.append(f"{row[0].rstrip('?')}: {row[place + 1]}")
    return tuple(dict.fromkeys(found))
