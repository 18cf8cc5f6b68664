"""What is in a file before it is measured: what it states, what it really holds, and what would be assumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nta.errors import NTAError, UsageError
from nta.formats import KINDS, Kind, kind_of, read_foreign, read_nano, read_tracks
from nta.formats.record import record_of
from nta.inputs import Input, flags_of_inputs, inputs_of, settings_beside, with_faults_beside
from nta.measurement import Status
from nta.quality import Flag, by_gravity, flag
from nta.record import status_of
from nta.settings import Scalar, Settings, Sourced, resolve
from nta.video import RepeatFilter, Video, frames_declared, is_noisy, open_video

_SAMPLED: Final = 8


@dataclass(frozen=True)
class FileInfo:
    """What is in a file.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What it is, for people.
    status : {"ok", "warn", "rejected", "failed"}
        How reading it ended.
    status_code : str or None
        The machine-readable reason of a status other than ``ok``.
    message : str
        One sentence: that it can be measured, or why not.
    facts : dict
        What the file holds, units in the names.
    values : dict of Sourced
        What a measurement would use, with its origin.
    flags : tuple of Flag
        What is wrong with it.
    """

    path: Path
    kind: str
    status: Status
    status_code: str | None
    message: str
    facts: Mapping[str, Scalar] = field(default_factory=dict)
    values: Mapping[str, Sourced] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()

    @property
    def assumed(self) -> tuple[str, ...]:
        """Names of the values that nothing states."""
        return tuple(
            name for name, sourced in self.values.items() if sourced.origin == "assumed" and sourced.value is not None
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as strict JSON values."""
        return {
            "schema": "nta.info/1",
            "path": str(self.path),
            "kind": self.kind,
            "status": self.status,
            "status_code": self.status_code,
            "message": self.message,
            "facts": dict(self.facts),
            "values": {name: {"value": one.value, "origin": one.origin} for name, one in self.values.items()},
            "assumed": list(self.assumed),
            "flags": [{"code": one.code, "level": one.level, "message": one.message} for one in self.flags],
        }


def inspect_file(path: str | Path, settings: Settings | None = None) -> FileInfo:
    """Read a file to its end and say what it holds.

    Parameters
    ----------
    path : path
        A video, a folder of images, a table of tracks, an experiment or an export of another program.
    settings : Settings, optional
        What would be stated when it is measured.

    Raises
    ------
    UsageError
        If there is no such file.
    """
    file = Path(path)
    settings = Settings() if settings is None else settings
    kind = kind_of(file)
    try:
        if kind == "nano":
            return _of_experiment(file, settings)
        if kind == "tracks":
            return _of_tracks(file, settings)
        return _of_video(file, settings) if kind is None else _of_export(file, kind)
    except UsageError:
        raise
    except NTAError as error:
        named = "video" if kind is None else KINDS[kind]
        return FileInfo(file, named, status_of(error), error.code, str(error))


def _info(
    file: Path, kind: str, facts: Mapping[str, Scalar], values: Mapping[str, Sourced], flags: tuple[Flag, ...]
) -> FileInfo:
    flags = by_gravity(flags)
    warnings = [one for one in flags if one.level != "info"]
    if warnings:
        return FileInfo(file, kind, "warn", warnings[0].code, warnings[0].message, facts, values, flags)
    return FileInfo(file, kind, "ok", None, "it was read to its end and nothing looks wrong", facts, values, flags)


def _of_video(file: Path, settings: Settings) -> FileInfo:
    (one,) = inputs_of([file])
    video = with_faults_beside(one, open_video(file, allow_partial=settings.allow_partial), settings)
    decoded, last, repeats = _decoded(video)
    values = _values(one, settings, video)
    facts: dict[str, Scalar] = {
        "container": video.container,
        "codec": video.codec,
        "lossy": video.is_lossy,
        "width_px": video.width,
        "height_px": video.height,
        "bit_depth": video.bit_depth,
        "frames_declared": frames_declared(video),
        "frames_decoded": decoded,
        "frames_missing": last + 1 - decoded,
        "frames_repeated": repeats.n_repeated,
        "duration_s": _duration_s(last + 1, values),
        "fps_of_file": video.fps,
        "mpp_of_file": video.mpp,
        "exposure_ms_of_file": video.exposure_ms,
        "beside": None if one.sidecar.experiment is None else one.sidecar.experiment.path.name,
        "sha256": video.sha256(),
    }
    flags = (
        *(flag(fault.code, fault.message) for fault in (*video.faults, *repeats.faults(video))),
        *flags_of_inputs([one], values, file.stem),
    )
    return _info(file, "video", facts, values, flags)


def _decoded(video: Video) -> tuple[int, int, RepeatFilter]:
    """Return the number of frames, the number of the last one counting dropped ones, and the repeated ones."""
    sampled = video.sample(_SAMPLED)
    samples: NDArray[Any] = np.stack(sampled) if sampled else np.empty((0, 0, 0), np.uint8)
    repeats = RepeatFilter(len(samples) > 1 and is_noisy(samples))
    last = -1
    for number, _ in repeats.passed(video.numbered_frames(hashed=True)):
        last = number
    return repeats.n_frames, max(last, repeats.n_frames - 1), repeats


def _duration_s(n_frames: int, values: Mapping[str, Sourced]) -> float | None:
    fps = values["fps"].value
    return round(n_frames / fps, 3) if isinstance(fps, int | float) else None


def _values(one: Input, settings: Settings, video: Video | None) -> dict[str, Sourced]:
    return resolve(settings_beside(one, settings), video)[1]


def _of_experiment(file: Path, settings: Settings) -> FileInfo:
    experiment = read_nano(file)
    inputs = inputs_of([file])
    missing = [one.path.name for one in inputs if one.refusal is not None]
    facts: dict[str, Scalar] = {
        "sample": experiment.sample,
        "captures": [one.name for one in experiment.captures],
        "captures_missing": list(missing),
        "frames": [one.n_frames for one in experiment.captures],
        **experiment.details,
        "sha256": experiment.sha256,
    }
    values = _values(inputs[0], settings, None)
    flags = [*flags_of_inputs(inputs, values, experiment.sample)]
    flags += [flag("capture_rejected", str(one.refusal)) for one in inputs if one.refusal is not None]
    return _info(file, KINDS["nano"], facts, values, tuple(flags))


def _of_tracks(file: Path, settings: Settings) -> FileInfo:
    (one,) = inputs_of([file])
    given = read_tracks(file)
    captures = ["capture"] if "capture" in given.table else []
    facts: dict[str, Scalar] = {
        "columns": given.kind,
        "positions": len(given.table),
        "tracks": int(given.table.groupby([*captures, "particle"]).ngroups),
        "frames": int(given.table["frame"].max()) + 1,
        "sha256": given.sha256,
    }
    values = _values(one, settings, None)
    flags = [flag("import_inconsistent", complaint) for complaint in given.complaints]
    return _info(file, KINDS["tracks"], facts, values, (*flags, *flags_of_inputs([one], values, file.stem)))


def _of_export(file: Path, kind: Kind) -> FileInfo:
    record = record_of(read_foreign(file))
    facts: dict[str, Scalar] = {
        "sample": record.sample,
        "captures": [one.path for one in record.captures],
        "d50_nm": record.size.d50.value if not record.size.d50.is_missing else None,
        "sha256": record.values["export_sha256"].value,
    }
    return FileInfo(
        file, KINDS[kind], record.status, record.status_code, record.message, facts, record.values, record.flags
    )
