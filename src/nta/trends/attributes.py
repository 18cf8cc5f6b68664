"""Measurements, or bead checks, with their dates -> Series: what can be followed over lots and days."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from nta.errors import UsageError
from nta.measurement import Measurement
from nta.trends.series import Point, Series


class Attribute(NamedTuple):
    """A number of a result: its name for people, its unit, and where it stands."""

    label: str
    unit: str
    value: Callable[[Measurement], float]


def _stock(measurement: Measurement) -> float:
    stock = measurement.concentration.stock
    return math.nan if stock is None else stock.value


ATTRIBUTES: Final[dict[str, Attribute]] = {
    "mode_nm": Attribute("mode", "nm", lambda one: one.size.mode.value),
    "d10_nm": Attribute("D10", "nm", lambda one: one.size.d10.value),
    "d50_nm": Attribute("D50", "nm", lambda one: one.size.d50.value),
    "d90_nm": Attribute("D90", "nm", lambda one: one.size.d90.value),
    "span": Attribute("span", "", lambda one: one.size.span.value),
    "measured_per_ml": Attribute(
        "concentration in the cell", "particles/mL", lambda one: one.concentration.measured.value
    ),
    "stock_per_ml": Attribute("concentration of the stock", "particles/mL", _stock),
}
"""The numbers of a result that can be followed, number-weighted."""

_PLACES: Final[dict[str, tuple[str, str]]] = {
    **{f"{name}_nm": ("size_nm", name) for name in ("mode", "d10", "d50", "d90")},
    "span": ("size_nm", "span"),
    "measured_per_ml": ("concentration_per_ml", "measured"),
    "stock_per_ml": ("concentration_per_ml", "stock"),
}
"""Where they stand in ``summary.json``."""


def measured_series(attribute: str, dated: Iterable[tuple[datetime, str, Measurement]]) -> Series:
    """Return an attribute of measurements over time.

    Parameters
    ----------
    attribute : str
        A key of :data:`ATTRIBUTES`.
    dated : iterable of (datetime, str, Measurement)
        When the sample was taken, the name of the record, and its result. A result without the attribute (rejected,
        blank, no dilution) is a point without a value.

    Raises
    ------
    UsageError
        If the attribute is not known.
    """
    label, unit, value = _attribute(attribute)
    return Series(label, unit, tuple(Point(date, value(one), record) for date, record, one in dated))


def recorded_series(attribute: str, dated: Iterable[tuple[datetime, str, Mapping[str, Any]]]) -> Series:
    """Return an attribute of results over time, from their summaries as a store keeps them.

    Parameters
    ----------
    attribute : str
        A key of :data:`ATTRIBUTES`.
    dated : iterable of (datetime, str, mapping)
        When the sample was taken, the name of the record, and its ``summary.json``; an empty mapping is a result that
        does not count, and a point without a value.

    Raises
    ------
    UsageError
        If the attribute is not known.
    """
    label, unit, _ = _attribute(attribute)
    return Series(label, unit, tuple(Point(date, _stated(one, attribute), record) for date, record, one in dated))


def _attribute(name: str) -> Attribute:
    if name not in ATTRIBUTES:
        raise UsageError(f"no attribute {name!r} can be followed; there are {', '.join(ATTRIBUTES)}")
    return ATTRIBUTES[name]


def _stated(summary: Mapping[str, Any], attribute: str) -> float:
    block, name = _PLACES[attribute]
    estimate = summary.get(block, {}).get(name)
    return math.nan if estimate is None or estimate["value"] is None else float(estimate["value"])


BEAD_UNITS: Final[dict[str, str]] = {
    "constant_um": "µm",
    "mpp_from_beads": "µm/px",
    "localisation_error_nm": "nm",
}
"""Columns of the trend record of ``nta calibrate`` that can be followed, with their units."""


def bead_series(column: str, rows: Iterable[Mapping[str, str]]) -> Series:
    """Return a number of the bead checks over time; the record of each is the time at which it was made.

    Parameters
    ----------
    column : str
        A key of :data:`BEAD_UNITS`.
    rows : iterable of mapping
        Lines of a trend record (``FILE.trend.csv``), as ``csv.DictReader`` gives them; an empty cell is no value.

    Raises
    ------
    UsageError
        If the column cannot be followed, or a line does not have it.
    """
    if column not in BEAD_UNITS:
        raise UsageError(f"no column {column!r} of a bead check can be followed; there are {', '.join(BEAD_UNITS)}")
    points = []
    for number, row in enumerate(rows, 1):
        try:
            made, cell = row["made_utc"], row[column]
            points.append(Point(datetime.fromisoformat(made), float(cell) if cell else math.nan, made))
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"line {number} is not of a trend record of nta calibrate ({error}); give its file"
            ) from None
    return Series(f"beads: {column}", BEAD_UNITS[column], tuple(points))
