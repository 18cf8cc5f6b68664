"""Trends: one attribute over lots, days or bead checks, and where it leaves what a stated baseline allows."""

from __future__ import annotations

from nta.trends.attributes import ATTRIBUTES, BEAD_UNITS, bead_series, measured_series, recorded_series
from nta.trends.baseline import Baseline, baseline_of, stated_baseline
from nta.trends.chart import ChartPoint, ControlChart, Ewma, control_chart
from nta.trends.nelson import NELSON_RULES, nelson_rules
from nta.trends.series import Point, Series

__all__ = [
    "ATTRIBUTES",
    "BEAD_UNITS",
    "NELSON_RULES",
    "Baseline",
    "ChartPoint",
    "ControlChart",
    "Ewma",
    "Point",
    "Series",
    "baseline_of",
    "bead_series",
    "control_chart",
    "measured_series",
    "nelson_rules",
    "recorded_series",
    "stated_baseline",
]
