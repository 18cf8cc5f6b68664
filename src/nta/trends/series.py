"""Values with their dates and records: what a chart is drawn of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from nta.errors import UsageError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """One value of an attribute.

    Parameters
    ----------
    date : datetime
        When it was measured; the dates of a series all have a time zone, or none has.
    value : float
        In the unit of the series; NaN where nothing was measured.
    record : str
        The record behind it: a lot, a day, the number of a measurement.
    label : str
        How an axis calls it where its date is not that of the day, such as ``day 3``; empty for its date.
    """

    date: datetime
    value: float
    record: str
    label: str = ""

    @property
    def place(self) -> str:
        """What stands on an axis: the label, or else the date."""
        return self.label or self.date.strftime("%Y-%m-%d")


@dataclass(frozen=True)
class Series:
    """An attribute over time.

    Parameters
    ----------
    attribute, unit : str
        Such as ``D50`` and ``nm``; the unit is empty where there is none.
    points : tuple of Point
        In any order; kept by date, and in the given order where dates are equal.

    Raises
    ------
    UsageError
        If two points name one record, or a value is infinite.
    """

    attribute: str
    unit: str
    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        records = [point.record for point in self.points]
        twice = sorted({record for record in records if records.count(record) > 1})
        if twice:
            raise UsageError(
                f"the series {self.attribute!r} holds the record {twice[0]!r} twice; leave one of them out"
            )
        infinite = [point.record for point in self.points if math.isinf(point.value)]
        if infinite:
            raise UsageError(f"the value of {infinite[0]!r} in the series {self.attribute!r} is infinite; leave it out")
        object.__setattr__(self, "points", tuple(sorted(self.points, key=lambda point: point.date)))

    @property
    def measured(self) -> tuple[Point, ...]:
        """The points that have a value, by date: those that a chart is made of."""
        return tuple(point for point in self.points if math.isfinite(point.value))

    @property
    def missing(self) -> tuple[str, ...]:
        """The records without a value. A chart passes over them: no range and no rule counts them."""
        return tuple(point.record for point in self.points if not math.isfinite(point.value))

    def values(self) -> Floats:
        """Return the values of :attr:`measured`, (n,) float64."""
        return np.array([point.value for point in self.measured], dtype=np.float64)
