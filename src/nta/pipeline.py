"""The road from a video to a measurement: the order of the steps, and nothing else."""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

import nta
from nta.calibration import Calibration, with_calibration
from nta.compilation import is_compiled, load_kernels
from nta.concentration import Concentration, particle_concentration
from nta.detection import Detections, detect
from nta.diffusion import DEFAULT_MIN_TRACK, Diffusion, estimate_diffusion, smallest_diameter_nm
from nta.distribution import MIN_TRACKS, SMALLEST_NM, SizeDistribution, size_distribution
from nta.errors import NTAError, UsageError
from nta.measurement import Capture, Counts, Measurement, Provenance, Status
from nta.progress import Progress, silent
from nta.quality import Flag, assess, flag, of_calibration
from nta.settings import Settings, Sourced
from nta.tracking import Tracks, link, values_of_linking
from nta.uncertainty import systematic_relative_sd
from nta.video import Video, open_video

__all__ = ["analyze"]

_LIBRARIES: Final = ("numpy", "scipy", "pandas", "numba", "trackpy", "scikit-image", "av", "tifffile")
_ON_RECORD: Final = (
    "frames",
    "roi",
    "exclude",
    "size_range_nm",
    "windows_nm",
    "method",
    "engine",
    "allow_partial",
    "seed",
    "dilution_sd_percent",
)
"""Settings that change the result and that no step reports: kept where somebody stated them."""

_SECOND_PASS_SHARE: Final = 0.8
_SECOND_PASS_QUANTILE: Final = 0.02


@dataclass(frozen=True)
class _Measured:
    """One capture on its way: the video, its spots and its tracks."""

    video: Video
    detections: Detections
    tracks: Tracks


def analyze(
    inputs: str | Path | Sequence[str | Path],
    *,
    mpp: float | None = None,
    fps: float | None = None,
    temperature_c: float | None = None,
    viscosity_mpas: float | None = None,
    exposure_ms: float | None = None,
    dilution: float | None = None,
    settings: Settings | None = None,
    sample: str | None = None,
    progress: Progress | None = None,
) -> Measurement:
    """Measure one sample from one video or several captures of it.

    Parameters
    ----------
    inputs : path or sequence of paths
        The captures.
    mpp, fps, temperature_c, viscosity_mpas, exposure_ms, dilution : float, optional
        µm per pixel, frames per second, °C, mPa·s, ms, factor; they rank before ``settings`` and all else.
    settings : Settings, optional
        Everything that can be chosen.
    sample : str, optional
        Name of the sample; the first file's name without its ending when not given.
    progress : callable, optional
        Told ``(stage, done, total)``.

    Returns
    -------
    Measurement
        Also for an input that is rejected or fails: then with that status and a sentence that says what to do.

    Raises
    ------
    UsageError
        If a file is missing or a setting impossible: the call itself is wrong.
    """
    started = datetime.now(UTC)
    report = silent if progress is None else progress
    paths = [Path(inputs)] if isinstance(inputs, str | Path) else [Path(path) for path in inputs]
    if not paths:
        raise UsageError("there is nothing to analyse; name at least one video")
    given = {
        "mpp": mpp,
        "fps": fps,
        "temperature_c": temperature_c,
        "viscosity_mpas": viscosity_mpas,
        "exposure_ms": exposure_ms,
        "dilution": dilution,
    }
    settings = (Settings() if settings is None else settings).updated("command_line", given)
    settings, calibration = with_calibration(settings)
    measured: list[_Measured] = []
    captures: list[Capture] = []
    refusals: list[NTAError] = []
    for path in paths:
        try:
            one = _measure_capture(path, settings, report)
        except UsageError:
            raise
        except NTAError as error:
            refusals.append(error)
            captures.append(Capture(str(path), _hash_of(path), status=_status_of(error)))
        else:
            measured.append(one)
            captures.append(_capture_of(one))
    name = sample if sample is not None else paths[0].stem
    provenance = _provenance(settings, started)
    if not measured:
        return _refused(name, captures, refusals[0], settings, provenance)
    return _sized(name, captures, measured, refusals, settings, calibration, provenance, report)


def _announce_kernels(progress: Progress) -> None:
    if not is_compiled():
        progress("compiling the numerical kernels, once on this machine", 0, 1)
        load_kernels()
        progress("compiling the numerical kernels, once on this machine", 1, 1)


def _measure_capture(path: Path, settings: Settings, progress: Progress) -> _Measured:
    """Return the spots and tracks of one capture; the second linking looks no wider than the first one's sizes ask."""
    video = open_video(path, allow_partial=settings.allow_partial)
    # Not before the file is known to be one: compiling takes longer than saying that there is none.
    _announce_kernels(progress)
    detections = detect(video, settings, progress=progress)
    # The hash taken while reading; it tells as well when the file is no longer what was read.
    video.sha256()
    tracks = link(detections, settings, progress=progress)
    if settings.search_range_px is None:
        smallest_nm = _smallest_found_nm(tracks, settings)
        if smallest_nm is not None:
            tracks = link(detections, settings, smallest_nm=smallest_nm, progress=progress)
    return _Measured(video, detections, tracks)


def _smallest_found_nm(tracks: Tracks, settings: Settings) -> float | None:
    """Return the diameter that the second linking must still hold: 0.8 of the 2nd percentile of the first fit."""
    # Always by the default read-out: another one must not change the tracks.
    plain = settings.model_copy(update={"method": None})
    first = size_distribution(estimate_diffusion(tracks, settings), plain, n_draws=0)
    if first.table.empty:
        return None
    asked = SMALLEST_NM if settings.size_range_nm is None else settings.size_range_nm[0]
    found = float(np.interp(_SECOND_PASS_QUANTILE, first.table["cumulative"], first.table["diameter_nm"]))
    return max(asked, _SECOND_PASS_SHARE * found)


def _sized(
    name: str,
    captures: list[Capture],
    measured: list[_Measured],
    refusals: list[NTAError],
    settings: Settings,
    calibration: Calibration | None,
    provenance: Provenance,
    progress: Progress,
) -> Measurement:
    tracks = _together([one.tracks for one in measured])
    values = _values_of(measured, settings)
    diffusion = estimate_diffusion(tracks, settings)
    systematic = systematic_relative_sd(values, diffusion.lag.frames)
    distribution = size_distribution(
        diffusion,
        settings,
        tracks=tracks,
        systematic_relative_sd=systematic,
        progress=progress,
    )
    dilution = values["dilution"].value
    concentration = particle_concentration(
        tracks,
        diffusion,
        distribution,
        dilution=float(dilution) if isinstance(dilution, int | float) else None,
        dilution_relative_sd=None if settings.dilution_sd_percent is None else settings.dilution_sd_percent / 100.0,
        masked_px=tuple(one.detections.masked_px for one in measured),
        spot_diameter_px=tuple(one.detections.diameter_px for one in measured),
        depth_relative_sd=None if calibration is None else calibration.relative_sd,
    )
    if calibration is not None:
        values |= calibration.values(settings)
    values |= _found_by_the_way(tracks, diffusion)
    named = [(one.video.path.name, one.detections) for one in measured]
    flags = (
        *(flag("capture_rejected", str(error)) for error in refusals),
        *_faults(measured),
        *_outside_range(diffusion, distribution, settings),
        *of_calibration(calibration, named, datetime.fromisoformat(provenance.started_utc)),
        *assess(named, tracks, diffusion, concentration, values, distribution),
    )
    status, code, message = _verdict(flags, distribution)
    return Measurement(
        status=status,
        status_code=code,
        message=message,
        sample=name,
        captures=tuple(captures),
        size=distribution.size,
        concentration=concentration,
        distribution=distribution,
        tracks=tracks,
        diffusion=diffusion,
        counts=_counts(measured, tracks, diffusion),
        values=values,
        flags=flags,
        provenance=provenance,
        ledger=_ledger(measured, tracks, diffusion),
    )


def _together(tracks: list[Tracks]) -> Tracks:
    """Return the tracks of all captures as those of one sample."""
    tables = [one.table.assign(capture=np.int64(number)) for number, one in enumerate(tracks)]
    ledger: dict[str, int] = {}
    for one in tracks:
        for reason, lost in one.ledger.items():
            ledger[reason] = ledger.get(reason, 0) + lost
    return Tracks(pd.concat(tables, ignore_index=True), tuple(one.captures[0] for one in tracks), ledger)


def _values_of(measured: list[_Measured], settings: Settings) -> dict[str, Sourced]:
    """Return every value used; where captures differ in one, the list of their values."""
    each = [
        {
            **one.detections.values,
            "spot_sd_px": Sourced(round(one.detections.appearance.spot_sd_px, 3), "video"),
            **values_of_linking(one.tracks, settings),
        }
        for one in measured
    ]
    values = {}
    for name, first in each[0].items():
        all_of_it = [found[name].value for found in each]
        same = all(value == first.value for value in all_of_it)
        values[name] = first if same else Sourced(all_of_it, first.origin)
    for name in _ON_RECORD:
        if settings.origin(name) != "assumed":
            values[name] = Sourced(_as_lists(getattr(settings, name)), settings.origin(name))
    stated = settings.min_track is not None
    values["min_track"] = Sourced(
        settings.min_track if stated else DEFAULT_MIN_TRACK, settings.origin("min_track") if stated else "assumed"
    )
    return values


def _found_by_the_way(tracks: Tracks, diffusion: Diffusion) -> dict[str, Sourced]:
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


def _outside_range(diffusion: Diffusion, distribution: SizeDistribution, settings: Settings) -> tuple[Flag, ...]:
    if settings.size_range_nm is None or not distribution.table.empty or len(diffusion.table) < MIN_TRACKS:
        return ()
    low, high = settings.size_range_nm
    return (
        flag(
            "outside_range",
            f"less than 2 % of {len(diffusion.table)} tracks lie between {low:g} nm and "
            f"{'any size above' if high is None else f'{high:g} nm'}, so nothing is reported; widen --size-range",
        ),
    )


def _faults(measured: list[_Measured]) -> tuple[Flag, ...]:
    return tuple(
        flag(fault.code, f"{one.video.path.name}: {fault.message}")
        for one in measured
        for fault in (*one.video.faults, *one.detections.faults)
    )


def _verdict(flags: tuple[Flag, ...], distribution: SizeDistribution) -> tuple[Status, str | None, str]:
    """Return status, code and the sentence for people."""
    warnings = [found for found in flags if found.level != "info"]
    if warnings:
        return "warn", warnings[0].code, warnings[0].message
    return "ok", None, f"{distribution.n_tracks} tracks were long enough to be sized; nothing looks wrong"


def _counts(measured: list[_Measured], tracks: Tracks, diffusion: Diffusion) -> Counts:
    return Counts(
        detections=sum(len(one.detections.table) for one in measured),
        particles_per_frame=float(np.mean([one.detections.particles_per_frame for one in measured])),
        tracks=tracks.n_tracks,
        tracks_used=len(diffusion.table),
    )


def _ledger(measured: list[_Measured], tracks: Tracks, diffusion: Diffusion) -> dict[str, int]:
    spots = sum(len(one.detections.table) for one in measured)
    used = int(diffusion.table["n_positions"].sum())
    return {**tracks.ledger, "tracks_too_short": tracks.n_tracks - len(diffusion.table), "spots_not_used": spots - used}


def _capture_of(one: _Measured) -> Capture:
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


def _status_of(error: NTAError) -> Status:
    return "failed" if error.code == "failed" else "rejected"


def _hash_of(path: Path) -> str | None:
    """Return the hash of a file that could not be measured, so that the record names it; ``None`` if it is no file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _provenance(settings: Settings, started: datetime) -> Provenance:
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


def _stated_values(settings: Settings) -> dict[str, Sourced]:
    """Return what was stated; of a file that was never read nothing is assumed."""
    stated = settings.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return {name: Sourced(value, settings.origin(name)) for name, value in stated.items()}


def _refused(
    name: str, captures: list[Capture], error: NTAError, settings: Settings, provenance: Provenance
) -> Measurement:
    """Return the measurement of a sample of which no capture could be used."""
    distribution = SizeDistribution.missing()
    return Measurement(
        status=_status_of(error),
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
        values=_stated_values(settings),
        flags=(),
        provenance=provenance,
    )
