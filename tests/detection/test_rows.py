"""From the rows of frames to tables: against the same done with whole tables, as it once was."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from nta.detection import rows as module
from nta.detection.rows import COLUMNS, Columns, Sorting

MIN_MASS = 100.0
EXCLUDE = ((20, 30, 40, 10), (50, 35, 30, 60))


def frames(counts: list[int]) -> list[np.ndarray]:
    """Return rows as the search makes them, many of them on the same line, on a border or at the threshold."""
    random = np.random.default_rng(5)
    made = []
    for number, count in enumerate(counts):
        rows = random.normal(100, 40, (count, len(COLUMNS) + 1))
        rows[:, :2] = random.integers(0, 200, (count, 2)) / 2
        rows[: count // 4, 2] = MIN_MASS
        rows[:, -1] = 3 * number + 1
        made.append(rows)
    return made


def whole(made: list[np.ndarray], origin: tuple[int, int]) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Return spots, dimmer ones and the number of excluded ones, from one table of all."""
    stacked = np.concatenate([np.empty((0, len(COLUMNS) + 1)), *made])
    table = pd.DataFrame(stacked[:, :-1], columns=list(COLUMNS))
    table["frame"] = stacked[:, -1].astype(np.int64)
    for name, shift in zip(("x", "y", "x_refined", "y_refined"), 2 * origin, strict=True):
        table[name] += shift
    inside = np.zeros(len(table), dtype=bool)
    for x, y, width, height in EXCLUDE:
        across = table["x"].between(x - 0.5, x + width - 0.5, inclusive="left")
        inside |= (across & table["y"].between(y - 0.5, y + height - 0.5, inclusive="left")).to_numpy()
    kept = table[~inside].sort_values(["frame", "y", "x"], kind="stable", ignore_index=True)
    bright = kept["mass"] > MIN_MASS
    spots, dimmer = (kept[chosen].reset_index(drop=True) for chosen in (bright, ~bright))
    return spots, dimmer, int((inside & (table["mass"] > MIN_MASS)).sum())


@pytest.mark.parametrize("origin", [(0, 0), (7, 3)])
@pytest.mark.parametrize("counts", [[], [0, 0], [40, 0, 1, 700, 33], [64, 64, 128]])
def test_rows_sorted_frame_by_frame_are_those_of_one_whole_table(monkeypatch, counts, origin):
    monkeypatch.setattr(module, "_N_ROWS", 32)
    made = frames(counts)
    spots, dimmer, excluded = whole(made, origin)
    sorting = Sorting(origin, EXCLUDE, MIN_MASS)
    found, dim, n_excluded = Columns(), Columns(), 0
    for rows in made:
        kept = sorting.sorted(rows.copy())
        found.append(kept.spots)
        dim.append(kept.dimmer)
        n_excluded += kept.n_excluded
    pd.testing.assert_frame_equal(found.table(), spots, check_exact=True)
    pd.testing.assert_frame_equal(dim.table(), dimmer, check_exact=True)
    assert n_excluded == excluded
    assert sum(counts) < 100 or min(len(spots), len(dimmer), excluded) > 5


def test_numbers_are_held_once():
    made = frames([1000] * 50)
    columns = Columns()
    for rows in made:
        columns.append(rows)
    tracemalloc.start()
    try:
        table = columns.table()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(table) == 50_000
    # A second copy of the frame numbers for a moment, nothing else.
    assert peak < 1.15 * table.memory_usage(index=False).sum()
    assert columns.table().empty
