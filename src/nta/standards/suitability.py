"""Was the system fit to measure anything today: the checks of a calibration, and the record of all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final

import numpy as np

from nta.calibration import Calibration, HoldsFor
from nta.csvtable import Cell, csv_text, write_whole
from nta.errors import UsageError
from nta.measurement import Measurement
from nta.standards.beads import Beads
from nta.system_check import Check, Verdict

TREND_ENDING: Final = ".trend.csv"
_TREND_COLUMNS: Final = (
    "made_utc",
    "calibration",
    "nta",
    "verdict",
    "constant_um",
    "relative_sd",
    "mpp",
    "fps",
    "exposure_ms",
    "spot_sd_px",
    "mpp_from_beads",
    "localisation_error_nm",
    "size_deviation",
    "size_cv",
    "concentration_cv",
    "tracks",
    "drift_um_s",
    "contradiction",
)

# Beyond which a check warns and fails; fewer tracks are worse, of all else more is.
_LIMITS: Final = {
    "size_deviation": (0.05, 0.10),
    "size_cv": (0.15, 0.30),
    "concentration_cv": (0.15, 0.30),
    "tracks": (500.0, 100.0),
    "drift_um_s": (50.0, 100.0),
    "contradiction": (2.0, 3.0),
    "warnings": (0.0, math.inf),
}

# These warnings say that few were seen, which the check of the tracks and the constant's uncertainty hold.
_SAID_BY_TRACKS: Final = ("few_tracks", "sparse", "below_detection")


def suitability(standards: Sequence[Beads], measured: Sequence[Measurement], contradiction: float) -> tuple[Check, ...]:
    """Return the checks of the system: whether it is fit to measure anything."""
    rates = [np.array(one.concentration.captures_per_ml) for one in measured]
    values = {
        "size_deviation": max(
            abs(one.size.d50.value / beads.size_nm - 1.0) for beads, one in zip(standards, measured, strict=True)
        ),
        "size_cv": max(one.size.sd.value / one.size.mean.value for one in measured),
        "concentration_cv": worst([float(np.std(rate, ddof=1) / rate.mean()) for rate in rates if rate.size > 1]),
        "tracks": float(min(len(one.diffusion.table) for one in measured)),
        "drift_um_s": max(
            math.hypot(*(capture.flow_um_s or (0.0, 0.0)))
            for one in measured
            for capture in one.captures
            if capture.tracks
        ),
        "contradiction": contradiction,
        "warnings": float(len(warnings_of(measured))),
    }
    return tuple(_check(name, value) for name, value in values.items())


def warnings_of(measured: Sequence[Measurement]) -> tuple[str, ...]:
    """Return what the captures of the beads were warned of, ``code: sentence``, each once."""
    flags = (flag for one in measured for flag in one.flags if flag.level != "info")
    return tuple(dict.fromkeys(f"{flag.code}: {flag.message}" for flag in flags if flag.code not in _SAID_BY_TRACKS))


def _check(name: str, value: float) -> Check:
    warn, fail = _LIMITS[name]
    sign = 1.0 if fail > warn else -1.0
    verdict: Verdict = "fail" if sign * value > sign * fail else "warn" if sign * value > sign * warn else "pass"
    return Check(name, value, warn, fail, verdict)


def trend_path(calibration_file: Path) -> Path:
    """Return the path of the trend record beside a calibration file."""
    return calibration_file.with_suffix(TREND_ENDING)


def append_trend(calibration: Calibration, calibration_file: Path) -> Path:
    """Append a line to the trend record beside the file, older lines kept as they are, and return its path.

    Raises
    ------
    UsageError
        If there is a file of other columns.
    """
    path = trend_path(calibration_file)
    header, line = csv_text(_TREND_COLUMNS, [_trend_row(calibration, calibration_file)]).splitlines(keepends=True)
    older = path.read_text(encoding="utf-8") if path.exists() else header
    if not older.startswith(header):
        raise UsageError(f"{str(path)!r} is there and is no trend record of this version; move it away")
    write_whole(path, older + ("" if older.endswith("\n") else "\n") + line)
    return path


def _trend_row(calibration: Calibration, calibration_file: Path) -> dict[str, Cell]:
    row: dict[str, Cell] = {
        "calibration": calibration_file.name,
        "verdict": calibration.verdict,
        **{check.name: check.value for check in calibration.suitability if check.name in _TREND_COLUMNS},
        **{part.name: getattr(calibration.holds_for, part.name) for part in fields(HoldsFor)},
    }
    for name in ("made_utc", "nta", "constant_um", "relative_sd", "mpp_from_beads", "localisation_error_nm"):
        row[name] = getattr(calibration, name)
    return row


def worst(values: Sequence[float]) -> float:
    """Return the largest of the values that are known; NaN where none is."""
    return max((value for value in values if math.isfinite(value)), default=math.nan)
