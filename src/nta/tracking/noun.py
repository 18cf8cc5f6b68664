"""The noun: linked positions, and what is known of each capture they come from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nta.errors import SettingsError
from nta.settings import Acquisition

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinkedCapture:
    """How the tracks of one capture were made.

    Parameters
    ----------
    acquisition : Acquisition
        How the capture was taken.
    drift_px : (n, 2) float64
        Cumulative common drift x, y at frame numbers 0 to n - 1, px.
    search_range_px : float
        Largest step the linker could make in the moving frame, px; infinite for tracks made elsewhere.
    field_px : (4,) tuple of float
        Left, top, width, height of the area in which a position can be reported, px; infinite width and height
        where it is not known.
    """

    acquisition: Acquisition
    drift_px: Floats
    search_range_px: float = math.inf
    field_px: tuple[float, float, float, float] = (0.0, 0.0, math.inf, math.inf)

    @property
    def flow_um_s(self) -> tuple[float, float]:
        """Mean common drift (x, y), µm/s; NaN with fewer than two frames."""
        if len(self.drift_px) < 2:
            return math.nan, math.nan
        per_frame = (self.drift_px[-1] - self.drift_px[0]) / (len(self.drift_px) - 1)
        x, y = per_frame * self.acquisition.mpp * self.acquisition.fps
        return float(x), float(y)

    @property
    def volume_um(self) -> tuple[float, float, float]:
        """Depth, width and height of the volume in which particles are seen, µm; infinite where not known."""
        mpp = self.acquisition.mpp
        return self.acquisition.depth_um, self.field_px[2] * mpp, self.field_px[3] * mpp


class FlatTracks(NamedTuple):
    """Tracks of one capture as the kernels want them: flat arrays in SI units with offsets."""

    particles: NDArray[np.int64]
    offsets: NDArray[np.int64]
    frames: NDArray[np.int64]
    x_m: Floats
    y_m: Floats
    sigma_m: Floats
    drift_x_m: Floats
    drift_y_m: Floats


@dataclass(frozen=True)
class Tracks:
    """Linked positions of one sample.

    Parameters
    ----------
    table : DataFrame
        One row a position, sorted by ``capture``, ``particle``, ``frame``: trackpy's columns (px, grey levels), the
        second localisation (``y_refined``, ``x_refined``, ``sigma_px``, ``disc_mass``), ``particle``, ``capture``.
        Only ``frame``, ``particle``, ``x`` and ``y`` are needed of a table that was made elsewhere.
    captures : tuple of LinkedCapture
        One for each value of the column ``capture``.
    ledger : dict
        Links left out, by reason.
    """

    COLUMNS: ClassVar[dict[str, str]] = {
        "capture": "int64",
        "particle": "int64",
        "frame": "int64",
        "y": "float64",
        "x": "float64",
        "mass": "float64",
        "size": "float64",
        "ecc": "float64",
        "signal": "float64",
        "raw_mass": "float64",
        "ep": "float64",
        "y_refined": "float64",
        "x_refined": "float64",
        "sigma_px": "float64",
        "disc_mass": "float64",
    }

    table: pd.DataFrame
    captures: tuple[LinkedCapture, ...] = ()
    ledger: dict[str, int] = field(default_factory=dict)

    @classmethod
    def empty_table(cls) -> pd.DataFrame:
        """Return a table with every column and no row."""
        return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in cls.COLUMNS.items()})

    @property
    def n_tracks(self) -> int:
        """Number of tracks of any length."""
        return int(self.table.groupby(["capture", "particle"]).ngroups) if len(self.table) else 0

    def flat(self, min_track: int) -> Iterator[tuple[LinkedCapture, FlatTracks]]:
        """Yield every capture with its tracks of ``min_track`` positions or more, in SI units."""
        for number, capture in enumerate(self.captures):
            yield capture, flatten(self.table[self.table["capture"] == number], capture, min_track)


def flatten(table: pd.DataFrame, capture: LinkedCapture, min_track: int) -> FlatTracks:
    """Return the tracks of one capture as flat arrays in metres, the origin at the corner of the field.

    The second localisation is used where it is there, trackpy's position otherwise.
    """
    if not _is_sorted(table):
        table = table.sort_values(["particle", "frame"], kind="stable")
    particles, first, counts = np.unique(table["particle"].to_numpy(np.int64), return_index=True, return_counts=True)
    keep = counts >= min_track
    rows = np.concatenate([np.arange(f, f + c) for f, c in zip(first[keep], counts[keep], strict=True)] or [_NO_ROWS])
    metres = capture.acquisition.mpp * 1e-6
    left, top = capture.field_px[:2]
    refined = {"x_refined", "y_refined"} <= set(table.columns)
    x = table["x_refined" if refined else "x"].to_numpy(np.float64)[rows] - left
    y = table["y_refined" if refined else "y"].to_numpy(np.float64)[rows] - top
    sigma = table["sigma_px"].to_numpy(np.float64)[rows] if "sigma_px" in table else np.zeros(len(rows))
    return FlatTracks(
        particles=particles[keep],
        offsets=np.concatenate([[0], np.cumsum(counts[keep])]).astype(np.int64),
        frames=table["frame"].to_numpy(np.int64)[rows],
        x_m=x * metres,
        y_m=y * metres,
        sigma_m=sigma * metres,
        drift_x_m=np.ascontiguousarray(capture.drift_px[:, 0]) * metres,
        drift_y_m=np.ascontiguousarray(capture.drift_px[:, 1]) * metres,
    )


def _is_sorted(table: pd.DataFrame) -> bool:
    """Return whether rows are in the order of particles, and of frames within each."""
    later = np.diff(table["particle"].to_numpy(np.int64))
    return bool(np.all((later > 0) | ((later == 0) & (np.diff(table["frame"].to_numpy(np.int64)) >= 0))))


_NO_ROWS = np.empty(0, dtype=np.int64)


def as_tracks(table: pd.DataFrame, acquisition: Acquisition) -> Tracks:
    """Return tracks from a table that was made elsewhere.

    Parameters
    ----------
    table : DataFrame
        With trackpy's columns ``frame``, ``particle``, ``x`` and ``y`` (px); drift already taken out.
    acquisition : Acquisition
        How the video was taken; the field is taken as unbounded unless its size is stated.

    Raises
    ------
    SettingsError
        If a column is missing, or frame numbers are not whole and ascending.
    """
    missing = [name for name in ("frame", "particle", "x", "y") if name not in table.columns]
    if missing:
        raise SettingsError(
            f"the track table lacks the column(s) {', '.join(missing)}; it needs frame, particle, x, y (px) as "
            "trackpy.link gives them"
        )
    table = table.reset_index(drop=True)
    checked = [name for name in ("particle", "x", "y", "sigma_px", "capture") if name in table]
    broken = [name for name in checked if not np.all(np.isfinite(table[name].to_numpy(np.float64)))]
    if broken:
        raise SettingsError(f"the track table holds no number in some rows of {', '.join(broken)}; drop those rows")
    if "capture" in table and len(table) and table["capture"].min() < 0:
        raise SettingsError("the column capture holds negative numbers; number the captures 0, 1, 2")
    frames = table["frame"].to_numpy(np.float64)
    if len(table) and not (np.all(np.isfinite(frames)) and np.all(frames == np.floor(frames)) and frames.min() >= 0):
        raise SettingsError("the column frame holds numbers that are not whole and positive; number the frames 0, 1, 2")
    table = table.assign(frame=frames.astype(np.int64))
    if "capture" not in table:
        table["capture"] = 0
    if table.duplicated(["capture", "particle", "frame"]).any():
        raise SettingsError("a particle is in two places in one frame; give every track its own particle number")
    n_frames = int(frames.max()) + 1 if len(table) else 0
    drift = np.zeros((n_frames, 2))
    bounded = acquisition.width_px is not None and acquisition.height_px is not None
    field_px = (-0.5, -0.5, float(acquisition.width_px or 0), float(acquisition.height_px or 0))
    captures = [
        LinkedCapture(acquisition, drift, field_px=field_px if bounded else LinkedCapture.field_px)
        for _ in range(int(table["capture"].max()) + 1 if len(table) else 1)
    ]
    return Tracks(table, tuple(captures))
