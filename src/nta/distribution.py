"""Diffusion -> SizeDistribution: the number-weighted sizes of the particles in the liquid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import pandas as pd

from nta.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Peak:
    """A local maximum of the density: its diameter in nm and the share of particles under it (0 to 1)."""

    diameter: Estimate
    fraction: float


@dataclass(frozen=True, slots=True)
class SizeStatistics:
    """Number-weighted statistics of a size distribution, nm (span has no unit); peaks ascend."""

    STATISTICS: ClassVar[tuple[str, ...]] = ("mode", "mean", "sd", "d10", "d50", "d90", "span")

    mode: Estimate
    mean: Estimate
    sd: Estimate
    d10: Estimate
    d50: Estimate
    d90: Estimate
    span: Estimate
    peaks: tuple[Peak, ...] = ()

    @classmethod
    def missing(cls) -> Self:
        """Return the statistics of a sample in which nothing was sized."""
        return cls(*(Estimate.missing() for _ in range(7)))


@dataclass(frozen=True)
class SizeDistribution:
    """Number-weighted size distribution.

    Parameters
    ----------
    table : DataFrame
        Columns ``diameter_nm`` (1 nm grid, ascending), ``density_per_nm``, ``density_low_per_nm``,
        ``density_high_per_nm`` (pointwise 95 % band), ``cumulative``. No row when nothing was sized.
    size : SizeStatistics
        The statistics with their intervals.
    n_tracks : int
        Tracks behind it.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = (
        "diameter_nm",
        "density_per_nm",
        "density_low_per_nm",
        "density_high_per_nm",
        "cumulative",
    )

    table: pd.DataFrame
    size: SizeStatistics
    n_tracks: int

    @classmethod
    def missing(cls) -> Self:
        """Return the distribution of a sample in which nothing was sized: all columns, no row."""
        return cls(pd.DataFrame({name: pd.Series(dtype=float) for name in cls.COLUMNS}), SizeStatistics.missing(), 0)
