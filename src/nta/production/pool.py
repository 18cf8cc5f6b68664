"""The distribution of a pooled lot: the mixture of its days by their yields, and its check against the pool itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.errors import UsageError
from nta.estimate import NORMAL_95, Estimate
from nta.production.findings import Finding, finding
from nta.production.quantity import Quantity
from nta.size_statistics import point_statistics

Floats = NDArray[np.float64]

_MOVED: Final = ("mode", "mean", "d10", "d50", "d90")
"""Statistics that go with the scale of the sizes; the others (sd, span) do not follow a shift of the days."""


@dataclass(frozen=True)
class Portion:
    """One sample's part of a pool.

    Parameters
    ----------
    name : str
        Day and sample.
    particles : Estimate
        How many it brings; missing where not known.
    diameter_nm, density_per_nm : (n,) float64
        Its number-weighted distribution, ascending; empty where nothing was sized.
    low_per_nm, high_per_nm : (n,) float64
        Pointwise 95 % band.
    size : mapping of str to Estimate
        mode, mean, sd, d10, d50, d90 (nm) and span.
    quantity : Quantity or None
        The particles with the sources of their error, where these are on record.
    record : int or None
        Number of the analysis in the store.
    """

    name: str
    particles: Estimate
    diameter_nm: Floats
    density_per_nm: Floats
    low_per_nm: Floats
    high_per_nm: Floats
    size: Mapping[str, Estimate]
    quantity: Quantity | None = None
    record: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether it has particles and sizes."""
        return self.particles.value > 0.0 and self.diameter_nm.size > 1


@dataclass(frozen=True)
class Pool:
    """Number-weighted distribution of a pooled lot.

    Parameters
    ----------
    diameter_nm : (n,) float64
        1 nm grid over all portions.
    density_per_nm, low_per_nm, high_per_nm : (n,) float64
        Density with its pointwise 95 % band.
    size : mapping of str to Estimate
        mode, mean, sd, d10, d50, d90 (nm) and span.
    shares : mapping of str to float
        Share of the particles by portion, 0 to 1.
    missing : tuple of str
        Portions that it lacks.
    records : tuple of int
        Numbers of the analyses behind it.
    """

    diameter_nm: Floats
    density_per_nm: Floats
    low_per_nm: Floats
    high_per_nm: Floats
    size: Mapping[str, Estimate]
    shares: Mapping[str, float]
    missing: tuple[str, ...] = ()
    records: tuple[int, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What it lacks."""
        if not self.missing:
            return ()
        names = ", ".join(self.missing)
        text = f"the pooled distribution lacks {names}: no particles or no sizes are known of it"
        return (finding("pool_incomplete", text),)

    def fraction_between(self, low_nm: float, high_nm: float) -> Estimate:
        """Return the share of the particles in a window of sizes, 0 to 1, with the interval of the density's band.

        The ends hold if the whole band is low, or high, within the window and the other way round outside of it: wider
        than the errors of a sum of bins are, never narrower.

        Raises
        ------
        UsageError
            If the window is empty.
        """
        if not low_nm < high_nm:
            raise UsageError(f"the window {low_nm:g} to {high_nm:g} nm is empty; give the lower end first")
        value, low_in, high_in = (self._within(row, low_nm, high_nm) for row in self._rows())
        low_out, high_out = (self._total(row) - self._within(row, low_nm, high_nm) for row in self._rows()[1:])
        whole = self._total(self.density_per_nm)
        return Estimate(value / whole, _share(low_in, high_out), _share(high_in, low_out))

    def _rows(self) -> tuple[Floats, Floats, Floats]:
        return self.density_per_nm, self.low_per_nm, self.high_per_nm

    def _total(self, row: Floats) -> float:
        return float(np.trapezoid(row, self.diameter_nm))

    def _within(self, row: Floats, low_nm: float, high_nm: float) -> float:
        inside = np.clip([low_nm, high_nm], self.diameter_nm[0], self.diameter_nm[-1])
        grid = np.union1d(self.diameter_nm, inside)
        grid = grid[(grid >= inside[0]) & (grid <= inside[1])]
        return float(np.trapezoid(np.interp(grid, self.diameter_nm, row), grid))


def _share(part: float, rest: float) -> float:
    return part / (part + rest) if part + rest > 0.0 else math.nan


def pool_of(portions: Sequence[Portion]) -> Pool | None:
    """Return the mixture of the portions, weighted by their particles; ``None`` where none has particles and sizes.

    The band of the density adds the portions' own bands and the errors of their shares in quadrature; an error that all
    yields share (the calibration) does not move a share. The sizes' intervals move all portions to the ends of their
    own intervals at once, as errors of pixel size and temperature do: never too narrow.

    Parameters
    ----------
    portions : sequence of Portion
        Those without particles or sizes are left out and listed as missing.
    """
    known = [portion for portion in portions if portion.is_known]
    if not known:
        return None
    particles = np.array([portion.particles.value for portion in known])
    weights = particles / particles.sum()
    grid = _grid(known)
    density = _mixture(known, weights, grid)
    below, above = _band(known, weights, grid, density)
    return Pool(
        grid,
        density,
        np.maximum(density - below, 0.0),
        density + above,
        _sizes(known, weights, grid),
        {portion.name: float(weight) for portion, weight in zip(known, weights, strict=True)},
        tuple(portion.name for portion in portions if not portion.is_known),
        tuple(portion.record for portion in known if portion.record is not None),
    )


def check_pool(pool: Pool, total: Quantity, measured: Portion) -> tuple[Finding, ...]:
    """Return where a measurement of the pool contradicts the days: in its particles or in its D50.

    Each is compared at 95 %, so that one of ten pools in which nothing is wrong has a finding at most.

    Parameters
    ----------
    pool : Pool
        What the days add up to.
    total : Quantity
        Sum of the days' particles.
    measured : Portion
        The pool as it was measured.
    """
    found = []
    if measured.quantity is not None:
        ratio = measured.quantity.over(total).estimate
        if not ratio.low <= 1.0 <= ratio.high:
            found.append(
                f"it holds {ratio.value:.3g} ({ratio.low:.3g} to {ratio.high:.3g}) of the days' particles; look for "
                "losses in pooling and for a wrong volume or dilution"
            )
    ours, theirs = pool.size["d50"], measured.size.get("d50", Estimate.missing())
    if _differ(ours, theirs):
        found.append(
            f"its D50 is {theirs.value:.4g} nm and not {ours.value:.4g} nm; look for clumping, and for a day that is "
            "not in the pool"
        )
    return tuple(finding("pool_disagrees", f"{measured.name}: {text}") for text in found)


def _differ(first: Estimate, second: Estimate) -> bool:
    """Return whether 0 is outside the interval of a difference of independent numbers (Zou and Donner 2008, eq. 5)."""
    difference = second.value - first.value
    below = math.hypot(second.value - second.low, first.high - first.value)
    above = math.hypot(second.high - second.value, first.value - first.low)
    return difference - below > 0.0 or difference + above < 0.0


def _grid(known: Sequence[Portion]) -> Floats:
    first = min(portion.diameter_nm[0] for portion in known)
    last = max(portion.diameter_nm[-1] for portion in known)
    return np.arange(math.floor(first), math.ceil(last) + 1.0)


def _on(grid: Floats, portion: Portion, row: Floats, scale: float = 1.0) -> Floats:
    """Return a portion's density with its sizes times ``scale`` on another grid, 0 where it does not reach."""
    return np.interp(grid / scale, portion.diameter_nm, row, left=0.0, right=0.0) / scale


def _mixture(known: Sequence[Portion], weights: Floats, grid: Floats, scales: Sequence[float] | None = None) -> Floats:
    scales = [1.0] * len(known) if scales is None else scales
    rows = [_on(grid, one, one.density_per_nm, scale) for one, scale in zip(known, scales, strict=True)]
    density: Floats = weights @ np.array(rows)
    return density / float(np.trapezoid(density, grid))


def _band(known: Sequence[Portion], weights: Floats, grid: Floats, density: Floats) -> tuple[Floats, Floats]:
    """Return how far the density can be below and above, 95 %."""
    from_shares = _variance_from_shares(known, weights, grid, density) * NORMAL_95**2
    below, above = from_shares.copy(), from_shares.copy()
    for portion, weight in zip(known, weights, strict=True):
        value, low, high = (
            _on(grid, portion, row) for row in (portion.density_per_nm, portion.low_per_nm, portion.high_per_nm)
        )
        below += (weight * (value - low)) ** 2
        above += (weight * (high - value)) ** 2
    return np.sqrt(below), np.sqrt(above)


def _variance_from_shares(known: Sequence[Portion], weights: Floats, grid: Floats, density: Floats) -> Floats:
    """Return the density's variance from the errors of the yields: d f/d ln N_i = w_i (f_i - f)."""
    by_source: dict[str, Floats] = {}
    for portion, weight in zip(known, weights, strict=True):
        slope = weight * (_on(grid, portion, portion.density_per_nm) - density)
        for source, sd in _errors(portion).items():
            by_source[source] = by_source.get(source, np.zeros_like(grid)) + sd * slope
    return np.sum([part**2 for part in by_source.values()], axis=0) if by_source else np.zeros_like(grid)


def _errors(portion: Portion) -> dict[str, float]:
    """Return the relative errors of a yield by source; all of its interval is its own where these are not on record."""
    if portion.quantity is not None:
        return {source: error.relative_sd for source, error in portion.quantity.errors.items()}
    return {portion.name: (portion.particles.high - portion.particles.low) / (2 * NORMAL_95 * portion.particles.value)}


def _sizes(known: Sequence[Portion], weights: Floats, grid: Floats) -> dict[str, Estimate]:
    point = point_statistics(grid, _mixture(known, weights, grid))
    return {name: _size(name, point[name], known, weights, grid) for name in point}


def _size(name: str, value: float, known: Sequence[Portion], weights: Floats, grid: Floats) -> Estimate:
    own = [portion.size.get(name, Estimate.missing()) for portion in known]
    ends = []
    for end in ("low", "high"):
        scales = [getattr(one, end) / one.value for one in own]
        if not all(0.0 < scale < math.inf for scale in scales):
            return Estimate(value, math.nan, math.nan)
        moved = float(np.average(scales, weights=weights)) * value
        if name in _MOVED:
            wide = np.arange(math.floor(grid[0] * min(1.0, *scales)), math.ceil(grid[-1] * max(1.0, *scales)) + 1.0)
            moved = point_statistics(wide, _mixture(known, weights, wide, scales))[name]
        ends.append(moved - value)
    from_shares = NORMAL_95 * _sd_from_shares(name, value, known, weights, grid)
    low, high = value - math.hypot(min(ends[0], 0.0), from_shares), value + math.hypot(max(ends[1], 0.0), from_shares)
    return Estimate(value, max(low, 0.0), high)


def _sd_from_shares(name: str, value: float, known: Sequence[Portion], weights: Floats, grid: Floats) -> float:
    """Return the standard uncertainty of a statistic from the errors of the yields, each source moved by one."""
    sources = dict.fromkeys(source for portion in known for source in _errors(portion))
    squares = []
    for source in sources:
        moved = weights * np.exp([_errors(portion).get(source, 0.0) for portion in known])
        squares.append((point_statistics(grid, _mixture(known, moved, grid))[name] - value) ** 2)
    return math.sqrt(math.fsum(squares))
