"""Tables of tracks that other programs made: NanoSight ``_AllTracks.csv``, trackpy's columns, and our own Parquet."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pandas as pd

from nta.errors import RejectedError
from nta.formats.particles import DIFFUSION, INCLUDED, PARTICLE, SIZE, broken_products
from nta.formats.sidecar import Sidecar, sidecar_of
from nta.formats.table import Table, head_of, read_table
from nta.formats.text import damaged, truncated
from nta.video.sniff import TRACK_COLUMNS

PARQUET_MAGIC: Final = b"PAR1"

TrackKind = Literal["nanosight", "trackpy", "parquet"]

_NANOSIGHT: Final = {PARTICLE: "particle", "Frame": "frame", "X/pixels": "x", "Y/pixels": "y"}
_LIGHT: Final = "Ln(Adjusted intensity)/AU"
# What our own estimator understands beside the positions. trackpy's `size` is a radius of gyration, never a diameter.
_ALSO: Final = (
    "mass",
    "size",
    "ecc",
    "signal",
    "raw_mass",
    "ep",
    "y_refined",
    "x_refined",
    "sigma_px",
    "disc_mass",
    "capture",
)
_WHOLE: Final = ("particle", "frame", "capture")
# A number this large is no place on a camera and no frame of a film.
_HEAD: Final = 1 << 12
_MOST_FRAMES: Final = 10_000_000
_MOST_PX: Final = 1e6


@dataclass(frozen=True)
class TrackTable:
    """Linked positions as a file holds them.

    Parameters
    ----------
    path : Path
        The file.
    sha256 : str
        Of its bytes.
    kind : {"nanosight", "trackpy", "parquet"}
        Whose columns they were.
    table : DataFrame
        ``particle``, ``frame`` (int64), ``x``, ``y`` (px) and what else of trackpy's columns is there; sorted by
        ``particle`` and ``frame``. The common drift is still in it.
    sidecar : Sidecar
        What lies beside it.
    complaints : tuple of str
        Which identities do not hold.
    """

    path: Path
    sha256: str
    kind: TrackKind
    table: pd.DataFrame
    sidecar: Sidecar
    complaints: tuple[str, ...] = ()


def track_kind(head: bytes) -> TrackKind | None:
    """Return whose table of tracks a file is, by its first bytes; ``None`` for anything else."""
    if head.startswith(PARQUET_MAGIC):
        return "parquet"
    columns = set(head_of(head.decode("utf-8", "replace"))[1])
    if set(_NANOSIGHT) <= columns:
        return "nanosight"
    return "trackpy" if set(TRACK_COLUMNS) <= columns else None


def read_tracks(path: Path) -> TrackTable:
    """Read a table of tracks.

    Raises
    ------
    RejectedError
        ``damaged`` where a cell is not what its column says or a particle is in two places in one frame,
        ``truncated`` without a row, ``unreadable`` for Parquet that is none.
    """
    complaints: tuple[str, ...] = ()
    sidecar = sidecar_of(path)
    with path.open("rb") as file:
        kind = track_kind(file.read(_HEAD))
    if kind is None:
        raise damaged(path, "its head lacks columns that a table of tracks has")
    if kind == "parquet":
        table, sha256 = _parquet(path)
    else:
        read = read_table(path)
        sha256 = read.sha256
        table = _nanosight(read) if kind == "nanosight" else _trackpy(read)
        if kind == "nanosight" and {SIZE, DIFFUSION} <= set(read.cells):
            complaints = broken_products(read, sidecar.values)
    return TrackTable(path, sha256, kind, _checked(path, table), sidecar, complaints)


def _nanosight(read: Table) -> pd.DataFrame:
    table = pd.DataFrame({name: read.numbers(column) for column, name in _NANOSIGHT.items()})
    if _LIGHT in read.cells:
        table["mass"] = np.exp(read.numbers(_LIGHT))
    if INCLUDED in read.cells:
        read.flags(INCLUDED)  # only looked at: our estimator chooses its tracks by their length alone
    return table


def _trackpy(read: Table) -> pd.DataFrame:
    table = pd.DataFrame({name: read.numbers(name) for name in TRACK_COLUMNS})
    for name in _ALSO:
        if name in read.cells:
            # Where trackpy could not tell, as in `ep`, its cell is empty.
            table[name] = pd.to_numeric(read.cells[name], errors="coerce")
    return table


def _parquet(path: Path) -> tuple[pd.DataFrame, str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        present = set(pq.read_schema(path).names)
        missing = [name for name in TRACK_COLUMNS if name not in present]
        if missing:
            raise damaged(path, f"it is a table without the column(s) {', '.join(missing)}")
        kept = [*TRACK_COLUMNS, *(name for name in _ALSO if name in present)]
        table = pq.read_table(path, columns=kept).to_pandas().astype(np.float64)
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise RejectedError(
            f"{path.name!r} cannot be read as Parquet ({' '.join(str(error).split())[:120]}); write it again",
            code="unreadable",
        ) from None
    return table, sha256


def _checked(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return the table sorted, whole numbers as such.

    Raises
    ------
    RejectedError
        ``truncated`` or ``damaged``.
    """
    if not len(table):
        raise truncated(path, "it holds a head and no position")
    # A second localisation that is missing somewhere, as trackpy's `ep` may be, is of no use anywhere.
    table = table[[name for name in table if name in (*TRACK_COLUMNS, "capture") or np.isfinite(table[name]).all()]]
    for name in table:
        column = table[name].to_numpy(np.float64)
        if not np.isfinite(column).all():
            raise damaged(path, f"{name} is missing in row {int(np.flatnonzero(~np.isfinite(column))[0]) + 1}")
        limit = {"frame": _MOST_FRAMES, "x": _MOST_PX, "y": _MOST_PX}.get(str(name), math.inf)
        if name in _WHOLE and ((column != np.floor(column)).any() or column.min() < 0):
            raise damaged(path, f"{name} holds numbers that are not whole and positive")
        if np.abs(column).max() > limit:
            raise damaged(path, f"{name} reaches {np.abs(column).max():g}, above {limit:g}")
    order = [name for name in ("capture", "particle", "frame") if name in table]
    if table.duplicated(order).any():
        raise damaged(path, "a particle is in two places in one frame")
    whole = {name: np.int64 for name in _WHOLE if name in table}
    return table.astype(whole).sort_values(order, kind="stable", ignore_index=True)
