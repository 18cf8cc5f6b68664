"""One side of a comparison: what its measurements say together, and how sure each part of it is.

An error of a measurement is its *own* (the particles drawn, the captures) or that of a *value* that it was computed
with (pixel size, temperature, depth). Own errors average out over a group, those of values do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from nta.comparison.uncertain import Uncertain
from nta.estimate import NORMAL_95, Estimate
from nta.measurement import Measurement
from nta.uncertainty import systematic_parts

Floats = NDArray[np.float64]
SizeName = Literal["mode", "d10", "d50", "d90"]

SHARES: Final[Floats] = (np.arange(400) + 0.5) / 400
"""Shares of the particles at which two distributions are laid beside each other."""

_KNOWN_SHARES: Final = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Side:
    """The measurements of one side, in the order in which they were named."""

    measurements: tuple[Measurement, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Their samples."""
        return tuple(one.sample for one in self.measurements)

    def size(self, name: SizeName) -> Uncertain:
        """Return the mean of a diameter and its own error, nm."""
        known = [one for one in self.measurements if not _size(one, name).is_missing]
        return mean_of(
            [_size(one, name).value for one in known],
            lambda number: _own_size_sd(known[number], _size(known[number], name)),
        )

    def log_concentration(self, estimates: Sequence[Estimate]) -> Uncertain:
        """Return the mean logarithm of a concentration and its own error; ``estimates`` are one a measurement."""
        known = [pair for pair in zip(self.measurements, estimates, strict=True) if pair[1].value > 0.0]
        return mean_of(
            [math.log(estimate.value) for _, estimate in known], lambda number: _own_concentration_sd(*known[number])
        )

    def diameters_nm(self) -> tuple[Floats, Floats, float] | None:
        """Return diameter and own error at each of :data:`SHARES`, nm, and degrees of freedom; ``None`` with no curve.

        The diameters of a group are the means of those of its measurements, at each share.
        """
        if any(not len(one.distribution.table) for one in self.measurements):
            return None
        curves = np.array([_diameters(one) for one in self.measurements])
        n = len(curves)
        if n > 1:
            return curves.mean(axis=0), curves.std(axis=0, ddof=1) / math.sqrt(n), n - 1.0
        (one,) = self.measurements
        known = [_own_size_sd(one, getattr(one.size, name)) for name in ("d10", "d50", "d90")]
        return curves[0], np.interp(SHARES, _KNOWN_SHARES, known), math.inf

    def value_sds(self) -> dict[str, float]:
        """Return the relative error of its diameters from each value, the root mean square of its measurements."""
        each = [_value_sds(one) for one in self.measurements]
        names = dict.fromkeys(name for parts in each for name in parts)
        return {name: math.sqrt(sum(parts.get(name, 0.0) ** 2 for parts in each) / len(each)) for name in names}

    def depth_sd(self) -> float:
        """Return the relative error of its concentrations from the depth in view; 0 where it is not stated."""
        known = [one.concentration.parts.volume for one in self.measurements]
        return math.sqrt(sum(sd**2 for sd in known if math.isfinite(sd)) / len(known))


def is_imported(measurement: Measurement) -> bool:
    """Whether the numbers are those of another program."""
    return "program" in measurement.values


def mean_of(values: Sequence[float], own_sd: Callable[[int], float]) -> Uncertain:
    """Return the mean of the measurements of a group; the error of one alone is its own, else that of their scatter."""
    n = len(values)
    if n == 0:
        return Uncertain()
    if n == 1:
        return Uncertain(values[0], own_sd(0))
    return Uncertain(float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(n), n - 1.0)


def _size(measurement: Measurement, name: SizeName) -> Estimate:
    estimate: Estimate = getattr(measurement.size, name)
    return estimate


def _value_sds(measurement: Measurement) -> dict[str, float]:
    """Return the parts that the interval of a diameter holds; an import's holds none."""
    if is_imported(measurement):
        return {}
    lag = measurement.values.get("lag_frames")
    return systematic_parts(measurement.values, lag.value if lag is not None and isinstance(lag.value, int) else 1)


def _own_size_sd(measurement: Measurement, estimate: Estimate) -> float:
    """Return the error of a diameter without that of the values, nm; NaN without an interval."""
    total = (estimate.high - estimate.low) / (2.0 * NORMAL_95)
    of_values = estimate.value * math.hypot(*_value_sds(measurement).values())
    return math.sqrt(max(total**2 - of_values**2, 0.0)) if math.isfinite(total) else math.nan


def _own_concentration_sd(measurement: Measurement, estimate: Estimate) -> float:
    """Return the relative error of a concentration without that of the depth; NaN without an interval."""
    if not math.isfinite(estimate.low) or not math.isfinite(estimate.high):
        return math.nan
    # Our own intervals are symmetric in the logarithm; those of an import are not, and may reach 0.
    half = math.log(estimate.high / estimate.low) / 2.0 if estimate.low > 0.0 else estimate.high / estimate.value - 1.0
    depth = measurement.concentration.parts.volume
    total = half / NORMAL_95
    return math.sqrt(max(total**2 - depth**2, 0.0)) if math.isfinite(depth) else total


def _diameters(measurement: Measurement) -> Floats:
    table = measurement.distribution.table
    cumulative, first = np.unique(table["cumulative"].to_numpy(np.float64), return_index=True)
    found: Floats = np.interp(SHARES, cumulative, table["diameter_nm"].to_numpy(np.float64)[first])
    return found
