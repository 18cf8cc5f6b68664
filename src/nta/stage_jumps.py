"""Measured -> Measured whose tracks end where the whole picture jumped: no step goes across a jump of the stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nta.quality.common_motion import common_motions
from nta.record import Measured
from nta.tracking import Tracks
from nta.tracking.flow import drift_from_links
from nta.video import Fault


def split_at_jumps(measured: Measured) -> Measured:
    """Return the capture with its tracks cut at jumps, and the drift of each part measured alone.

    A jump is smeared over a second of the smoothed drift, and steps across it are no Brownian ones.

    Parameters
    ----------
    measured : Measured
        One capture.

    Returns
    -------
    Measured
        The same object where nothing jumped. A fault ``stage_jump`` says what the cut tracks no longer show.
    """
    jumps = _jumps(measured.tracks)
    if not jumps:
        return measured
    tracks = _cut(measured.tracks, jumps)
    if set(jumps) <= set(_jumps(tracks)):
        return replace(measured, tracks=tracks)
    where = ", ".join(str(frame) for frame in jumps)
    fault = Fault(
        "stage_jump",
        f"the whole picture moved at once before frame {where}: the stage or the cell was moved, or frames are "
        "missing; tracks end there, measure the longer part alone with --frames, or record again",
    )
    return replace(
        measured,
        tracks=tracks,
        detections=replace(measured.detections, faults=(*measured.detections.faults, fault)),
    )


def _jumps(tracks: Tracks) -> tuple[int, ...]:
    motions = common_motions(tracks)
    return motions[0].jumps if motions else ()


def _cut(tracks: Tracks, jumps: Sequence[int]) -> Tracks:
    part = np.searchsorted(jumps, tracks.table["frame"].to_numpy(np.int64), side="right")
    table = tracks.table.assign(particle=_renumbered(tracks.table["particle"], part))
    table = table.sort_values(["particle", "frame"], kind="stable", ignore_index=True)
    cut = int(table["particle"].nunique()) - tracks.n_tracks
    (capture,) = tracks.captures
    drift = _drift_of_parts(table, jumps, len(capture.drift_px), capture.acquisition.fps)
    return Tracks(table, (replace(capture, drift_px=drift),), tracks.ledger | {"tracks_cut_at_jumps": cut})


def _renumbered(particle: pd.Series[int], part: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return one number for each particle of each part; those that end before the first jump keep their order."""
    number, _ = pd.factorize(pd.Series(list(zip(part.tolist(), particle.tolist(), strict=True))), sort=True)
    return np.asarray(number, dtype=np.int64)


def _drift_of_parts(table: pd.DataFrame, jumps: Sequence[int], n_frames: int, fps: float) -> NDArray[np.float64]:
    """Return the cumulative drift (n_frames, 2), px, standing still over each jump."""
    drift = np.zeros((n_frames, 2))
    edges = [0, *jumps, n_frames]
    for first, end in pairwise(edges):
        mine = table[table["frame"].between(first, end - 1)]
        start = drift[first - 1] if first else np.zeros(2)
        drift[first:end] = start + drift_from_links(mine.assign(frame=mine["frame"] - first), end - first, fps)
    return drift
