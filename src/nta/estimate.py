"""A number with its 95 % interval: the only form in which results leave the library."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

NORMAL_95: Final = 1.96
"""Half the width of the 95 % interval of a normal distribution, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % interval, in the unit that the field's name states.

    Parameters
    ----------
    value, low, high : float
        ``low <= value <= high``; NaN where nothing was measured (``null`` in JSON), never 0.
    n : int, optional
        Number of independent observations behind the value (tracks, captures), where one number says it.
    """

    value: float
    low: float
    high: float
    n: int | None = None

    @classmethod
    def missing(cls) -> Self:
        """Return the estimate of something that was not measured: three NaN."""
        return cls(math.nan, math.nan, math.nan)

    @property
    def is_missing(self) -> bool:
        """Whether there is no value."""
        return math.isnan(self.value)

    def scaled(self, factor: float) -> Estimate:
        """Return the estimate times an exact, positive ``factor``."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor, self.n)

    def to_dict(self) -> dict[str, float | None]:
        """Return ``{"value", "low", "high"}`` for ``summary.json``, with ``None`` for NaN or infinity."""
        return {
            name: number if math.isfinite(number) else None
            for name, number in (("value", self.value), ("low", self.low), ("high", self.high))
        }

    @classmethod
    def from_dict(cls, mapping: dict[str, float | None]) -> Self:
        """Return the estimate that :meth:`to_dict` wrote."""
        numbers = (mapping.get(name) for name in ("value", "low", "high"))
        value, low, high = (math.nan if number is None else float(number) for number in numbers)
        return cls(value, low, high)
