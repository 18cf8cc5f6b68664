"""The spots of all frames on their way into tables: each number is held once, and never twice at a time."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nta.detection.trackpy_engine import FEATURE_COLUMNS

COLUMNS: Final = (*FEATURE_COLUMNS, "y_refined", "x_refined", "sigma_px", "disc_mass")
"""Columns of what is found in a frame; the frame's number follows as the last one."""

_Y, _X, _MASS, _Y_REFINED, _X_REFINED = (COLUMNS.index(name) for name in ("y", "x", "mass", "y_refined", "x_refined"))
_N_COLUMNS: Final = len(COLUMNS) + 1
_N_ROWS: Final = 1 << 15
"""Rows of a block: enough that a system which allows 65,530 pieces of memory holds 10^8 rows."""


class FrameRows(NamedTuple):
    """What is kept of one frame.

    Parameters
    ----------
    spots, dimmer : (n, columns + frame) float64
        Spots above the threshold and those below, sorted by ``y`` and ``x``.
    n_excluded : int
        Spots above the threshold in excluded rectangles.
    """

    spots: NDArray[np.float64]
    dimmer: NDArray[np.float64]
    n_excluded: int


@dataclass(frozen=True)
class Sorting:
    """Which spots of a frame go where.

    Parameters
    ----------
    origin : tuple of int
        Left and top of the part that was searched, px.
    exclude : sequence of tuple of int
        Left, top, width and height of the rectangles whose spots are left out, px of the whole field.
    min_mass : float
        Threshold between the spots and the dimmer ones, grey levels.
    """

    origin: tuple[int, int]
    exclude: Sequence[tuple[int, int, int, int]]
    min_mass: float

    def sorted(self, rows: NDArray[np.float64]) -> FrameRows:
        """Return the rows of one frame, (n, columns + frame), in the video's own pixels; ``rows`` is changed."""
        left, top = self.origin
        rows[:, [_X, _X_REFINED]] += left
        rows[:, [_Y, _Y_REFINED]] += top
        inside = np.zeros(len(rows), dtype=np.bool_)
        for x, y, width, height in self.exclude:
            # Pixel centres are whole numbers: the rectangle reaches half a pixel beyond the first and last one.
            across = (rows[:, _X] >= x - 0.5) & (rows[:, _X] < x + width - 0.5)
            inside |= across & (rows[:, _Y] >= y - 0.5) & (rows[:, _Y] < y + height - 0.5)
        order = np.lexsort((rows[:, _X], rows[:, _Y]))
        bright = rows[:, _MASS] > self.min_mass
        spots, dimmer = (rows[order[(chosen & ~inside)[order]]] for chosen in (bright, ~bright))
        return FrameRows(spots, dimmer, int((inside & bright).sum()))


class Columns:
    """A table that grows at its end: each column in blocks, which are given back while the table is made."""

    def __init__(self) -> None:
        self._columns: list[list[NDArray[np.float64]]] = [[] for _ in range(_N_COLUMNS)]
        self._n_rows = 0

    def append(self, rows: NDArray[np.float64]) -> None:
        """Add rows, (n, columns + frame)."""
        while len(rows):
            at = self._n_rows % _N_ROWS
            taken = rows[: _N_ROWS - at]
            for blocks, values in zip(self._columns, taken.T, strict=True):
                if at == 0:
                    blocks.append(_block())
                blocks[-1][at : at + len(taken)] = values
            self._n_rows += len(taken)
            rows = rows[len(taken) :]

    def table(self) -> pd.DataFrame:
        """Return the rows as a table with whole frame numbers; none of them are left here."""
        values = np.empty((len(COLUMNS), self._n_rows))
        frames = np.empty(self._n_rows, dtype=np.int64)
        columns: tuple[NDArray[Any], ...] = (*values, frames)
        for blocks, column in zip(self._columns, columns, strict=True):
            # A page that is not written to yet takes no memory, and each column leaves its own behind.
            for start in range(0, self._n_rows, _N_ROWS):
                part = column[start : start + _N_ROWS]
                part[:] = blocks[start // _N_ROWS][: len(part)]
            blocks.clear()
        self._n_rows = 0
        table = pd.DataFrame(values.T, columns=list(COLUMNS), copy=False)
        table["frame"] = pd.Series(frames, index=table.index, copy=False)
        return table


def _block() -> NDArray[np.float64]:
    """Return memory for so many numbers, which goes back to the system at once when it is let go."""
    return np.frombuffer(mmap.mmap(-1, _N_ROWS * np.dtype(np.float64).itemsize), dtype=np.float64)
