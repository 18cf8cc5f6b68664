"""A measured capture as two Parquet files, spots and tracks, and back: what a batch keeps between its steps.

All that a sample's result depends on comes back to the last bit. The pictures of background and noise do not: no
step after linking looks at them. The file of the tracks says which spots make up each one: what is told of a spot
stands once.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from nta.detection import Appearance, Detections
from nta.errors import UsageError
from nta.record import Measured
from nta.report.tables import read_fields, read_noun, write_noun
from nta.settings import Acquisition, Sourced
from nta.tracking import Tracks
from nta.video import Fault, Video
from nta.video.model import Frame
from nta.video.source import Source

_VIDEO_FIELDS: Final = (
    "width",
    "height",
    "bit_depth",
    "n_frames",
    "fps",
    "mpp",
    "exposure_ms",
    "codec",
    "container",
    "is_lossy",
    "allow_partial",
)
_PLACE: Final = ["frame", "y", "x"]
"""What tells a spot from all others of its capture."""

_SPOT: Final = "spot"
"""Column of the tracks: the row of each position in the table of spots."""

_APPEARANCE_FIELDS: Final = ("noise_sd", "spot_sd_px", "inverted", "saturated_share", "full_scale")


@dataclass(frozen=True)
class _Spots:
    """Detections as a Parquet file holds them: the pictures left out, dim spots among the others, the rest plain."""

    table: pd.DataFrame
    acquisition: Acquisition
    appearance: dict[str, Any]
    margin_px: int
    field_px: tuple[int, int, int, int]
    masked_px: int
    diameter_px: int
    min_mass: float
    values: dict[str, Any] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)
    faults: tuple[tuple[str, str], ...] = ()


class _NoFrames:
    """The reader of a video whose frames are not at hand any more."""

    is_seekable = False

    def numbered(
        self,
        *,
        start: int = 0,  # noqa: ARG002  # the protocol's
        allow_partial: bool = False,  # noqa: ARG002
        source: Source | None = None,  # noqa: ARG002
    ) -> Generator[tuple[int, Frame], None, None]:
        """Refuse."""
        raise UsageError("the frames of a stored capture are not kept; open its video")

    def count(self) -> int:
        """Refuse."""
        raise UsageError("the frames of a stored capture are not kept; open its video")


def to_parquet(measured: Measured) -> tuple[bytes, bytes]:
    """Return spots and tracks of a capture as Parquet files; where the source lay is not in them."""
    found = measured.detections
    plain = _Spots(
        **{
            **{name.name: getattr(found, name.name) for name in dataclasses.fields(_Spots)},
            "table": pd.concat([found.table, found.dimmer]).sort_values(_PLACE, ignore_index=True),
            "appearance": {name: getattr(found.appearance, name) for name in _APPEARANCE_FIELDS},
            "values": {name: [value, origin] for name, (value, origin) in found.values.items()},
            "faults": tuple((fault.code, fault.message) for fault in found.faults),
        }
    )
    video = {name: getattr(measured.video, name) for name in _VIDEO_FIELDS}
    faults = [[fault.code, fault.message] for fault in measured.video.faults]
    beside = {"video": video, "faults": faults, "sha256": measured.video.sha256()}
    return _bytes_of(plain, beside), _bytes_of(*_linked(measured.tracks, plain.table))


def _bytes_of(noun: object, beside: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    write_noun(buffer, noun, beside, is_compact=True)
    return buffer.getvalue()


def _linked(tracks: Tracks, spots: pd.DataFrame) -> tuple[Tracks, dict[str, Any]]:
    """Return tracks that name the rows of their spots in place of the columns that both have, and all their columns."""
    table = tracks.table
    rows = pd.MultiIndex.from_frame(spots[_PLACE]).get_indexer(pd.MultiIndex.from_frame(table[_PLACE]))
    if (rows < 0).any():  # a spot that was moved after it was found
        return tracks, {}
    of_spots = spots.take(rows)
    repeated = [name for name in table.columns if name in spots and _same_bits(table[name], of_spots[name])]
    short = table.drop(columns=repeated).assign(**{_SPOT: rows.astype(np.int64)})
    return dataclasses.replace(tracks, table=short), {"columns": list(table.columns)}


def _same_bits(one: pd.Series, other: pd.Series) -> bool:
    return one.dtype == other.dtype and one.to_numpy().tobytes() == other.to_numpy().tobytes()


def _whole(tracks: Tracks, spots: pd.DataFrame, beside: dict[str, Any]) -> Tracks:
    """Return the tracks with the columns of their spots."""
    if _SPOT not in tracks.table:
        return tracks
    of_spots = spots.take(tracks.table[_SPOT].to_numpy()).reset_index(drop=True)
    columns = {name: tracks.table.get(name, of_spots.get(name)) for name in beside["columns"]}
    return dataclasses.replace(tracks, table=pd.DataFrame(columns))


def _sourced(values: Mapping[str, Any]) -> dict[str, Sourced]:
    return {
        name: Sourced(list(value) if isinstance(value, tuple) else value, origin)
        for name, (value, origin) in values.items()
    }


def values_in(spots: Path) -> dict[str, Sourced]:
    """Return the values with which a capture was searched, without its spots.

    Parameters
    ----------
    spots : Path
        The file that :func:`to_parquet` made of them.

    Raises
    ------
    RejectedError
        If the file is gone or damaged.
    """
    return _sourced(read_fields(spots)["values"])


def from_parquet(path: Path, spots: bytes, tracks: bytes) -> Measured:
    """Return the capture that :func:`to_parquet` wrote.

    Parameters
    ----------
    path : Path
        Where its source is now.
    spots, tracks : bytes
        The files.

    Raises
    ------
    RejectedError
        If a file is damaged.
    """
    plain, beside = read_noun(io.BytesIO(spots), _Spots)
    linked, columns = read_noun(io.BytesIO(tracks), Tracks)
    nothing = np.empty((0, 0), dtype=np.float32)
    appearance = Appearance(background=nothing, noise_map=nothing, **plain.appearance)
    fields = {name.name: getattr(plain, name.name) for name in dataclasses.fields(_Spots)}
    is_bright = (plain.table["mass"] > plain.min_mass).to_numpy()
    detections = Detections(
        **{
            **fields,
            "table": plain.table[is_bright].reset_index(drop=True),
            "dimmer": plain.table[~is_bright].reset_index(drop=True),
            "appearance": appearance,
            "values": _sourced(plain.values),
            "faults": tuple(Fault(code, message) for code, message in plain.faults),
        }
    )
    source = Source(path)
    source.__setstate__({"path": path, "opened": None, "_hex": beside["sha256"]})
    video = Video(
        path=path,
        reader=_NoFrames(),
        faults=tuple(Fault(code, message) for code, message in beside["faults"]),
        source=source,
        **beside["video"],
    )
    return Measured(video, detections, _whole(linked, plain.table, columns))
