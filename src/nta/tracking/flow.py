"""The motion that all particles share: found before linking, taken out after it."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter1d
from scipy.special import gammainc

Floats = NDArray[np.float64]

MAX_FLOW_PX: Final = 40
"""Largest flow that is looked for, px per frame; an NS300 pumps 3 to 4."""

_MAX_PAIRS: Final = 3_000_000
_PEAK_SDS: Final = 6.0
_CHANCE: Final = 1e-9
_SMOOTHING_S: Final = 1.0


def common_step_px(table: pd.DataFrame, width_px: int, height_px: int, step_sd_px: float) -> tuple[float, float]:
    """Return the flow (x, y) in px per frame: the peak of the displacements of all pairs in successive frames.

    Wrong pairs spread evenly; right ones pile up at the flow. Needs no links, so the search range need not grow
    with the flow.

    Parameters
    ----------
    table : DataFrame
        Spots with ``frame``, ``x``, ``y``.
    width_px, height_px : int
        Size of the field.
    step_sd_px : float
        Typical Brownian step per axis, px: the width of the pile.

    Returns
    -------
    tuple of float
        (0, 0) where no pile stands out of the chance pairs.
    """
    reach = min(MAX_FLOW_PX, width_px // 3, height_px // 3)
    pairs = _pair_displacements(table, reach)
    if len(pairs) < 20:
        return 0.0, 0.0
    edges = np.arange(-reach - 0.5, reach + 1.0)
    counts, _, _ = np.histogram2d(pairs[:, 0], pairs[:, 1], bins=(edges, edges))
    sd = max(1.0, min(step_sd_px, reach / 4.0))
    smooth = gaussian_filter(counts, sd, mode="constant")
    background = float(np.median(smooth))
    row, column = np.unravel_index(int(np.argmax(smooth)), smooth.shape)
    # Smoothing by a Gaussian averages 4 pi sd² bins: so many pairs stand at the peak, and so many would by chance.
    bins = 4.0 * math.pi * sd * sd
    at_peak, by_chance = float(smooth[row, column]) * bins, float(counts.mean()) * bins
    error = math.sqrt(max(background, 1e-3) * bins)
    # In a near-empty video a few pairs are many standard errors: there the Poisson law itself is asked.
    if at_peak - background * bins < _PEAK_SDS * error or gammainc(at_peak, by_chance) > _CHANCE:
        return 0.0, 0.0
    return _centre_of_pile(counts, background, int(row), int(column), sd, reach)


def _centre_of_pile(
    counts: Floats, background: float, row: int, column: int, sd: float, reach: int
) -> tuple[float, float]:
    """Return the weighted mean displacement around the highest bin, chance pairs subtracted."""
    axis = np.arange(counts.shape[0]) - reach
    near = np.hypot(*np.meshgrid(axis - axis[row], axis - axis[column], indexing="ij")) <= 2.0 * sd
    weight = np.where(near, counts - background, 0.0)
    total = weight.sum()
    if total <= 0:
        return float(axis[row]), float(axis[column])
    return float((weight.sum(axis=1) @ axis) / total), float((weight.sum(axis=0) @ axis) / total)


def _pair_displacements(table: pd.DataFrame, reach: float) -> Floats:
    """Return displacements (dx, dy) of pairs in successive frames, each at most ``reach``, frames spread evenly."""
    frames = table["frame"].to_numpy()
    xy = table[["x", "y"]].to_numpy(np.float64)
    numbers, first, counts = np.unique(frames, return_index=True, return_counts=True)
    successive = np.flatnonzero(np.diff(numbers) == 1)
    cost = int(np.sum(counts[successive] * counts[successive + 1]))
    stride = max(1, math.ceil(cost / _MAX_PAIRS))
    kept = [np.empty((0, 2))]
    for index in successive[::stride]:
        here = xy[first[index] : first[index] + counts[index]]
        there = xy[first[index + 1] : first[index + 1] + counts[index + 1]]
        steps = (there[None, :, :] - here[:, None, :]).reshape(-1, 2)
        kept.append(steps[np.all(np.abs(steps) <= reach, axis=1)])
    return np.concatenate(kept)


def drift_from_links(table: pd.DataFrame, n_frames: int, fps: float) -> Floats:
    """Return the cumulative common drift (n_frames, 2) in px from linked positions.

    The mean step of each pair of frames, averaged over about a second: unsmoothed it would take away part of
    the Brownian motion itself. A plain mean; trimming reads slow.

    Parameters
    ----------
    table : DataFrame
        Linked positions, sorted by ``particle`` and ``frame``.
    n_frames : int
        Highest frame number + 1.
    fps : float
        Frames per second.
    """
    x, y = (table[name].to_numpy(np.float64) for name in ("x", "y"))
    frame, particle = table["frame"].to_numpy(np.int64), table["particle"].to_numpy(np.int64)
    step = (np.diff(particle) == 0) & (np.diff(frame) == 1)
    into = frame[1:][step]
    counts = np.bincount(into, minlength=n_frames).astype(np.float64)
    window = max(3, round(_SMOOTHING_S * fps) | 1)
    weight = _running_sum(counts, window)
    drift = np.zeros((n_frames, 2))
    for axis, values in enumerate((x, y)):
        sums = np.bincount(into, weights=np.diff(values)[step], minlength=n_frames).astype(np.float64)
        total = counts.sum()
        mean = sums.sum() / total if total else 0.0
        rate = np.divide(_running_sum(sums, window), weight, out=np.full(n_frames, mean), where=weight > 0)
        rate[:1] = 0.0
        drift[:, axis] = np.cumsum(rate)
    return drift


def _running_sum(values: Floats, window: int) -> Floats:
    total: Floats = uniform_filter1d(values, window, mode="constant") * window
    # The running mean carries rounding dust where the sum is 0.
    return np.where(np.abs(total) < 1e-9, 0.0, total)
