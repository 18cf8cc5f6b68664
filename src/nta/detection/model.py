"""The noun of this step: the spots of one capture, and how they were found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from nta.detection.appearance import Appearance
from nta.detection.detectability import Detectability
from nta.settings import Acquisition, Sourced
from nta.video import Fault

DIMMEST: Final = 0.8
"""Least light that is looked for, over the threshold, so that the result can say what another threshold would do.

The safety of 1.5 over what noise reaches leaves 1.2 there.
"""


@dataclass(frozen=True)
class Detections:
    """The spots of one capture.

    Parameters
    ----------
    table : DataFrame
        One row a spot, sorted by ``frame``: trackpy's columns (``y``, ``x``, ``mass``, ``size``, ``ecc``, ``signal``,
        ``raw_mass``, ``ep``, in px and grey levels), ``frame``, and the second localisation on the raw pixels:
        ``y_refined``, ``x_refined`` and ``sigma_px`` (px, standard error per axis), ``disc_mass`` (grey levels).
    acquisition : Acquisition
        How the capture was taken, with the field's size and the number of frames looked at.
    appearance : Appearance
        What the video looks like.
    margin_px : int
        Width of the strip along the edges in which no spot is reported, px.
    field_px : tuple of int
        Left, top, width, height of the part of the field that was searched, px.
    masked_px : int
        Area inside it that was left out, px².
    diameter_px, min_mass : int, float
        What the detector was told.
    values : dict of Sourced
        Every value used so far, with its origin.
    ledger : dict
        Spots left out, by reason.
    faults : tuple of Fault
        What is wrong with the video and shows only when all of it is read.
    dimmer : DataFrame
        The spots between 0.8 times the threshold and the threshold, with the table's columns: what a lower threshold
        would add (:mod:`nta.sensitivity`). Empty where the threshold was stated.
    detectability : Detectability or None
        What the detector finds of dim spots, and of noise, at this threshold.
    """

    table: pd.DataFrame
    acquisition: Acquisition
    appearance: Appearance
    margin_px: int
    field_px: tuple[int, int, int, int]
    masked_px: int
    diameter_px: int
    min_mass: float
    values: dict[str, Sourced] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    dimmer: pd.DataFrame = field(default_factory=pd.DataFrame)
    detectability: Detectability | None = None

    @property
    def particles_per_frame(self) -> float:
        """Mean number of spots in a frame."""
        n_frames = self.acquisition.n_frames
        return math.nan if not n_frames else len(self.table) / n_frames
