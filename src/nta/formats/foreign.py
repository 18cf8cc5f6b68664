"""The noun of an import: what another program measured, with its numbers as its file states them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.settings import Method

Floats = NDArray[np.float64]

STATISTICS: Final = ("mean", "mode", "sd", "d10", "d50", "d90")
"""Diameters that an export may state of a capture, nm."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A mean over captures and its standard error, as a file states them; NaN where it does not."""

    value: float = math.nan
    standard_error: float = math.nan


@dataclass(frozen=True, slots=True)
class ForeignCapture:
    """One capture as another program measured it.

    Parameters
    ----------
    name : str
        Its name in the file.
    values : dict of float
        How it was taken, by the names of :class:`nta.settings.Settings`.
    size_nm : dict of float
        By the names of :data:`STATISTICS`.
    per_ml : float
        Concentration as stated, with or without the dilution: see :class:`ForeignResult`.
    per_frame : float
        Mean number of spots in a frame.
    n_frames, tracks, tracks_used : int or None
        Frames looked at, tracks, and those of them behind the distribution.
    diffusion_d50_um2_s : float
        Median of the stated diffusion coefficients, µm²/s.
    alerts : tuple of str
        What the program itself says against it.
    """

    name: str
    values: Mapping[str, float] = field(default_factory=dict)
    size_nm: Mapping[str, float] = field(default_factory=dict)
    per_ml: float = math.nan
    per_frame: float = math.nan
    n_frames: int | None = None
    tracks: int | None = None
    tracks_used: int | None = None
    diffusion_d50_um2_s: float = math.nan
    alerts: tuple[str, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether the program wrote zeros in place of every result."""
        results = [self.per_ml, *(self.size_nm.get(name, math.nan) for name in STATISTICS)]
        known = [value for value in results if math.isfinite(value)]
        return bool(known) and not any(known)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Particles per mL in bins of diameter.

    Parameters
    ----------
    diameter_nm : (m,) float64
        Centres of bins of one width, ascending, nm.
    per_ml : (n_captures, m) float64
        Of each capture; tracks in place of particles per mL where the file holds no more.
    average_per_ml, standard_error_per_ml : (m,) float64
        Over the captures as the file states them; empty where it does not.
    """

    diameter_nm: Floats = field(default_factory=lambda: np.empty(0))
    per_ml: Floats = field(default_factory=lambda: np.empty((0, 0)))
    average_per_ml: Floats = field(default_factory=lambda: np.empty(0))
    standard_error_per_ml: Floats = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, slots=True)
class ForeignResult:
    """One sample as another program measured it.

    Parameters
    ----------
    path : Path
        The export.
    sha256 : str
        Of its bytes.
    kind : str
        Which export it is, for people.
    program : str
        Which program wrote it.
    sample : str
        Name of the sample.
    captures : tuple of ForeignCapture
        In the order of the file.
    averages : dict of Stated
        By the names of :data:`STATISTICS`, ``per_ml`` and ``per_frame``, where the file states means over captures.
    histogram : Histogram
        The distribution.
    dilution : float
        NaN where none is recorded.
    is_adjusted : bool
        Whether the concentrations are those of the stock, the dilution multiplied in.
    method : Method
        Our name of its read-out.
    details : dict of str
        What else it states, by names fit for ``values`` of a result.
    complaints : tuple of str
        What does not hold that holds in every good file, a sentence each.
    """

    path: Path
    sha256: str
    kind: str
    program: str
    sample: str
    captures: tuple[ForeignCapture, ...]
    averages: Mapping[str, Stated] = field(default_factory=dict)
    histogram: Histogram = field(default_factory=Histogram)
    dilution: float = math.nan
    is_adjusted: bool = False
    method: Method = "raw"
    details: Mapping[str, str | float] = field(default_factory=dict)
    complaints: tuple[str, ...] = ()

    @property
    def good(self) -> tuple[int, ...]:
        """Numbers of the captures that hold a result."""
        return tuple(number for number, one in enumerate(self.captures) if not one.has_failed)
