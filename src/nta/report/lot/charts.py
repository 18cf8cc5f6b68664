"""The figures of a report: yield bars, pooled distribution, trends. Told apart by form, so that grey paper will do."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nta.estimate import Estimate
from nta.report.figures import BAND, INK, MARK, STYLE, drawable
from nta.report.formatting import scientific
from nta.report.lot.noun import Dossier, Trend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE_INCHES: Final = (5.2, 3.5)
_WIDE_INCHES: Final = (7.4, 2.5)
_BAR: Final = "#7d9cc0"
_OUT: Final = "#d9a441"
_LIMIT: Final = "#a01c2e"
_DPI: Final = 200
_MOST_LABELS: Final = 12
_TAIL: Final = 0.002


def yield_figure(dossier: Dossier) -> Figure:
    """Return the particles of each day with their 95 % intervals; a missing day is an empty place that says so."""

    def draw(axes: Axes) -> None:
        days = dossier.lot.yields.days
        power = _power(dossier)
        outside = {found.message.split(":")[0].removeprefix("day ") for found in dossier.outside}
        for place, day in enumerate(days):
            _bar(axes, place, day.particles.scaled(10.0**-power), is_outside=day.day in outside)
        _forecast(axes, dossier, 10.0**-power)
        _label_places(axes, [day.day for day in days])
        axes.set_xlabel("Day")
        axes.set_ylabel(f"Particles, {scientific(10.0**power, 1).partition(' × ')[2]} (95 % interval)")
        axes.set_ylim(bottom=0.0)
        axes.set_xlim(-0.6, max(len(days), 2) - 0.4)

    return _figure(_SIZE_INCHES, draw)


def _power(dossier: Dossier) -> int:
    """Return the power of ten in which the particles of the days are drawn."""
    ends = [end for day in dossier.lot.yields.days for end in (day.particles.value, day.particles.high)]
    largest = max((end for end in (*ends, *(dossier.forecast or ())) if math.isfinite(end)), default=0.0)
    return math.floor(math.log10(largest)) if largest > 0.0 else 0


def _bar(axes: Axes, place: int, estimate: Estimate, *, is_outside: bool) -> None:
    if estimate.is_missing:
        axes.text(place, 0.02, "missing", transform=axes.get_xaxis_transform(), rotation=90, ha="center", va="bottom")
        return
    # A day outside of its forecast has another hatch too: on grey paper the colours are alike.
    color, hatch = (_OUT, "xxx") if is_outside else (_BAR, "")
    axes.bar(place, estimate.value, width=0.62, edgecolor=INK, linewidth=0.8, facecolor=color, hatch=hatch)
    if math.isfinite(estimate.low + estimate.high):
        ends = [[estimate.value - estimate.low], [estimate.high - estimate.value]]
        axes.errorbar(place, estimate.value, yerr=ends, color=INK, linewidth=1.4, capsize=4.0)


def _forecast(axes: Axes, dossier: Dossier, scale: float) -> None:
    if dossier.forecast is None:
        return
    for end in dossier.forecast:
        if math.isfinite(end) and end > 0.0:
            axes.axhline(end * scale, color=MARK, linewidth=1.0, linestyle=(0, (5.5, 2.2)), zorder=0)
    axes.plot([], [], color=MARK, linewidth=1.0, linestyle=(0, (5.5, 2.2)), label="forecast")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False, fontsize=8.8, borderaxespad=0.2)


def _label_places(axes: Axes, labels: Sequence[str]) -> None:
    """Name the places of an axis, not more of them than can be read."""
    step = max(1, math.ceil(len(labels) / _MOST_LABELS))
    shown = [drawable(label, 14) for label in labels[::step]]
    is_long = max((len(label) for label in shown), default=0) * len(shown) > 48
    axes.set_xticks(list(range(0, len(labels), step)), shown)
    for text in axes.get_xticklabels():
        text.set(rotation=35 if is_long else 0, horizontalalignment="right" if is_long else "center")


def pool_figure(dossier: Dossier) -> Figure:
    """Return the pooled number-weighted distribution with its band, and D10, D50, D90."""

    def draw(axes: Axes) -> None:
        pool = dossier.lot.pool
        if pool is None:
            _nothing(axes)
            return
        _density(axes, np.array([pool.diameter_nm, pool.density_per_nm, pool.low_per_nm, pool.high_per_nm]))
        for name, dashes in (("d10", (0, (1.2, 1.8))), ("d50", (0, (5.5, 2.2))), ("d90", (0, (6.0, 1.8, 1.2, 1.8)))):
            place = pool.size[name].value
            axes.axvline(place, color=MARK, linewidth=1.1, linestyle=dashes, label=f"{name.upper()} {place:.0f} nm")
        axes.legend(
            loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False, fontsize=8.8, borderaxespad=0.2
        )

    return _figure(_SIZE_INCHES, draw)


def sample_figure(curve: NDArray[np.float64]) -> Figure:
    """Return the number-weighted distribution of one sample with its band."""

    def draw(axes: Axes) -> None:
        if curve.shape[1] < 2:
            _nothing(axes)
            return
        _density(axes, curve)
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, fontsize=8.8)

    return _figure(_SIZE_INCHES, draw)


def _density(axes: Axes, curve: NDArray[np.float64]) -> None:
    diameter_nm, percent, low, high = curve * np.array([[1.0], [100.0], [100.0], [100.0]])
    axes.fill_between(
        diameter_nm, low, high, facecolor=BAND, edgecolor="#7f9cbd", hatch="////", linewidth=0.4, label="95 % band"
    )
    axes.plot(diameter_nm, percent, color=INK, linewidth=1.9, label="Density")
    share = np.cumsum(percent) / percent.sum()
    first, last = np.interp([_TAIL, 1.0 - _TAIL], share, diameter_nm)
    room = 0.12 * (last - first) + 10.0
    axes.set_xlim(max(0.0, first - room), last + room)
    axes.set_ylim(bottom=0.0)
    _name_size_axes(axes)


def _name_size_axes(axes: Axes) -> None:
    axes.set_xlabel("Hydrodynamic diameter (nm)")
    axes.set_ylabel("Number-weighted density\n(% of particles per nm)")


def _nothing(axes: Axes) -> None:
    axes.text(0.5, 0.5, "Nothing was sized", transform=axes.transAxes, ha="center", fontweight="bold")
    _name_size_axes(axes)


def trend_figure(trend: Trend) -> Figure:
    """Return one attribute over time, with limits and marked signals where a baseline was stated."""

    def draw(axes: Axes) -> None:
        points, chart = trend.series.measured, trend.chart
        places = list(range(len(points)))
        axes.plot(places, trend.series.values(), "o-", color=INK, markersize=4.5, linewidth=1.0)
        if chart is not None:
            for level, dashes in ((chart.centre, "-"), (chart.low, (0, (5.5, 2.2))), (chart.high, (0, (5.5, 2.2)))):
                axes.axhline(level, color=MARK, linewidth=0.9, linestyle=dashes)
            out = [(at, one.value) for at, one in enumerate(chart.points) if one.reasons]
            axes.plot(
                [at for at, _ in out], [value for _, value in out], "s", markersize=9.0, markerfacecolor="none",
                markeredgecolor=_LIMIT, markeredgewidth=1.6,
            )  # fmt: skip
        _label_places(axes, [_date_text(point.date) for point in points])
        unit = f"\n({trend.series.unit})" if trend.series.unit else ""
        axes.set_ylabel(f"{trend.series.attribute}{unit}")
        axes.set_xlabel("Date of the day, or of the analysis where the day is no date")
        axes.margins(x=0.04, y=0.18)

    return _figure(_WIDE_INCHES, draw)


def _date_text(at: datetime) -> str:
    return at.strftime("%Y-%m-%d")


def _figure(inches: tuple[float, float], draw: Any) -> Figure:  # noqa: ANN401  # Axes -> None
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=inches, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        draw(figure.add_subplot())
        return figure


def rendered(figure: Figure, kind: str) -> bytes:
    """Return a figure as ``svg`` or ``png``, the same bytes each time."""
    nothing = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
    buffer = io.BytesIO()
    with matplotlib.style.context(["default", STYLE]):
        figure.savefig(buffer, format=kind, dpi=_DPI, metadata=nothing[kind])
    return buffer.getvalue()
