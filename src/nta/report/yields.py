"""DailyYield -> ``yield.csv`` and ``yield.html``: particles per day with their intervals, and the sum."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final, NamedTuple

import nta
from nta.csvtable import Cell, csv_text, write_whole
from nta.errors import FailedError, way_out
from nta.estimate import Estimate
from nta.production import MISSING, DailyYield, Day, Harvest
from nta.report import formatting as fmt
from nta.report import pages

TABLE_NAME: Final = "yield.csv"
PAGE_NAME: Final = "yield.html"

COLUMNS: Final = (
    "level",
    "day",
    "sample",
    "status",
    "stock_per_ml",
    "stock_low_per_ml",
    "stock_high_per_ml",
    "volume_ml",
    "particles",
    "particles_low",
    "particles_high",
    "message",
    "is_relative",
)
"""Columns of ``yield.csv``; ``level`` is ``sample``, ``day`` (of its samples) or ``sum`` (of the days)."""


class Bar(NamedTuple):
    """One day of the chart, in per cent of its width; ``None`` when the day has no number."""

    day: Day
    value: float | None
    low: float | None
    high: float | None


def save_yields(yields: DailyYield, directory: str | Path, title: str = "Daily yield") -> Path:
    """Write ``yield.csv`` and ``yield.html`` into an existing folder, each whole or not at all.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    FailedError
        If the folder cannot be written.
    """
    directory = Path(directory)
    try:
        write_whole(directory / TABLE_NAME, csv_text(COLUMNS, table_rows(yields)))
        write_whole(directory / PAGE_NAME, render_yields(yields, title))
    except OSError as error:
        raise FailedError(
            f"cannot write the yields to {str(directory)!r}: {error.strerror or error}; {way_out(error)}",
            code="not_writable",
        ) from error
    return directory / PAGE_NAME


def table_rows(yields: DailyYield) -> list[dict[str, Cell]]:
    """Return the rows of ``yield.csv``: every sample, then every day, then the sum."""
    rows = [_sample_row(harvest) for harvest in yields.harvests]
    rows += [
        {
            "level": "day",
            "day": day.day,
            "sample": "; ".join(day.samples),
            "status": "missing" if day.particles.is_missing else "ok",
            **_particles(day.particles),
            "message": "; ".join(day.reasons),
            "is_relative": _yes(any(one.is_relative for one in yields.harvests if one.day == day.day)),
        }
        for day in yields.days
    ]
    status = "incomplete" if yields.missing_days else "ok"
    rows.append({"level": "sum", "status": status, **_particles(yields.total), "message": yields.message})
    rows[-1]["is_relative"] = _yes(yields.is_relative)
    return rows


def _sample_row(harvest: Harvest) -> dict[str, Cell]:
    stock = harvest.stock if harvest.stock is not None else Estimate.missing()
    return {
        "level": "sample",
        "day": harvest.day,
        "sample": harvest.sample,
        "status": harvest.status,
        "stock_per_ml": stock.value,
        "stock_low_per_ml": stock.low,
        "stock_high_per_ml": stock.high,
        "volume_ml": harvest.volume_ml,
        **_particles(harvest.particles),
        "message": "; ".join(MISSING[code] for code in harvest.missing),
        "is_relative": _yes(harvest.is_relative),
    }


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _particles(estimate: Estimate) -> dict[str, Cell]:
    return {"particles": estimate.value, "particles_low": estimate.low, "particles_high": estimate.high}


def render_yields(yields: DailyYield, title: str = "Daily yield") -> str:
    """Return the page: no script, nothing fetched, every name escaped."""
    top = axis_top(yields)
    context: dict[str, Any] = {
        "yields": yields,
        "title": title,
        "bars": [_bar(day, top) for day in yields.days],
        "ticks": _ticks(top),
        "missing": MISSING,
        "version": nta.__version__,
    }
    return pages.template("yield.html.j2").render(context)


def axis_top(yields: DailyYield) -> float:
    """Return the end of the axis: 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten; NaN without numbers."""
    numbers = (number for day in yields.days for number in (day.particles.value, day.particles.high))
    largest = max((number for number in numbers if math.isfinite(number)), default=math.nan)
    if math.isnan(largest) or largest <= 0:
        return math.nan
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= largest * (1 - 1e-12))


def _ticks(top: float) -> list[tuple[float, str]]:
    """Return the marks of the axis: per cent of its width, and the number as text."""
    if math.isnan(top):
        return []
    return [(25.0 * quarter, fmt.scientific(top * quarter / 4, 2)) for quarter in (0, 2, 4)]


def _bar(day: Day, top: float) -> Bar:
    estimate = day.particles

    def share(number: float) -> float | None:
        return round(100 * number / top, 3) if math.isfinite(number) and math.isfinite(top) else None

    return Bar(day, share(estimate.value), share(estimate.low), share(estimate.high))
