"""The same distribution by volume instead of by number, and the share of the particles in a window of sizes.

Tracking counts particles; laser diffraction, filters and doses ask for volume, which goes with d³. A volume-weighted
percentile therefore rests on the few largest particles, and this file says on how many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from nta.errors import UsageError
from nta.estimate import NORMAL_95, Estimate
from nta.size_statistics import SizeStatistics, cumulative_share, interval, size_statistics

Floats = NDArray[np.float64]
Weighting = Literal["number", "volume"]

LAST_PARTICLE: Final = 0.5
"""The volume ends where fewer than this many of the particles seen would be larger: beyond, the curve is the fit's
continuation, and times d³ a thousandth of a particle at 700 nm outweighs hundreds of 80 nm."""

MIN_ABOVE_D90: Final = 5.0
"""Fewest particles above the volume's D90: five tell the volume that lies there to half of itself, no better."""


@dataclass(frozen=True, slots=True)
class VolumeSizes:
    """Volume-weighted sizes, and how many particles they rest on.

    Parameters
    ----------
    size : SizeStatistics
        Statistics of the density of volume over diameter, nm: its D50 halves the volume, its mean is D[4,3].
    particles_above_d90 : float
        Particles seen that are larger than the volume's D90; NaN where nothing was sized.
    n_effective : float
        n <d³>²/<d⁶>: as many equal particles would tell the total volume as surely.
    reason : str or None
        Why not to trust the large end; ``None`` where nothing speaks against it.
    """

    size: SizeStatistics
    particles_above_d90: float = math.nan
    n_effective: float = math.nan
    reason: str | None = None

    @classmethod
    def missing(cls) -> Self:
        """Return the sizes of a sample in which nothing was sized."""
        return cls(SizeStatistics.missing())


def volume_density(diameter_nm: Floats, density: Floats, n_particles: float = math.inf) -> Floats:
    """Return the volume per nm of diameter of a number density, its integral 1.

    Parameters
    ----------
    diameter_nm : (n,) float64
        Ascending grid, nm.
    density : (n,) float64
        Number of particles per nm, in any unit.
    n_particles : float
        Distinct particles behind it: above the size where half a particle is left, nothing is counted.
    """
    larger = n_particles * (1.0 - cumulative_share(diameter_nm, density)) if math.isfinite(n_particles) else math.inf
    volume = np.where(larger >= LAST_PARTICLE, density, 0.0) * diameter_nm**3
    total = float(np.trapezoid(volume, diameter_nm))
    normalised: Floats = volume / total if total > 0 else np.full_like(volume, np.nan)
    return normalised


def volume_sizes(
    diameter_nm: Floats,
    density: Floats,
    drawn: Floats,
    n_tracks: int,
    n_particles: float,
    systematic_relative_sd: float = 0.0,
) -> VolumeSizes:
    """Return the statistics of the volume-weighted distribution with their 95 % intervals.

    Parameters
    ----------
    diameter_nm : (n,) float64
        Ascending grid, nm.
    density : (n,) float64
        Number density per nm.
    drawn : (n_draws, n) float64
        Number densities of the bootstrap; with none the intervals are NaN.
    n_tracks : int
        Tracks behind it.
    n_particles : float
        Distinct particles behind the tracks; the volume ends where half of one is left.
    systematic_relative_sd : float
        Relative standard uncertainty that all diameters share.
    """
    if diameter_nm.size < 2:
        return VolumeSizes.missing()
    volume = volume_density(diameter_nm, density, n_particles)
    if np.isnan(volume).any():
        return VolumeSizes.missing()
    volume_drawn = np.array([volume_density(diameter_nm, row, n_particles) for row in drawn])
    size = size_statistics(diameter_nm, volume, volume_drawn, n_tracks, systematic_relative_sd)
    above = n_particles * (1.0 - float(np.interp(size.d90.value, diameter_nm, cumulative_share(diameter_nm, density))))
    # <d³>²/<d⁶> of the particles: moments -3, 0 and 3 of the volume, which is d³ of them.
    number, third, sixth = (float(np.trapezoid(volume * diameter_nm**power, diameter_nm)) for power in (-3.0, 0.0, 3.0))
    effective = n_particles * third**2 / (sixth * number)
    return VolumeSizes(size, above, effective, _reason(size.d90.value, above))


def _reason(d90_nm: float, above: float) -> str | None:
    if above >= MIN_ABOVE_D90:
        return None
    return (
        f"a tenth of the volume lies above {d90_nm:.0f} nm, where {above:.1f} particles were seen: the large end by "
        "volume is theirs alone; record more captures"
    )


def fraction_within(
    diameter_nm: Floats,
    density: Floats,
    drawn: Floats,
    low_nm: float,
    high_nm: float,
    n_tracks: int,
    *,
    by: Weighting = "number",
    n_particles: float = math.inf,
    systematic_relative_sd: float = 0.0,
) -> Estimate:
    """Return the share of the particles, or of their volume, from ``low_nm`` to ``high_nm``, 0 to 1.

    The interval joins in quadrature the bootstrap's quantiles and what the share would be were all diameters larger
    or smaller by 1.96 of their common standard uncertainty.

    Parameters
    ----------
    diameter_nm, density, drawn, n_tracks, systematic_relative_sd
        As in :func:`volume_sizes`.
    low_nm, high_nm : float
        The window, nm; either may lie outside the grid, ``inf`` leaves the upper end open. Of a window that lies
        outside the grid altogether nothing is known: missing, not 0.
    by : {"number", "volume"}
        What is shared.
    n_particles : float
        Distinct particles behind the tracks, which end the volume as in :func:`volume_density`.

    Raises
    ------
    UsageError
        If the window is empty.
    """
    if not low_nm < high_nm:
        raise UsageError(f"the window {low_nm:g} to {high_nm:g} nm is empty; give the smaller size first")
    if diameter_nm.size < 2 or high_nm <= diameter_nm[0] or low_nm >= diameter_nm[-1]:
        return Estimate.missing()
    weighted = [density, *drawn]
    if by == "volume":
        weighted = [volume_density(diameter_nm, row, n_particles) for row in weighted]

    def share(row: Floats, stretch: float = 1.0) -> float:
        # Diameters that are really larger by the stretch are the same as a window smaller by it.
        below, above = np.interp((low_nm / stretch, high_nm / stretch), diameter_nm, cumulative_share(diameter_nm, row))
        return float(above - below)

    found = interval(share(weighted[0]), np.array([share(row) for row in weighted[1:]]), 0.0, n_tracks)
    error = NORMAL_95 * systematic_relative_sd
    moved = [share(weighted[0], 1.0 + sign * error) - found.value for sign in (-1.0, 1.0)]
    low = found.value - math.hypot(found.value - found.low, min(*moved, 0.0))
    high = found.value + math.hypot(found.high - found.value, max(*moved, 0.0))
    return Estimate(found.value, max(low, 0.0), min(high, 1.0), n_tracks)
