"""trackpy's linking in a fraction of its time: the same partition.

``trackpy.link`` keeps a Python object for every position. Here the frames go through a few kernels
(:mod:`nta.tracking.fused_kernels`) whose working memory is made once. What is linked, the range that shrinks where
particles stand too close, and the refusal are those of :mod:`nta.tracking.trackpy_engine`; only where two assignments
cost the same, as on a lattice, another may be chosen.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nta.errors import UsageError
from nta.tracking.fused_groups import (
    MAX_SOURCES,
    MAX_TARGETS,
    N_PAIR_ROWS,
    N_POINT_ROWS,
    N_REAL_ROWS,
    N_WHOLE_ROWS,
)
from nta.tracking.fused_kernels import MAX_NEIGHBOURS, TOO_LARGE, link_frames
from nta.tracking.trackpy_engine import ADAPTIVE_STEP, SMALLEST_SHARE, too_dense

_PAIR_MARGIN_PX: Final = 1e-7
"""What trackpy adds to the range when it looks for pairs."""

_MAX_SOURCES_ADAPTIVE: Final = 15
"""Sources of the largest group where the range may shrink."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def link_positions(positions: pd.DataFrame, search_range_px: float, memory: int) -> pd.Series[int]:
    """Return the particle number of every row of ``positions`` (columns ``frame``, ``x``, ``y``).

    As :func:`nta.tracking.trackpy_engine.link_positions`.

    Raises
    ------
    RejectedError
        ``too_dense``, where even a fifth of the range leaves groups too large to solve.
    UsageError
        If a position is not a finite number.
    """
    if positions.empty:
        return pd.Series(dtype="int64")
    frame, y, x = (positions[name].to_numpy(dtype) for name, dtype in (("frame", np.int64), ("y", float), ("x", float)))
    if not (np.all(np.isfinite(y)) and np.all(np.isfinite(x))):
        raise UsageError("a position is not a finite number; leave such rows out")
    order = np.argsort(frame, kind="stable")
    linker = _Linker(y[order], x[order], frame[order], memory)
    if not linker.link(search_range_px, math.inf, MAX_SOURCES) and not linker.link(
        search_range_px, SMALLEST_SHARE * search_range_px, _MAX_SOURCES_ADAPTIVE
    ):
        raise too_dense(len(positions) / linker.n_frames)
    numbers = np.empty(len(positions), dtype=np.int64)
    numbers[order] = linker.particles
    return pd.Series(numbers, index=positions.index)


class _Linker:
    """Positions sorted by frame, and the memory that the kernels need for them."""

    def __init__(self, y: Floats, x: Floats, frames: Integers, memory: int) -> None:
        edges = np.flatnonzero(np.diff(frames)) + 1
        starts = np.concatenate([[0], edges, [len(frames)]]).astype(np.int64)
        self.n_frames = len(starts) - 1
        self._positions = (y, x, frames, starts)
        self._memory = memory
        self.particles = np.empty(len(frames), dtype=np.int64)
        n_targets = int(np.diff(starts).max())
        # Tracks can end in each of the frames that are remembered.
        n_sources = min(n_targets * (memory + 1), len(frames)) + n_targets
        n_pairs = MAX_NEIGHBOURS * n_targets
        # One source alone may have any number of targets.
        n_candidates = max(MAX_SOURCES * MAX_TARGETS, n_targets) + 1
        self._scratch: tuple[Any, ...] = (
            np.empty(n_sources, dtype=np.int64),
            np.empty(n_sources, dtype=np.int64),
            np.empty((2, n_sources + 3)),
            np.empty(6 * n_sources + 2, dtype=np.int32),
            np.empty(5),
            np.empty(n_targets),
            np.empty((N_POINT_ROWS, n_sources), dtype=np.int32),
            np.empty((N_POINT_ROWS, n_targets + 1), dtype=np.int32),
            np.empty((N_PAIR_ROWS, n_pairs), dtype=np.int32),
            np.empty(n_pairs),
            np.empty((N_WHOLE_ROWS, n_candidates), dtype=np.int32),
            np.empty((N_REAL_ROWS, n_candidates)),
        )

    def link(self, search_range_px: float, smallest_px: float, max_sources: int) -> bool:
        """Fill ``particles``; return whether every group could be solved."""
        ranges = (search_range_px, search_range_px + _PAIR_MARGIN_PX, smallest_px, ADAPTIVE_STEP)
        n_tracks = link_frames(*self._positions, *ranges, max_sources, self._memory, self.particles, *self._scratch)
        return n_tracks != TOO_LARGE
