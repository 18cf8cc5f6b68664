"""What could be wrong with a lot: every code, its level, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from nta.errors import printable

Level = Literal["info", "warn", "fail"]

FINDINGS: Final[dict[str, tuple[Level, str]]] = {
    "lot_without_measurement": ("fail", "no sample of the lot has a number of particles"),
    "day_missing": ("fail", "a day has no number of particles, so the sum of the lot lacks it"),
    "same_video": ("fail", "two samples hold the same video: of which of them it is cannot be told"),
    "no_bead_check": ("warn", "no beads were measured on a day, so nothing says that the instrument was fit"),
    "several_steps": ("info", "samples of a day were taken after several steps; the last one is counted"),
    "mixed_steps": ("warn", "the days are counted after different steps"),
    "volume_exact": ("info", "the uncertainty of a volume is not stated, and the volume is taken as exact"),
    "dilution_exact": ("info", "the uncertainty of a dilution is not stated, and the dilution is taken as exact"),
    "errors_added": ("info", "what an interval is made of is not on record, so half-widths were added as if common"),
    "below_forecast": ("warn", "a day's whole interval lies below the forecast"),
    "above_forecast": ("warn", "a day's whole interval lies above the forecast"),
    "pool_disagrees": ("warn", "the measurement of the pool is not what the days add up to"),
    "pool_incomplete": ("fail", "a day is missing in the pooled distribution"),
    "marker_missing": ("warn", "a fluorescence capture gives no marker-positive share"),
    "marker_above_scatter": ("warn", "more particles were counted in fluorescence than in scatter"),
    "assay_exact": ("info", "the uncertainty of an assay is not stated, and its value is taken as exact"),
}
"""Level and meaning by code; ``fail`` keeps a lot from passing as a whole."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding on a lot: its code, its level, one sentence with what to do."""

    code: str
    level: Level
    message: str


def finding(code: str, message: str) -> Finding:
    """Return a finding of the registry."""
    return Finding(code, FINDINGS[code][0], printable(message))
