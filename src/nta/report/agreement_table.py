"""The table of the captures one by one: what each says, and how far they differ."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from nta.agreement import Reading, Spread
from nta.measurement import Measurement
from nta.report import formatting as fmt

QUANTITIES: Final = ("d50_nm", "mode_nm", "per_ml", "particles_per_frame")


class CaptureRow(NamedTuple):
    """One line as text: a name, a cell for each of :data:`QUANTITIES`, tracks and sized tracks, a remark."""

    name: str
    cells: tuple[str, ...]
    tracks: str
    tracks_used: str
    remark: str


def capture_rows(measurement: Measurement) -> list[CaptureRow]:
    """Return a line for each capture, value ± standard error; none with fewer than two captures."""
    agreement = measurement.agreement
    if len(agreement.captures) < 2:
        return []
    rows = []
    for number, capture in enumerate(agreement.captures):
        apart = [fmt.words(name) for name in QUANTITIES if agreement.spreads[name].outlier == number]
        rows.append(
            CaptureRow(
                capture.name,
                tuple(_reading(name, getattr(capture, name)) for name in QUANTITIES),
                fmt.count(capture.tracks),
                fmt.count(capture.tracks_used),
                f"stands apart: {', '.join(apart)}" if apart else "",
            )
        )
    return rows


def spread_rows(measurement: Measurement) -> list[tuple[str, tuple[str, ...]]]:
    """Return the lines below: mean with its interval, scatter between the captures, and their own errors."""
    between = measurement.agreement.spreads
    if len(measurement.agreement.captures) < 2:
        return []
    return [
        ("Mean", tuple(_number(name, between[name].mean.value) for name in QUANTITIES)),
        ("95 % interval of the mean (Student's t)", tuple(_interval(name, between[name]) for name in QUANTITIES)),
        ("Standard deviation between captures", tuple(_number(name, between[name].between_sd) for name in QUANTITIES)),
        ("Standard error within one capture", tuple(_number(name, between[name].within_sd) for name in QUANTITIES)),
        (
            "Standard error of the mean, from between / from within",
            tuple(
                f"{_number(name, between[name].standard_error)} / {_number(name, between[name].within_standard_error)}"
                for name in QUANTITIES
            ),
        ),
    ]


def _number(name: str, value: float) -> str:
    if math.isnan(value):
        return fmt.MISSING
    return fmt.scientific(value) if name == "per_ml" else fmt.fixed(value)


def _reading(name: str, reading: Reading) -> str:
    if math.isnan(reading.value) or math.isnan(reading.sd):
        return _number(name, reading.value)
    return f"{_number(name, reading.value)} ± {_number(name, reading.sd)}"


def _interval(name: str, spread: Spread) -> str:
    return fmt.scientific_interval(spread.mean) if name == "per_ml" else fmt.interval(spread.mean)
