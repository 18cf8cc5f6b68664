"""Which dilutions can be used: the longest run of neighbours that agree and are neither crowded nor sparse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from nta.dilutions.linearity import common_stock, line_of, own_error
from nta.dilutions.noun import Dilution, UsableRange

UNUSABLE: Final[dict[str, str]] = {
    "crowded": "crowded",
    "sparse": "sparse",
    "few_tracks": "too sparse to size",
    "below_detection": "below detection",
    "below_blank": "not above the blank",
}
"""Flags of a measurement with which a dilution is not used, and their words."""

DISAGREEMENT_LEVEL: Final = 0.05
TOLERANCE: Final = 0.10
"""Deviation from the common stock that changes no decision: captures of one sample differ by 11 % (median CV)."""


def unusable_flag(dilution: Dilution) -> str | None:
    """Return the first of :data:`UNUSABLE` that a dilution carries."""
    return next((code for code in UNUSABLE if code in dilution.flags), None)


def usable_range(dilutions: Sequence[Dilution], excess_error: float = 0.0) -> UsableRange | None:
    """Return the longest run of neighbouring dilutions that can be used, of equal runs that of the smallest error.

    A run agrees when the chi-square of its stocks about their common value is no rarer than 5 % and the interval of
    its slope holds 1, or when no stock is more than 10 % from the common value. One dilution agrees with nothing.

    Parameters
    ----------
    dilutions : sequence of Dilution
        All of the series, in order; what has no concentration or carries a flag of :data:`UNUSABLE` ends a run.
    excess_error : float
        As in :func:`nta.dilutions.linearity.line_of`.
    """
    for length in range(len(dilutions), 1, -1):
        runs = [dilutions[start : start + length] for start in range(len(dilutions) - length + 1)]
        found = [(own_error(run), one) for run in runs if (one := _range_of(run, excess_error)) is not None]
        if found:
            return min(found, key=lambda pair: pair[0])[1]
    return None


def _range_of(run: Sequence[Dilution], excess_error: float) -> UsableRange | None:
    """Return what a run says, or ``None`` where it cannot be used."""
    if any(not one.is_known or unusable_flag(one) is not None for one in run):
        return None
    line, stock = line_of(run, excess_error), common_stock(run, excess_error)
    is_within_errors = line.p_constant >= DISAGREEMENT_LEVEL and line.slope.low <= 1.0 <= line.slope.high
    if not is_within_errors and max(abs(deviation(one, stock.value)) for one in run) > TOLERANCE:
        return None
    return UsableRange(run[0].factor, run[-1].factor, len(run), line, stock, is_within_errors)


def deviation(dilution: Dilution, stock_per_ml: float) -> float:
    """Return a dilution's stock over another, less 1; NaN without a concentration."""
    return dilution.measured.value * dilution.factor / stock_per_ml - 1.0 if dilution.is_known else math.nan
