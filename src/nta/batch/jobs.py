"""The two kinds of jobs of a batch, as plain functions that any process can run: one capture, one sample."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nta.errors import FailedError, NTAError
from nta.progress import Progress, silent
from nta.settings import Settings, Sourced
from nta.store import KnownSource, storable

if TYPE_CHECKING:
    from nta.record import Measured, Refused

logger = logging.getLogger(__name__)

# What a broken input or a full disk can raise below the library's own errors. One capture must not end a night's
# work, so these become its record, with the trace in the log; an interruption is none of them.
_BREAKDOWNS: Final = (OSError, ValueError, ArithmeticError, LookupError, RuntimeError, MemoryError, TypeError)


@dataclass(frozen=True, slots=True)
class CaptureTask:
    """One capture to be searched and linked, with the settings that touch it."""

    path: Path
    settings: Settings


@dataclass(frozen=True, slots=True)
class CaptureDone:
    """How a capture ended; spots and tracks are Parquet files, ``None`` for one that was refused."""

    status: str
    status_code: str | None = None
    message: str = ""
    source: KnownSource | None = None
    spots: bytes | None = None
    tracks: bytes | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A capture of a sample: its files, or why there are none."""

    path: Path
    sha256: str | None
    spots: bytes | None = None
    tracks: bytes | None = None
    status_code: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class SampleTask:
    """One sample to be put together from its captures; remarks are (code, message) of flags.

    ``blank`` holds the captures of its blank, ``None`` where it has none or reads them itself.
    """

    name: str
    settings: Settings
    parts: tuple[Part, ...]
    remarks: tuple[tuple[str, str], ...] = ()
    blank: tuple[Part, ...] | None = None


@dataclass(frozen=True, slots=True)
class SampleDone:
    """The files of a sample's result by name, or why there are none."""

    files: dict[str, bytes] | None = None
    status_code: str | None = None
    message: str = ""


def run_capture(task: CaptureTask, progress: Progress = silent) -> CaptureDone:
    """Measure one capture; never raises but for an interruption."""
    from nta.batch.parts import to_parquet
    from nta.inputs import inputs_of
    from nta.pipeline import measure_capture
    from nta.record import Refused, status_of

    try:
        (one,) = inputs_of([task.path])
        found = measure_capture(one, task.settings, progress)
        if isinstance(found, Refused):
            sha256 = _sha256_of_folder(task.path) if task.path.is_dir() else found.sha256
            source = None if sha256 is None else KnownSource.at(task.path, sha256)
            return CaptureDone(status_of(found.error), found.error.code, str(found.error), source)
        spots, tracks = to_parquet(found)
        has_faults = bool(found.video.faults or found.detections.faults)
        source = _source_as_read(task.path, found.video.sha256(), found.video.source)
        return CaptureDone("warn" if has_faults else "ok", None, "", source, spots, tracks)
    except NTAError as error:
        return CaptureDone(status_of(error), error.code, str(error))
    except _BREAKDOWNS as error:
        logger.debug("capture %s broke down", task.path, exc_info=error)
        return CaptureDone("failed", "internal_error", _breakdown(error))


def _sha256_of_folder(path: Path) -> str | None:
    """Return the hash of a folder of images that was refused, ``None`` if it is no capture at all."""
    from nta.batch.sources import content_sha256

    try:
        return content_sha256(path)
    except NTAError:
        return None


def _source_as_read(path: Path, sha256: str, source: object) -> KnownSource | None:
    """Return how the file looked when it was opened: that is the file to which the hash belongs."""
    opened = getattr(source, "opened", None)
    if opened is None or path.is_dir():
        return KnownSource.at(path, sha256)
    return KnownSource(storable(str(path.resolve())), opened.size, opened.mtime_ns, opened.inode, sha256)


def _breakdown(error: Exception) -> str:
    return f"nta broke down ({type(error).__name__}: {error}); analyse it alone with --debug"


def run_sample(task: SampleTask, progress: Progress = silent) -> SampleDone:
    """Put one sample together and write its result; never raises but for an interruption."""
    try:
        return _put_together(task, progress)
    except NTAError as error:
        return SampleDone(None, error.code, str(error))
    except _BREAKDOWNS as error:
        logger.debug("sample %r broke down", task.name, exc_info=error)
        return SampleDone(None, "internal_error", _breakdown(error))


def _put_together(task: SampleTask, progress: Progress) -> SampleDone:
    from nta.calibration import with_calibration
    from nta.inputs import inputs_of
    from nta.pipeline import measure_sample
    from nta.quality import flag
    from nta.report.folder import files_of

    started = datetime.now(UTC)
    settings, calibration = with_calibration(task.settings)
    found = [_found(part, settings) for part in task.parts]
    measurement = measure_sample(
        task.name,
        inputs_of([part.path for part in task.parts]),
        found,
        settings,
        calibration,
        started=started,
        remarks=tuple(flag(code, message) for code, message in task.remarks),
        blank=None if task.blank is None else [_found(part, Settings()) for part in task.blank],
        progress=progress,
    )
    return SampleDone(files_of(measurement))


def settings_for_blank(settings: Settings, spots: Sequence[Path]) -> Settings | None:
    """Return how the videos of a sample's blank are to be measured: with the width of the sample's own spots.

    Parameters
    ----------
    settings : Settings
        Of the sample.
    spots : sequence of Path
        Parquet files of its captures; only the values at their ends are read.

    Returns
    -------
    Settings or None
        ``None`` where no capture has spots, or where there is nothing to search: the sample reads a table of tracks
        itself.

    Raises
    ------
    RejectedError
        If one of the files is gone or damaged.
    """
    from nta.batch.parts import values_in
    from nta.inputs import inputs_of
    from nta.pipeline import blank_settings
    from nta.record import least_sure

    if not spots or any(one.kind == "tracks" for one in inputs_of([Path(path) for path in settings.blank])):
        return None
    return blank_settings(least_sure([values_in(path) for path in spots]), settings)


def _found(part: Part, settings: Settings) -> Measured | Refused:
    from nta.batch.parts import from_parquet
    from nta.record import Refused

    if part.spots is None or part.tracks is None:
        return Refused(part.path, part.sha256, FailedError(part.message, code=part.status_code))
    measured = from_parquet(part.path, part.spots, part.tracks)
    if settings.dilution is None:
        return measured
    # The capture was measured without it, so that another dilution does not measure it anew.
    values = {**measured.detections.values, "dilution": Sourced(settings.dilution, settings.origin("dilution"))}
    return replace(measured, detections=replace(measured.detections, values=values))


def warm_up(progress: Progress = silent) -> str:
    """Compile the kernels, once on this machine, and return the version of the method that this process runs."""
    from nta.batch.keys import method_version
    from nta.compilation import announce_kernels

    announce_kernels(progress)
    return method_version()


@dataclass(frozen=True, slots=True)
class Work:
    """The functions that do the jobs: those above, unless a test has cheaper ones.

    ``for_blank`` is asked by the coordinator itself.
    """

    capture: Callable[..., CaptureDone] = run_capture
    sample: Callable[..., SampleDone] = run_sample
    for_blank: Callable[[Settings, Sequence[Path]], Settings | None] = settings_for_blank
    warm_up: Callable[..., str] = warm_up
