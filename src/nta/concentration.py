"""Particles per millilitre: from counts in the field to the liquid in the vial."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self

from nta.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Concentration:
    """Number concentration of particles.

    Parameters
    ----------
    measured : Estimate
        Particles per mL in the measuring cell.
    stock : Estimate or None
        Particles per mL in the undiluted sample; ``None`` when the dilution is not known.
    volume_source : {"calibration", "nominal"}
        Where the depth of the volume comes from. ``nominal`` makes the result *relative*.
    depth_um : float
        Depth used, µm.
    """

    measured: Estimate
    stock: Estimate | None
    volume_source: Literal["calibration", "nominal"]
    depth_um: float

    @property
    def is_relative(self) -> bool:
        """Whether only ratios between samples of one instrument are meaningful."""
        return self.volume_source == "nominal"

    @classmethod
    def missing(cls) -> Self:
        """Return the concentration of something that was not measured."""
        return cls(Estimate.missing(), None, "nominal", math.nan)
