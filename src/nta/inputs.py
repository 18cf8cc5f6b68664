"""What is to be measured: files and experiments -> captures, each with what is stated beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from nta.calibration import Calibration
from nta.errors import NTAError, RejectedError, UsageError
from nta.formats import Sidecar, dilution_flag, kind_of, proposed_dilution, read_nano, sidecar_of
from nta.quality import Flag, flag
from nta.settings import Scalar, Settings, Sourced
from nta.video import Fault, Video

FPS_TOLERANCE: Final = 0.005
"""Relative difference of two stated frame rates that is more than rounding."""

LIKELY_FPS: Final = (5.0, 200.0)
"""Frame rates of instruments that are in use; beyond them a header is more often wrong than a camera so fast."""

_FRAMES_TOLERANCE: Final = 0.01
_PIXEL_TOLERANCE: Final = 0.01
_DETAILS: Final = ("diluent", "operator", "pretreatment", "remarks", "time_captured")


@dataclass(frozen=True, slots=True)
class Input:
    """One capture to be measured.

    Parameters
    ----------
    path : Path
        A video, or a table of tracks.
    kind : {"video", "tracks"}
        Which of them.
    sidecar : Sidecar
        What is stated beside it.
    refusal : NTAError or None
        Why it cannot be measured although it was asked for.
    """

    path: Path
    kind: Literal["video", "tracks"] = "video"
    sidecar: Sidecar = field(default_factory=Sidecar)
    refusal: NTAError | None = None


def inputs_of(paths: Sequence[Path]) -> tuple[Input, ...]:
    """Return the captures behind the paths: an experiment stands for those that it lists, in its own folder.

    Raises
    ------
    UsageError
        If a file is an export that holds results and no captures.
    """
    found: list[Input] = []
    for path in paths:
        kind = kind_of(path)
        if kind == "nano":
            found += _of_experiment(path)
        elif kind == "tracks":
            found.append(Input(path, "tracks", sidecar_of(path)))
        elif kind is not None:
            raise UsageError(f"{path.name!r} holds another program's results and no capture; read it with nta import")
        else:
            found.append(Input(path, "video", sidecar_of(path)))
    return tuple(found)


def _of_experiment(path: Path) -> list[Input]:
    try:
        experiment = read_nano(path)
    except RejectedError as error:
        return [Input(path, refusal=error)]
    found = []
    for capture in experiment.captures:
        video = path.parent / capture.name
        sidecar = Sidecar(experiment, capture, experiment.complaints)
        refusal = None
        if not video.is_file():
            refusal = RejectedError(
                f"{capture.name!r} is listed in {path.name!r} and does not lie beside it; copy it there",
                code="missing_capture",
            )
        found.append(Input(video, "video", sidecar, refusal))
    return found


def settings_beside(one: Input, settings: Settings) -> Settings:
    """Return the settings with what is stated beside a capture in the places that nobody filled.

    A viscosity that was written down belongs to its temperature and liquid: where one of these is stated by hand, it is
    not taken.
    """
    stated = {name: value for name, value in one.sidecar.values.items() if getattr(settings, name) is None}
    if settings.temperature_c is not None or settings.medium is not None:
        stated.pop("viscosity_mpas", None)
    return settings.updated("sidecar", stated)


def sample_name(inputs: Sequence[Input], paths: Sequence[Path]) -> str:
    """Return the name of a sample that nobody named: the experiment's where one was given, else the first file's."""
    experiment = inputs[0].sidecar.experiment
    return experiment.sample if experiment is not None and experiment.path == paths[0] else paths[0].stem


def with_faults_beside(one: Input, video: Video, settings: Settings) -> Video:
    """Return the video with what it and the sidecar say against each other; a frame rate asked for ends the dispute.

    One that neither of them states is said to be so: sizes go with one over it.
    """
    faults = [fault for fault in video.faults if fault.code != "fps_conflict" or settings.fps is None]
    stated = one.sidecar.values.get("fps")
    if settings.fps is None and stated is not None and video.fps is not None:
        faults += _rate_fault(one, stated, video.fps)
    if settings.fps is not None and all(fault.code != "fps_conflict" for fault in video.faults):
        faults += _overridden_rate([rate for rate in (stated, video.fps) if rate], settings.fps)
    n_stated = None if one.sidecar.capture is None else one.sidecar.capture.n_frames
    held = video.n_frames
    if n_stated and held and abs(held - n_stated) > max(1.0, _FRAMES_TOLERANCE * n_stated):
        faults.append(
            Fault(
                "frame_count",
                f"{_nano_name(one)} states {n_stated} frames and the video holds {held}; all of them are measured, "
                "check that it was copied whole",
            )
        )
    return replace(video, faults=tuple(faults))


def _rate_fault(one: Input, stated: float, of_video: float) -> list[Fault]:
    if abs(of_video - stated) <= FPS_TOLERANCE * stated:
        return []
    return [
        Fault(
            "fps_conflict",
            f"{_nano_name(one)} states {stated:.6g} frames per second and the video {of_video:.6g}; "
            f"{stated:.6g} is used, give the right one with --fps",
        )
    ]


def _overridden_rate(recorded: Sequence[float], used: float) -> list[Fault]:
    if not recorded or any(abs(used - rate) <= FPS_TOLERANCE * rate for rate in recorded):
        return []
    rate = recorded[0]
    return [
        Fault(
            "fps_overridden",
            f"it was recorded at {rate:.6g} frames per second by what is stated there, and {used:.6g} was asked for: "
            f"every size is {rate / used:.3g} times what the stated rate gives; leave --fps out if that one is right",
        )
    ]


def _nano_name(one: Input) -> str:
    return "the experiment" if one.sidecar.experiment is None else one.sidecar.experiment.path.name


def flags_of_inputs(
    inputs: Sequence[Input],
    values: Mapping[str, Sourced],
    sample: str,
    calibration: Calibration | None = None,
) -> tuple[Flag, ...]:
    """Return what is to be said of files beside the captures and of what only names state.

    Parameters
    ----------
    inputs : sequence of Input
        The captures.
    values : dict of Sourced
        Every value used.
    sample : str
        Name of the sample.
    calibration : Calibration, optional
        Beads that may confirm the pixel size.
    """
    complaints = dict.fromkeys(complaint for one in inputs for complaint in one.sidecar.complaints)
    found = [flag("sidecar_unused", complaint) for complaint in complaints]
    mpp = values.get("mpp")
    if mpp is not None and mpp.origin == "sidecar" and not _is_confirmed(mpp.value, calibration):
        found.append(
            flag(
                "pixel_size_unverified",
                f"the pixel size, {mpp.value} µm, is PixelSize of the experiment file read as nanometres: no unit "
                "stands beside it; measure beads of known size (nta calibrate) to confirm it, for 1 % of it is 2 % of "
                "every size",
            )
        )
    found += _unlikely_rate(values)
    proposal = proposed_dilution(_names(inputs, sample))
    if ("dilution" not in values or values["dilution"].value is None) and proposal is not None:
        found.append(dilution_flag(*proposal))
    return tuple(found)


def _is_confirmed(mpp: Scalar, calibration: Calibration | None) -> bool:
    """Return whether beads of known size measured the pixel size that is used, within their own uncertainty."""
    if calibration is None or not isinstance(mpp, float):
        return False
    allowed = max(2.0 * calibration.mpp_from_beads_sd, _PIXEL_TOLERANCE * mpp)
    return abs(calibration.mpp_from_beads - mpp) <= allowed


def _names(inputs: Sequence[Input], sample: str) -> list[str]:
    experiments = [one.sidecar.experiment for one in inputs]
    return [
        sample,
        *(experiment.sample for experiment in experiments if experiment is not None),
        *(experiment.path.stem for experiment in experiments if experiment is not None),
        *(one.path.stem for one in inputs),
    ]


def _unlikely_rate(values: Mapping[str, Sourced]) -> list[Flag]:
    fps = values.get("fps")
    if fps is None or fps.origin not in ("video", "sidecar"):
        return []
    low, high = LIKELY_FPS
    rates = [float(one) for one in (fps.value if isinstance(fps.value, list) else [fps.value]) if one is not None]
    odd = [rate for rate in rates if not low <= rate <= high]
    if not odd:
        return []
    return [
        flag(
            "unlikely_frame_rate",
            f"the file states {odd[0]:.6g} frames per second, and instruments record {low:g} to {high:g}: a rate that "
            "is wrong by a factor makes every size wrong by it; give the right one with --fps",
        )
    ]


def values_beside(inputs: Sequence[Input]) -> dict[str, Sourced]:
    """Return which experiments were read and what else they state of the sample; lists where captures differ."""
    experiments = {one.path: one for one in (given.sidecar.experiment for given in inputs) if one is not None}
    if not experiments:
        return {}
    each = list(experiments.values())
    columns: dict[str, list[Scalar]] = {
        "experiment": [one.path.name for one in each],
        "experiment_sha256": [one.sha256 for one in each],
    }
    for name in _DETAILS:
        stated: list[Scalar] = [one.details.get(name) for one in each]
        if any(value is not None for value in stated):
            columns[name] = stated
    return {
        name: Sourced(column[0] if len(set(map(str, column))) == 1 else column, "sidecar")
        for name, column in columns.items()
    }
