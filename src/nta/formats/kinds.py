"""Which kind of file it is that another program left, by what it holds and never by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from nta.formats import nanosight, zetaview
from nta.formats.nano import is_nano
from nta.formats.particles import is_particle_data
from nta.formats.table import head_of
from nta.formats.tracks import track_kind

Kind = Literal["nano", "summary", "particles", "tracks", "zetaview", "positions"]

_HEAD: Final = 1 << 15

KINDS: Final[dict[Kind, str]] = {
    "nano": "NanoSight experiment (.nano)",
    "summary": "NanoSight summary (-ExperimentSummary.csv, _Summary.csv)",
    "particles": "NanoSight particle data (_ParticleData.csv)",
    "tracks": "table of tracks (_AllTracks.csv, trackpy's columns, Parquet)",
    "zetaview": "ZetaView size export (.txt)",
    "positions": "ZetaView positions (_11pos.txt)",
}
"""What is read, with its name for people."""


def kind_of(path: Path) -> Kind | None:
    """Return what a file is; ``None`` for a video, for anything unknown, and where there is no file."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except (OSError, ValueError):
        return None
    if track_kind(head) is not None:
        return "tracks"
    if b"\0" in head:
        return None
    text = head.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    if is_nano(text):
        return "nano"
    if text.lstrip().strip('"').startswith((nanosight.EXPERIMENT_HEAD, nanosight.SINGLE_HEAD)):
        return "summary"
    if zetaview.is_positions(text):
        return "positions"
    if f"\n{zetaview.SIZE_HEAD}\t" in text:
        return "zetaview"
    return "particles" if is_particle_data(head_of(text)[1]) else None
