"""What goes on record of a measurement: every value used, what was counted and lost, which program, when."""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

import nta
from nta.agreement import Agreement
from nta.concentration import Concentration
from nta.detection import Detections
from nta.diffusion import DEFAULT_MIN_TRACK, Diffusion, smallest_diameter_nm
from nta.distribution import SizeDistribution
from nta.errors import NTAError
from nta.measurement import Capture, Counts, Measurement, Provenance, Status
from nta.quality import Flag, flag
from nta.sensitivity import ThresholdSensitivity
from nta.settings import ORIGINS, Settings, Sourced
from nta.tracking import Tracks, values_of_linking
from nta.video import Video

_LIBRARIES: Final = ("numpy", "scipy", "pandas", "numba", "trackpy", "scikit-image", "av", "tifffile")
_ON_RECORD: Final = (
    "frames",
    "roi",
    "exclude",
    "size_range_nm",
    "windows_nm",
    "blank",
    "method",
    "engine",
    "allow_partial",
    "seed",
    "dilution_sd_percent",
)
"""Settings that change the result and that no step reports: kept where somebody stated them."""

_BROKEN_DOWN: Final = ("failed", "internal_error", "worker_died", "timeout", "usage", "settings")
"""Codes of errors that say nothing against the file."""


@dataclass(frozen=True)
class Measured:
    """One capture on its way: the video, its spots and its tracks."""

    video: Video
    detections: Detections
    tracks: Tracks


@dataclass(frozen=True)
class Refused:
    """One capture that cannot be measured: its path, its hash (``None`` if it is no file), and why."""

    path: Path
    sha256: str | None
    error: NTAError

    def capture(self) -> Capture:
        """Return what the result says of it."""
        return Capture(str(self.path), self.sha256, status=status_of(self.error))


def values_of(measured: list[Measured], settings: Settings) -> dict[str, Sourced]:
    """Return every value used; where captures differ in one, the list of their values."""
    each = [
        {
            **one.detections.values,
            "spot_sd_px": Sourced(round(one.detections.appearance.spot_sd_px, 3), "video"),
            **values_of_linking(one.tracks, settings),
        }
        for one in measured
    ]
    return least_sure(each) | on_record(settings)


def least_sure(each: Sequence[dict[str, Sourced]]) -> dict[str, Sourced]:
    """Return the values of all captures; where they differ in one, the list of their values.

    One capture of which a value was assumed makes it an assumption of the sample.
    """
    values = {}
    for name, first in each[0].items():
        all_of_it = [found[name].value for found in each]
        same = all(value == first.value for value in all_of_it)
        origin = min((found[name].origin for found in each), key=ORIGINS.index)
        values[name] = Sourced(first.value if same else all_of_it, origin)
    return values


def on_record(settings: Settings) -> dict[str, Sourced]:
    """Return the settings that change the result and that no step reports."""
    values = {
        name: Sourced(_as_lists(getattr(settings, name)), settings.origin(name))
        for name in _ON_RECORD
        if settings.origin(name) != "assumed"
    }
    stated = settings.min_track is not None
    values["min_track"] = Sourced(
        settings.min_track if stated else DEFAULT_MIN_TRACK, settings.origin("min_track") if stated else "assumed"
    )
    return values


def found_by_the_way(tracks: Tracks, diffusion: Diffusion) -> dict[str, Sourced]:
    """Return what the tracks themselves told: the smallest size that is followed, and a lag other than one frame."""
    found = {}
    limit_nm = smallest_diameter_nm(tracks)
    if math.isfinite(limit_nm):
        found["smallest_diameter_nm"] = Sourced(round(limit_nm, 1), "video")
    if diffusion.lag.frames > 1:
        found["lag_frames"] = Sourced(diffusion.lag.frames, "video")
        found["min_track"] = Sourced(diffusion.min_track, "video")
    return found


def _as_lists(value: Any) -> Any:  # noqa: ANN401  # any setting
    return [_as_lists(part) for part in value] if isinstance(value, tuple) else value


def counts(measured: list[Measured], tracks: Tracks, diffusion: Diffusion) -> Counts:
    """Return how much was seen in all captures."""
    return Counts(
        detections=sum(len(one.detections.table) for one in measured),
        particles_per_frame=float(np.mean([one.detections.particles_per_frame for one in measured])),
        tracks=tracks.n_tracks,
        tracks_used=len(diffusion.table),
    )


def ledger(measured: list[Measured], tracks: Tracks, diffusion: Diffusion) -> dict[str, int]:
    """Return the losses on the way, by reason."""
    spots = sum(len(one.detections.table) for one in measured)
    used = int(diffusion.table["n_positions"].sum())
    return {**tracks.ledger, "tracks_too_short": tracks.n_tracks - len(diffusion.table), "spots_not_used": spots - used}


def capture_of(one: Measured) -> Capture:
    """Return what the result says of one capture."""
    acquisition = one.detections.acquisition
    flow_x, flow_y = one.tracks.captures[0].flow_um_s
    return Capture(
        path=str(one.video.path),
        sha256=one.video.sha256(),
        frames=acquisition.n_frames,
        fps=acquisition.fps,
        mpp=acquisition.mpp,
        exposure_ms=acquisition.exposure_ms,
        width=one.video.width,
        height=one.video.height,
        particles_per_frame=one.detections.particles_per_frame,
        tracks=one.tracks.n_tracks,
        flow_um_s=(flow_x, flow_y),
        status="warn" if one.video.faults or one.detections.faults else "ok",
    )


def status_of(error: NTAError) -> Status:
    """Return the status of an input that was refused: broken down, or understood and not to be measured."""
    return "failed" if error.code in _BROKEN_DOWN else "rejected"


def hash_of(path: Path) -> str | None:
    """Return the hash of a file that could not be measured, so that the record names it; ``None`` if it is no file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def provenance_of(settings: Settings, started: datetime) -> Provenance:
    """Return which program, libraries and computer made the result, and when it was started."""
    return Provenance(
        nta=nta.__version__,
        settings_sha256=settings.sha256(),
        libraries={
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _LIBRARIES},
        },
        started_utc=started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        host=platform.node(),
    )


def stated_values(settings: Settings) -> dict[str, Sourced]:
    """Return what was stated; of a file that was never read nothing is assumed."""
    stated = settings.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return {name: Sourced(value, settings.origin(name)) for name, value in stated.items()}


def video_flags(measured: Sequence[Measured]) -> tuple[Flag, ...]:
    """Return the flag of each fault of the videos."""
    return tuple(
        flag(fault.code, f"{one.video.path.name}: {fault.message}")
        for one in measured
        for fault in (*one.video.faults, *one.detections.faults)
    )


def verdict(flags: tuple[Flag, ...], distribution: SizeDistribution) -> tuple[Status, str | None, str]:
    """Return status, code and the sentence for people: those of the first flag that is more than a remark."""
    warnings = [found for found in flags if found.level != "info"]
    if warnings:
        return "warn", warnings[0].code, warnings[0].message
    return "ok", None, f"{distribution.n_tracks} tracks were long enough to be sized; nothing looks wrong"


@dataclass(frozen=True)
class Results:
    """What was found of one sample, before anything is said of it."""

    tracks: Tracks
    diffusion: Diffusion
    distribution: SizeDistribution
    concentration: Concentration
    agreement: Agreement = field(default_factory=Agreement)
    sensitivity: ThresholdSensitivity = field(default_factory=ThresholdSensitivity)


def dilution_of(values: Mapping[str, Sourced], settings: Settings) -> tuple[float | None, float | None]:
    """Return the dilution and its relative standard uncertainty, ``None`` where not known."""
    dilution, sd_percent = values["dilution"].value, settings.dilution_sd_percent
    factor = float(dilution) if isinstance(dilution, int | float) else None
    return factor, None if sd_percent is None else sd_percent / 100.0


def concluded(
    name: str,
    captures: Sequence[Capture],
    found: Results,
    seen: Counts,
    values: dict[str, Sourced],
    flags: tuple[Flag, ...],
    provenance: Provenance,
    losses: dict[str, int],
) -> Measurement:
    """Return the measurement of a sample, its status being what the flags say."""
    status, code, message = verdict(flags, found.distribution)
    return Measurement(
        status=status,
        status_code=code,
        message=message,
        sample=name,
        captures=tuple(captures),
        size=found.distribution.size,
        concentration=found.concentration,
        distribution=found.distribution,
        tracks=found.tracks,
        diffusion=found.diffusion,
        counts=seen,
        values=values,
        flags=flags,
        provenance=provenance,
        ledger=losses,
        agreement=found.agreement,
        sensitivity=found.sensitivity,
    )


def refused(
    name: str, captures: list[Capture], error: NTAError, settings: Settings, provenance: Provenance
) -> Measurement:
    """Return the measurement of a sample of which no capture could be used."""
    distribution = SizeDistribution.missing()
    return Measurement(
        status=status_of(error),
        status_code=error.code,
        message=str(error),
        sample=name,
        captures=tuple(captures),
        size=distribution.size,
        concentration=Concentration.missing(),
        distribution=distribution,
        tracks=Tracks(Tracks.empty_table()),
        diffusion=Diffusion(Diffusion.empty_table()),
        counts=Counts(),
        values=stated_values(settings),
        flags=(),
        provenance=provenance,
    )
