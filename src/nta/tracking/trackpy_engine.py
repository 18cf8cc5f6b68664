"""trackpy's own linking; the only door to it."""

from __future__ import annotations

import logging
import warnings
from typing import Final

import numpy as np
import pandas as pd

from nta.errors import RejectedError

ADAPTIVE_STEP: Final = 0.9
SMALLEST_SHARE: Final = 0.2


def link_positions(positions: pd.DataFrame, search_range_px: float, memory: int) -> pd.Series[int]:
    """Return the particle number of every row of ``positions`` (columns ``frame``, ``x``, ``y``).

    Tracks are numbered from 0 in the order of their first position. Where particles stand so close that the joint
    assignment explodes, the range shrinks for that group alone (trackpy's adaptive search).

    Raises
    ------
    RejectedError
        ``too_dense``, where even a fifth of the range leaves groups too large to solve.
    """
    import trackpy

    if positions.empty:
        return pd.Series(dtype="int64")
    try:
        linked = _linked(positions, search_range_px, memory)
    except trackpy.SubnetOversizeException:
        try:
            linked = _linked(
                positions,
                search_range_px,
                memory,
                adaptive_stop=SMALLEST_SHARE * search_range_px,
                adaptive_step=ADAPTIVE_STEP,
            )
        except trackpy.SubnetOversizeException:
            raise too_dense(len(positions) / positions["frame"].nunique()) from None
    return _in_order_of_appearance(linked["particle"].reindex(positions.index), positions["frame"])


def too_dense(per_frame: float) -> RejectedError:
    """Return the refusal of ``per_frame`` particles per frame."""
    return RejectedError(
        f"{per_frame:.0f} particles per frame stand too close to be followed: dilute the sample, or look for "
        "larger particles only (--size-range)",
        code="too_dense",
    )


def _in_order_of_appearance(particle: pd.Series[int], frame: pd.Series[int]) -> pd.Series[int]:
    """Return the same partition, numbered by first appearance.

    trackpy keeps its points in sets, whose order follows their addresses in memory: from run to run the same
    tracks get other numbers.
    """
    order = np.argsort(frame.to_numpy(), kind="stable")
    numbers = np.empty(len(particle), dtype=np.int64)
    numbers[order] = pd.factorize(particle.to_numpy()[order])[0]
    return pd.Series(numbers, index=particle.index)


def _linked(
    positions: pd.DataFrame,
    search_range_px: float,
    memory: int,
    adaptive_stop: float | None = None,
    adaptive_step: float = ADAPTIVE_STEP,
) -> pd.DataFrame:
    import trackpy

    logging.getLogger("trackpy").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # trackpy 0.7 uses keywords that pandas 3.1 is about to drop.
        warnings.simplefilter("ignore", DeprecationWarning)
        linked: pd.DataFrame = trackpy.link(
            positions, search_range_px, memory=memory, adaptive_stop=adaptive_stop, adaptive_step=adaptive_step
        )
    return linked
