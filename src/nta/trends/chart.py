"""Series + Baseline -> ControlChart: individuals, moving range, EWMA, and the rules that each point breaks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nta.errors import UsageError
from nta.trends.baseline import D2, D3, Baseline
from nta.trends.nelson import NELSON_RULES, nelson_rules
from nta.trends.series import Series

Floats = NDArray[np.float64]

LIMIT_SDS: Final = 3.0
"""Half the distance between the limits, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Ewma:
    """How the moving average is made.

    Parameters
    ----------
    weight : float
        Of the newest value, above 0 and at most 1. 0.1 to 0.3 finds shifts of half to one and a half standard
        deviations; 1 is the individuals chart.
    limit_sds : float
        Distance of the limits in standard deviations of the average.

    Raises
    ------
    UsageError
        If the weight or the distance is out of range.
    """

    weight: float = 0.2
    limit_sds: float = 3.0

    def __post_init__(self) -> None:
        if not 0.0 < self.weight <= 1.0:
            raise UsageError(f"an EWMA weight of {self.weight:g} is not above 0 and at most 1; 0.2 is usual")
        if not 0.0 < self.limit_sds < math.inf:
            raise UsageError(f"EWMA limits at {self.limit_sds:g} standard deviations are none; 3 is usual")


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """One point of the chart, all numbers in the unit of the series.

    Parameters
    ----------
    date, value, record
        As in the series.
    moving_range : float
        Distance from the point before; NaN at the first.
    ewma, ewma_low, ewma_high : float
        The moving average and its limits at this point.
    rules : tuple of int
        Nelson rules that the point completes, by the numbers of :data:`nta.trends.NELSON_RULES`.
    is_range_out, is_ewma_out : bool
        Whether moving range or average lies beyond its limits.
    """

    date: datetime
    value: float
    record: str
    moving_range: float
    ewma: float
    ewma_low: float
    ewma_high: float
    rules: tuple[int, ...]
    is_range_out: bool
    is_ewma_out: bool

    @property
    def reasons(self) -> tuple[str, ...]:
        """What the point breaks, in words; empty when nothing."""
        named = [f"Nelson rule {number}: {NELSON_RULES[number]}" for number in self.rules]
        named += ["moving range above its limit"] if self.is_range_out else []
        named += ["moving average (EWMA) beyond its limits"] if self.is_ewma_out else []
        return tuple(named)

    def to_dict(self) -> dict[str, Any]:
        """Return the point as strict JSON."""
        return {
            "date": self.date.isoformat(),
            "record": self.record,
            "value": self.value,
            "moving_range": None if math.isnan(self.moving_range) else self.moving_range,
            "ewma": {"value": self.ewma, "low": self.ewma_low, "high": self.ewma_high},
            "rules": list(self.rules),
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True)
class ControlChart:
    """The charts of one attribute, all numbers in the unit of the series.

    Parameters
    ----------
    series : Series
        What was measured, points without a value included.
    baseline : Baseline
        Where the limits come from.
    low, centre, high : float
        Lines of the individuals chart.
    mean_range, range_high : float
        Centre and upper limit of the moving-range chart; its lower limit is 0.
    ewma : Ewma
        How the moving average is made.
    points : tuple of ChartPoint
        By date, those that have a value.
    """

    series: Series
    baseline: Baseline
    low: float
    centre: float
    high: float
    mean_range: float
    range_high: float
    ewma: Ewma
    points: tuple[ChartPoint, ...]

    @property
    def signals(self) -> tuple[ChartPoint, ...]:
        """The points that break something."""
        return tuple(point for point in self.points if point.reasons)

    def to_dict(self) -> dict[str, Any]:
        """Return the chart as strict JSON."""
        return {
            "attribute": self.series.attribute,
            "unit": self.series.unit,
            "baseline": {
                "mean": self.baseline.mean,
                "sd": self.baseline.sd,
                "records": list(self.baseline.records),
                "is_provisional": self.baseline.is_provisional,
            },
            "individuals": {"low": self.low, "centre": self.centre, "high": self.high},
            "moving_range": {"centre": self.mean_range, "high": self.range_high},
            "ewma": {"weight": self.ewma.weight, "limit_sds": self.ewma.limit_sds},
            "missing": list(self.series.missing),
            "points": [point.to_dict() for point in self.points],
        }


def control_chart(series: Series, baseline: Baseline, ewma: Ewma | None = None) -> ControlChart:
    """Return individuals, moving-range and EWMA chart of an attribute.

    Individuals: mean ± 3 s; moving range: centre d2 s, limit (d2 + 3 d3) s (Montgomery, section 6.4; NIST/SEMATECH
    e-Handbook, 6.3.2.2). EWMA: z_i = w x_i + (1 - w) z_(i-1), z_0 the mean, limits mean ± L s sqrt(w/(2 - w)
    (1 - (1 - w)^(2i))) (Montgomery, section 9.2), which tend to those of the e-Handbook's 6.3.2.4.

    Parameters
    ----------
    series : Series
        The attribute; points without a value are passed over.
    baseline : Baseline
        Mean and standard deviation; points of the baseline are on the chart and judged like the others.
    ewma : Ewma, optional
        Weight and limits of the moving average.
    """
    ewma = Ewma() if ewma is None else ewma
    values = series.values()
    centre, sd = baseline.mean, baseline.sd
    ranges = np.concatenate([[math.nan], np.abs(np.diff(values))])[: values.size]
    range_high = (D2 + LIMIT_SDS * D3) * sd
    averages, half_widths = _averages(values, centre, ewma), _half_widths(values.size, sd, ewma)
    rules = nelson_rules(values, centre, sd)
    points = tuple(
        ChartPoint(
            date=point.date,
            value=point.value,
            record=point.record,
            moving_range=float(ranges[at]),
            ewma=float(averages[at]),
            ewma_low=centre - float(half_widths[at]),
            ewma_high=centre + float(half_widths[at]),
            rules=rules[at],
            is_range_out=bool(ranges[at] > range_high),
            is_ewma_out=bool(abs(averages[at] - centre) > half_widths[at]),
        )
        for at, point in enumerate(series.measured)
    )
    half = LIMIT_SDS * sd
    return ControlChart(series, baseline, centre - half, centre, centre + half, D2 * sd, range_high, ewma, points)


def _averages(values: Floats, centre: float, ewma: Ewma) -> Floats:
    averages = np.empty_like(values)
    before = centre
    for at, value in enumerate(values):
        before = ewma.weight * value + (1.0 - ewma.weight) * before
        averages[at] = before
    return averages


def _half_widths(n: int, sd: float, ewma: Ewma) -> Floats:
    weight, number = ewma.weight, np.arange(1.0, n + 1.0)
    half: Floats = ewma.limit_sds * sd * np.sqrt(weight / (2.0 - weight) * (1.0 - (1.0 - weight) ** (2.0 * number)))
    return half
