"""Which program joins the positions: the fused kernels, or trackpy itself; both give the same tracks."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from nta.detection.engines import DEFAULT_ENGINE
from nta.settings import Engine

LinkPositions = Callable[[pd.DataFrame, float, int], "pd.Series[int]"]
"""Called with positions (``frame``, ``x``, ``y``), the search range in px and the memory in frames."""


def position_linker(engine: Engine | None) -> LinkPositions:
    """Return the function that joins positions.

    Parameters
    ----------
    engine : {"fused", "trackpy"}, optional
        The program; that of the detection when not given.
    """
    if (DEFAULT_ENGINE if engine is None else engine) == "fused":
        from nta.tracking.fused_engine import link_positions

        return link_positions
    from nta.tracking import trackpy_engine

    return trackpy_engine.link_positions
