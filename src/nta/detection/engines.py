"""Which program finds the spots: the fused kernels, or trackpy itself; both give the same rows to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nta.settings import Engine

Finder = Callable[[NDArray[Any], float], NDArray[np.float64]]
"""Called with a frame and the least mass; returns (n, 8) in the order of ``trackpy_engine.FEATURE_COLUMNS``."""

DEFAULT_ENGINE: Final[Engine] = "fused"


def spot_finder(
    engine: Engine, shape: tuple[int, int], dtype: np.dtype[Any], diameter_px: int, *, invert: bool, gain: int
) -> Finder:
    """Return the function that finds the spots of frames of one kind.

    Parameters
    ----------
    engine : {"fused", "trackpy"}
        The program; diameters above 31 px are trackpy's in any case.
    shape : tuple of int
        Height and width of the frames, px.
    dtype : uint8 or uint16
        Type of their pixels.
    diameter_px : int
        Odd spot diameter.
    invert : bool
        Whether the spots are dark.
    gain : int
        Factor on all pixels before the search, which is then one of uint16.
    """
    from nta.detection.fused_engine import DIAMETERS, Locator

    if engine == "fused" and diameter_px in DIAMETERS:
        searched = dtype if gain == 1 else np.dtype(np.uint16)
        return partial(Locator(*shape, searched, diameter_px).locate, invert=invert, gain=gain)
    from nta.detection.trackpy_engine import locate

    def find(frame: NDArray[Any], min_mass: float) -> NDArray[np.float64]:
        return locate(frame, diameter_px, min_mass, invert=invert, gain=gain)

    return find


def needs_rare_kernels(engine: Engine, dtype: np.dtype[Any], *, invert: bool, gain: int) -> bool:
    """Return whether :func:`spot_finder` gives a function whose kernels most videos do without.

    Those of most read pixels of 8 bits that a gain makes brighter. Parameters are those of :func:`spot_finder`.
    """
    return engine == "fused" and (dtype != np.uint8 or invert or gain == 1)
