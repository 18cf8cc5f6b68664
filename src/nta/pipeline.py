"""The road from a video to a measurement: the order of the steps, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from nta.agreement import agreement_of, capture_results
from nta.blank import subtract_blank
from nta.calibration import Calibration, with_calibration
from nta.compilation import announce_kernels
from nta.concentration import Concentration, particle_concentration
from nta.diffusion import Diffusion, estimate_diffusion
from nta.distribution import MIN_TRACKS, SMALLEST_NM, SizeDistribution, size_distribution
from nta.errors import NTAError, UsageError
from nta.from_tracks import measure_tables
from nta.inputs import (
    Input,
    flags_of_inputs,
    inputs_of,
    sample_name,
    settings_beside,
    values_beside,
    with_faults_beside,
)
from nta.measurement import Capture, Measurement, Provenance
from nta.overlap import refuse_overlapping
from nta.progress import Progress, silent
from nta.quality import Flag, assess, by_gravity, flag, of_agreement, of_calibration, of_read_out, of_threshold
from nta.record import (
    Measured,
    Refused,
    Results,
    capture_of,
    concluded,
    counts,
    dilution_of,
    found_by_the_way,
    hash_of,
    ledger,
    provenance_of,
    refused,
    values_of,
    verdict,
    video_flags,
)
from nta.saturation import detect_unsaturated
from nta.sensitivity import Reading, ThresholdSensitivity, threshold_sensitivity
from nta.settings import Settings, Sourced
from nta.stage_jumps import split_at_jumps
from nta.tracking import Tracks, link
from nta.uncertainty import systematic_relative_sd
from nta.video import open_video

__all__ = ["analyze", "blank_settings", "measure_capture", "measure_sample"]


_SECOND_PASS_SHARE: Final = 0.8
_SECOND_PASS_QUANTILE: Final = 0.02


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
    """Measure one sample from one video, several captures of it, a NanoSight experiment, or tables of tracks.

    Parameters
    ----------
    inputs : path or sequence of paths
        The captures; a ``.nano`` experiment stands for those that it lists. A ``.nano`` beside a video or table states
        how it was taken. Tables of tracks (NanoSight ``_AllTracks.csv``, trackpy's columns) are sized as they are.
    mpp, fps, temperature_c, viscosity_mpas, exposure_ms, dilution : float, optional
        µm per pixel, frames per second, °C, mPa·s, ms, factor; they rank before ``settings`` and all else.
    settings : Settings, optional
        Everything that can be chosen.
    sample : str, optional
        Name of the sample; the experiment's, or the first file's name without its ending, when not given.
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
    for blank in settings.blank:
        if not Path(blank).exists():
            raise UsageError(f"there is no file {blank!r} to take as the blank")
    given_inputs = inputs_of(paths)
    name = sample if sample is not None else sample_name(given_inputs, paths)
    if any(one.kind == "tracks" for one in given_inputs):
        return measure_tables(name, given_inputs, settings, provenance_of(settings, started), report)
    found = [measure_capture(one, settings, report) for one in given_inputs]
    return measure_sample(name, given_inputs, found, settings, calibration, started=started, progress=report)


def measure_sample(
    name: str,
    inputs: Sequence[Input],
    found: Sequence[Measured | Refused],
    settings: Settings,
    calibration: Calibration | None = None,
    *,
    started: datetime,
    remarks: tuple[Flag, ...] = (),
    blank: Sequence[Measured | Refused] | None = None,
    progress: Progress = silent,
) -> Measurement:
    """Measure one sample from its captures, each already searched and linked.

    Parameters
    ----------
    name : str
        Name of the sample.
    inputs : sequence of Input
        The captures.
    found : sequence of Measured or Refused
        What :func:`measure_capture` returned for each of them.
    settings : Settings
        As :func:`nta.calibration.with_calibration` returned them, with the blank that shall be subtracted.
    calibration : Calibration, optional
        What that function returned with them.
    started : datetime
        For the record.
    remarks : tuple of Flag
        What only the caller knows of the captures.
    blank : sequence of Measured or Refused, optional
        The captures of the blank, searched and linked with :func:`blank_settings`; they are measured when not given.
    progress : callable, optional
        Told ``(stage, done, total)``.

    Raises
    ------
    UsageError
        If the blank cannot be used.
    """
    measured = [one for one in found if isinstance(one, Measured)]
    refusals = [one.error for one in found if isinstance(one, Refused)]
    captures = [capture_of(one) if isinstance(one, Measured) else one.capture() for one in found]
    provenance = provenance_of(settings, started)
    if not measured:
        return refused(name, captures, refusals[0], settings, provenance)
    sized = _sized(name, inputs, captures, measured, refusals, settings, calibration, provenance, progress, remarks)
    return _without_blank(sized, settings, blank, progress) if settings.blank else sized


def blank_settings(values: Mapping[str, Sourced], settings: Settings) -> Settings:
    """Return the settings for the blank of a sample: of the sample's values, width and polarity of spots are kept."""
    # The depth of a calibration is in the settings by now; the blank takes it from the same file.
    depth_um = settings.depth_um if settings.calibration is None else None
    update = {"blank": (), "dilution": None, "dilution_sd_percent": None, "depth_um": depth_um}
    plain = settings.model_copy(update=update)
    # An empty blank has no spots from which their width and polarity could be told.
    pinned = {name: values[name].value for name in ("diameter_px", "invert")}
    return plain.updated("video", {name: value for name, value in pinned.items() if not isinstance(value, list)})


def _without_blank(
    sample: Measurement, settings: Settings, parts: Sequence[Measured | Refused] | None, progress: Progress
) -> Measurement:
    """Return the sample without what the diluent shows, measured in the same way."""
    chosen = blank_settings(sample.values, settings)
    if parts is None:
        blank = analyze(settings.blank, settings=chosen, sample="blank", progress=progress)
    else:
        chosen, calibration = with_calibration(chosen)
        inputs, now = inputs_of([Path(path) for path in settings.blank]), datetime.now(UTC)
        blank = measure_sample("blank", inputs, parts, chosen, calibration, started=now, progress=progress)
    if blank.status in ("rejected", "failed"):
        raise UsageError(f"the blank cannot be used: {blank.message}")
    found = subtract_blank(sample, blank)
    # What was said of the sizes' volume was said of all particles, the blank's among them.
    kept = [one for one in sample.flags if one.code != "volume_uncertain"]
    of_volume = [one for one in of_read_out(found.measurement.distribution) if one.code == "volume_uncertain"]
    flags = by_gravity((*(flag(code, text) for code, text in found.complaints.items()), *kept, *of_volume))
    status, code, message = verdict(flags, found.measurement.distribution)
    return replace(found.measurement, blank=found.blank, flags=flags, status=status, status_code=code, message=message)


def measure_capture(one: Input, settings: Settings, progress: Progress = silent) -> Measured | Refused:
    """Return the spots and tracks of one capture, or why it cannot be measured.

    Parameters
    ----------
    one : Input
        A video, with what is stated beside it.
    settings : Settings
        As :func:`nta.calibration.with_calibration` returned them.
    progress : callable, optional
        Told ``(stage, done, total)``.

    Raises
    ------
    UsageError
        If the file is missing or a setting does not fit it: the call itself is wrong.
    """
    try:
        return _search_and_link(one, settings, progress)
    except UsageError:
        raise
    except NTAError as error:
        return Refused(one.path, hash_of(one.path), error)


def _search_and_link(one: Input, settings: Settings, progress: Progress) -> Measured:
    """Return the spots and tracks of one capture; the second linking looks no wider than the first one's sizes ask."""
    if one.refusal is not None:
        raise one.refusal
    video = with_faults_beside(one, open_video(one.path, allow_partial=settings.allow_partial), settings)
    settings = settings_beside(one, settings)
    # Not before the file is known to be one: compiling takes longer than saying that there is none.
    # What the video itself shows to be needed beside these is announced after a look at it.
    with_rare = settings.min_mass is not None or settings.invert is True or video.bit_depth > 8
    announce_kernels(progress, with_rare=with_rare)
    refuse_overlapping(video, settings)
    detections = detect_unsaturated(video, settings, progress=progress)
    # The hash taken while reading; it tells as well when the file is no longer what was read.
    video.sha256()
    tracks = link(detections, settings, progress=progress)
    if settings.search_range_px is None:
        smallest_nm = _smallest_found_nm(tracks, settings)
        if smallest_nm is not None:
            tracks = link(detections, settings, smallest_nm=smallest_nm, progress=progress)
    return split_at_jumps(Measured(video, detections, tracks))


def _smallest_found_nm(tracks: Tracks, settings: Settings) -> float | None:
    """Return the diameter that the second linking must still hold: 0.8 of the 2nd percentile of the first fit."""
    # Always by the default read-out: another one must not change the tracks.
    plain = settings.model_copy(update={"method": None})
    first = size_distribution(estimate_diffusion(tracks, settings), plain, n_draws=0, with_mixture=False)
    if first.table.empty:
        return None
    asked = SMALLEST_NM if settings.size_range_nm is None else settings.size_range_nm[0]
    found = float(np.interp(_SECOND_PASS_QUANTILE, first.table["cumulative"], first.table["diameter_nm"]))
    return max(asked, _SECOND_PASS_SHARE * found)


def _sized(
    name: str,
    inputs: Sequence[Input],
    captures: list[Capture],
    measured: list[Measured],
    refusals: list[NTAError],
    settings: Settings,
    calibration: Calibration | None,
    provenance: Provenance,
    progress: Progress,
    remarks: tuple[Flag, ...],
) -> Measurement:
    tracks = _together([one.tracks for one in measured])
    values = values_of(measured, settings)
    diffusion = estimate_diffusion(tracks, settings)
    systematic = systematic_relative_sd(values, diffusion.lag.frames)
    distribution = size_distribution(
        diffusion,
        settings,
        tracks=tracks,
        systematic_relative_sd=systematic,
        progress=progress,
    )
    found = _found(measured, tracks, diffusion, distribution, values, settings, calibration)
    if calibration is not None:
        values |= calibration.values(settings)
    values |= found_by_the_way(tracks, diffusion) | values_beside(inputs)
    named = [(one.video.path.name, one.detections) for one in measured]
    flags = (
        *remarks,
        *(flag("capture_rejected", str(error)) for error in refusals),
        *video_flags(measured),
        *flags_of_inputs(inputs, values, name, calibration),
        *_outside_range(diffusion, distribution, settings),
        *of_calibration(calibration, named, datetime.fromisoformat(provenance.started_utc)),
        *of_agreement(found.agreement),
        *of_threshold(found.sensitivity, distribution.size, found.concentration),
        *assess(named, tracks, diffusion, found.concentration, values, distribution),
    )
    seen, losses = counts(measured, tracks, diffusion), ledger(measured, tracks, diffusion)
    return concluded(name, captures, found, seen, values, flags, provenance, losses)


def _found(
    measured: list[Measured],
    tracks: Tracks,
    diffusion: Diffusion,
    distribution: SizeDistribution,
    values: dict[str, Sourced],
    settings: Settings,
    calibration: Calibration | None,
) -> Results:
    """Return sizes and concentration of the sample, its captures one by one, and what other thresholds would say."""
    areas = {
        "masked_px": tuple(one.detections.masked_px for one in measured),
        "spot_diameter_px": tuple(one.detections.diameter_px for one in measured),
    }
    dilution, dilution_relative_sd = dilution_of(values, settings)
    concentration = particle_concentration(
        tracks,
        diffusion,
        distribution,
        dilution=dilution,
        dilution_relative_sd=dilution_relative_sd,
        depth_relative_sd=None if calibration is None else calibration.relative_sd,
        **areas,
    )
    names = [one.video.path.name for one in measured]
    agreement = agreement_of(capture_results(names, tracks, diffusion, distribution, settings, **areas))
    sensitivity = _sensitivity(measured, tracks, settings, distribution, concentration)
    return Results(tracks, diffusion, distribution, concentration, agreement, sensitivity)


def _sensitivity(
    measured: list[Measured],
    tracks: Tracks,
    settings: Settings,
    distribution: SizeDistribution,
    concentration: Concentration,
) -> ThresholdSensitivity:
    """Return what other thresholds would have said; nothing where the result itself is not the default's read-out."""
    if distribution.table.empty or distribution.method != "penalised":
        return ThresholdSensitivity()
    found = [one.detections for one in measured]
    own = Reading(
        1.0,
        float(np.mean([one.particles_per_frame for one in found])),
        distribution.n_tracks,
        distribution.size.d50.value,
        concentration.measured.value,
    )
    reach_px = [capture.search_range_px for capture in tracks.captures]
    return threshold_sensitivity(found, own, settings, reach_px=reach_px)


def _together(tracks: list[Tracks]) -> Tracks:
    """Return the tracks of all captures as those of one sample."""
    tables = [one.table.assign(capture=np.int64(number)) for number, one in enumerate(tracks)]
    ledger: dict[str, int] = {}
    for one in tracks:
        for reason, lost in one.ledger.items():
            ledger[reason] = ledger.get(reason, 0) + lost
    return Tracks(pd.concat(tables, ignore_index=True), tuple(one.captures[0] for one in tracks), ledger)


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
