"""Which positions of a frame may go on with which track, and the run through all frames.

The words are those of :mod:`nta.tracking.fused_groups`. As in trackpy a position is paired with the ten nearest
tracks, and a track is remembered by its last position. :mod:`nta.tracking.fused_engine` hands the kernels their
memory. The linker as a whole has its slow twin in ``tests/tracking/naive_linking.py``.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.compilation import inner_kernel, kernel
from nta.tracking.fused_groups import (
    CELL,
    DEGREE,
    FIRST,
    FOLLOWING,
    GROUP,
    MATCH,
    NONE,
    SOURCE,
    TARGET,
    match_targets,
)

Places = NDArray[np.int32]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

MAX_NEIGHBOURS: Final = 10
"""Sources that a target is paired with, the nearest ones."""

TOO_LARGE: Final = -1
"""Returned in place of the number of tracks where a group is too large."""


@inner_kernel
def fill_grid(
    y: Floats,
    x: Floats,
    rows: Integers,
    n_sources: int,
    reach: float,
    ordered: Integers,
    points: Floats,
    sources: Places,
    cells: Places,
    grid: Floats,
) -> None:
    """Sort the sources by cells not narrower than ``reach``, at most four a source and an edge more.

    Parameters
    ----------
    y, x : (n_positions,) float64
        Positions, px.
    rows : (n,) int64
        Those that are sources, the first ``n_sources`` of them.
    reach : float
        px.
    ordered, points : (n,) int64, (2, n + 3) float64
        Written: position of each source, and its y and x.
    sources : (6, n) int32
        Scratch: CELL.
    cells : (6 n + 2,) int32
        Written: first source of each cell, and the number of sources.
    grid : (5,) float64
        Written: upper and left edge, cells per px, number of rows and of columns of cells.
    """
    top, bottom = y[rows[0]], y[rows[0]]
    left, right = x[rows[0]], x[rows[0]]
    for source in range(n_sources):
        top, bottom = min(top, y[rows[source]]), max(bottom, y[rows[source]])
        left, right = min(left, x[rows[source]]), max(right, x[rows[source]])
    height, width = bottom - top, right - left
    side = max(math.sqrt(height * width / n_sources) / 2.0, max(height, width) / n_sources)
    scale = 1.0 / max(side, reach)
    n_across = int(width * scale) + 1
    n_cells = (int(height * scale) + 1) * n_across
    for cell in range(n_cells + 1):
        cells[cell] = 0
    for source in range(n_sources):
        row = rows[source]
        cell = int((y[row] - top) * scale) * n_across + int((x[row] - left) * scale)
        sources[CELL, source] = cell
        cells[cell] += 1
    for cell in range(n_cells):
        cells[cell + 1] += cells[cell]
    for source in range(n_sources):
        cells[sources[CELL, source]] -= 1
        place, row = cells[sources[CELL, source]], rows[source]
        ordered[place], points[0, place], points[1, place] = row, y[row], x[row]
    grid[0], grid[1], grid[2], grid[3], grid[4] = top, left, scale, n_cells // n_across, n_across


@inner_kernel
def find_pairs(
    y: Floats,
    x: Floats,
    points: Floats,
    n_sources: int,
    start: int,
    stop: int,
    reach: float,
    grid: Floats,
    cells: Places,
    sources: Places,
    targets: Places,
    pairs: Places,
    squares: Floats,
) -> None:
    """Pair the targets, positions ``start`` to ``stop``, with their ten nearest sources closer than ``reach``.

    Written are FIRST, MATCH and GROUP of both sides, DEGREE of the sources, the pairs target by target with the
    nearest source first, and their squared distances, px². ``points``, ``grid`` and ``cells`` are those of
    :func:`fill_grid`, which is not called for no source.
    """
    for source in range(n_sources):
        sources[FIRST, source] = NONE
        sources[MATCH, source] = sources[GROUP, source] = sources[DEGREE, source] = 0
    top, left, scale, last_down, last_across = grid[0], grid[1], grid[2], int(grid[3]) - 1, int(grid[4]) - 1
    if n_sources == 0:
        last_down = -1
    # A hair more than the range: rounding must not leave out the cell of a source at its rim.
    near, limit = reach * (1.0 + 1e-9), reach * reach
    n_pairs = 0
    for row in range(start, stop):
        target, first = row - start, n_pairs
        targets[FIRST, target], targets[MATCH, target], targets[GROUP, target] = first, NONE, 0
        y_px, x_px = y[row], x[row]
        up, down = max(int((y_px - near - top) * scale), 0), min(int((y_px + near - top) * scale), last_down)
        west, east = max(int((x_px - near - left) * scale), 0), min(int((x_px + near - left) * scale), last_across)
        if west > east:
            down = up - 1  # beside the grid
        for i in range(up, down + 1):
            for source in range(cells[i * (last_across + 1) + west], cells[i * (last_across + 1) + east + 1]):
                d_y, d_x = points[0, source] - y_px, points[1, source] - x_px
                square = d_y * d_y + d_x * d_x
                is_full = n_pairs == first + MAX_NEIGHBOURS
                if square >= limit or (is_full and square >= squares[n_pairs - 1]):
                    continue
                place = n_pairs - 1 if is_full else n_pairs
                n_pairs = place + 1
                while place > first and squares[place - 1] > square:
                    squares[place], pairs[SOURCE, place] = squares[place - 1], pairs[SOURCE, place - 1]
                    place -= 1
                squares[place], pairs[SOURCE, place] = square, source
        for pair in range(first, n_pairs):
            source = pairs[SOURCE, pair]
            pairs[TARGET, pair], pairs[FOLLOWING, pair] = target, sources[FIRST, source]
            sources[FIRST, source] = pair
            sources[DEGREE, source] += 1
    targets[FIRST, stop - start] = n_pairs


@inner_kernel
def forget(rows: Integers, n_sources: int, frames: Integers, oldest: int) -> int:
    """Take the sources before frame ``oldest`` out of ``rows``; return how many are left."""
    n_kept = 0
    for source in range(n_sources):
        if frames[rows[source]] >= oldest:
            rows[n_kept] = rows[source]
            n_kept += 1
    return n_kept


@inner_kernel
def remember(rows: Integers, ordered: Integers, sources: Places, n_sources: int, start: int, stop: int) -> int:
    """Write the sources without a match, and the positions of the new frame, to ``rows``; return how many there are."""
    n_kept = 0
    for source in range(n_sources):
        if sources[MATCH, source] == 0:
            rows[n_kept] = ordered[source]
            n_kept += 1
    for row in range(start, stop):
        rows[n_kept] = row
        n_kept += 1
    return n_kept


@kernel(
    "i8(f8[::1], f8[::1], i8[::1], i8[::1], f8, f8, f8, f8, i8, i8, i8[::1], i8[::1], i8[::1], f8[:, ::1], i4[::1], "
    "f8[::1], f8[::1], i4[:, ::1], i4[:, ::1], i4[:, ::1], f8[::1], i4[:, ::1], f8[:, ::1])"
)
def link_frames(
    y: Floats,
    x: Floats,
    frames: Integers,
    starts: Integers,
    search_range: float,
    reach: float,
    smallest_range: float,
    shrink: float,
    max_sources: int,
    memory: int,
    particles: Integers,
    rows: Integers,
    ordered: Integers,
    points: Floats,
    cells: Places,
    grid: Floats,
    ranges: Floats,
    sources: Places,
    targets: Places,
    pairs: Places,
    squares: Floats,
    wholes: Places,
    reals: Floats,
) -> int:
    """Write the track of every position to ``particles``, numbered in the order of first appearance.

    Parameters
    ----------
    y, x : (n,) float64
        Positions sorted by frame, px.
    frames : (n,) int64
        Their frames.
    starts : (n_frames + 1,) int64
        Positions ``starts[i]`` to ``starts[i + 1]`` are of one frame; only frames with positions are listed.
    search_range, reach, smallest_range : float
        px. ``reach``, a hair larger, decides what is a pair; a range down to ``smallest_range`` is tried for groups
        that are too large, none where it is not below ``search_range``.
    shrink : float
        Factor from one range to the next.
    max_sources : int
        Sources of the largest group that is solved, at most ``MAX_SOURCES``.
    memory : int
        Frames that a particle may be missing.
    particles, rows : (n,), (n_sources,) int64
        Result; scratch, as are the rest, of the sizes that :mod:`nta.tracking.fused_engine` gives them.

    Returns
    -------
    int
        Number of tracks, or ``TOO_LARGE``.
    """
    n_tracks = 0
    n_sources = int(starts[0])  # 0; a literal is a type of its own, for which all would be compiled twice
    for index in range(starts.size - 1):
        start, stop = starts[index], starts[index + 1]
        n_sources = forget(rows, n_sources, frames, frames[start] - 1 - memory)
        if n_sources > 0:
            fill_grid(y, x, rows, n_sources, reach, ordered, points, sources, cells, grid)
        find_pairs(y, x, points, n_sources, start, stop, reach, grid, cells, sources, targets, pairs, squares)
        limits = (search_range, smallest_range, shrink, max_sources)
        if not match_targets(stop - start, *limits, ranges, sources, targets, pairs, squares, wholes, reals):
            return TOO_LARGE
        for row in range(start, stop):
            source = targets[MATCH, row - start]
            if source == NONE:
                particles[row] = n_tracks
                n_tracks += 1
            else:
                particles[row] = particles[ordered[source]]
        n_sources = remember(rows, ordered, sources, n_sources, start, stop)
    return n_tracks
