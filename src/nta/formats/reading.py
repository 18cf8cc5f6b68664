"""One door for every export: from a file to what another program measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from nta.errors import RejectedError, UsageError
from nta.formats import nanosight, zetaview
from nta.formats.foreign import ForeignCapture, ForeignResult
from nta.formats.identities import broken_identities
from nta.formats.kinds import KINDS, Kind, kind_of
from nta.formats.nano import read_nano
from nta.formats.particles import read_particles
from nta.formats.text import read_text


def _summary(path: Path) -> ForeignResult:
    return nanosight.read_summary(read_text(path))


def _size_export(path: Path) -> ForeignResult:
    return zetaview.read_size_export(read_text(path))


def _positions(path: Path) -> ForeignResult:
    return zetaview.read_positions(read_text(path))


def _experiment(path: Path) -> ForeignResult:
    """Return what a ``.nano`` states of its captures: how they were taken, and no result."""
    experiment = read_nano(path)
    stated = {one.values["dilution"] for one in experiment.captures if "dilution" in one.values}
    captures = tuple(
        ForeignCapture(
            one.name,
            {name: value for name, value in one.values.items() if name != "dilution"},
            n_frames=one.n_frames,
        )
        for one in experiment.captures
    )
    details = {name: text for name, text in experiment.details.items() if name not in ("program", "sample_name")}
    return ForeignResult(
        path=path,
        sha256=experiment.sha256,
        kind=KINDS["nano"],
        program=experiment.details.get("program", "NTA"),
        sample=experiment.sample,
        captures=captures,
        details=details,
        complaints=experiment.complaints,
        dilution=stated.pop() if len(stated) == 1 else math.nan,
    )


_READERS: Final[dict[Kind, Callable[[Path], ForeignResult]]] = {
    "nano": _experiment,
    "summary": _summary,
    "particles": read_particles,
    "zetaview": _size_export,
    "positions": _positions,
}


def read_foreign(path: str | Path) -> ForeignResult:
    """Read what another program measured, and check what holds in every good file of its kind.

    Tables of tracks are no results: they are measured (:func:`nta.analyze`).

    Raises
    ------
    UsageError
        If there is no such file, or it is a table of tracks.
    RejectedError
        ``not_an_export``, ``truncated``, ``damaged`` and as :func:`nta.formats.text.read_text`.
    """
    file = Path(path)
    kind = kind_of(file)
    if kind == "tracks":
        raise UsageError(f"{file.name!r} holds tracks and no result; measure it with nta analyze")
    if kind is None:
        read_text(file)  # says so if there is no file, or none that holds text
        raise RejectedError(
            f"{file.name!r} is no export that is read; there are: {'; '.join(KINDS.values())}", code="not_an_export"
        )
    found = _READERS[kind](file)
    return replace(found, complaints=(*found.complaints, *broken_identities(found)))
