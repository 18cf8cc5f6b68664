"""What a chart's limits come from: points that are stated to be good, or a stated mean and standard deviation."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np

from nta.errors import UsageError
from nta.trends.series import Series

D2: Final = 2.0 / math.sqrt(math.pi)
"""Mean range of two normal values in standard deviations, 1.128 in tables (Montgomery, appendix VI)."""

D3: Final = math.sqrt(2.0 - 4.0 / math.pi)
"""Standard deviation of that range in standard deviations, 0.853 in tables."""

LEAST_POINTS: Final = 20
"""Points below which limits are provisional (Montgomery, section 6.4)."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Mean and standard deviation of the attribute while all was well.

    Parameters
    ----------
    mean, sd : float
        In the unit of the series.
    records : tuple of str
        The records behind it; empty where mean and standard deviation were stated.

    Raises
    ------
    UsageError
        If one of them is not finite, or the standard deviation is not positive.
    """

    mean: float
    sd: float
    records: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean) or not 0.0 < self.sd < math.inf:
            raise UsageError(
                f"a baseline of mean {self.mean:g} and standard deviation {self.sd:g} gives no limits: "
                "the mean must be finite and the standard deviation above 0; choose points that differ"
            )

    @property
    def is_provisional(self) -> bool:
        """Whether the limits rest on fewer points than :data:`LEAST_POINTS`."""
        return 0 < len(self.records) < LEAST_POINTS


def stated_baseline(mean: float, sd: float) -> Baseline:
    """Return a baseline known from elsewhere, such as a specification, in the unit of the series."""
    return Baseline(mean, sd)


def baseline_of(series: Series, records: Collection[str]) -> Baseline:
    """Return mean and standard deviation of the stated points.

    The standard deviation is the mean moving range over d2 = 1.128 (Montgomery, section 6.4; NIST/SEMATECH e-Handbook,
    6.3.2.2): a slow drift within the baseline widens it less than it widens the root mean square. Ranges go from one
    stated point to the next one, whatever was measured between them.

    Parameters
    ----------
    series : Series
        The attribute over time.
    records : collection of str
        The records that make the baseline, stated by a person: nothing chooses them.

    Raises
    ------
    UsageError
        If a record is not in the series, fewer than two of them have a value, or all values are equal.
    """
    known = {point.record for point in series.points}
    unknown = sorted(set(records) - known)
    if unknown:
        raise UsageError(f"the baseline names {unknown[0]!r}, which is not in the series {series.attribute!r}")
    chosen = [point for point in series.measured if point.record in set(records)]
    if len(chosen) < 2:
        raise UsageError(
            f"the baseline of {series.attribute!r} holds {len(chosen)} value{'s' if len(chosen) != 1 else ''}; "
            "name at least two records that have one"
        )
    values = np.array([point.value for point in chosen])
    mean_range = float(np.mean(np.abs(np.diff(values))))
    return Baseline(float(values.mean()), mean_range / D2, tuple(point.record for point in chosen))
