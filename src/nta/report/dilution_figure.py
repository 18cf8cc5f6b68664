"""The figure of a dilution series: measured against dilution, and the line that a linear series follows."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from nta.estimate import NORMAL_95
from nta.report.figures import BAND, INK, MARK, STYLE
from nta.report.formatting import scientific

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nta.dilutions import Dilution, DilutionSeries

_SIZE_INCHES: Final = (6.4, 4.1)
_ROOM: Final = 1.35
"""Factor by which the axes reach beyond the outermost dilutions."""


def dilution_svg(series: DilutionSeries) -> bytes:
    """Return the figure of the page as SVG: text as outlines, no date, the same bytes for the same series.

    Both axes are logarithmic, so that a linear series lies on a line of slope 1. Bars are the 95 % intervals of what
    the dilutions do not share; the error of the depth would move all points together.
    """
    buffer = io.BytesIO()
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        _draw(figure.add_subplot(), series)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _draw(axes: Axes, series: DilutionSeries) -> None:
    known = [one for one in series.dilutions if one.is_known]
    axes.set_xlabel("Dilution")
    axes.set_ylabel("Measured in the cell (particles per mL)")
    if not known:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, "No dilution has a concentration", transform=axes.transAxes, ha="center", fontsize=12)
        return
    axes.set_xscale("log")
    axes.set_yscale("log")
    factors = [one.factor for one in series.dilutions]
    axes.set_xlim(1.0 / (max(factors) * _ROOM), _ROOM / min(factors))
    _draw_range(axes, series)
    _draw_points(axes, [one for one in known if one.is_usable], INK, "Usable")
    _draw_points(axes, [one for one in known if not one.is_usable], "white", "Not used")
    axes.set_xticks([1.0 / factor for factor in factors], [one.name for one in series.dilutions])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=0.0)
    axes.yaxis.set_major_formatter(FuncFormatter(_number))
    # Less than a decade has hardly a major mark, more than two have no room for minor ones.
    low, high = axes.get_ylim()
    axes.yaxis.set_minor_formatter(FuncFormatter(_number) if math.log10(high / low) < 1.0 else NullFormatter())
    axes.legend(loc="upper left", frameon=False, fontsize=8.8)


def _draw_range(axes: Axes, series: DilutionSeries) -> None:
    """Shade the usable range and draw the line of slope 1 through its stock."""
    if series.usable is None:
        return
    ends = axes.get_xlim()
    first, last = series.usable.first, series.usable.last
    axes.axvspan(1.0 / (last * 1.1), 1.1 / first, facecolor=BAND, alpha=0.55, linewidth=0.0, label="Usable range")
    stock = series.usable.stock.value
    axes.plot(ends, [stock * end for end in ends], color=MARK, linewidth=1.1, dashes=(5.5, 2.2), label="Slope 1")


def _draw_points(axes: Axes, dilutions: Sequence[Dilution], fill: str, label: str) -> None:
    if not dilutions:
        return
    values = [one.measured.value for one in dilutions]
    spreads = [math.exp(NORMAL_95 * one.own_sd) for one in dilutions]
    bars = [
        [value - value / spread for value, spread in zip(values, spreads, strict=True)],
        [value * spread - value for value, spread in zip(values, spreads, strict=True)],
    ]
    axes.errorbar(
        [1.0 / one.factor for one in dilutions], values, yerr=bars, fmt="o", markersize=6.5, markerfacecolor=fill,
        markeredgecolor=INK, markeredgewidth=1.6, ecolor=INK, elinewidth=1.2, capsize=3.5, label=label, zorder=5,
    )  # fmt: skip


def _number(value: float, _place: int | None = None) -> str:
    return scientific(value, 1)
