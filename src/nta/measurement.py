"""The result of measuring one sample, and its ``summary.json`` form.

A :class:`Measurement` exists for every input, also for a blank or a rejected one: then its numbers are
missing (NaN here, ``null`` in JSON) and its message says what to do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from nta.agreement import Agreement
from nta.blank import Blank
from nta.concentration import Concentration
from nta.diffusion import Diffusion
from nta.distribution import SizeDistribution
from nta.quality import Flag
from nta.sensitivity import ThresholdSensitivity
from nta.settings import Scalar, Sourced
from nta.size_statistics import Peak, SizeStatistics
from nta.tracking import Tracks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA: Final = "nta.measurement/1"

Status = Literal["ok", "warn", "rejected", "failed"]


@dataclass(frozen=True, slots=True)
class Capture:
    """One video (or track table) of a sample and what was found in it.

    ``None`` where it is not known; ``flow_um_s`` is the common drift (x, y) that was taken out, µm/s.
    """

    path: str
    sha256: str | None = None
    frames: int | None = None
    fps: float | None = None
    mpp: float | None = None
    exposure_ms: float | None = None
    width: int | None = None
    height: int | None = None
    particles_per_frame: float | None = None
    tracks: int | None = None
    flow_um_s: tuple[float, float] | None = None
    status: Status = "ok"


@dataclass(frozen=True, slots=True)
class Counts:
    """How much was seen: spots, their mean number per frame, linked tracks, tracks long enough to size."""

    detections: int | None = None
    particles_per_frame: float | None = None
    tracks: int | None = None
    tracks_used: int | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """Which program, which libraries, when and where; the only part that differs between two equal runs."""

    nta: str
    settings_sha256: str
    libraries: dict[str, str]
    started_utc: str
    host: str


@dataclass(frozen=True)
class Measurement:
    """One sample, measured: the noun at the end of the road.

    Parameters
    ----------
    status : {"ok", "warn", "rejected", "failed"}
        How it ended.
    status_code : str or None
        The machine-readable reason of a status other than ``ok``.
    message : str
        One sentence: what was found, or what to do.
    sample : str
        Name of the sample.
    captures : tuple of Capture
        One for each video.
    size : SizeStatistics
        Number-weighted diameters in nm, each with its 95 % interval.
    concentration : Concentration
        Particles per mL in the cell and in the stock.
    distribution : SizeDistribution
        Density over the diameter, with its band.
    tracks, diffusion : Tracks, Diffusion
        The tables behind it, captures told apart by the column ``capture``.
    counts : Counts
        How much was seen.
    values : dict of Sourced
        Every value used, with its origin.
    flags : tuple of Flag
        What could be wrong, and what to do about it.
    provenance : Provenance
        Program, libraries, time and host.
    """

    status: Status
    status_code: str | None
    message: str
    sample: str
    captures: tuple[Capture, ...]
    size: SizeStatistics
    concentration: Concentration
    distribution: SizeDistribution
    tracks: Tracks
    diffusion: Diffusion
    counts: Counts
    values: dict[str, Sourced]
    flags: tuple[Flag, ...]
    provenance: Provenance
    ledger: dict[str, int] = field(default_factory=dict)
    """Losses on the way, by reason: how many spots, links and tracks were left out and why."""
    agreement: Agreement = field(default_factory=Agreement)
    """What each capture says by itself, and how far the captures differ."""
    blank: Blank | None = None
    """What was subtracted as the diluent's own."""
    sensitivity: ThresholdSensitivity = field(default_factory=ThresholdSensitivity)
    """What a threshold a fifth lower or higher would have said."""

    @property
    def is_relative(self) -> bool:
        """Whether a concentration in it rests on a nominal depth: its own, or those behind "below blank"."""
        has_number = not self.concentration.measured.is_missing or self.blank is not None
        return self.concentration.is_relative and has_number

    def below_blank(self) -> tuple[float, float | None] | None:
        """Return the most that can be its own where a sample is not above its blank: particles per mL, cell and stock.

        ``None`` where it is above, or has no blank; the stock's is ``None`` where the dilution is not known.
        """
        if self.blank is None or self.blank.limit_per_ml is None:
            return None
        limit_per_ml = self.blank.limit_per_ml
        dilution = self.values["dilution"].value if "dilution" in self.values else None
        return limit_per_ml, limit_per_ml * dilution if isinstance(dilution, int | float) else None

    def summary(self) -> dict[str, Any]:
        """Return what ``summary.json`` holds: strict JSON values, every key present, missing is ``None``."""
        return {
            "schema": SCHEMA,
            "status": self.status,
            "status_code": self.status_code,
            "message": self.message,
            "sample": self.sample,
            "captures": [_capture_dict(capture) for capture in self.captures],
            "size_nm": _size_dict(self.size) | _other_readings(self.distribution),
            "concentration_per_ml": {
                "measured": self.concentration.measured.to_dict(),
                "stock": None if self.concentration.stock is None else self.concentration.stock.to_dict(),
                "volume_source": self.concentration.volume_source,
                "depth_um": _finite(self.concentration.depth_um),
                "parts": self.concentration.parts.to_dict(),
                "captures": list(self.concentration.captures_per_ml),
            },
            "agreement": self.agreement.to_dict(),
            "blank": None if self.blank is None else self.blank.to_dict(),
            "threshold": self.sensitivity.to_dict(),
            "counts": {name: _finite(getattr(self.counts, name)) for name in Counts.__slots__},
            "dilution": _finite(self.values["dilution"].value) if "dilution" in self.values else None,
            "values": {
                name: {"value": _finite(value), "origin": origin} for name, (value, origin) in self.values.items()
            },
            "flags": [{"code": flag.code, "level": flag.level, "message": flag.message} for flag in self.flags],
            "provenance": {name: getattr(self.provenance, name) for name in Provenance.__slots__},
        }

    def save(self, directory: str | Path) -> Path:
        """Write the result folder (summary, tables, figure, report) atomically and return its path.

        Raises
        ------
        UsageError
            If ``directory`` exists, is not empty, and is not an nta result.
        """
        from nta.report import save

        return save(self, Path(directory))

    def plot(self) -> Figure:
        """Return a matplotlib figure of the size distribution with its band."""
        from nta.report import plot_distribution

        return plot_distribution(self)


def _finite(value: Scalar) -> Scalar:
    """Return the value, or ``None`` for a number that JSON cannot hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _capture_dict(capture: Capture) -> dict[str, Any]:
    row = {name: _finite(getattr(capture, name)) for name in Capture.__slots__ if name != "flow_um_s"}
    flow = capture.flow_um_s
    row["flow_um_s"] = [None, None] if flow is None else [_finite(component) for component in flow]
    return row


def _size_dict(size: SizeStatistics) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(size, name).to_dict() for name in SizeStatistics.STATISTICS}
    row["peaks"] = [_peak_dict(peak) for peak in size.peaks]
    return row


def _other_readings(distribution: SizeDistribution) -> dict[str, Any]:
    """Return what stands beside the number-weighted statistics: method, lines, volume, mixture, windows."""
    volume = distribution.volume
    return {
        "method": distribution.method,
        "lines": distribution.n_lines,
        "volume": {
            **{name: getattr(volume.size, name).to_dict() for name in SizeStatistics.STATISTICS},
            "particles_above_d90": _finite(volume.particles_above_d90),
            "n_effective": _finite(volume.n_effective),
        },
        "mixture": [
            {"mode_nm": part.mode_nm, "cv": part.cv, "fraction": part.fraction}
            for part in distribution.mixture.components
        ],
        "windows": [
            {
                "low_nm": window.low_nm,
                "high_nm": _finite(window.high_nm),
                "by_number": window.by_number.to_dict(),
                "by_volume": window.by_volume.to_dict(),
            }
            for window in distribution.windows
        ],
    }


def _peak_dict(peak: Peak) -> dict[str, Any]:
    shares = {name: _finite(getattr(peak, name)) for name in ("fraction", "fraction_low", "fraction_high")}
    return {"diameter": peak.diameter.to_dict(), **shares}


__all__ = ["SCHEMA", "Capture", "Counts", "Measurement", "Peak", "Provenance", "Status"]
