"""Which ``.nano`` lies beside a video or a table of tracks, and what it states of this very capture."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nta.errors import RejectedError
from nta.formats.nano import SUFFIX, Experiment, NanoCapture, read_nano

# The per-capture tables are named after their video.
_TABLE_ENDING: Final = re.compile(r"_(?:AllTracks|ParticleData|Summary)$", re.IGNORECASE)
_COMPANION: Final = "._"  # macOS leaves such twins on foreign disks


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What files beside a capture say of it.

    Parameters
    ----------
    experiment : Experiment or None
        The one that lists the capture.
    capture : NanoCapture or None
        What it states of it.
    complaints : tuple of str
        Why something beside the capture was not used.
    """

    experiment: Experiment | None = None
    capture: NanoCapture | None = None
    complaints: tuple[str, ...] = ()

    @property
    def values(self) -> Mapping[str, float]:
        """What it states, by the names of :class:`nta.settings.Settings`."""
        return {} if self.capture is None else self.capture.values


def sidecar_of(path: Path, experiments: Sequence[Path] | None = None) -> Sidecar:
    """Return what the ``.nano`` files in the folder of a capture state of it.

    A file is taken where it lists the capture by name. Where two state different values of it, as after a copy that
    was edited, neither is taken. Who asks for many captures of one folder lists its ``experiments`` once
    (:func:`experiments_in`).
    """
    found: list[Sidecar] = []
    complaints: list[str] = []
    for candidate in experiments_in(path.absolute().parent) if experiments is None else experiments:
        try:
            look = candidate.stat()
            experiment = _read(candidate, look.st_mtime_ns, look.st_size)
        except OSError:
            continue  # gone since the folder was listed
        except RejectedError as error:
            # It may be the one of this capture, or of another: only a name in it could tell.
            if _same_start(candidate, path):
                complaints.append(str(error))
            continue
        capture = next((one for name in _video_names(path) if (one := experiment.capture(name))), None)
        if capture is not None:
            found.append(Sidecar(experiment, capture, experiment.complaints))
    if len({tuple(sorted(one.values.items())) for one in found}) > 1:
        names = " and ".join(one.experiment.path.name for one in found[:2] if one.experiment is not None)
        return Sidecar(complaints=(f"{names} state different values of {path.name}; neither is used: remove one",))
    return found[0] if found else Sidecar(complaints=tuple(complaints))


def experiments_in(folder: Path) -> list[Path]:
    """Return the ``.nano`` files of a folder, sorted; none where it cannot be looked into."""
    try:
        return sorted(
            entry
            for entry in folder.iterdir()
            if entry.suffix.lower() == SUFFIX and not entry.name.startswith(_COMPANION)
        )
    except OSError:
        return []


@functools.lru_cache(maxsize=4096)
def _read(path: Path, mtime_ns: int, size: int) -> Experiment:  # noqa: ARG001  # another file is another key
    return read_nano(path)


def _video_names(path: Path) -> tuple[str, ...]:
    """Return the names under which an experiment may list a video or the table made from it."""
    base = _TABLE_ENDING.sub("", path.stem)
    return (path.name,) if base == path.stem else (f"{base}.avi",)


def _same_start(nano: Path, capture: Path) -> bool:
    """Return whether an unreadable ``.nano`` may belong to a capture: what the operator typed is the same."""
    return capture.name.lower().startswith(re.sub(r"[ _]?\d{4}-\d{2}-\d{2} .*", "", nano.stem).lower())
