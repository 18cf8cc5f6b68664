"""The figures of a report: yield bars, pooled distribution, trends. Told apart by form, so that grey paper will do."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Callable, Sequence
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
from nta.trends import ControlChart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE_INCHES: Final = (5.2, 3.5)
_WIDE_INCHES: Final = (7.4, 2.5)
_CHARTS_INCHES: Final = (7.4, 5.0)
_MOST_ACROSS: Final = 18
_DASHES: Final = (0, (5.5, 2.2))
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
            axes.axhline(end * scale, color=MARK, linewidth=1.0, linestyle=_DASHES, zorder=0)
    axes.plot([], [], color=MARK, linewidth=1.0, linestyle=_DASHES, label="forecast")
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
        for name, dashes in (("d10", (0, (1.2, 1.8))), ("d50", _DASHES), ("d90", (0, (6.0, 1.8, 1.2, 1.8)))):
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
    axes.set(xticks=[], yticks=[])
    _name_size_axes(axes)


def trend_figure(trend: Trend) -> Figure:
    """Return one attribute over time: the values, or with a baseline individuals, moving range and EWMA chart.

    Lines carry their values. A point that breaks something has a square, and above it the numbers of Nelson's rules.
    """
    chart, unit = trend.chart, f"\n({trend.series.unit})" if trend.series.unit else ""
    name = f"{textwrap.fill(trend.series.attribute, _MOST_ACROSS)}{unit}"
    labels = [point.place for point in trend.series.measured]

    def draw(panels: Sequence[Axes]) -> None:
        if chart is None:
            _connected(panels[0], trend.series.values())
            panels[0].set_ylabel(name)
        else:
            _individuals(panels[0], chart, name)
            _moving_ranges(panels[1], chart, f"Moving range{unit}")
            _moving_averages(panels[2], chart, f"EWMA{unit}")
        _label_places(panels[-1], labels)
        panels[-1].set_xlabel("Day")

    if chart is None:
        return _panels(_WIDE_INCHES, (1.0,), draw)
    return _panels(_CHARTS_INCHES, (1.6, 1.0, 1.0), draw)


def _individuals(axes: Axes, chart: ControlChart, name: str) -> None:
    _connected(axes, [point.value for point in chart.points])
    for level, dashes in ((chart.centre, "-"), (chart.low, _DASHES), (chart.high, _DASHES)):
        _level(axes, level, dashes)
    _squares(axes, [(at, point.value) for at, point in enumerate(chart.points) if point.rules])
    for at, point in enumerate(chart.points):
        if point.rules:
            rules = "\n".join(map(str, point.rules))
            axes.annotate(rules, (at, point.value), (0, 7), textcoords="offset points", ha="center", size=7)
    axes.set_ylabel(name)
    axes.margins(y=0.1 + 0.12 * max((len(point.rules) for point in chart.points), default=0))


def _moving_ranges(axes: Axes, chart: ControlChart, name: str) -> None:
    _connected(axes, [point.moving_range for point in chart.points])
    _level(axes, chart.mean_range, "-")
    _level(axes, chart.range_high, _DASHES)
    _squares(axes, [(at, point.moving_range) for at, point in enumerate(chart.points) if point.is_range_out])
    axes.set_ylabel(name)
    axes.set_ylim(bottom=0.0)


def _moving_averages(axes: Axes, chart: ControlChart, name: str) -> None:
    _connected(axes, [point.ewma for point in chart.points])
    _level(axes, chart.centre, "-")
    places = [at - 0.5 for at in range(len(chart.points) + 1)]
    for end in ("ewma_low", "ewma_high"):
        # The limits widen from point to point.
        axes.stairs(
            [getattr(point, end) for point in chart.points], places, baseline=None, color=MARK, linestyle=_DASHES
        )
    _squares(axes, [(at, point.ewma) for at, point in enumerate(chart.points) if point.is_ewma_out])
    axes.set_ylabel(name)


def _connected(axes: Axes, values: Sequence[float] | NDArray[np.float64]) -> None:
    axes.plot(range(len(values)), values, "o-", color=INK, markersize=4.5, linewidth=1.0)
    axes.margins(x=0.04, y=0.18)


def _level(axes: Axes, level: float, dashes: Any) -> None:  # noqa: ANN401  # matplotlib's line style
    axes.axhline(level, color=MARK, linewidth=0.9, linestyle=dashes)
    beside = axes.get_yaxis_transform()
    axes.text(1.01, level, f"{level:.4g}", transform=beside, va="center", size=8, color=MARK)


def _squares(axes: Axes, places: Sequence[tuple[float, float]]) -> None:
    axes.plot(*np.array(places).reshape(-1, 2).T, "s", ms=9.0, mfc="none", mec=_LIMIT, mew=1.6)


def _figure(inches: tuple[float, float], draw: Callable[[Axes], None]) -> Figure:
    return _panels(inches, (1.0,), lambda panels: draw(panels[0]))


def _panels(inches: tuple[float, float], heights: tuple[float, ...], draw: Callable[[Sequence[Axes]], None]) -> Figure:
    """Return a figure of panels below each other, which share what is across."""
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=inches, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        draw(list(figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]))
        return figure


def rendered(figure: Figure, kind: str) -> bytes:
    """Return a figure as ``svg`` or ``png``, the same bytes each time."""
    nothing = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
    buffer = io.BytesIO()
    with matplotlib.style.context(["default", STYLE]):
        figure.savefig(buffer, format=kind, dpi=_DPI, metadata=nothing[kind])
    return buffer.getvalue()
