"""Measurement -> ``report.html``: one self-contained page without scripts, for the screen and for paper."""

from __future__ import annotations

import base64
import math
from collections.abc import Container
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nta.estimate import Estimate
from nta.report import formatting as fmt
from nta.report import pages
from nta.report.agreement_table import capture_rows, spread_rows
from nta.report.figures import figure_svg

if TYPE_CHECKING:
    from nta.measurement import Capture, Measurement
    from nta.settings import Sourced

_STATUS_WORDS: Final = {"ok": "OK", "warn": "Warning", "rejected": "Rejected", "failed": "Failed"}
_LEVEL_WORDS: Final = {"fail": "Fails", "warn": "Warning", "info": "Note"}
_CAPTURE_WORDS: Final = {"ok": "ok", "warn": "warning", "rejected": "rejected", "failed": "failed"}

# What a lab report states first: how the particles were looked at and what they swam in.
_CONDITIONS: Final = (
    "temperature_c",
    "viscosity_mpas",
    "medium",
    "mpp",
    "fps",
    "exposure_ms",
    "depth_um",
    "dilution",
    "instrument",
)

_STATISTICS: Final = (
    ("mode", "Mode", "nm", 1),
    ("mean", "Mean", "nm", 1),
    ("sd", "Standard deviation", "nm", 1),
    ("d10", "D10", "nm", 1),
    ("d50", "D50 (median)", "nm", 1),
    ("d90", "D90", "nm", 1),
    ("span", "Span = (D90 − D10)/D50", "", 2),
)


class SizeRow(NamedTuple):
    """One line of the size table, as text."""

    name: str
    value: str
    interval: str
    unit: str
    n: str


class ConcentrationRow(NamedTuple):
    """One line of the concentration table, as text; ``note`` stands for what is not known."""

    name: str
    value: str
    interval: str
    note: str


class PartRow(NamedTuple):
    """One part of the uncertainty of the concentration, as text."""

    name: str
    share: str
    why: str


class ValueRow(NamedTuple):
    """One value that was used, as text."""

    name: str
    label: str
    text: str
    unit: str
    origin: str
    is_assumed: bool


def render_page(measurement: Measurement) -> str:
    """Return the HTML of the report: no script, nothing fetched, everything escaped."""
    template = pages.template("report.html.j2")
    return template.render(m=measurement, **_context(measurement))


def _context(measurement: Measurement) -> dict[str, Any]:
    values = measurement.values
    rows = [value_row(name, sourced, values) for name, sourced in values.items()]
    conditions = sorted((row for row in rows if row.name in _CONDITIONS), key=lambda row: _CONDITIONS.index(row.name))
    others = [row for row in rows if row.name not in _CONDITIONS]
    has_result = not measurement.distribution.table.empty
    is_measured = measurement.status in ("ok", "warn")
    return {
        "status_word": _STATUS_WORDS[measurement.status],
        "level_words": _LEVEL_WORDS,
        "capture_words": _CAPTURE_WORDS,
        "has_result": has_result,
        "conditions": conditions,
        "assumed": [row for row in (*conditions, *others) if row.is_assumed and is_measured],
        "size_rows": size_rows(measurement),
        "peak_rows": peak_rows(measurement),
        "window_rows": window_rows(measurement),
        "concentration_rows": concentration_rows(measurement),
        "part_rows": part_rows(measurement),
        "is_relative": measurement.is_relative,
        "blank_text": _blank_text(measurement),
        "blank_captures": _blank_captures(measurement),
        "capture_rows": capture_rows(measurement),
        "spread_rows": spread_rows(measurement),
        "threshold_rows": threshold_rows(measurement),
        "depth": fmt.general(measurement.concentration.depth_um, 4),
        "values": [*conditions, *others],
        "losses": [(fmt.words(reason), fmt.count(number)) for reason, number in measurement.ledger.items()],
        "flags": sorted(measurement.flags, key=lambda flag: tuple(_LEVEL_WORDS).index(flag.level)),
        "file_name": _file_name,
        "flow": _flow,
        "figure": "data:image/svg+xml;base64," + base64.b64encode(figure_svg(measurement)).decode("ascii"),
        "shape": _shape(measurement),
        "figure_text": _figure_text(measurement) if has_result else "Nothing was sized.",
    }


def size_rows(measurement: Measurement) -> list[SizeRow]:
    """Return the lines of the size table; n is that of the statistic, else that of the distribution."""
    rows = []
    for name, label, unit, decimals in _STATISTICS:
        estimate: Estimate = getattr(measurement.size, name)
        n = estimate.n if estimate.n is not None else measurement.distribution.n_tracks
        rows.append(
            SizeRow(
                label,
                fmt.fixed(estimate.value, decimals),
                fmt.interval(estimate, decimals),
                unit,
                fmt.MISSING if estimate.is_missing else fmt.count(n),
            )
        )
    return rows


def window_rows(measurement: Measurement) -> list[SizeRow]:
    """Return a line for each window of sizes that was asked for: share by number, and as the last cell by volume."""
    rows = []
    for window in measurement.distribution.windows:
        ends = f"{fmt.fixed(window.low_nm, 0)} nm and more"
        if math.isfinite(window.high_nm):
            ends = f"{fmt.fixed(window.low_nm, 0)} to {fmt.fixed(window.high_nm, 0)} nm"
        share, volume = (
            Estimate(100.0 * part.value, 100.0 * part.low, 100.0 * part.high)
            for part in (window.by_number, window.by_volume)
        )
        rows.append(SizeRow(ends, fmt.fixed(share.value), fmt.interval(share), "%", f"{fmt.fixed(volume.value)} %"))
    return rows


def threshold_rows(measurement: Measurement) -> list[tuple[str, str, str, str, str]]:
    """Return a line for each threshold that was compared: factor, spots per frame, tracks, D50, particles per mL."""
    return [
        (
            f"{one.factor:g} ×" + (" (this result)" if one.factor == 1.0 else ""),
            fmt.fixed(one.particles_per_frame),
            fmt.count(one.tracks_used),
            fmt.fixed(one.d50_nm),
            fmt.scientific(one.per_ml),
        )
        for one in measurement.sensitivity.readings
    ]


def peak_rows(measurement: Measurement) -> list[SizeRow]:
    """Return the lines of the table of peaks: diameter, interval, and the share of particles by number."""
    rows = []
    for number, peak in enumerate(measurement.size.peaks, start=1):
        share = fmt.MISSING if math.isnan(peak.fraction) else f"{fmt.fixed(100 * peak.fraction, 0)} %"
        diameter, between = fmt.fixed(peak.diameter.value), fmt.interval(peak.diameter)
        rows.append(SizeRow(f"Peak {number}", diameter, between, "nm", share))
    return rows


def concentration_rows(measurement: Measurement) -> list[ConcentrationRow]:
    """Return the lines of the concentration table: in the cell, and in the undiluted sample."""
    concentration = measurement.concentration
    blank, limits = measurement.blank, measurement.below_blank()
    rows = []
    if blank is not None:
        rows = [
            _concentration_row("Counted, before the blank", blank.before),
            _concentration_row("Blank", blank.concentration),
        ]
    stock = Estimate.missing() if concentration.stock is None else concentration.stock
    in_cell, of_stock = ("", "") if limits is None else (_at_most(limit) for limit in limits)
    if concentration.stock is None and of_stock == "" and not (concentration.measured.is_missing and limits is None):
        of_stock = "dilution not known; give --dilution"
    return [
        *rows,
        _concentration_row("Measured, in the cell", concentration.measured, in_cell),
        _concentration_row("Stock, undiluted", stock, of_stock),
    ]


def _at_most(limit_per_ml: float | None) -> str:
    if limit_per_ml is None:
        return ""
    return f"below blank: at most {fmt.scientific(limit_per_ml)}" if limit_per_ml > 0.0 else "below blank"


def part_rows(measurement: Measurement) -> list[PartRow]:
    """Return what the interval of the concentration is made of, each a relative standard uncertainty."""
    concentration, parts = measurement.concentration, measurement.concentration.parts
    if concentration.measured.is_missing or math.isnan(parts.counting):
        return []
    depth = "nominal: instruments differ by as much" if concentration.is_relative else "what the calibration states"
    several = len(concentration.captures_per_ml) > 1
    rows = [
        ("Counting", parts.counting, "particles come and go while they are counted"),
        ("Captures", parts.captures, "beyond what counting explains" if several else "one capture does not tell it"),
        ("Depth in view", parts.volume, depth),
    ]
    if measurement.blank is not None:
        rows.append(("Blank", parts.blank, "the count of the blank, over what is left of the sample"))
    if concentration.stock is not None:
        is_stated = math.isfinite(parts.dilution)
        rows.append(("Dilution", parts.dilution, "in the stock" if is_stated else "not stated, taken as exact"))
    return [PartRow(name, _percent(sd), why) for name, sd, why in rows]


def _percent(share: float) -> str:
    text = fmt.fixed(100.0 * share)
    return text if text == fmt.MISSING else f"{text} %"


def _blank_text(measurement: Measurement) -> str:
    """Return which blank was subtracted and how much it is of what was counted; empty without one."""
    blank = measurement.blank
    if blank is None:
        return ""
    share = "" if math.isnan(blank.fraction) else f"; {fmt.fixed(100.0 * blank.fraction, 0)} % of what was counted"
    return f"Blank: {', '.join(map(_file_name, blank.paths))}; {fmt.count(blank.tracks_used)} tracks sized{share}."


def _blank_captures(measurement: Measurement) -> list[tuple[str, str | None]]:
    blank = measurement.blank
    return [] if blank is None else list(zip(blank.paths, blank.sha256, strict=True))


def _concentration_row(name: str, estimate: Estimate, note: str = "") -> ConcentrationRow:
    return ConcentrationRow(name, fmt.scientific(estimate.value), fmt.scientific_interval(estimate), note)


def value_row(name: str, sourced: Sourced, names: Container[str] = ()) -> ValueRow:
    """Return one value as text with its unit and origin, told from the ``names`` of all values of its measurement.

    What nobody stated of how the capture was taken is assumed, and may be wrong; what nobody stated of how to compute
    is a default, which the result keeps to.
    """
    label, unit = fmt.label(name)
    text = fmt.plain(sourced.value, name)
    is_unstated = sourced.origin == "assumed"
    origin = fmt.origin_of(name, sourced.origin, names)
    return ValueRow(
        name=name,
        label=label,
        text=text,
        unit=unit if sourced.value is not None else "",
        origin=fmt.DEFAULT if is_unstated and name not in _CONDITIONS else origin,
        is_assumed=is_unstated and name in _CONDITIONS and sourced.value is not None,
    )


def _file_name(path: str) -> str:
    return PurePath(path).name or path


def _flow(capture: Capture) -> str:
    if capture.flow_um_s is None:
        return fmt.MISSING
    return ", ".join(fmt.fixed(component) for component in capture.flow_um_s)


def _figure_text(measurement: Measurement) -> str:
    """Return the figure in words, for those who cannot see it."""
    size = measurement.size
    parts = [
        f"{name} {fmt.fixed(estimate.value)} nm"
        for name, estimate in (("mode", size.mode), ("D10", size.d10), ("D50", size.d50), ("D90", size.d90))
        if not estimate.is_missing
    ]
    return "Number-weighted size distribution with its 95 % band (sampling error alone); " + ", ".join(parts) + "."


def _shape(measurement: Measurement) -> str:
    """Return what a reader must know of sharp peaks: their width is a bound, not a measurement; empty for a curve."""
    n_lines = measurement.distribution.n_lines
    if n_lines == 0 or measurement.distribution.method != "penalised":
        return ""
    sizes = "one narrow size" if n_lines == 1 else f"{('two', 'three')[n_lines - 2]} narrow sizes"
    return f"The tracks are explained by {sizes}; how narrow, they hardly tell: the band holds what is possible."
