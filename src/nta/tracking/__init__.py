"""Detections -> Tracks: who is who from frame to frame, in the frame that moves with the liquid."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd

from nta.compilation import load_kernels
from nta.detection import Detections
from nta.errors import SettingsError
from nta.kernels import displacement_moments
from nta.progress import Progress, silent
from nta.settings import Acquisition, Settings, Sourced
from nta.tracking.cuts import cut_links
from nta.tracking.engines import LinkPositions, position_linker
from nta.tracking.flow import Floats, common_step_px, drift_from_links
from nta.tracking.noun import FlatTracks, LinkedCapture, Tracks, as_tracks, flatten

__all__ = [
    "FlatTracks",
    "LinkedCapture",
    "Tracks",
    "as_tracks",
    "drift_from_links",
    "ensemble_msd",
    "flatten",
    "link",
    "search_range",
]

FIRST_SMALLEST_NM: Final = 40.0
"""Smallest diameter that the first linking looks for when nobody states one; the second follows what was found."""

_RANGE_SDS: Final = 3.7
"""P(miss) = exp(-3.7²/2) = 0.1 % of the steps of the smallest particle."""

_RANGE_MARGIN_PX: Final = 1.0
_TYPICAL_DIAMETER_NM: Final = 100.0
_N_PASSES: Final = 2


def step_sd_px(acquisition: Acquisition, diameter_nm: float) -> float:
    """Return the standard deviation per axis of a particle's step between two frames, px."""
    return float(acquisition.step_sd_um(diameter_nm)) / acquisition.mpp


def search_range(acquisition: Acquisition, smallest_nm: float) -> float:
    """Return the search range that keeps 99.9 % of the steps of the smallest particle, px."""
    return _RANGE_SDS * step_sd_px(acquisition, smallest_nm) + _RANGE_MARGIN_PX


def link(
    detections: Detections,
    settings: Settings | None = None,
    *,
    smallest_nm: float | None = None,
    progress: Progress = silent,
) -> Tracks:
    """Link spots to tracks in the frame that moves with the liquid, and cut links that cannot be right.

    The flow is found from all pairs of successive frames, the positions are linked as trackpy links them with the
    flow taken out, the drift is measured again from the links, and this is repeated once.

    Parameters
    ----------
    detections : Detections
        From :func:`nta.detect`.
    settings : Settings, optional
        What was asked for: ``search_range_px``, ``memory``, ``engine``.
    smallest_nm : float, optional
        Smallest diameter whose steps the search range must hold; ``size_range_nm`` of the settings or 40 nm
        when not given.
    progress : callable, optional
        Told ``("link", passes done, passes)``.

    Returns
    -------
    Tracks
        Every spot is in it, alone in its track if nothing was linked to it.

    Raises
    ------
    RejectedError
        ``too_dense``, where particles stand too close to be followed.
    """
    settings = Settings() if settings is None else settings
    load_kernels()
    acquisition = detections.acquisition
    table = detections.table
    if smallest_nm is None:
        smallest_nm = FIRST_SMALLEST_NM if settings.size_range_nm is None else settings.size_range_nm[0]
    if settings.search_range_px is None:
        # Never below the radius of a spot: spots are at least a diameter apart, so no less can go wrong there, and a
        # first fit that reads too large (compressed film) must not cut the steps that would prove it wrong.
        reach_px = max(search_range(acquisition, smallest_nm), detections.diameter_px / 2.0)
    else:
        reach_px = settings.search_range_px
    memory = 0 if settings.memory is None else settings.memory
    drift = _first_drift(detections)
    link_positions = position_linker(settings.engine)
    ledger: dict[str, int] = {}
    linked = table.assign(particle=pd.Series(dtype="int64"))
    for number in range(_N_PASSES if len(table) else 0):
        # All passes but the last one are for the drift alone: only places are sorted.
        of_pass = table if number == _N_PASSES - 1 else table[["frame", "x", "y"]]
        linked = _linked(of_pass, drift, reach_px, memory, link_positions)
        drift = drift_from_links(linked, len(drift), acquisition.fps)
        progress("link", number + 1, _N_PASSES)
    if len(table):
        linked, ledger = cut_links(linked, drift)
        drift = drift_from_links(linked, len(drift), acquisition.fps)
    linked = linked.assign(capture=np.int64(0))[list(Tracks.COLUMNS)].astype(Tracks.COLUMNS)
    capture = LinkedCapture(acquisition, drift, reach_px, _reported_field(detections))
    return Tracks(linked.reset_index(drop=True), (capture,), {**detections.ledger, **ledger})


def values_of_linking(tracks: Tracks, settings: Settings) -> dict[str, Sourced]:
    """Return what linking chose, with its origin."""
    reach_px = tracks.captures[0].search_range_px
    stated = settings.search_range_px is not None
    return {
        "search_range_px": Sourced(round(reach_px, 3), settings.origin("search_range_px") if stated else "video"),
        "memory": Sourced(settings.memory or 0, settings.origin("memory")),
    }


def _first_drift(detections: Detections) -> Floats:
    acquisition = detections.acquisition
    n_frames = int(detections.table["frame"].max()) + 1 if len(detections.table) else 0
    _, _, width, height = detections.field_px
    flow = common_step_px(detections.table, width, height, step_sd_px(acquisition, _TYPICAL_DIAMETER_NM))
    return np.outer(np.arange(n_frames), flow)


def _linked(
    table: pd.DataFrame, drift: Floats, reach_px: float, memory: int, link_positions: LinkPositions
) -> pd.DataFrame:
    """Return the table with the column ``particle``, sorted by it and by ``frame``."""
    frame = table["frame"].to_numpy(np.int64)
    moving = pd.DataFrame(
        {
            "frame": frame,
            "x": table["x"].to_numpy(np.float64) - drift[frame, 0],
            "y": table["y"].to_numpy(np.float64) - drift[frame, 1],
        },
        index=table.index,
    )
    particle = link_positions(moving, reach_px, memory).to_numpy(np.int64)
    order = np.lexsort((frame, particle))
    return table.take(order).assign(particle=particle[order]).reset_index(drop=True)


def _reported_field(detections: Detections) -> tuple[float, float, float, float]:
    """Return the rectangle in which a position can be reported: the field without the detector's margin, px."""
    left, top, width, height = detections.field_px
    margin = detections.margin_px
    return left + margin - 0.5, top + margin - 0.5, width - 2.0 * margin, height - 2.0 * margin


def ensemble_msd(
    tracks: Tracks | pd.DataFrame, acquisition: Acquisition | None = None, max_lag: int = 100
) -> pd.DataFrame:
    """Return the mean squared displacement over all tracks and all pairs of positions, common drift taken out.

    Parameters
    ----------
    tracks : Tracks or DataFrame
        Linked positions; a DataFrame needs the acquisition too.
    acquisition : Acquisition, optional
        How a DataFrame's video was taken.
    max_lag : int
        Largest lag in frames.

    Returns
    -------
    DataFrame
        Columns ``lag_s``, ``msd_um2`` (in the plane, 4 D t for free diffusion), ``n_pairs``; lags without a pair
        are left out.
    """
    if isinstance(tracks, pd.DataFrame):
        tracks = as_tracks(tracks, _required(acquisition))
    rates = sorted({capture.acquisition.fps for capture in tracks.captures})
    if len(rates) > 1:
        raise SettingsError(
            f"captures of {rates[0]:g} and {rates[-1]:g} frames per second share no lags; take the captures of one rate"
        )
    moments = np.zeros((max_lag + 1, 2))
    frame_time_s = math.nan
    for capture, flat in tracks.flat(min_track=2):
        frame_time_s = capture.acquisition.frame_time_s
        moments += displacement_moments(
            flat.offsets, flat.frames, flat.x_m, flat.y_m, flat.drift_x_m, flat.drift_y_m, max_lag
        )
    lags = np.flatnonzero(moments[:, 1] > 0)
    return pd.DataFrame(
        {
            "lag_s": lags * frame_time_s,
            "msd_um2": moments[lags, 0] / moments[lags, 1] * 1e12,
            "n_pairs": moments[lags, 1].astype(np.int64),
        }
    )


def _required(acquisition: Acquisition | None) -> Acquisition:
    if acquisition is None:
        raise SettingsError(
            "a bare table does not say how it was taken; give acquisition=nta.Acquisition(mpp=..., fps=..., ...)"
        )
    return acquisition
