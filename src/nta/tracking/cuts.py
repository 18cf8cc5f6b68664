"""Links that one particle cannot have made: cut, so that the track goes on as two."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MAX_LOG_MASS_RATIO: Final = 0.9
"""99 % of true steps change ln(mass) by less than 0.68; false links have a median of 0.5, on simulated films."""

STEP_PROBABILITY: Final = 1e-4
"""A step this improbable for its track is taken for a false link."""


def cut_links(table: pd.DataFrame, drift_px: NDArray[np.float64]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the table with new particle numbers after improbable links were cut, and how many were.

    Parameters
    ----------
    table : DataFrame
        Linked positions, sorted by ``particle`` and ``frame``, with ``mass``, ``x_refined``, ``y_refined``.
    drift_px : (n_frames, 2) float64
        Cumulative common drift.
    """
    log_mass = np.log(np.maximum(table["mass"].to_numpy(np.float64), 1e-9))
    particle = table["particle"].to_numpy(np.int64)
    same = np.diff(particle) == 0
    jumped = same & (np.abs(np.diff(log_mass)) > MAX_LOG_MASS_RATIO)
    particle = _renumbered(particle, jumped)
    n_far = 0
    for _ in range(2):
        far = _improbable_steps(table, particle, drift_px)
        n_far += int(far.sum())
        particle = _renumbered(particle, far)
    cut = table.assign(particle=particle)
    return cut, {"links_cut_brightness": int(jumped.sum()), "links_cut_distance": n_far}


def _renumbered(particle: NDArray[np.int64], cut: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return running track numbers, a new one where the particle changes and after every cut."""
    new = np.concatenate([[False], (np.diff(particle) != 0) | cut]) if len(particle) else np.empty(0, bool)
    return np.cumsum(new).astype(np.int64)


def _improbable_steps(
    table: pd.DataFrame, particle: NDArray[np.int64], drift_px: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which steps are too long for the other steps of their track.

    A step's r²/2 over the mean r²/2 of the N - 1 others follows F(2, 2(N - 1)), whose tail is
    (1 + f/(N - 1))^-(N - 1). (With the step itself in the mean no step of a short track could ever stand out.)
    """
    frame = table["frame"].to_numpy(np.int64)
    steps = np.diff(table[["x_refined", "y_refined"]].to_numpy(np.float64), axis=0) - np.diff(drift_px[frame], axis=0)
    gap = np.diff(frame)
    same = np.diff(particle) == 0
    square = np.where(same, np.sum(steps**2, axis=1) / np.maximum(gap, 1), 0.0)
    track = particle[:-1]
    n_tracks = int(particle.max(initial=-1)) + 1
    total = np.bincount(track, weights=square, minlength=n_tracks)[track]
    others = np.bincount(track, weights=same.astype(float), minlength=n_tracks)[track] - 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = square / ((total - square) / others)
        tail = (1.0 + ratio / others) ** -others
    improbable: NDArray[np.bool_] = same & (others >= 2) & (tail < STEP_PROBABILITY)
    return improbable
