"""The figure of a size distribution: the one door to matplotlib.

Only matplotlib's objects are used, never its global state, and nobody's ``matplotlibrc`` changes the bytes.
Line styles and a hatch tell things apart, so that the figure survives grey print and colour blindness.
"""

from __future__ import annotations

import io
import textwrap
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from nta.estimate import Estimate
    from nta.measurement import Measurement

STYLE: Final[dict[str, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.labelcolor": "#1a1a1a",
    "axes.linewidth": 0.8,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "text.color": "#1a1a1a",
    "text.parse_math": False,
    "hatch.linewidth": 0.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "nta",
    "path.simplify": False,
}
_SIZE_INCHES: Final = (6.4, 4.1)
_PNG_DPI: Final = 180
_TITLE_PAD: Final = 6.0
_LEGEND_HEIGHT: Final = 32.0

INK: Final = "#14375e"
BAND: Final = "#b9cde3"
MARK: Final = "#3d3d3d"

# A legend of three columns fills them one after the other.
_LEGEND_ORDER: Final = ("Density", "D10", "95", "D50", "Mode", "D90")

# Share of the particles that the axis shows beyond its ends, and the narrowest axis, nm.
_TAIL: Final = 0.002
_NARROWEST_AXIS_NM: Final = 100.0


class _Mark(NamedTuple):
    label: str
    statistic: str
    dashes: tuple[int, tuple[float, ...]]


_MARKS: Final = (
    _Mark("D10", "d10", (0, (1.2, 1.8))),
    _Mark("D50", "d50", (0, (5.5, 2.2))),
    _Mark("D90", "d90", (0, (6.0, 1.8, 1.2, 1.8))),
)


def plot_distribution(measurement: Measurement) -> Figure:
    """Return the figure of the number-weighted size distribution with its 95 % band.

    Mode, D10, D50 and D90 are marked; peaks are labelled where there is more than one. Without a
    distribution the figure says so.

    Parameters
    ----------
    measurement : Measurement
        Of any status.
    """
    with matplotlib.style.context(["default", STYLE]):
        return _draw(measurement, titled=True)


def figure_png(measurement: Measurement) -> bytes:
    """Return ``figure.png``: the titled figure, the same bytes for the same measurement."""
    return _rendered(measurement, "png", titled=True, metadata={"Software": None})


def figure_svg(measurement: Measurement) -> bytes:
    """Return the figure of the page: without a title, text as outlines, no date."""
    return _rendered(measurement, "svg", titled=False, metadata={"Date": None, "Creator": None})


def _rendered(measurement: Measurement, kind: str, *, titled: bool, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    with matplotlib.style.context(["default", STYLE]):
        _draw(measurement, titled=titled).savefig(buffer, format=kind, dpi=_PNG_DPI, metadata=metadata)
    return buffer.getvalue()


def _draw(measurement: Measurement, *, titled: bool) -> Figure:
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if titled:
        room = _TITLE_PAD if measurement.distribution.table.empty else _TITLE_PAD + _LEGEND_HEIGHT
        axes.set_title(drawable(measurement.sample), loc="left", fontsize=10.5, fontweight="bold", pad=room)
    axes.set_xlabel("Hydrodynamic diameter (nm)")
    axes.set_ylabel("Number-weighted density\n(% of particles per nm)")
    if measurement.distribution.table.empty:
        _say_nothing_was_sized(axes, measurement)
    else:
        _draw_distribution(axes, measurement)
    return figure


def _draw_distribution(axes: Axes, measurement: Measurement) -> None:
    table = measurement.distribution.table
    diameter_nm = table["diameter_nm"].to_numpy(dtype=float)
    percent = 100.0 * table["density_per_nm"].to_numpy(dtype=float)
    low = 100.0 * table["density_low_per_nm"].to_numpy(dtype=float)
    high = 100.0 * table["density_high_per_nm"].to_numpy(dtype=float)
    axes.fill_between(
        diameter_nm,
        low,
        high,
        facecolor=BAND,
        edgecolor="#7f9cbd",
        hatch="////",
        linewidth=0.4,
        label="95 % band (sampling)",
    )
    axes.plot(diameter_nm, percent, color=INK, linewidth=1.9, label="Density")
    top = float(np.nanmax(np.concatenate([percent, high])))
    axes.set_xlim(*_window(diameter_nm, table["cumulative"].to_numpy(dtype=float)))
    axes.set_ylim(0.0, 1.14 * top)
    _mark_statistics(axes, measurement, diameter_nm, percent)
    _mark_peaks(axes, measurement, diameter_nm, np.fmax(percent, high), top)
    _explain(axes)


def _explain(axes: Axes) -> None:
    """Put the legend above the axes, where it covers nothing: what is drawn first, D10 to D90 below."""
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: _LEGEND_ORDER.index(labels[i].split()[0]))
    axes.legend(
        [handles[i] for i in order], [labels[i] for i in order], loc="lower left", bbox_to_anchor=(0.0, 1.0),
        ncols=3, frameon=False, fontsize=8.8, handlelength=2.8, columnspacing=2.2, borderaxespad=0.2,
    )  # fmt: skip


def _mark_statistics(
    axes: Axes, measurement: Measurement, diameter_nm: NDArray[np.float64], percent: NDArray[np.float64]
) -> None:
    mode = measurement.size.mode
    if not mode.is_missing:
        height = float(np.interp(mode.value, diameter_nm, percent))
        axes.plot(
            [mode.value], [height], "o", markersize=6.5, markerfacecolor="white", markeredgecolor=INK,
            markeredgewidth=1.6, label=_named("Mode", mode), zorder=5,
        )  # fmt: skip
    for mark in _MARKS:
        estimate: Estimate = getattr(measurement.size, mark.statistic)
        if not estimate.is_missing:
            axes.axvline(
                estimate.value,
                color=MARK,
                linewidth=1.1,
                linestyle=mark.dashes,
                label=_named(mark.label, estimate),
            )


def _mark_peaks(
    axes: Axes,
    measurement: Measurement,
    diameter_nm: NDArray[np.float64],
    upper: NDArray[np.float64],
    top: float,
) -> None:
    """Label each peak with its diameter and share, where there is more than one."""
    peaks = [peak for peak in measurement.size.peaks if not peak.diameter.is_missing]
    if len(peaks) < 2:
        return
    for peak in peaks:
        height = float(np.interp(peak.diameter.value, diameter_nm, upper))
        share = "" if np.isnan(peak.fraction) else f" · {100 * peak.fraction:.0f} %"
        axes.annotate(
            f"{peak.diameter.value:.0f} nm{share}", (peak.diameter.value, height + 0.015 * top), (0, 3),
            textcoords="offset points", ha="center", va="bottom", fontsize=8.5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0}, zorder=6,
        )  # fmt: skip


def _named(label: str, estimate: Estimate) -> str:
    return f"{label} {estimate.value:.0f} nm"


def _window(diameter_nm: NDArray[np.float64], cumulative: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of the diameter axis: all but the outermost particles, and some room, in nm."""
    low, high = np.interp([_TAIL, 1.0 - _TAIL], cumulative, diameter_nm)
    room = max(0.15 * (high - low), 0.5 * (_NARROWEST_AXIS_NM - (high - low)))
    start = low - room
    return (0.0 if start < 0.35 * high else float(start), float(high + room))


def _say_nothing_was_sized(axes: Axes, measurement: Measurement) -> None:
    axes.set_xlim(0.0, 500.0)
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([])
    axes.text(0.5, 0.62, "Nothing was sized", transform=axes.transAxes, ha="center", fontsize=14, fontweight="bold")
    message = "\n".join(textwrap.wrap(drawable(measurement.message, 240), 70))
    axes.text(0.5, 0.56, message, transform=axes.transAxes, ha="center", va="top", color=MARK)


def drawable(text: str, longest: int = 60) -> str:
    """Return text on one line, as :func:`drawable_line` writes it, cut to ``longest``."""
    line = drawable_line(" ".join(text.split()))
    return line if len(line) <= longest else line[: longest - 1] + "…"


def drawable_line(line: str) -> str:
    """Return a text in which characters that the font of figures and PDFs lacks are numbers: ``<U+5916 U+6CCC>``."""
    runs = groupby(line, lambda one: one.isspace() or ord(one) in _characters())
    return "".join(_run("".join(characters), is_known=is_known) for is_known, characters in runs)


def _run(characters: str, *, is_known: bool) -> str:
    return characters if is_known else f"<{' '.join(f'U+{ord(one):04X}' for one in characters)}>"


@lru_cache(maxsize=1)
def _characters() -> frozenset[int]:
    font = get_font(findfont(FontProperties(family=str(STYLE["font.family"]))))
    return frozenset(font.get_charmap())
