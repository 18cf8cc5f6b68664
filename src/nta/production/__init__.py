"""From samples to a lot: daily yield, recovery, pool, purity, assays, and the limits of a release."""

from __future__ import annotations

from nta.production.findings import FINDINGS, Finding, finding
from nta.production.harvests import MISSING, Culture, Harvest
from nta.production.quantity import Quantity, stock_quantity, total_of
from nta.production.yields import DailyYield, Day, daily_yield, hours_collected, sum_of

__all__ = [
    "FINDINGS",
    "MISSING",
    "Culture",
    "DailyYield",
    "Day",
    "Finding",
    "Harvest",
    "Quantity",
    "daily_yield",
    "finding",
    "hours_collected",
    "stock_quantity",
    "sum_of",
    "total_of",
]
